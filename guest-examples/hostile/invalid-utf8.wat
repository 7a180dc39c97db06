;; Deletes a key that is not UTF-8.
(data (i32.const 2048) "a\ff")
(func $harm (param $count i32) (result i32)
  (call $delete (i32.const 2048) (i32.const 2))
  (i32.const 0))
