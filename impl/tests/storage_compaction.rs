//! Snapshots and dropped segments: what may go goes, and what is needed is missed.

mod storage_support;

use bytes::Bytes;
use plumb_raft::core::{Batch, PersistSeq, Snapshot, Write};
use plumb_raft::storage::StorageError;
use plumb_raft::types::{Entry, HardState, LogIndex, Membership, NodeId, Payload, Term};
use storage_support::{MemDisk, State, Workload, open};

const SEGMENT: u64 = 700;

fn segments(disk: &MemDisk) -> Vec<String> {
    let names = disk.cached_image().into_keys();
    names.filter(|name| name.ends_with(".wal")).collect()
}

fn snapshots(disk: &MemDisk) -> Vec<String> {
    let names = disk.cached_image().into_keys();
    names.filter(|name| name.ends_with(".snapshot")).collect()
}

/// A log of `last` entries of term 3 with a vote, compacted up to `base`.
fn compacted(last: u64, base: u64) -> MemDisk {
    let disk = MemDisk::new();
    let (mut wal, _) = open(&disk, SEGMENT).expect("an empty folder opens");
    let hard_state = HardState {
        current_term: Term(3),
        voted_for: Some(NodeId(2)),
    };
    let entry = |index| Entry {
        index: LogIndex(index),
        term: Term(3),
        payload: Payload::Command(Bytes::from(vec![7; 60])),
    };
    let snapshot = Write::Snapshot {
        snapshot: Snapshot::new(
            LogIndex(base + 1),
            Term(3),
            Membership::default().into(),
            Bytes::from_static(b"state"),
        ),
        base: (LogIndex(base), Term(3)),
    };
    let appends = (1..=last).map(|index| Write::Append(vec![entry(index)]));
    let writes = std::iter::once(Write::HardState(hard_state)).chain(appends);
    for (write, seq) in writes.chain([snapshot]).zip(1..) {
        let batch = Batch {
            seq: PersistSeq(seq),
            writes: vec![write],
        };
        wal.append(&batch).expect("it is written");
        wal.sync().expect("it syncs");
    }
    disk
}

#[test]
fn segments_below_the_base_are_dropped_and_the_hard_state_stays() {
    let kept_all = segments(&compacted(100, 0)).len();
    let disk = compacted(100, 90);
    assert!(
        segments(&disk).len() < kept_all / 3,
        "{:?}",
        segments(&disk)
    );
    let (_, recovered) = open(&disk, SEGMENT).expect("it is whole");
    assert_eq!(recovered.hard_state.voted_for, Some(NodeId(2)));
    assert_eq!(recovered.base, (LogIndex(90), Term(3)));
    let indexes: Vec<u64> = recovered.entries.iter().map(|e| e.index.0).collect();
    assert_eq!(indexes, (91..=100).collect::<Vec<_>>());
    let snapshot = recovered.snapshot.expect("there is one");
    assert_eq!(snapshot.last_index, LogIndex(91));
    assert_eq!(snapshot.data, Bytes::from_static(b"state"));
}

#[test]
fn a_segment_that_is_still_needed_is_missed_wherever_it_stood() {
    let disk = compacted(100, 60);
    let image = disk.cached_image();
    let names = segments(&disk);
    assert!(names.len() >= 3);
    for name in names {
        let mut image = image.clone();
        image.remove(&name);
        let error = open(&MemDisk::from_image(&image), SEGMENT).map(drop);
        let error = error.expect_err("refused");
        assert!(
            matches!(&error, StorageError::MissingSegment { file } if *file == name),
            "without {name}: {error}"
        );
    }
}

#[test]
fn a_snapshot_that_is_missing_or_damaged_is_refused() {
    let disk = compacted(20, 10);
    let image = disk.cached_image();
    let names = snapshots(&disk);
    let [name] = &names[..] else {
        panic!("one is kept: {names:?}")
    };
    let mut missing = image.clone();
    missing.remove(name);
    let error = open(&MemDisk::from_image(&missing), SEGMENT).map(drop);
    assert!(matches!(error, Err(StorageError::MissingSegment { file }) if file == *name));
    for at in 0..image[name].len() {
        let mut damaged = image.clone();
        damaged.get_mut(name).expect("it is there")[at] ^= 1;
        let error = open(&MemDisk::from_image(&damaged), SEGMENT).map(drop);
        assert!(
            matches!(&error, Err(StorageError::Corrupt { file, .. }) if file == name),
            "byte {at}: {error:?}"
        );
    }
}

#[test]
fn a_power_cut_at_any_moment_of_a_compaction_loses_nothing_that_was_durable() {
    for cut in 1.. {
        let disk = MemDisk::new();
        let mut workload = Workload::new(11, 60);
        let (mut wal, _) = open(&disk, SEGMENT).expect("an empty folder opens");
        disk.power_off_after(cut);
        let mut durable = 0;
        while durable < 60 && wal.append(&workload.next()).is_ok() && wal.sync().is_ok() {
            durable += 1;
        }
        drop(wal);
        if durable == 60 {
            assert!(cut > 100, "the power went in between, many times");
            break;
        }
        let after = MemDisk::from_image(&disk.durable_image());
        let (_, recovered) = open(&after, SEGMENT).expect("a power cut is no damage");
        let state = State::from(recovered);
        let number = workload.number_of(&state).expect("a state that was");
        assert!(
            number == durable || number == durable + 1,
            "cut {cut}: {number} batches of {durable}"
        );
    }
}

fn named(index: u64, data: &Bytes) -> Batch {
    let last = (LogIndex(index), Term(3));
    Batch {
        seq: PersistSeq(1000 + index),
        writes: vec![Write::Snapshot {
            snapshot: Snapshot::new(last.0, last.1, Membership::default().into(), data.clone()),
            base: (LogIndex(90), Term(3)),
        }],
    }
}

#[test]
fn a_snapshot_that_is_durable_ahead_of_its_record_is_not_written_again_and_outlives_the_one_before()
{
    let disk = compacted(100, 90);
    let (mut wal, _) = open(&disk, SEGMENT).expect("it is whole");
    let ahead = wal.ahead();
    let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
    let last = |index| (LogIndex(index), Term(3));
    ahead.save(&*disk.seam(), last(93), &first).expect("saved");
    let before = disk.changes();
    wal.append(&named(93, &first)).expect("it is written");
    assert_eq!(disk.changes(), before, "its file is there");
    // Another is ready before the record of this one is durable.
    ahead.save(&*disk.seam(), last(95), &second).expect("saved");
    wal.sync().expect("it syncs");
    assert_eq!(snapshots(&disk).len(), 2, "the one in force, and the next");
    let before = disk.changes();
    wal.append(&named(95, &second)).expect("it is written");
    assert_eq!(disk.changes(), before, "its file is there still");
    wal.sync().expect("it syncs");
    assert_eq!(snapshots(&disk).len(), 1);
    drop(wal);
    let (_, recovered) = open(&disk, SEGMENT).expect("it is whole");
    assert_eq!(recovered.snapshot.expect("there is one").data, second);
}

#[test]
fn one_that_was_written_ahead_of_none_later_goes_with_the_others() {
    let disk = compacted(100, 90);
    let (mut wal, _) = open(&disk, SEGMENT).expect("it is whole");
    let own = Bytes::from_static(b"own");
    let saved = wal
        .ahead()
        .save(&*disk.seam(), (LogIndex(93), Term(3)), &own);
    saved.expect("saved");
    // The leader's came first: nobody will name the own one any more.
    wal.append(&named(95, &Bytes::from_static(b"the leader's")))
        .expect("it is written");
    wal.sync().expect("it syncs");
    assert_eq!(snapshots(&disk).len(), 1);
}

#[test]
fn a_file_of_an_earlier_life_is_never_taken_for_one_that_is_ready() {
    let disk = compacted(100, 90);
    let data = Bytes::from_static(b"state of that life");
    let (wal, _) = open(&disk, SEGMENT).expect("it is whole");
    let saved = wal
        .ahead()
        .save(&*disk.seam(), (LogIndex(93), Term(3)), &data);
    saved.expect("saved");
    drop(wal);
    // A bit has turned over meanwhile, behind the header that tells whose it is.
    let mut image = disk.cached_image();
    let name = snapshots(&disk).pop().expect("there is one");
    *image
        .get_mut(&name)
        .expect("it is there")
        .last_mut()
        .expect("data") ^= 1;
    let disk = MemDisk::from_image(&image);
    let (mut wal, _) = open(&disk, SEGMENT).expect("nothing that counts is damaged");
    wal.append(&named(93, &data)).expect("it is written");
    wal.sync().expect("it syncs");
    drop(wal);
    let (_, recovered) = open(&disk, SEGMENT).expect("it is whole");
    assert_eq!(recovered.snapshot.expect("there is one").data, data);
}
