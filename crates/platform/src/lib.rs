//! What the operating system and the board tell: processor, memory, power, files.

pub mod backoff;
pub mod bundled_models;
pub mod config_file;
pub(crate) mod cpu_contention;
pub mod log_once;
pub mod paths;
pub(crate) mod power;
pub mod system;
