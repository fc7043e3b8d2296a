//! Invariants of the readers for any input.

use std::cell::RefCell;

use phicam_checkpoint::{Weights, WeightsError};

/// Parses `bytes`: they may be refused, but parsing must not panic or take more memory than twice their size and 4 MiB.
pub fn read(bytes: &[u8]) -> Option<Weights> {
    let result: RefCell<Option<Result<Weights, WeightsError>>> = RefCell::new(None);
    let memory = allocation_counter::measure(|| {
        result.replace(Some(Weights::parse(bytes.to_vec(), "fuzz")));
    });
    let limit = 2 * u64::try_from(bytes.len()).unwrap() + (4 << 20);
    assert!(memory.bytes_max <= limit, "took {} bytes for a file of {}", memory.bytes_max, bytes.len());
    match result.take()? {
        Ok(weights) => {
            check(&weights, bytes.len());
            Some(weights)
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("fuzz: "), "{message}");
            assert!(message.len() < 1000, "{message}");
            None
        }
    }
}

/// Asserts that the parsed tensors are consistent with each other and with the file's size.
fn check(weights: &Weights, bytes: usize) {
    let names: Vec<&str> = weights.names().collect();
    assert!(names.is_sorted_by(|a, b| a < b), "names are sorted and unique");
    // Many names may share one storage: a bound of 4 Mi elements keeps a run short.
    let mut left = 4 << 20;
    for name in names {
        let count: usize = weights.shape(name).unwrap().iter().product();
        assert!(count <= bytes, "{name} has more elements than the file has bytes");
        match weights.values(name) {
            Ok(values) => assert_eq!(values.len(), count, "{name}"),
            Err(error) => assert!(matches!(error.kind(), WeightsError::NotFloats { .. }), "{error}"),
        }
        left -= count.min(left);
        if left == 0 {
            break;
        }
    }
}
