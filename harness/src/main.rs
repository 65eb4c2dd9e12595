//! The `plumb` command: see `cli`.

use std::process::ExitCode;

/// Simulation and search allocate small things without end: this one is a good deal faster at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    plumb_harness::cli::main()
}
