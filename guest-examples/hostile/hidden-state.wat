;; Counts in a global, and says whether it counted more than a batch may have: then the global outlived its batch.
(global $seen (mut i32) (i32.const 0))
(func $harm (param $count i32) (result i32)
  (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
  (i32.store8 (i32.const 4096) (i32.add (i32.const 48) (i32.gt_u (global.get $seen) (local.get $count))))
  (i32.const 1))
