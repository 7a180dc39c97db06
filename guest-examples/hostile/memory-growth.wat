;; Takes memory until it is refused, and traps over that.
(func $harm (param $count i32) (result i32)
  (loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 4)))))
  (unreachable))
