//! Phicam, the program: command line, commands, session, profiler and service over the crates in `crates/`.
//!
//! ```text
//! once:      board + catalog ──► budget ──► picker (accuracy orders, measured time decides, φ explains)
//! per frame: camera ─► mailbox ─► preprocess ─► engine ─► postprocess ─► overlay ─► displays
//! ```

pub mod board;
pub mod cli;
pub mod commands;
pub mod engines;
mod json_numbers;
mod old_keys;
#[cfg(feature = "plots")]
pub mod plot;
pub mod profiler;
pub mod quick_model;
pub mod service;
pub mod session;
