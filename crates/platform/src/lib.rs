//! System information from Linux and the board (CPU, memory, power, heat), and access to folders and files.

pub mod bundled_models;
pub mod config_file;
pub(crate) mod cpu_contention;
pub mod paths;
pub(crate) mod power;
pub mod system;
