//! Zero-initialised f32 buffers, aligned to cache lines, to which several threads write at disjoint positions.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

/// Bytes of a cache line on x86-64 and on ARM Cortex-A cores.
const CACHE_LINE: usize = 64;

/// Buffer of f32 values that starts on a cache line.
pub struct AlignedBuffer {
    start: *mut f32,
    values: usize,
    /// Start of the allocation, which contains `start`.
    base: *mut u8,
}

// SAFETY: the buffer owns its memory. Holders of pointers into it agree on who writes where.
unsafe impl Send for AlignedBuffer {}
// SAFETY: shared access hands out pointers only; holders of these agree on who writes where.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    /// Allocates `values` zeros.
    pub fn new(values: usize) -> AlignedBuffer {
        let layout = AlignedBuffer::layout(values);
        // SAFETY: the layout has at least one cache line, so its size is not zero.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: the layout has one cache line more than the values need.
        let start = unsafe { base.add(base.addr().next_multiple_of(CACHE_LINE) - base.addr()) }.cast();
        AlignedBuffer { start, values, base }
    }

    /// Copies `values` and appends zeros up to `length`.
    pub fn from_slice(values: &[f32], length: usize) -> AlignedBuffer {
        let mut buffer = AlignedBuffer::new(length.max(values.len()));
        buffer.values_mut()[..values.len()].copy_from_slice(values);
        buffer
    }

    fn layout(values: usize) -> Layout {
        // The start is aligned here: for an aligned layout the allocator would clear pages that are zero already.
        let bytes = values.checked_mul(size_of::<f32>()).and_then(|bytes| bytes.checked_next_multiple_of(CACHE_LINE));
        let layout =
            bytes.and_then(|bytes| Layout::from_size_align(bytes.checked_add(CACHE_LINE)?, align_of::<f32>()).ok());
        layout.expect("`Convolution::output_shape` keeps a network's buffers far below the address space")
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.values
    }

    /// Returns a pointer to value `index`, valid for reads and writes while the buffer lives.
    ///
    /// Panics if `index` exceeds the length; the length itself gives the end pointer.
    pub fn ptr_at(&self, index: usize) -> *mut f32 {
        assert!(index <= self.values, "index {index} exceeds the buffer's {} values", self.values);
        // SAFETY: within the allocation, or just behind its last value.
        unsafe { self.start.add(index) }
    }

    pub fn values(&self) -> &[f32] {
        // SAFETY: all values are initialised, and no thread writes while the slice is in use.
        unsafe { std::slice::from_raw_parts(self.start, self.values) }
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: all values are initialised, and the exclusive borrow excludes other users.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.values) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: `base` was allocated with this layout.
        unsafe { dealloc(self.base, AlignedBuffer::layout(self.values)) }
    }
}
