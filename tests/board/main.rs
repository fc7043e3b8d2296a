//! The virtual board and its program: a real kernel, real drivers, a screen. `just test-board` builds what these need.

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
