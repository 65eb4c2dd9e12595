//! The command of a program that puts somebody else's Raft into the simulation: what `plumb sim` does,
//! with the same tables, files and exit codes.

use std::process::ExitCode;

use clap::Parser;

use super::files::exit_of;
use super::sim::{SimArgs, run_command};
use crate::sim::System;

/// Somebody else's Raft in Plumbline's simulator, under the faults and judges of its bare tier.
#[derive(Debug, Parser)]
#[command(
    max_term_width = 100,
    after_help = "Where help says `plumb sim`, this program stands in its place; there is one tier, the bare \
                  one.\n\nExit codes: 0 everything asked for holds, 1 a violation was found, 2 usage or \
                  unreadable input, 3 undecided."
)]
struct PeerCli {
    #[command(flatten)]
    sim: SimArgs,
}

/// The body of the `main` of a program that simulates somebody else's Raft ([`System::of_peer`]): reads the command line,
/// does what `plumb sim` would do, and ends with its exit codes.
#[must_use]
pub fn peer_main(system: System) -> ExitCode {
    let cli = PeerCli::parse();
    exit_of(run_command(system, &cli.sim)).into()
}
