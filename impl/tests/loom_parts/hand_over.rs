//! The snapshot's hand-over: one thread makes a snapshot's file durable ahead of the log, while the log's driver lets go of
//! what an earlier snapshot replaced. Whatever the order, a file that a record comes to name is there.

use bytes::Bytes;
use loom::sync::{Arc, Mutex};
use loom::thread;
use plumb_raft::core::{Batch, PersistSeq, Snapshot, Write};
use plumb_raft::seams::{Disk, DiskFile};
use plumb_raft::storage::{Wal, WalOptions};
use plumb_raft::types::{Entry, LogIndex, Payload, Term};

use super::explore;
use super::storage_support::MemDisk;

/// A disk on which another thread may come first at each change of a name and each look at them.
struct Turns {
    disk: MemDisk,
    turn: Mutex<()>,
}

impl Turns {
    fn pass(&self) {
        drop(self.turn.lock().expect("nothing panics here"));
    }
}

impl Disk for Turns {
    fn open(&self, name: &str, create: bool) -> std::io::Result<Box<dyn DiskFile>> {
        self.disk.open(name, create)
    }

    fn list(&self) -> std::io::Result<Vec<String>> {
        self.pass();
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.pass();
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.pass();
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> std::io::Result<()> {
        self.disk.sync_dir()
    }
}

const TERM: Term = Term(1);

fn batch(seq: u64, write: Write) -> Batch {
    Batch {
        seq: PersistSeq(seq),
        writes: vec![write],
    }
}

fn entries(count: u64) -> Write {
    let entry = |index| Entry {
        index: LogIndex(index),
        term: TERM,
        payload: Payload::Noop,
    };
    Write::Append((1..=count).map(entry).collect())
}

fn snapshot(index: u64, data: &'static [u8]) -> Write {
    let (last, data) = (LogIndex(index), Bytes::from_static(data));
    Write::Snapshot {
        snapshot: Snapshot::new(last, TERM, std::sync::Arc::default(), data),
        base: (last, TERM),
    }
}

#[test]
fn a_snapshot_that_is_written_ahead_is_there_when_a_record_names_it() {
    explore("snapshot ahead of its record", None, || {
        let disk = MemDisk::new();
        let turns: std::sync::Arc<dyn Disk> = std::sync::Arc::new(Turns {
            disk: disk.clone(),
            turn: Mutex::new(()),
        });
        let options = WalOptions {
            segment_bytes: 4096,
        };
        let (mut wal, _) =
            Wal::open(std::sync::Arc::clone(&turns), options.clone()).expect("it is empty");
        let write = |wal: &mut Wal, seq, write| {
            wal.append(&batch(seq, write)).expect("the disk works");
            wal.sync().expect("the disk works");
        };
        write(&mut wal, 1, entries(4));
        let ahead = wal.ahead();
        let of_picture = std::sync::Arc::clone(&turns);
        let picture = thread::spawn(move || {
            let four = (LogIndex(4), TERM);
            let saved = ahead.save(&*of_picture, four, &Bytes::from_static(b"four"));
            saved.expect("the disk works");
        });
        // It lets go of all files but its own, and the one that was written ahead.
        write(&mut wal, 2, snapshot(2, b"two"));
        picture.join().expect("it ends");
        write(&mut wal, 3, snapshot(4, b"four"));
        drop(wal);
        let (_, recovered) = Wal::open(turns, options).expect("the log is whole");
        let found = recovered.snapshot.expect("there is one");
        assert_eq!(
            (found.last_index, &found.data[..]),
            (LogIndex(4), &b"four"[..])
        );
    });
}

/// The same hand-over without its lock: what a driver forgets that only looks for what was noted before.
#[test]
#[should_panic(expected = "the file that a record names is gone")]
fn a_hand_over_that_notes_its_file_too_late_is_found() {
    explore("broken: publish, then note", Some(2), || {
        let files = Arc::new(Mutex::new(Vec::<u64>::new()));
        let noted = Arc::new(Mutex::new(None::<u64>));
        let of_picture = (Arc::clone(&files), Arc::clone(&noted));
        let picture = thread::spawn(move || {
            let (files, noted) = of_picture;
            files.lock().expect("no panics").push(4);
            *noted.lock().expect("no panics") = Some(4);
        });
        let keep = *noted.lock().expect("no panics");
        files
            .lock()
            .expect("no panics")
            .retain(|file| Some(*file) == keep);
        picture.join().expect("it ends");
        if noted.lock().expect("no panics").is_some() {
            let there = files.lock().expect("no panics").contains(&4);
            assert!(there, "the file that a record names is gone");
        }
    });
}
