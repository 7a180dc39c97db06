;; Computes for ever.
(func $harm (param $count i32) (result i32) (loop $again (br $again)) (unreachable))
