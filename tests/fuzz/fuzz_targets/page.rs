//! Pages of a publisher: NDJSON lines of both protocols.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| e2e::untrusted::page(bytes));
