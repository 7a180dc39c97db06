;; Declares an import that no setting grants.
(import "wasi:http/outgoing-handler@0.2.3" "handle" (func $handle))
(func $harm (param $count i32) (result i32) (call $handle) (i32.const 0))
