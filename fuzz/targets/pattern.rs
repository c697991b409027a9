//! `make fuzz`: see `tests/fuzz/oracles.rs` for what must hold.
#![no_main]

#[path = "../../tests/fuzz/oracles.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| oracles::pattern(input));
