//! TiKV's raft-rs 0.7 in Plumbline's simulator.

mod core;
mod driver;
mod log;

use std::process::ExitCode;

use plumb_harness::cli::peer_main;
use plumb_harness::sim::System;
use plumb_harness::sim::system::generate_for_peers;

fn main() -> ExitCode {
    let command = "cargo run --release --manifest-path peers/raft-rs/Cargo.toml --";
    peer_main(System::of_peer::<driver::Server<core::Node>>(
        command,
        generate_for_peers,
    ))
}
