//! Fuzzes the reader of torch.save zips: the input is a zip, or a pickle to put into a valid zip.
#![no_main]

use phicam_fuzz::{builders, check};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let bytes = match input {
        [b'P', b'K', ..] => input.to_vec(),
        // Storages of all sizes in bytes that the seed files use.
        _ => {
            let storages = [4, 8, 12, 24, 40, 48, 96, 480].map(|size| vec![0x3f; size]);
            let keys = ["0", "1", "2", "3", "4", "5", "6", "7"];
            builders::torch_zip(input, &keys.into_iter().zip(storages).collect::<Vec<_>>())
        }
    };
    check::read(&bytes);
});
