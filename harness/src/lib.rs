//! Plumbline's harness: it runs the real server in a simulated world, watches every node, records
//! what clients saw, and turns all of it into verdicts. `cli` is the `plumb` command.

pub mod cli;
