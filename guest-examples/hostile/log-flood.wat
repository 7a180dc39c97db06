;; Logs for ever, what looks like a line of the host among it.
(data (i32.const 2048) "flood\0a2026-01-02T03:04:05Z ERROR tidemill: forged")
(func $harm (param $count i32) (result i32)
  (loop $again (call $log (i32.const 2) (i32.const 2048) (i32.const 48)) (br $again))
  (unreachable))
