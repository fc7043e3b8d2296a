//! Mailbox with one slot: the reader gets the newest value, and the writer never waits.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Result of [`Mailbox::take`].
#[derive(Debug, PartialEq, Eq)]
pub enum TakeResult<T> {
    Newest(T),
    /// No value arrived within the limit.
    TimedOut,
    /// The mailbox is empty and closed.
    Closed,
}

struct Slot<T> {
    newest: Option<T>,
    closed: bool,
    replaced: u64,
}

/// Slot for one value, shared by a writer and a reader; a new value replaces an unread one.
pub struct Mailbox<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Mailbox { slot: Mutex::new(Slot { newest: None, closed: false, replaced: 0 }), changed: Condvar::new() }
    }
}

impl<T> Mailbox<T> {
    /// Stores the newest value; drops and counts a value that was not taken.
    pub fn put(&self, newest: T) {
        let mut slot = self.slot.lock();
        let old = slot.newest.replace(newest);
        slot.replaced += u64::from(old.is_some());
        drop(slot); // unlocked first: dropping the old value may return a buffer to its driver
        drop(old);
        self.changed.notify_all();
    }

    /// Takes the newest value; waits for it up to `limit`.
    pub fn take(&self, limit: Duration) -> TakeResult<T> {
        let mut slot = self.slot.lock();
        self.changed.wait_while_for(&mut slot, |slot| slot.newest.is_none() && !slot.closed, limit);
        match slot.newest.take() {
            Some(newest) => TakeResult::Newest(newest),
            None if slot.closed => TakeResult::Closed,
            None => TakeResult::TimedOut,
        }
    }

    /// Closes the mailbox: no further value will come, but the last one can still be taken.
    pub fn close(&self) {
        self.slot.lock().closed = true;
        self.changed.notify_all();
    }

    /// Returns the number of values that were replaced before they were taken.
    pub fn replaced(&self) -> u64 {
        self.slot.lock().replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_value_replaces_unread_values_and_counts_them() {
        let mailbox = Mailbox::default();
        for n in 0..5 {
            mailbox.put(n);
        }
        assert_eq!(mailbox.take(Duration::ZERO), TakeResult::Newest(4));
        assert_eq!(mailbox.replaced(), 4);
        assert_eq!(mailbox.take(Duration::ZERO), TakeResult::TimedOut);
    }

    #[test]
    fn last_value_can_be_taken_after_close() {
        let mailbox = Mailbox::default();
        mailbox.put(1);
        mailbox.close();
        assert_eq!(mailbox.take(Duration::from_secs(60)), TakeResult::Newest(1));
        assert_eq!(mailbox.take(Duration::from_secs(60)), TakeResult::Closed);
    }

    #[test]
    fn put_wakes_a_waiting_reader() {
        let mailbox = std::sync::Arc::new(Mailbox::default());
        let reader = std::thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.take(Duration::from_secs(600))
        });
        mailbox.put(3);
        assert_eq!(reader.join().unwrap(), TakeResult::Newest(3));
    }
}
