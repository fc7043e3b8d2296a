//! Fuzzes the reader of safetensors against the safetensors crate: what it accepts, the crate reads alike.
#![no_main]

use phicam_fuzz::{check, made};

use safetensors::{Dtype, SafeTensors};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // From a brace on, the length is put before what ends at the first zero byte: otherwise hardly any is right.
    let bytes = match input.first() {
        Some(b'{') => {
            let mut parts = input.splitn(2, |&byte| byte == 0);
            made::safetensors(parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        }
        _ => input.to_vec(),
    };
    let Some(weights) = check::read(&bytes) else { return };
    if weights.form() != "safetensors" {
        return;
    }
    let theirs = SafeTensors::deserialize(&bytes).expect("the crate reads what we read");
    assert_eq!(theirs.len(), weights.names().count());
    for (name, tensor) in theirs.tensors() {
        // We strip what all names begin with.
        let stripped = name.strip_prefix("module.").unwrap_or(&name);
        let name = if weights.shape(&name).is_some() { &name } else { stripped };
        assert_eq!(weights.shape(name), Some(tensor.shape()), "{name}");
        if tensor.dtype() == Dtype::F32 {
            let floats = weights.values(name).unwrap();
            let same = floats.iter().flat_map(|value| value.to_le_bytes()).eq(tensor.data().iter().copied());
            // A signalling NaN may come back as a quiet one.
            assert!(same || floats.iter().any(|value| value.is_nan()), "{name}");
        }
    }
});
