//! The command line: parsing, dispatch and exit codes. Each command has a file of its own.

mod outcome;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use outcome::{CliError, Exit};

/// Is your Raft right? And if not, what is the shortest story of how it fails?
#[derive(Debug, Parser)]
#[command(name = "plumb", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {}

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
    match cli.command {
        None => Err(CliError::new("no command given", "run `plumb --help`")),
        Some(_) => Ok(Exit::Usage),
    }
}
