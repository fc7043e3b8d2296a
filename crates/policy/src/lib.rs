//! Pure decisions: budget, picker, governor.

pub mod budget;
pub mod governor;
pub mod measurement;
pub mod picker;
pub mod sampling;
