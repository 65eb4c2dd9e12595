//! `plumb wal inspect` on a log of the shipped code: whole, torn, damaged, and no log at all.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use bytes::Bytes;
use plumb_raft::core::{Batch, PersistSeq, Write};
use plumb_raft::storage::{RealDisk, Wal, WalOptions};
use plumb_raft::types::{Entry, HardState, LogIndex, NodeId, Payload, Term};

fn inspect(folder: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["wal", "inspect"])
        .arg(folder)
        .args(more)
        .output()
        .expect("the binary runs")
}

fn log_of_three_batches(folder: &Path) {
    let disk = Arc::new(RealDisk::open(folder).expect("a new folder"));
    let (mut wal, _) = Wal::open(disk, WalOptions::default()).expect("a new log");
    for seq in 1..=3 {
        let entry = Entry {
            index: LogIndex(seq),
            term: Term(2),
            payload: Payload::Command(Bytes::from("a command of some length")),
        };
        let hard_state = HardState {
            current_term: Term(2),
            voted_for: Some(NodeId(3)),
        };
        let mut writes = vec![Write::Append(vec![entry])];
        if seq == 1 {
            writes.insert(0, Write::HardState(hard_state));
        }
        let seq = PersistSeq(seq);
        wal.append(&Batch { seq, writes }).expect("it fits");
        wal.sync().expect("the disk works");
    }
    wal.close().expect("the disk works");
}

#[test]
fn a_whole_log_is_listed_and_damage_is_shown_with_its_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    log_of_three_batches(folder.path());
    let whole = inspect(folder.path(), &[]);
    let words = String::from_utf8_lossy(&whole.stdout);
    assert_eq!(whole.status.code(), Some(0), "{words}");
    for told in [
        "term 2 vote n3, add 1..=1 of term 2",
        "3 records",
        "last entry 3",
    ] {
        assert!(words.contains(told), "{told}: {words}");
    }
    let json = inspect(folder.path(), &["--json", "-"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    assert_eq!(json["records"].as_array().map(Vec::len), Some(3));
    let offset = json["records"][1]["offset"].as_u64().expect("a place") as usize;

    let file = json["records"][1]["file"].as_str().expect("a file");
    let path = folder.path().join(file);
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[offset + 24] ^= 1;
    std::fs::write(&path, bytes).expect("it can be written");
    let damaged = inspect(folder.path(), &[]);
    let words = String::from_utf8_lossy(&damaged.stdout);
    assert_eq!(damaged.status.code(), Some(1), "{words}");
    assert!(words.contains("DAMAGED") && words.contains(file), "{words}");
    assert!(
        words.contains("add 1..=1"),
        "what is before it is shown: {words}"
    );
}

#[test]
fn a_folder_that_is_none_or_is_in_use_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let none = inspect(&folder.path().join("nothing"), &[]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("help:"));
    let _in_use = RealDisk::open(folder.path()).expect("it is free");
    let refused = inspect(folder.path(), &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop the server"));
}
