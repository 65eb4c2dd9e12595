//! Every interleaving of what threads share, as shipped, on loom's primitives: the log's group commit and the driver's loop
//! here, the driver's thread and the hand-over of snapshots in `loom_parts`. And the same claims with a bug put in, which
//! must fail: a model that can't see a lost wake-up proves nothing. Bugs in the shipped code itself are the mutants that the
//! exam's loom layer kills. The rest of what tasks share goes through tokio's channels, which tokio explores.
//!
//! `cargo test -p plumb-raft --features loom --release --test loom -- --nocapture`

#[path = "loom_parts/hand_over.rs"]
mod hand_over;
#[path = "loom_parts/must_fail.rs"]
mod must_fail;
#[path = "storage_support/mod.rs"]
mod storage_support;
#[path = "loom_parts/writer.rs"]
mod writer;

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use plumb_raft::core::{Batch, PersistSeq, Write};
use plumb_raft::storage::writer::drive;
use plumb_raft::storage::{GroupCommit, GroupLimits, Log, StorageError};
use plumb_raft::types::LogIndex;

/// Explores and reports; gives up, which is a failure, after two minutes.
fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_duration = Some(Duration::from_secs(120));
    let iterations = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&iterations);
    #[expect(clippy::disallowed_methods, reason = "measures the test itself")]
    let started = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    let (iterations, took) = (iterations.load(Relaxed), started.elapsed());
    let bound = preemptions.map_or("unbounded".to_owned(), |n| format!("bound {n}"));
    println!(
        "{name}: {iterations} iterations, {bound}, {:.1} s",
        took.as_secs_f64()
    );
    assert!(
        took < Duration::from_secs(120),
        "the exploration is complete"
    );
}

fn batch(seq: u64) -> Batch {
    Batch {
        seq: PersistSeq(seq),
        writes: vec![Write::Truncate(LogIndex(1))],
    }
}

/// A log whose syncs can be seen from outside; may fail at one.
struct ModelLog {
    appended: u64,
    synced: Arc<AtomicU64>,
    fails_at: u64,
}

impl Log for ModelLog {
    fn append(&mut self, batch: &Batch) -> Result<(), StorageError> {
        assert!(
            batch.seq.0 == self.appended + 1,
            "batches arrive whole and in order"
        );
        self.appended = batch.seq.0;
        Ok(())
    }

    fn write(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        if self.appended >= self.fails_at {
            return Err(StorageError::BatchTooLarge { bytes: 7, limit: 0 });
        }
        // Relaxed: that the waiter sees it must come from the queue alone.
        self.synced.store(self.appended, Ordering::Relaxed);
        Ok(())
    }

    fn close(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// A queue, what its log has synced, and the thread that drives it.
struct World {
    queue: Arc<GroupCommit>,
    synced: Arc<AtomicU64>,
    flusher: thread::JoinHandle<()>,
}

fn world(limits: GroupLimits, fails_at: u64) -> World {
    let queue = Arc::new(GroupCommit::new(limits));
    let synced = Arc::new(AtomicU64::new(0));
    let mut log = ModelLog {
        appended: 0,
        synced: Arc::clone(&synced),
        fails_at,
    };
    let of_flusher = Arc::clone(&queue);
    let flusher = thread::spawn(move || drive(&mut log, &of_flusher));
    World {
        queue,
        synced,
        flusher,
    }
}

fn wait_for(queue: &GroupCommit, seq: u64) -> Result<PersistSeq, StorageError> {
    block_on(poll_fn(|cx| queue.poll_durable(cx, PersistSeq(seq - 1))))
}

fn one_by_one() -> GroupLimits {
    GroupLimits {
        group_batches: 1,
        ..GroupLimits::default()
    }
}

#[test]
fn what_is_published_was_synced_and_no_wake_up_is_lost() {
    explore("submit and wait, twice", Some(3), || {
        let World {
            queue,
            synced,
            flusher,
        } = world(GroupLimits::default(), u64::MAX);
        for seq in 1..=2 {
            queue.submit(batch(seq));
            let durable = wait_for(&queue, seq).expect("the log works");
            assert!(durable.0 >= seq && synced.load(Ordering::Relaxed) >= durable.0);
        }
        queue.close();
        flusher.join().expect("it ends");
    });
}

#[test]
fn one_batch_in_every_interleaving_without_a_bound() {
    explore("submit and wait, once", None, || {
        let World {
            queue,
            synced,
            flusher,
        } = world(GroupLimits::default(), u64::MAX);
        queue.submit(batch(1));
        wait_for(&queue, 1).expect("the log works");
        assert_eq!(synced.load(Ordering::Relaxed), 1);
        queue.close();
        flusher.join().expect("it ends");
    });
}

#[test]
fn a_submitter_and_two_waiters_on_other_threads_all_hear() {
    explore("one submitter, two waiters", Some(3), || {
        let World {
            queue,
            synced,
            flusher,
        } = world(one_by_one(), u64::MAX);
        let of_waiter = (Arc::clone(&queue), Arc::clone(&synced));
        let waiter = thread::spawn(move || {
            let (queue, synced) = of_waiter;
            let durable = wait_for(&queue, 2).expect("the log works");
            assert!(durable.0 == 2 && synced.load(Ordering::Relaxed) >= 2);
        });
        queue.submit(batch(1));
        queue.submit(batch(2));
        let durable = wait_for(&queue, 1).expect("the log works");
        assert!(synced.load(Ordering::Relaxed) >= durable.0);
        waiter.join().expect("it heard");
        queue.close();
        flusher.join().expect("it ends");
    });
}

#[test]
fn two_submitters_in_turn_share_the_queue() {
    explore("two submitters", Some(3), || {
        let World {
            queue,
            synced,
            flusher,
        } = world(GroupLimits::default(), u64::MAX);
        queue.submit(batch(1));
        let of_second = (Arc::clone(&queue), Arc::clone(&synced));
        let second = thread::spawn(move || {
            let (queue, synced) = of_second;
            queue.submit(batch(2));
            let durable = wait_for(&queue, 2).expect("the log works");
            assert!(synced.load(Ordering::Relaxed) >= durable.0);
        });
        let durable = wait_for(&queue, 1).expect("the log works");
        assert!(synced.load(Ordering::Relaxed) >= durable.0);
        second.join().expect("it heard");
        queue.close();
        flusher.join().expect("it ends");
    });
}

#[test]
fn closing_drains_what_was_submitted() {
    explore("close drains", Some(3), || {
        let World {
            queue,
            synced,
            flusher,
        } = world(one_by_one(), u64::MAX);
        queue.submit(batch(1));
        queue.submit(batch(2));
        queue.close();
        let last = block_on(poll_fn(|cx| queue.poll_ended(cx))).expect("the log works");
        assert!(last == PersistSeq(2) && synced.load(Ordering::Relaxed) == 2);
        assert!(matches!(wait_for(&queue, 3), Err(StorageError::Closed)));
        flusher.join().expect("it ends");
    });
}

#[test]
fn a_failure_reaches_every_waiter_and_stays() {
    explore("failure", Some(2), || {
        let World { queue, flusher, .. } = world(one_by_one(), 2);
        let of_waiter = Arc::clone(&queue);
        let failed = |outcome| matches!(outcome, Err(StorageError::BatchTooLarge { bytes: 7, .. }));
        let waiter = thread::spawn(move || assert!(failed(wait_for(&of_waiter, 2))));
        queue.submit(batch(1));
        queue.submit(batch(2));
        assert!(failed(wait_for(&queue, 2)));
        assert!(failed(wait_for(&queue, 2)), "and stays");
        waiter.join().expect("it heard");
        flusher.join().expect("it ends by itself");
    });
}

#[test]
fn abandoning_ends_the_flusher_and_every_wait() {
    explore("abandon", Some(3), || {
        let World {
            queue,
            synced,
            flusher,
        } = world(one_by_one(), u64::MAX);
        queue.submit(batch(1));
        let of_crash = Arc::clone(&queue);
        let crash = thread::spawn(move || of_crash.abandon());
        match wait_for(&queue, 1) {
            Ok(durable) => assert!(synced.load(Ordering::Relaxed) >= durable.0),
            Err(error) => assert!(matches!(error, StorageError::Closed)),
        }
        crash.join().expect("it returns");
        flusher.join().expect("it ends");
    });
}

#[test]
fn a_flusher_that_is_a_task_is_woken_too() {
    explore("task as flusher", Some(3), || {
        let queue = Arc::new(GroupCommit::default());
        let of_flusher = Arc::clone(&queue);
        let flusher = thread::spawn(move || {
            while let Some(group) = block_on(poll_fn(|cx| of_flusher.poll_next_group(cx))) {
                of_flusher.publish(Ok(group.last().expect("never empty").seq));
            }
            of_flusher.end();
        });
        queue.submit(batch(1));
        wait_for(&queue, 1).expect("it works");
        queue.submit(batch(2));
        queue.close();
        let last = block_on(poll_fn(|cx| queue.poll_ended(cx))).expect("it works");
        assert_eq!(last, PersistSeq(2));
        flusher.join().expect("it ends");
    });
}
