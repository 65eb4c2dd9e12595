//! What the log does when the disk fails, lies about failing, is full of other things, or is asked
//! for nonsense.

mod storage_support;

use plumb_raft::core::{Batch, PersistSeq, Write};
use plumb_raft::storage::{StorageError, inspect};
use plumb_raft::types::{Entry, LogIndex, Payload, Term};
use proptest::prelude::*;
use storage_support::{MemDisk, Rng, State, Workload, open};

const SEGMENT: u64 = 700;

fn log_of(batches: usize) -> (MemDisk, Workload) {
    let disk = MemDisk::new();
    let mut workload = Workload::new(1, 40);
    let (mut wal, _) = open(&disk, SEGMENT).expect("an empty folder opens");
    for _ in 0..batches {
        wal.append(&workload.next()).expect("it is written");
        wal.sync().expect("it syncs");
    }
    (disk, workload)
}

#[test]
fn after_a_failed_sync_every_call_fails_and_says_what_to_do() {
    let disk = MemDisk::new();
    let mut workload = Workload::new(1, 40);
    let (mut wal, _) = open(&disk, SEGMENT).expect("an empty folder opens");
    wal.append(&workload.next()).expect("it is buffered");
    disk.fail_syncs(1);
    let first = wal.sync().expect_err("the disk fails");
    let again = wal.sync().expect_err("a second sync proves nothing");
    assert_eq!(first.to_string(), again.to_string());
    assert!(wal.append(&workload.next()).is_err() && wal.close().is_err());
    let message = first.to_string();
    assert!(
        message.contains("cannot sync 00000000000000000001.wal"),
        "{message}"
    );
    assert!(
        message.contains("check the disk, then restart this server"),
        "{message}"
    );
}

#[test]
fn what_recovery_found_in_the_cache_after_a_failed_sync_survives_a_power_cut() {
    let (disk, mut workload) = log_of(4);
    let (mut wal, _) = open(&disk, SEGMENT).expect("it is whole");
    wal.append(&workload.next()).expect("it is buffered");
    disk.fail_syncs(1);
    wal.sync()
        .expect_err("the disk fails, and its cache keeps the bytes as clean");
    drop(wal);

    let (_, recovered) = open(&disk, SEGMENT).expect("the process starts again");
    assert_eq!(
        recovered.report.copied, 1,
        "nothing vouches for the last record"
    );
    let state = State::from(recovered);
    assert_eq!(workload.number_of(&state), Some(5));
    let after = MemDisk::from_image(&disk.durable_image());
    let (_, recovered) = open(&after, SEGMENT).expect("power returns");
    assert_eq!(
        State::from(recovered),
        state,
        "what a server acted on is still there"
    );
}

#[test]
fn a_truncated_suffix_never_comes_back() {
    let disk = MemDisk::new();
    let entry = |index, term| Entry {
        index: LogIndex(index),
        term: Term(term),
        payload: Payload::Noop,
    };
    let append =
        |first: u64, last, term| Write::Append((first..=last).map(|i| entry(i, term)).collect());
    let (mut wal, _) = open(&disk, 64).expect("an empty folder opens");
    let steps = [
        vec![append(1, 9, 1)],
        vec![Write::Truncate(LogIndex(4)), append(4, 5, 2)],
        vec![Write::Truncate(LogIndex(5))],
    ];
    for (seq, writes) in (1..).zip(steps) {
        wal.append(&Batch {
            seq: PersistSeq(seq),
            writes,
        })
        .expect("it is written");
        wal.sync().expect("it syncs");
    }
    drop(wal);
    for _ in 0..3 {
        let (_, recovered) = open(&disk, 64).expect("it is whole");
        let terms: Vec<u64> = recovered.entries.iter().map(|e| e.term.0).collect();
        assert_eq!(terms, [1, 1, 1, 2]);
    }
}

#[test]
fn a_missing_segment_is_refused_wherever_it_stood() {
    let (disk, _) = log_of(30);
    let image = disk.cached_image();
    let names: Vec<&String> = image.keys().filter(|name| name.ends_with(".wal")).collect();
    assert!(names.len() >= 3);
    for name in names {
        let mut image = image.clone();
        image.remove(name);
        let error = open(&MemDisk::from_image(&image), SEGMENT)
            .map(drop)
            .expect_err("refused");
        assert!(
            matches!(&error, StorageError::MissingSegment { file } if file == name),
            "{error}"
        );
    }
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let (disk, _) = log_of(30);
    let mut image = disk.cached_image();
    let other = MemDisk::new();
    let mut workload = Workload::new(2, 40);
    let (mut wal, _) = open(&other, SEGMENT).expect("an empty folder opens");
    for _ in 0..30 {
        wal.append(&workload.next()).expect("it is written");
    }
    wal.sync().expect("it syncs");
    let second = "00000000000000000002.wal";
    image.insert(second.to_owned(), other.cached_image()[second].clone());
    let error = open(&MemDisk::from_image(&image), SEGMENT)
        .map(drop)
        .expect_err("refused");
    assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
}

#[test]
fn a_lost_record_and_a_misdirected_one_are_damage() {
    let (disk, _) = log_of(3);
    let name = "00000000000000000001.wal";
    let mut records = Vec::new();
    let found = inspect(&disk, &mut |record| records.push(record)).expect("it is whole");
    assert_eq!(
        (found.records, found.torn_bytes, found.durable),
        (3, 0, found.end)
    );
    let (from, to) = (records[1].offset as usize, records[2].offset as usize);

    let mut lost = disk.cached_image();
    lost.get_mut(name).expect("it is there")[from..to].fill(0);
    let mut moved = disk.cached_image();
    let bytes = moved.get_mut(name).expect("it is there");
    let third = bytes[to..].to_vec();
    let end = (from + third.len()).min(bytes.len());
    bytes[from..end].copy_from_slice(&third[..end - from]);
    for image in [lost, moved] {
        let error = open(&MemDisk::from_image(&image), SEGMENT)
            .map(drop)
            .expect_err("refused");
        let at_second = |offset| offset == records[1].offset;
        assert!(
            matches!(&error, StorageError::Corrupt { offset, .. } if at_second(*offset)),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("rejoin the cluster as a new member"),
            "{error}"
        );
    }
}

#[test]
fn a_life_that_ended_well_is_continued_in_its_file() {
    let (disk, mut workload) = log_of(2);
    for _ in 0..3 {
        let (mut wal, recovered) = open(&disk, 1 << 20).expect("it is whole");
        assert_eq!((recovered.report.segments, recovered.report.copied), (1, 0));
        wal.append(&workload.next()).expect("it is written");
        wal.close().expect("it closes");
    }
    let (_, recovered) = open(&MemDisk::from_image(&disk.durable_image()), SEGMENT).expect("whole");
    assert_eq!(workload.number_of(&State::from(recovered)), Some(5));
}

#[test]
#[should_panic(expected = "entry 3 does not follow entry 0")]
fn a_batch_with_a_gap_is_a_bug() {
    let (mut wal, _) = open(&MemDisk::new(), SEGMENT).expect("an empty folder opens");
    let entry = Entry {
        index: LogIndex(3),
        term: Term(1),
        payload: Payload::Noop,
    };
    let _ = wal.append(&Batch {
        seq: PersistSeq(1),
        writes: vec![Write::Append(vec![entry])],
    });
}

#[test]
fn inspection_reads_like_a_listing() {
    let (disk, _) = log_of(30);
    let mut lines = Vec::new();
    let found = inspect(&disk, &mut |record| lines.push(record.writes)).expect("it is whole");
    assert_eq!((found.records as usize, found.torn_bytes), (lines.len(), 0));
    assert!(lines.iter().any(|l| l.starts_with("cut ")), "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|l| l.starts_with("term ") && l.contains("add ")),
        "{lines:?}"
    );
}

/// One thing that happens to a log.
#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Sync,
    Close,
    /// The process dies: the cache stays.
    Restart,
    /// The power fails: any unsynced sector may be lost.
    PowerCut {
        sector: usize,
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1usize..5).prop_map(Step::Append),
        4 => Just(Step::Sync),
        1 => Just(Step::Close),
        2 => Just(Step::Restart),
        2 => (prop_oneof![Just(16usize), Just(64), Just(512)], any::<u64>())
            .prop_map(|(sector, seed)| Step::PowerCut { sector, seed }),
    ]
}

proptest! {
    #[test]
    fn a_log_of_many_lives_is_what_a_vector_says(
        seed in any::<u64>(),
        segment_bytes in prop_oneof![Just(1u64), Just(300), Just(2000), Just(1 << 20)],
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut disk = MemDisk::new();
        let mut workload = Workload::new(seed, 300);
        let (mut wal, _) = open(&disk, segment_bytes).expect("an empty folder opens");
        let mut synced = 0;
        for step in steps {
            match step {
                Step::Append(count) => {
                    for _ in 0..count {
                        wal.append(&workload.next()).expect("it is written");
                    }
                    continue;
                }
                Step::Sync => {
                    wal.sync().expect("it syncs");
                    synced = workload.states.len() - 1;
                    continue;
                }
                Step::Close => {
                    wal.close().expect("it closes");
                    synced = workload.states.len() - 1;
                }
                Step::Restart => {}
                Step::PowerCut { sector, seed } => {
                    let mut rng = Rng::new(seed);
                    let image = disk.after_power_cut(sector, &mut |n| rng.below(n));
                    disk = MemDisk::from_image(&image);
                }
            }
            drop(wal);
            let (next, recovered) = open(&disk, segment_bytes).expect("a crash is no damage");
            let number = workload.number_of(&State::from(recovered));
            prop_assert!(number.is_some_and(|n| n >= synced), "{number:?}, {synced} were synced");
            synced = number.expect("just seen");
            workload.states.truncate(synced + 1);
            wal = next;
        }
    }
}
