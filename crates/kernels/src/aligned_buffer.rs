//! Memory for f32, aligned to cache lines, zero at first, that threads share by place.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

const LINE: usize = 64;

/// See the module.
pub struct Memory {
    start: *mut f32,
    values: usize,
    /// What was allocated, `start` within it.
    base: *mut u8,
}

// SAFETY: it is only memory. Who writes where is agreed on by those who have pointers into it.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// `values` zeros.
    pub fn new(values: usize) -> Memory {
        let layout = Memory::layout(values);
        // SAFETY: the layout has at least one line.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: the layout has a line more than the values need.
        let start = unsafe { base.add(base.addr().next_multiple_of(LINE) - base.addr()) }.cast();
        Memory { start, values, base }
    }

    /// A copy of `values`, with zeros behind it up to `length`.
    pub fn of(values: &[f32], length: usize) -> Memory {
        let mut memory = Memory::new(length.max(values.len()));
        memory.values_mut()[..values.len()].copy_from_slice(values);
        memory
    }

    fn layout(values: usize) -> Layout {
        // Aligned here and not by the allocator, which would fill fresh pages with zeros that are there.
        let bytes = values.checked_mul(size_of::<f32>()).and_then(|bytes| bytes.checked_next_multiple_of(LINE));
        let layout = bytes.and_then(|bytes| Layout::from_size_align(bytes.checked_add(LINE)?, align_of::<f32>()).ok());
        layout.expect("a network's memory is far below the address space: `Convolution::output` sees to that")
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values
    }

    /// The place of value `at`, to be read from and written to as long as this is there.
    pub fn at(&self, at: usize) -> *mut f32 {
        assert!(at <= self.values, "value {at} of {}", self.values);
        // SAFETY: within the memory, or just behind it.
        unsafe { self.start.add(at) }
    }

    pub fn values(&self) -> &[f32] {
        // SAFETY: all of it is there and was zero at first; who shares it by place does not ask for this meanwhile.
        unsafe { std::slice::from_raw_parts(self.start, self.values) }
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: all of it is there, was zero at first, and nobody else has it now.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.values) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout.
        unsafe { dealloc(self.base, Memory::layout(self.values)) }
    }
}
