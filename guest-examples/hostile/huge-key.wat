;; Writes a key of 60,000 bytes.
(func $harm (param $count i32) (result i32)
  (call $put (i32.const 0) (i32.const 60000) (i32.const 0) (i32.const 0) (i32.const 0))
  (i32.const 0))
