//! The command line: parsing, dispatch and exit codes. Each command has a file of its own.

mod bench;
mod bench_raft;
mod bench_sim;
mod browse;
mod check;
pub(crate) mod ci;
mod conform;
pub(crate) mod core;
mod determinism;
pub(crate) mod files;
mod interrupt;
mod kv;
mod model;
mod mutants;
mod outcome;
mod peer;
pub(crate) mod progress;
mod serve;
pub(crate) mod sim;
mod verify;
mod wal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::sim::System;

pub use outcome::{CliError, Exit};
pub use peer::peer_main;

/// Is your Raft right? And if not, what is the shortest story of how it fails?
#[derive(Debug, Parser)]
#[command(
    name = "plumb",
    version,
    max_term_width = 100,
    after_help = "Without a command: verify, quick profile.\n\nExit codes: 0 everything asked for \
                  holds, 1 a violation was found, 2 usage or unreadable input, 3 undecided."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::VerifyArgs),
    Browse(browse::BrowseArgs),
    Check(check::CheckArgs),
    Conform(conform::ConformArgs),
    Bench(bench::BenchArgs),
    Core(core::CoreArgs),
    Kv(kv::KvArgs),
    Model(model::ModelArgs),
    Mutants(mutants::MutantsArgs),
    Serve(serve::ServeArgs),
    Sim(sim::SimArgs),
    Wal(wal::WalArgs),
}

/// Parses the arguments, runs the command, reports errors; the body of `main`.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("{error}");
            Exit::Usage.into()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Exit, CliError> {
    match &cli.command {
        None => verify::run_default(),
        Some(Command::Verify(args)) => verify::run_command(args),
        Some(Command::Browse(args)) => browse::run(args),
        Some(Command::Bench(args)) => bench::run(args),
        Some(Command::Core(args)) => core::run(args),
        Some(Command::Check(args)) => check::run(args),
        Some(Command::Conform(args)) => conform::run(args),
        Some(Command::Model(args)) => model::run(args),
        Some(Command::Mutants(args)) => mutants::run(args),
        Some(Command::Kv(args)) => kv::run(args),
        Some(Command::Serve(args)) => serve::run(args),
        Some(Command::Sim(args)) => sim::run_command(System::SHIPPED, args),
        Some(Command::Wal(args)) => wal::run(args),
    }
}
