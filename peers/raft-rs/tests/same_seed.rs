//! The same seed gives the same run in another process: peers draw from generators without a seed, or leave things
//! to the order of hash tables, and the driver must have taken all of that out of their hands.

use std::path::Path;
use std::process::Command;

/// A run's history and trace, by a process of its own.
fn run(seed: u64, folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let (history, trace) = (folder.join("history.jsonl"), folder.join("trace.txt"));
    let output = Command::new(env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))))
        .args(["run", "--seed", &seed.to_string(), "--history"])
        .arg(&history)
        .arg("--trace")
        .arg(&trace)
        .arg("--out")
        .arg(folder)
        .output()
        .expect("the program starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "seed {seed}: {words}");
    let read = |path: &Path| std::fs::read(path).expect("the run has written it");
    (read(&history), read(&trace))
}

#[test]
fn the_same_seed_gives_the_same_history_and_the_same_trace() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for seed in 0..6 {
        let (one, other) = (run(seed, folder.path()), run(seed, folder.path()));
        assert!(one.0.len() > 10_000, "seed {seed}: little has happened");
        assert!(one.0 == other.0, "seed {seed}: two histories");
        assert!(one.1 == other.1, "seed {seed}: two traces");
    }
}

#[test]
fn another_seed_gives_another_history() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, other) = (run(0, folder.path()), run(1, folder.path()));
    assert!(one.0 != other.0 && one.1 != other.1);
}
