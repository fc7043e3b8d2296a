//! Tests on the virtual board: the program with a real kernel, real drivers and a screen.
//!
//! `just test-board` builds the requirements of these tests.

#[path = "../common/mod.rs"]
mod common;

mod camera;
mod devices;
mod display;
mod display_faults;
mod faults;
mod pipeline;
mod pipeline_faults;
mod planes;
mod program;
mod systemd;
