//! Runs to look at: a real one, and one in which a client was told something impossible.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};

use plumb_harness::artifacts::save_failure;
use plumb_harness::nemesis::{Length, generate};
use plumb_harness::scenario::{Fault, FaultKind, Target, Tier, Unsynced, WorkloadKind};
use plumb_harness::sim::{Run, RunOptions, System, run};
use plumb_histories::{Builder, History, Kind, Line, Value};

/// The binary under test.
pub const PLUMB: &str = env!("CARGO_BIN_EXE_plumb");

/// A folder that stays after the tests, so that a person can look at what they looked at.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// A run of real servers under faults, with one read that returns what was long overwritten; saved as a
/// failing run is. Returns its folder.
pub fn stale_read(into: &Path) -> PathBuf {
    // Which workload and which faults a seed draws changes whenever the swarm learns something.
    let mut scenario = generate(7, Length::SHORT, Tier::Full);
    scenario.workload.kind = WorkloadKind::Register;
    let crash = FaultKind::Crash {
        target: Target::Leader,
        unsynced: Unsynced::Lost,
    };
    scenario.faults.push(Fault::at(5_000, 300, crash));
    let seen = run(&scenario, RunOptions::traced());
    let failed = Run {
        history: with_a_stale_read(&seen.history),
        ..seen
    };
    save_failure(System::SHIPPED, into, &scenario, &failed).expect("the run is saved")
}

fn with_a_stale_read(history: &History) -> History {
    let mut written: Vec<(Value, Value)> = Vec::new();
    let mut builder = Builder::new(history.header().clone());
    let (mut told, mut lost) = (false, false);
    for line in history.lines() {
        let line = match line {
            Line::Client(mut event) if event.kind == Kind::Ok => {
                let key = event.key.clone().unwrap_or_default();
                let of_key: Vec<&Value> = written
                    .iter()
                    .filter(|(k, _)| *k == key)
                    .map(|(_, v)| v)
                    .collect();
                if event.f == "read" && of_key.len() > 8 && !told {
                    event.value = of_key[of_key.len() - 3].clone();
                    told = true;
                } else if event.f == "write" {
                    written.push((key, event.value.clone()));
                    // One whose client gave up, whatever the faults did to this run.
                    if told && !lost {
                        event.kind = Kind::Info;
                        lost = true;
                    }
                }
                Line::Client(event)
            }
            line => line,
        };
        builder
            .push(line)
            .expect("the lines are those of a history");
    }
    assert!(told, "the run has a read after nine writes");
    assert!(lost, "and a write after that");
    builder.finish()
}
