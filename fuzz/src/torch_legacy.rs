//! Fuzzes the reader of PyTorch's older form.
#![no_main]

use phicam_fuzz::{check, made};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // Without a pickle's first byte, the input is what follows a sound start: the magic number need not be guessed.
    let bytes = match input.first() {
        Some(0x80) => input.to_vec(),
        _ => [made::legacy_start(true), input.get(1..).unwrap_or_default().to_vec()].concat(),
    };
    check::read(&bytes);
});
