;; Deletes a key that lies outside of its memory.
(func $harm (param $count i32) (result i32)
  (call $delete (i32.const -16) (i32.const 100))
  (i32.const 0))
