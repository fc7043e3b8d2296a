//! Pure decisions: budget, picker, governor. No clock, no threads, no I/O.

pub mod budget;
pub mod governor;
pub mod measurement;
pub mod picker;
pub mod sampling;
