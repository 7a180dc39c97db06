//! Configuration files.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| e2e::untrusted::configuration(bytes));
