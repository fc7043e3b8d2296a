//! Memory limit for the tables of one file: a file that exceeds it is refused.

use super::byte_reader::to_u64;
use super::error::WeightsError;
use super::limits::table_bytes;

/// Remaining bytes by which tables may grow. All tables whose size depends on the file grow by [`MemoryBudget::push`].
#[derive(Clone)]
pub(super) struct MemoryBudget {
    limit: u64,
    left: u64,
}

impl MemoryBudget {
    /// Returns the budget for a file of `bytes`.
    pub fn for_file(bytes: usize) -> MemoryBudget {
        let limit = table_bytes(to_u64(bytes));
        MemoryBudget { limit, left: limit }
    }

    /// Returns the error for tables that exceed the limit.
    pub fn exceeded(&self) -> WeightsError {
        WeightsError::TablesTooLarge { limit: self.limit }
    }

    /// Appends `item`, and charges the bytes that the table allocates, not only those that it uses.
    pub fn push<T>(&mut self, table: &mut Vec<T>, item: T) -> Result<(), WeightsError> {
        if table.len() == table.capacity() {
            let more = table.len().max(1);
            let bytes = to_u64(more).saturating_mul(to_u64(size_of::<T>()));
            self.left = self.left.checked_sub(bytes).ok_or(self.exceeded())?;
            table.reserve_exact(more);
        }
        table.push(item);
        Ok(())
    }
}
