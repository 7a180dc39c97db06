;; Sleeps for an hour, and says whether the clock agrees.
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
(func $harm (param $count i32) (result i32)
  (drop (call $time (i32.const 1) (i64.const 0) (i32.const 2048)))
  ;; One subscription: the monotonic clock, in 3,600 s.
  (i32.store (i32.const 3016) (i32.const 1)) (i64.store (i32.const 3024) (i64.const 3600000000000))
  (drop (call $poll (i32.const 3000) (i32.const 3200) (i32.const 1) (i32.const 3300)))
  (drop (call $time (i32.const 1) (i64.const 0) (i32.const 2056)))
  (i32.store8 (i32.const 4096) (i32.add (i32.const 48) (i64.ge_u
    (i64.sub (i64.load (i32.const 2056)) (i64.load (i32.const 2048))) (i64.const 3600000000000))))
  (i32.const 1))
