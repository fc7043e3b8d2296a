//! Fuzzes the reader of the legacy torch.save format.
#![no_main]

use phicam_fuzz::{builders, check};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // Input that does not start like a pickle is appended to a valid start, so that the fuzzer need not guess the magic
    // number.
    let bytes = match input.first() {
        Some(0x80) => input.to_vec(),
        _ => [builders::legacy_start(true), input.get(1..).unwrap_or_default().to_vec()].concat(),
    };
    check::read(&bytes);
});
