//! Fuzzes the reader of ONNX files: any bytes may be refused, but none may panic or take much memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phicam_model::onnx::inspect::{Facts, SLACK_BYTES};

fuzz_target!(|bytes: &[u8]| {
    let mut said = None;
    let memory = allocation_counter::measure(|| {
        said = Some(Facts::of(bytes).map_err(|error| error.to_string()));
    });
    // The file's own bytes are the caller's; what is decoded may take their size again and the slack, twice over while
    // the graph is made out of it.
    let limit = bytes.len() as u64 + 2 * SLACK_BYTES;
    assert!(memory.bytes_max <= limit, "took {} bytes for a file of {}", memory.bytes_max, bytes.len());
    match said {
        Some(Ok(facts)) => {
            assert!(facts.classes >= 2);
            let _ = facts.million_macs(64).map_err(|error| error.to_string());
        }
        Some(Err(error)) => assert!(error.len() < 2000, "{error}"),
        None => unreachable!(),
    }
});
