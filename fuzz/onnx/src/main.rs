//! Fuzzes the ONNX inspection: any input may be refused, but must not panic or exceed the memory limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phicam_model::onnx::inspect::{ModelInfo, SLACK_BYTES};

fuzz_target!(|bytes: &[u8]| {
    let mut result = None;
    let memory = allocation_counter::measure(|| {
        result = Some(ModelInfo::from_onnx(bytes).map_err(|error| error.to_string()));
    });
    // The caller owns the file's bytes. The decoded model may take the file's size and the slack, and a second slack
    // while the graph is built from it.
    let limit = bytes.len() as u64 + 2 * SLACK_BYTES;
    assert!(memory.bytes_max <= limit, "took {} bytes for a file of {}", memory.bytes_max, bytes.len());
    match result {
        Some(Ok(info)) => {
            assert!(info.classes >= 2);
            let _ = info.million_macs(64).map_err(|error| error.to_string());
        }
        Some(Err(error)) => assert!(error.len() < 2000, "{error}"),
        None => unreachable!(),
    }
});
