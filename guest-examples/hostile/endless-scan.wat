;; Reads its whole state, for ever.
(func $harm (param $count i32) (result i32) (local $top i32)
  (local.set $top (global.get $top))
  (loop $again
    (call $scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4096))
    (global.set $top (local.get $top))
    (br $again))
  (unreachable))
