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
