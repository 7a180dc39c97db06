;; Loops before it can be called at all.
(func $forever (loop $again (br $again)))
(start $forever)
(func $harm (param $count i32) (result i32) (i32.const 0))
