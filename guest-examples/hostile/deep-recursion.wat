;; Calls itself for ever.
(func $harm (param $count i32) (result i32)
  (i32.add (call $harm (local.get $count)) (call $harm (local.get $count))))
