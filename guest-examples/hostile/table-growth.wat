;; Takes table elements until they are refused, and traps over that.
(table $table 1 funcref)
(func $harm (param $count i32) (result i32)
  (loop $again (br_if $again (i32.ne (i32.const -1) (table.grow $table (ref.null func) (i32.const 5000)))))
  (unreachable))
