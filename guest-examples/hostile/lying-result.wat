;; Rejects an event for a reason that it says has two thousand million bytes.
(func $harm (param $count i32) (result i32)
  (i32.store8 (i32.const 32768) (i32.const 1)) (i32.store8 (i32.const 32776) (i32.const 1))
  (i32.store (i32.const 32784) (i32.const 0))
  (i32.store (i32.const 32788) (i32.const 2048)) (i32.store (i32.const 32792) (i32.const 0x7fffffff))
  (i32.const -1))
