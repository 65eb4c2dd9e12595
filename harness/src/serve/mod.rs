//! A server to run by hand or under a supervisor: its configuration, its process, its figures.

pub mod config;
mod figures;
mod process;

pub use config::{ServeConfig, Tls};
pub use process::run;
