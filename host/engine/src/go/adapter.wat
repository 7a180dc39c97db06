;; The first preview of WASI, as modules of the Go compiler need it.
;;
;; Go's runtime calls WASI at any time, also while the host lowers arguments into its memory (`cabi_realloc` may collect
;; garbage, which reads the clock). At that time a component must not call its imports. So everything is answered in here, but for
;; what is printed and for the exit. There is no memory and no stack of its own, so nothing is allocated either.
;;
;; Numbers of WASI: 8 is EBADF, 44 ENOENT, 52 ENOSYS, 58 ENOTSUP.
(module
  (import "env" "memory" (memory 0))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get_stdout (result i32)))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $get_stderr (result i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param $stream i32) (param $text i32) (param $len i32) (param $result i32)))

  ;; Nanoseconds since 1970: both clocks. A reading moves it, as in the virtual WASI 0.2, and so does a wait.
  (global $now (mut i64) (i64.const 0))
  ;; The seed of what passes for random: good for hash maps, useless for secrets.
  (global $dice (mut i64) (i64.const 0x7469_6465_6d69_6c6c))
  ;; Whether the module is within `cabi_realloc`, as Go's bindings say: imports must not be called.
  (global $within_realloc (mut i32) (i32.const 0))
  ;; The outputs, -1 before the first use.
  (global $stdout (mut i32) (i32.const -1))
  (global $stderr (mut i32) (i32.const -1))

  (func (export "adapter_monotonic_clock_set_paused") (param $paused i32)
    (global.set $within_realloc (local.get $paused)))

  ;; Output

  (func $stream (param $fd i32) (result i32)
    (if (i32.eq (local.get $fd) (i32.const 1))
      (then
        (if (i32.eq (global.get $stdout) (i32.const -1)) (then (global.set $stdout (call $get_stdout))))
        (return (global.get $stdout))))
    (if (i32.eq (global.get $stderr) (i32.const -1)) (then (global.set $stderr (call $get_stderr))))
    (global.get $stderr))

  ;; The call's result needs 12 bytes of the module's memory. They are borrowed at 16, and put back.
  (func $print (param $fd i32) (param $text i32) (param $len i32) (local $first i64) (local $rest i32)
    (if (i32.or (i32.eqz (local.get $len)) (global.get $within_realloc)) (then (return)))
    (local.set $first (i64.load (i32.const 16)))
    (local.set $rest (i32.load (i32.const 24)))
    (call $write (call $stream (local.get $fd)) (local.get $text) (local.get $len) (i32.const 16))
    (i64.store (i32.const 16) (local.get $first))
    (i32.store (i32.const 24) (local.get $rest)))

  (func (export "fd_write") (param $fd i32) (param $iov i32) (param $count i32) (param $written i32) (result i32)
    (local $sum i32) (local $len i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $len (i32.load offset=4 (local.get $iov)))
        (call $print (local.get $fd) (i32.load (local.get $iov)) (local.get $len))
        (local.set $sum (i32.add (local.get $sum) (local.get $len)))
        (local.set $iov (i32.add (local.get $iov) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))

  ;; 0 to 2 are character devices, of which the first is at its end.
  (func (export "fd_fdstat_get") (param $fd i32) (param $stat i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store (local.get $stat) (i64.const 2))
    (i64.store offset=8 (local.get $stat) (i64.const -1))
    (i64.store offset=16 (local.get $stat) (i64.const 0))
    (i32.const 0))

  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  (func (export "proc_exit") (param $code i32)
    (if (i32.eqz (global.get $within_realloc)) (then (call $exit (i32.ne (local.get $code) (i32.const 0)))))
    (unreachable))

  (func (export "proc_raise") (param i32) (result i32) (unreachable))

  ;; Time and dice

  (func $tick (result i64)
    (global.set $now (i64.add (global.get $now) (i64.const 1000)))
    (global.get $now))

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $time i32) (result i32)
    (i64.store (local.get $time) (call $tick))
    (i32.const 0))

  (func (export "clock_res_get") (param $clock i32) (param $resolution i32) (result i32)
    (i64.store (local.get $resolution) (i64.const 1000))
    (i32.const 0))

  ;; Marsaglia's xorshift64, a byte at a time.
  (func (export "random_get") (param $into i32) (param $len i32) (result i32) (local $x i64)
    (local.set $x (global.get $dice))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $len)))
        (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
        (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
        (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
        (i64.store8 (local.get $into) (i64.shr_u (local.get $x) (i64.const 32)))
        (local.set $into (i32.add (local.get $into) (i32.const 1)))
        (local.set $len (i32.sub (local.get $len) (i32.const 1)))
        (br $next)))
    (global.set $dice (local.get $x))
    (i32.const 0))

  ;; When a subscription to a clock is due: `timeout` from now on, or at it, as its flag says.
  (func $due (param $subscription i32) (result i64)
    (if (i32.and (i32.load16_u offset=40 (local.get $subscription)) (i32.const 1))
      (then (return (i64.load offset=24 (local.get $subscription)))))
    (i64.add (global.get $now) (i64.load offset=24 (local.get $subscription))))

  ;; Waits for the first of some clocks, which is over at once: the clock moves to it. One event is given, that of this clock.
  ;; Files are never ready, as there are none.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (local $first i32) (local $at i64) (local $this i64)
    (local.set $at (i64.const -1))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (if (i32.eqz (i32.load8_u offset=8 (local.get $in)))
          (then
            (local.set $this (call $due (local.get $in)))
            (if (i64.lt_u (local.get $this) (local.get $at))
              (then (local.set $at (local.get $this)) (local.set $first (local.get $in))))))
        (local.set $in (i32.add (local.get $in) (i32.const 48)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $events) (i32.const 0))
    (if (i32.eqz (local.get $first)) (then (return (i32.const 58))))
    (if (i64.gt_u (local.get $at) (global.get $now)) (then (global.set $now (local.get $at))))
    (i64.store (local.get $out) (i64.load (local.get $first)))
    (i64.store offset=8 (local.get $out) (i64.const 0))
    (i64.store offset=16 (local.get $out) (i64.const 0))
    (i64.store offset=24 (local.get $out) (i64.const 0))
    (i32.store (local.get $events) (i32.const 1))
    (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; No arguments and no environment

  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  ;; No files

  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_close") (param i32) (result i32) (i32.const 0))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 44))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 44))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 44))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 44))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 44))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 44))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 44))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 44))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 44))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 44))

  ;; No sockets

  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 52)))
