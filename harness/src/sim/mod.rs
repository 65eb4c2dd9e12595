//! The simulated worlds: the shipped server on turmoil's network and time with faults of our own where
//! turmoil has none, and bare replicas on a queue of events, for many more seeds. `run` takes a scenario
//! and gives back everything that was seen.

pub mod anchors;
pub(crate) mod bare;
mod cluster;
mod course;
mod faults;
mod full;
mod guests;
pub mod lanes;
pub(crate) mod laps;
mod messages;
mod overlap;
pub(crate) mod panics;
pub mod peer;
pub mod profile;
pub mod run;
pub mod seams;
mod service;
pub mod shrink;
pub mod story;
pub mod sweep;
pub mod system;
pub mod table;
pub mod torture;
pub mod trace;
pub mod view;
pub mod watch;

#[cfg(test)]
mod tests;

pub use run::{Run, RunOptions, run, run_recorded};
pub use system::System;
