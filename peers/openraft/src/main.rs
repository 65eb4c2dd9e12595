//! openraft in Plumbline's simulator. `peers/openraft-0914` is built from the same source, with another version.

mod desk;
mod disk;
mod network;
mod runtime;
mod server;
mod storage;

use std::process::ExitCode;

use plumb_harness::cli::peer_main;
use plumb_harness::sim::System;
use plumb_harness::sim::system::generate_for_peers;

fn main() -> ExitCode {
    let command = match env!("CARGO_PKG_NAME") {
        "peer-openraft" => "cargo run --release --manifest-path peers/openraft/Cargo.toml --",
        _ => "cargo run --release --manifest-path peers/openraft-0914/Cargo.toml --",
    };
    peer_main(System::of_peer::<server::Server>(
        command,
        generate_for_peers,
    ))
}
