//! The queue between a server's event loop, which must not block, and the one driver of its log,
//! which does: what piles up during one sync is written by the next, together.
//!
//! One lock, and every wake-up is sent after the state that it announces has been set and the lock
//! let go. Nothing here knows of disks or of tokio: `tests/loom.rs` explores it as it stands.

use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::PoisonError;

use super::error::StorageError;
use crate::core::effects::{Batch, PersistSeq, Write};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// How much is written together, and how much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// A group has at most this many batches.
    pub group_batches: usize,
    /// A group has at most about this many bytes, or one batch.
    pub group_bytes: usize,
    /// From this many unwritten batches on, the backlog is full.
    pub backlog_batches: usize,
    /// From about this many unwritten bytes on, the backlog is full.
    pub backlog_bytes: usize,
}

impl Default for GroupLimits {
    fn default() -> GroupLimits {
        GroupLimits {
            group_batches: 1024,
            group_bytes: 8 << 20,
            backlog_batches: 4096,
            backlog_bytes: 64 << 20,
        }
    }
}

/// What was submitted and is not yet durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// In batches.
    pub batches: usize,
    /// In bytes, about.
    pub bytes: usize,
    /// Whether a limit is reached: the submitter should take on no new work. What it submits
    /// nevertheless is accepted, since a core that has decided can't take it back.
    pub full: bool,
}

/// The queue. Submitters never block; one flusher takes groups, in order, and publishes.
#[derive(Debug)]
pub struct GroupCommit {
    limits: GroupLimits,
    state: Mutex<State>,
    /// For a flusher that is a thread.
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<(Batch, usize)>,
    /// Taken by the flusher and not yet published: number and bytes.
    taken: VecDeque<(PersistSeq, usize)>,
    bytes: usize,
    submitted: PersistSeq,
    durable: PersistSeq,
    failure: Option<StorageError>,
    closed: bool,
    ended: bool,
    /// For a flusher that is a task.
    flusher: Option<Waker>,
    waiters: Vec<Waker>,
}

impl State {
    fn take_group(&mut self, limits: &GroupLimits) -> Vec<Batch> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some((batch, size)) = self.queue.pop_front() {
            if !group.is_empty() && bytes + size > limits.group_bytes {
                self.queue.push_front((batch, size));
                break;
            }
            bytes += size;
            self.taken.push_back((batch.seq, size));
            group.push(batch);
            if group.len() >= limits.group_batches {
                break;
            }
        }
        group
    }

    /// The flusher's next step, if it has one: a group, or the end.
    fn next_group(&mut self, limits: &GroupLimits) -> Option<Option<Vec<Batch>>> {
        if self.failure.is_some() {
            Some(None)
        } else if !self.queue.is_empty() {
            Some(Some(self.take_group(limits)))
        } else {
            self.closed.then_some(None)
        }
    }

    fn fail(&mut self, error: StorageError) {
        // The first failure is the cause, the others are its consequences.
        self.failure.get_or_insert(error);
        self.queue.clear();
        self.taken.clear();
        self.bytes = 0;
    }
}

impl Default for GroupCommit {
    fn default() -> GroupCommit {
        GroupCommit::new(GroupLimits::default())
    }
}

impl GroupCommit {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: GroupLimits) -> GroupCommit {
        assert!(limits.group_batches > 0, "a group has room for a batch");
        GroupCommit {
            limits,
            state: Mutex::new(State::default()),
            work: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together: the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a batch; never blocks. Once the queue is closed or has failed, the batch is dropped,
    /// and whoever waits for it learns why.
    ///
    /// # Panics
    /// If the batch's number is not above those submitted before.
    pub fn submit(&self, batch: Batch) {
        let size = size_of_batch(&batch);
        let mut state = self.lock();
        if state.closed || state.failure.is_some() {
            return;
        }
        let last = state.submitted;
        if batch.seq <= last {
            drop(state);
            panic!("batch {} is submitted after batch {}", batch.seq.0, last.0);
        }
        state.submitted = batch.seq;
        state.bytes += size;
        state.queue.push_back((batch, size));
        let flusher = state.flusher.take();
        drop(state);
        self.work.notify_one();
        flusher.into_iter().for_each(Waker::wake);
    }

    /// What is submitted and not yet durable.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let state = self.lock();
        let batches = state.queue.len() + state.taken.len();
        let full =
            batches >= self.limits.backlog_batches || state.bytes >= self.limits.backlog_bytes;
        Backlog {
            batches,
            bytes: state.bytes,
            full,
        }
    }

    /// Lets the flusher finish what was submitted, and then end; takes nothing more.
    pub fn close(&self) {
        self.change_for_flusher(|state| state.closed = true);
    }

    /// Drops what the flusher has not taken yet, as a crash would, and lets it end.
    pub fn abandon(&self) {
        self.change_for_flusher(|state| {
            state.closed = true;
            state.fail(StorageError::Closed);
        });
    }

    fn change_for_flusher(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let flusher = state.flusher.take();
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        self.work.notify_one();
        flusher.into_iter().chain(waiters).for_each(Waker::wake);
    }

    /// The flusher, a thread: waits for the next group. `None` once there will be none.
    pub fn next_group_blocking(&self) -> Option<Vec<Batch>> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.next_group(&self.limits) {
                return next;
            }
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The flusher, a task: the next group. `None` once there will be none.
    pub fn poll_next_group(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<Batch>>> {
        let mut state = self.lock();
        match state.next_group(&self.limits) {
            Some(next) => Poll::Ready(next),
            None => {
                state.flusher = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The flusher: every batch up to this one is durable, or nothing more will be. The first failure
    /// stays.
    ///
    /// # Panics
    /// If the batch was not taken.
    pub fn publish(&self, outcome: Result<PersistSeq, StorageError>) {
        let mut state = self.lock();
        match outcome {
            Ok(seq) => {
                let abandoned = state.failure.is_some();
                while state.taken.front().is_some_and(|(taken, _)| *taken <= seq) {
                    let (taken, size) = state.taken.pop_front().expect("the front was just seen");
                    state.durable = taken;
                    state.bytes -= size;
                }
                let durable = state.durable;
                if !abandoned && durable != seq {
                    drop(state);
                    panic!(
                        "batch {} is published, and {} was the last taken",
                        seq.0, durable.0
                    );
                }
            }
            Err(error) => state.fail(error),
        }
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        waiters.into_iter().for_each(Waker::wake);
    }

    /// The flusher is gone, for whatever reason: nobody must wait for it.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let drained = state.closed && state.queue.is_empty() && state.taken.is_empty();
        if !drained {
            state.fail(StorageError::Closed);
        }
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        waiters.into_iter().for_each(Waker::wake);
    }

    /// The latest durable batch, once it is later than `after`; then the failure, if there is one.
    /// Once the flusher has ended there will be no later one, which is [`StorageError::Closed`].
    /// Any number of tasks may wait.
    pub fn poll_durable(
        &self,
        cx: &mut Context<'_>,
        after: PersistSeq,
    ) -> Poll<Result<PersistSeq, StorageError>> {
        let mut state = self.lock();
        if state.durable > after {
            return Poll::Ready(Ok(state.durable));
        }
        if let Some(error) = &state.failure {
            return Poll::Ready(Err(error.clone()));
        }
        if state.ended {
            return Poll::Ready(Err(StorageError::Closed));
        }
        state.wait(cx);
        Poll::Pending
    }

    /// The latest durable batch, once the flusher has ended; or the failure.
    pub fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Result<PersistSeq, StorageError>> {
        let mut state = self.lock();
        if !state.ended {
            state.wait(cx);
            return Poll::Pending;
        }
        Poll::Ready(state.failure.clone().map_or(Ok(state.durable), Err))
    }
}

impl State {
    fn wait(&mut self, cx: &Context<'_>) {
        // A task that asks again, as in every turn of a select loop, still waits once.
        if !self
            .waiters
            .iter()
            .any(|waiter| waiter.will_wake(cx.waker()))
        {
            self.waiters.push(cx.waker().clone());
        }
    }
}

/// About the bytes that a batch takes in memory and in the log.
fn size_of_batch(batch: &Batch) -> usize {
    const OVERHEAD: usize = 32;
    let size_of_write = |write: &Write| match write {
        Write::HardState(_) | Write::Truncate(_) => 0,
        Write::Snapshot { snapshot, .. } => snapshot.data.len(),
        Write::Append(entries) => entries.iter().map(|e| OVERHEAD + e.payload.len()).sum(),
    };
    batch
        .writes
        .iter()
        .map(|write| OVERHEAD + size_of_write(write))
        .sum()
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::types::{Entry, LogIndex, Payload, Term};

    fn batch(seq: u64, bytes: usize) -> Batch {
        let payload = Payload::Command(vec![0; bytes].into());
        let entry = Entry {
            index: LogIndex(seq),
            term: Term(1),
            payload,
        };
        Batch {
            seq: PersistSeq(seq),
            writes: vec![Write::Append(vec![entry])],
        }
    }

    fn queue() -> GroupCommit {
        GroupCommit::new(GroupLimits {
            group_batches: 3,
            group_bytes: 1000,
            backlog_batches: 5,
            backlog_bytes: 4000,
        })
    }

    fn next(queue: &GroupCommit) -> Vec<u64> {
        let group = queue.next_group_blocking().expect("there is one");
        group.iter().map(|batch| batch.seq.0).collect()
    }

    #[test]
    fn groups_are_bounded_by_count_and_bytes_and_one_batch_always_fits() {
        let queue = queue();
        for (seq, bytes) in [
            (1, 1),
            (2, 1),
            (3, 1),
            (4, 5000),
            (5, 1),
            (6, 900),
            (7, 900),
        ] {
            queue.submit(batch(seq, bytes));
        }
        assert_eq!(next(&queue), [1, 2, 3]);
        assert_eq!(next(&queue), [4]);
        assert_eq!(next(&queue), [5]);
        assert_eq!(next(&queue), [6]);
        assert_eq!(next(&queue), [7]);
        queue.close();
        assert!(queue.next_group_blocking().is_none());
    }

    #[test]
    fn the_backlog_counts_until_published() {
        let queue = queue();
        (1..=5).for_each(|seq| queue.submit(batch(seq, 10)));
        assert!(queue.backlog().full);
        next(&queue);
        assert_eq!(queue.backlog().batches, 5, "taken is not durable");
        queue.publish(Ok(PersistSeq(3)));
        let Backlog {
            batches,
            bytes,
            full,
        } = queue.backlog();
        assert!(batches == 2 && bytes > 20 && !full);
        queue.submit(batch(6, 5000));
        assert!(queue.backlog().full, "by bytes");
        next(&queue);
        queue.publish(Ok(PersistSeq(5)));
        next(&queue);
        queue.publish(Ok(PersistSeq(6)));
        assert_eq!(queue.backlog(), Backlog::default());
    }

    #[test]
    #[should_panic(expected = "batch 2 is submitted after batch 2")]
    fn numbers_rise() {
        let queue = queue();
        queue.submit(batch(2, 1));
        queue.submit(batch(2, 1));
    }

    #[test]
    #[should_panic(expected = "batch 2 is published, and 1 was the last taken")]
    fn what_was_not_taken_is_not_published() {
        let queue = GroupCommit::new(GroupLimits {
            group_batches: 1,
            ..GroupLimits::default()
        });
        queue.submit(batch(1, 1));
        queue.submit(batch(2, 1));
        next(&queue);
        queue.publish(Ok(PersistSeq(2)));
    }
}
