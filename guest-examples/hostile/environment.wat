;; Counts the variables of the environment, and the arguments.
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
(func $harm (param $count i32) (result i32)
  (drop (call $environ (i32.const 2048) (i32.const 2060)))
  (drop (call $args (i32.const 2052) (i32.const 2060)))
  (i32.store8 (i32.const 4096) (i32.add (i32.const 48) (i32.load (i32.const 2048))))
  (i32.store8 (i32.const 4097) (i32.add (i32.const 48) (i32.load (i32.const 2052))))
  (i32.const 2))
