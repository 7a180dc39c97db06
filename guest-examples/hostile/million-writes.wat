;; Writes a million keys.
(func $harm (param $count i32) (result i32) (local $i i32)
  (loop $again
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (i32.store8 (i32.const 2048) (i32.and (local.get $i) (i32.const 127)))
    (i32.store8 (i32.const 2049) (i32.and (i32.shr_u (local.get $i) (i32.const 7)) (i32.const 127)))
    (i32.store8 (i32.const 2050) (i32.and (i32.shr_u (local.get $i) (i32.const 14)) (i32.const 127)))
    (call $put (i32.const 2048) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0))
    (br_if $again (i32.lt_u (local.get $i) (i32.const 1000000))))
  (i32.const 0))
