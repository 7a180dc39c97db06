;; What every hostile component has around its harm: the contract's imports, memory, an allocator that only goes forward, and `process`.
;;
;; Every event is written under its own payload first. One whose payload begins with `"h` then has its `$harm` done: it is given the
;; number of events of the batch, and gives the length of the text at 4096 that says what it saw, or -1 to return what lies at 32768.
(module (@name "hostile")
  (import "tidemill:processor/state@0.1.0" "get" (func $get (param i32 i32 i32)))
  (import "tidemill:processor/state@0.1.0" "scan" (func $scan (param i32 i32 i32 i32 i32 i32 i32)))
  (import "tidemill:processor/state@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
  (import "tidemill:processor/state@0.1.0" "delete" (func $delete (param i32 i32)))
  (import "tidemill:processor/state@0.1.0" "apply" (func $apply (param i32 i32)))
  (import "tidemill:processor/log@0.1.0" "enabled" (func $log-enabled (param i32) (result i32)))
  (import "tidemill:processor/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  ;; IMPORTS
  (memory (export "memory") 4)
  (global $top (mut i32) (i32.const 131072))
  (func $alloc (param $align i32) (param $size i32) (result i32) (local $at i32)
    (global.set $top (i32.and
      (i32.sub (i32.add (global.get $top) (local.get $align)) (i32.const 1))
      (i32.sub (i32.const 0) (local.get $align))))
    (local.set $at (global.get $top))
    (global.set $top (i32.add (global.get $top) (local.get $size)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1)
            (i32.shr_u (i32.sub (global.get $top) (i32.mul (memory.size) (i32.const 65536))) (i32.const 16)))))
        (then (unreachable))))
    (local.get $at))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $alloc (local.get 2) (local.get 3)))
  (func (export "cabi_post_tidemill:processor/handler@0.1.0#process") (param i32)
    (global.set $top (i32.const 131072)))
  (func (export "tidemill:processor/handler@0.1.0#process")
    (param $feed i32) (param $feed-len i32) (param $partition i32) (param $partition-len i32)
    (param $events i32) (param $count i32) (result i32)
    (local $i i32) (local $event i32) (local $text i32) (local $len i32) (local $seen i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $i) (local.get $count)))
      (local.set $event (i32.add (local.get $events) (i32.mul (local.get $i) (i32.const 72))))
      (local.set $text (i32.load offset=4 (local.get $event)))
      (local.set $len (i32.load offset=8 (local.get $event)))
      (call $put (local.get $text) (local.get $len) (i32.const 0) (i32.const 0) (i32.const 0))
      (if (i32.eq (i32.load8_u offset=1 (local.get $text)) (i32.const 104))
        (then
          (local.set $seen (call $harm (local.get $count)))
          (if (i32.eq (local.get $seen) (i32.const -1)) (then (return (i32.const 32768))))
          (call $put (local.get $text) (local.get $len) (i32.const 0) (i32.const 4096) (local.get $seen))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (i32.const 32768))
  ;; HARM
)
