;; Takes 16 bytes after 16 bytes, and writes into each.
(func $harm (param $count i32) (result i32)
  (loop $again
    (i32.store (call $alloc (i32.const 8) (i32.const 16)) (i32.const 1))
    (br $again))
  (unreachable))
