;; Opens a socket, and says the error: 1 is that access is denied.
(import "wasi:sockets/tcp-create-socket@0.2.3" "create-tcp-socket" (func $tcp (param i32 i32)))
(func $harm (param $count i32) (result i32)
  (call $tcp (i32.const 0) (i32.const 2048))
  (i32.store8 (i32.const 4096) (i32.const 48))
  (if (i32.load8_u (i32.const 2048))
    (then (i32.store8 (i32.const 4096) (i32.add (i32.const 48) (i32.load8_u (i32.const 2052))))))
  (i32.const 1))
