;; Writes a value of 120,000 bytes.
(data (i32.const 2048) "huge")
(func $harm (param $count i32) (result i32)
  (call $put (i32.const 2048) (i32.const 4) (i32.const 0) (i32.const 4096) (i32.const 120000))
  (i32.const 0))
