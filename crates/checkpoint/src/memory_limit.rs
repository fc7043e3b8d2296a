//! Counts what the tables of a file take, and refuses the file before they take too much.

use super::byte_reader::to_u64;
use super::error::WeightsError;
use super::limits::table_bytes;

/// The bytes that tables may still grow by. Every table that a file can make grow does so through [`Budget::push`].
#[derive(Clone)]
pub(super) struct Budget {
    limit: u64,
    left: u64,
}

impl Budget {
    pub fn of_file(bytes: usize) -> Budget {
        let limit = table_bytes(to_u64(bytes));
        Budget { limit, left: limit }
    }

    /// The refusal of a file whose tables grow too large.
    pub fn spent(&self) -> WeightsError {
        WeightsError::TablesTooLarge { limit: self.limit }
    }

    /// Counts exactly what the table allocates, not only what it holds.
    pub fn push<T>(&mut self, table: &mut Vec<T>, item: T) -> Result<(), WeightsError> {
        if table.len() == table.capacity() {
            let more = table.len().max(1);
            let bytes = to_u64(more).saturating_mul(to_u64(size_of::<T>()));
            self.left = self.left.checked_sub(bytes).ok_or(self.spent())?;
            table.reserve_exact(more);
        }
        table.push(item);
        Ok(())
    }
}
