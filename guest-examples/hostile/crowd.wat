;; Costs more, the more events there are in its batch: alone no event costs too much.
(func $harm (param $count i32) (result i32) (local $turns i32)
  (local.set $turns (i32.mul (local.get $count) (i32.const 400000)))
  (loop $again (br_if $again (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
  (i32.const 0))
