//! Plumbline's harness: it runs the real server in a simulated world, watches every node, records
//! what clients saw, and turns all of it into verdicts. `cli` is the `plumb` command.

pub mod artifacts;
pub mod bench;
pub mod browse;
pub mod cli;
pub mod conformance;
pub mod invariants;
pub mod mutants;
pub mod nemesis;
pub mod scenario;
pub mod serve;
pub mod sim;
pub mod verify;
pub mod workload;

/// This build: its version, and a fingerprint of its source (`build.rs`), since the version stays the same from one release
/// to the next. Results of different builds are not put together.
pub const BUILD: &str = concat!(
    "plumb ",
    env!("CARGO_PKG_VERSION"),
    " (source ",
    env!("PLUMB_SOURCE"),
    ")"
);
