//! Phicam: the largest EfficientNet that a board affords, from its camera to its screen.
//!
//! ```text
//! once:      board + catalog ──► budget ──► pick (accuracy orders, measured time decides, φ explains)
//! per frame: camera ─► mailbox ─► preprocess ─► engine ─► guess ─► overlay ─► displays
//! ```
//!
//! The groups of modules stand in the order of that flow. ARCHITECTURE.md has the whole, and which module may use which.

#![deny(unsafe_code)] // but for ioctl and mmap: tests/house.rs lists the files
#![warn(clippy::undocumented_unsafe_blocks)]

// What everything else is said in.
pub mod embedded;
pub mod frame;
pub mod machine;
pub mod mailbox;
pub mod pixels;
pub mod places;
pub mod scaling;
pub mod stats;
pub mod strict;

// What there is to choose from, and what it may cost.
pub mod budget;
pub mod catalog;
pub mod efficientnet;
pub mod import;
pub mod inspect;
pub mod labels;
pub mod published;
pub mod view;
pub mod weights;

// Camera to guess.
pub mod camera;
pub mod classifier;
pub mod decode;
pub mod engine;
pub mod guess;
pub mod preprocess;

// Guess to screen.
pub mod display;
pub mod overlay;
pub mod picture;
pub mod plot;
pub mod screen;

// The pick, and keeping to it.
pub mod adapt;
pub mod measure;
pub mod measurement;
pub mod pick;
pub mod sampling;

// All of it together.
pub mod board;
pub mod cli;
pub mod commands;
pub mod health;
pub mod json;
pub mod pipeline;
pub mod watch;
