;; Asks what time it is in the world, and says whether it is the beginning of 1970.
(import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
(func $harm (param $count i32) (result i32)
  (i64.store (i32.const 2048) (i64.const 1))
  (drop (call $time (i32.const 0) (i64.const 0) (i32.const 2048)))
  (i32.store8 (i32.const 4096) (i32.add (i32.const 48) (i64.eqz (i64.load (i32.const 2048)))))
  (i32.const 1))
