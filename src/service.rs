//! The running service: keeps the active model within its budget, and says how the service is.

pub mod health_monitor;
pub mod model_controller;
pub mod selection;
pub mod supervisor;
