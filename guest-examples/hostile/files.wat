;; Opens /etc/passwd in the first directory that it was given, and says the error: 8 is that there is no such directory.
(import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
(data (i32.const 2048) "etc/passwd")
(func $harm (param $count i32) (result i32)
  (i32.store8 (i32.const 4096) (i32.add (i32.const 48) (call $open
    (i32.const 3) (i32.const 0) (i32.const 2048) (i32.const 10) (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0)
    (i32.const 2100))))
  (i32.const 1))
