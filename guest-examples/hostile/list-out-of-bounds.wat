;; Says that it has a list of a hundred million writes.
(func $harm (param $count i32) (result i32)
  (call $apply (i32.const 0) (i32.const 100000000))
  (i32.const 0))
