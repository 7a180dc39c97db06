;; Divides by zero.
(func $harm (param $count i32) (result i32)
  (i32.div_u (i32.const 1) (i32.load (i32.const 4000))))
