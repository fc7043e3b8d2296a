//! Fuzzes the safetensors reader against the safetensors crate: both must read an accepted file alike.
#![no_main]

use phicam_fuzz::{builders, check};

use safetensors::{Dtype, SafeTensors};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // Input that starts with a brace is a header up to its first zero byte, then data. Its length is prepended here,
    // because random lengths are hardly ever right.
    let bytes = match input.first() {
        Some(b'{') => {
            let mut parts = input.splitn(2, |&byte| byte == 0);
            builders::safetensors(parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        }
        _ => input.to_vec(),
    };
    let Some(weights) = check::read(&bytes) else { return };
    if weights.format() != "safetensors" {
        return;
    }
    let reference = SafeTensors::deserialize(&bytes).expect("the crate reads an accepted file");
    assert_eq!(reference.len(), weights.names().count());
    for (name, tensor) in reference.tensors() {
        // The reader strips the prefix `module.` if all names have it.
        let stripped = name.strip_prefix("module.").unwrap_or(&name);
        let name = if weights.shape(&name).is_some() { &name } else { stripped };
        assert_eq!(weights.shape(name), Some(tensor.shape()), "{name}");
        if tensor.dtype() == Dtype::F32 {
            let floats = weights.values(name).unwrap();
            let is_equal = floats.iter().flat_map(|value| value.to_le_bytes()).eq(tensor.data().iter().copied());
            // A signalling NaN may become a quiet one.
            assert!(is_equal || floats.iter().any(|value| value.is_nan()), "{name}");
        }
    }
});
