//! Fuzzes the reader of PyTorch's zip form: the zip as it is, or a pickle that is put into a sound one.
#![no_main]

use phicam_fuzz::{check, made};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let bytes = match input {
        [b'P', b'K', ..] => input.to_vec(),
        // Storages of all the sizes that the samples have, up to what a mutation makes of them.
        _ => {
            let storages = [4, 8, 12, 24, 40, 48, 96, 480].map(|size| vec![0x3f; size]);
            let keys = ["0", "1", "2", "3", "4", "5", "6", "7"];
            made::torch_zip(input, &keys.into_iter().zip(storages).collect::<Vec<_>>())
        }
    };
    check::read(&bytes);
});
