//! Phicam.
pub mod catalog;
pub mod classifier;
pub mod decode;
pub mod engine;
pub mod frame;
pub mod guess;
pub mod labels;
pub mod mailbox;
pub mod overlay;
pub mod picture;
pub mod places;
pub mod preprocess;
pub mod scaling;
pub mod stats;
pub mod strict;
pub mod view;
