//! The `plumb` command: see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    plumb_harness::cli::main()
}
