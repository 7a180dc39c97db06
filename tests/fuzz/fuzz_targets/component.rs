//! Component files: what is looked at before anything is compiled.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| e2e::untrusted::component(bytes));
