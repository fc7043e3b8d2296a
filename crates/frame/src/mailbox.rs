//! A mailbox with one slot: whoever takes from it gets the newest, whoever puts into it never waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What [`Mailbox::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    Newest(T),
    /// Nothing came in time.
    Nothing,
    /// Nothing is in it and nothing will come any more.
    Closed,
}

struct Slot<T> {
    newest: Option<T>,
    closed: bool,
    replaced: u64,
}

/// See the module.
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
    /// Puts the newest in; what nobody took before is dropped and counted.
    pub fn put(&self, newest: T) {
        let mut slot = self.lock();
        let old = slot.newest.replace(newest);
        slot.replaced += u64::from(old.is_some());
        drop(slot); // the old one may give a buffer back: not under the lock
        drop(old);
        self.changed.notify_all();
    }

    /// Takes the newest, waiting for it up to `limit`.
    pub fn take(&self, limit: Duration) -> Taken<T> {
        let slot = self.lock();
        let waited = self.changed.wait_timeout_while(slot, limit, |slot| slot.newest.is_none() && !slot.closed);
        let (mut slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match slot.newest.take() {
            Some(newest) => Taken::Newest(newest),
            None if slot.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    /// Says that nothing more will come; what is in it can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// How many were replaced before anybody took them.
    pub fn replaced(&self) -> u64 {
        self.lock().replaced
    }

    /// A thread that panicked while it held the slot left it whole (every change is one assignment), so go on.
    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_replaces_what_nobody_took_and_is_counted() {
        let mailbox = Mailbox::default();
        for n in 0..5 {
            mailbox.put(n);
        }
        assert_eq!(mailbox.take(Duration::ZERO), Taken::Newest(4));
        assert_eq!(mailbox.replaced(), 4);
        assert_eq!(mailbox.take(Duration::ZERO), Taken::Nothing);
    }

    #[test]
    fn the_last_one_can_be_taken_after_closing() {
        let mailbox = Mailbox::default();
        mailbox.put(1);
        mailbox.close();
        assert_eq!(mailbox.take(Duration::from_secs(60)), Taken::Newest(1));
        assert_eq!(mailbox.take(Duration::from_secs(60)), Taken::Closed);
    }

    #[test]
    fn a_waiting_taker_is_woken() {
        let mailbox = std::sync::Arc::new(Mailbox::default());
        let taker = std::thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.take(Duration::from_secs(600))
        });
        mailbox.put(3);
        assert_eq!(taker.join().unwrap(), Taken::Newest(3));
    }
}
