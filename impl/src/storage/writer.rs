//! Drives the log from a [`GroupCommit`] queue: take a group, append it, sync once, publish. On a
//! thread of its own where syncs block, as a task where the disk is simulated.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::StorageError;
use super::group_commit::{Backlog, GroupCommit};
use super::wal::Wal;
use crate::core::effects::{Batch, PersistSeq};
use crate::seams::{Clock, Disk};
use crate::sync::Arc;
use crate::sync::thread::{Builder, JoinHandle};

/// What a driver needs of a log; [`Wal`] is the one, and loom's tests have another.
pub trait Log {
    /// Adds a batch, not durable yet.
    ///
    /// # Errors
    /// Final.
    fn append(&mut self, batch: &Batch) -> Result<(), StorageError>;
    /// Hands what was added to the disk, not durable yet: [`Log::sync`] does so too.
    ///
    /// # Errors
    /// Final.
    fn write(&mut self) -> Result<(), StorageError>;
    /// Makes durable what was added.
    ///
    /// # Errors
    /// Final.
    fn sync(&mut self) -> Result<(), StorageError>;
    /// No more will come.
    ///
    /// # Errors
    /// Final.
    fn close(&mut self) -> Result<(), StorageError>;
}

impl Log for Wal {
    fn append(&mut self, batch: &Batch) -> Result<(), StorageError> {
        Wal::append(self, batch)
    }

    fn write(&mut self) -> Result<(), StorageError> {
        Wal::write(self)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Wal::sync(self)
    }

    fn close(&mut self) -> Result<(), StorageError> {
        Wal::close(self)
    }
}

/// The driver as a blocking loop, until the queue is closed or something fails, which it publishes.
pub fn drive<L: Log>(log: &mut L, queue: &GroupCommit) {
    while let Some(group) = queue.next_group_blocking() {
        let outcome = append_all(log, &group).and_then(|seq| log.sync().map(|()| seq));
        queue.publish(outcome);
    }
    close(log, queue);
    queue.end();
}

/// The driver as a task. It writes, and sleeps for as long as a sync takes before it syncs, so a
/// crash in between finds the group written and not durable.
async fn run_inline(
    mut wal: Wal,
    queue: Arc<GroupCommit>,
    clock: std::sync::Arc<dyn Clock>,
    disk: std::sync::Arc<dyn Disk>,
) {
    let _ended = EndOnDrop(&queue);
    while let Some(group) = poll_fn(|cx| queue.poll_next_group(cx)).await {
        let appended = append_all(&mut wal, &group).and_then(|seq| wal.write().map(|()| seq));
        let delay = disk.sync_delay();
        if !delay.is_zero() {
            clock.sleep(delay).await;
        }
        let outcome = appended.and_then(|seq| wal.sync().map(|()| seq));
        queue.publish(outcome);
    }
    close(&mut wal, &queue);
}

fn append_all<L: Log>(log: &mut L, group: &[Batch]) -> Result<PersistSeq, StorageError> {
    group.iter().try_for_each(|batch| log.append(batch))?;
    Ok(group.last().expect("a group is never empty").seq)
}

fn close<L: Log>(log: &mut L, queue: &GroupCommit) {
    if let Err(error) = log.close() {
        queue.publish(Err(error));
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}

/// However a driver ends, nobody waits for it any more.
struct EndOnDrop<'a>(&'a GroupCommit);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The server's end of its log. Dropping it without [`close`](LogWriter::close) is a crash: what is
/// queued is forgotten. Either way the drop waits for the thread, if there is one, to let go of the
/// disk, so that the data folder can be opened again: after `close`, wait for
/// [`drained`](LogWriter::drained) first, where blocking for a sync or two matters.
#[derive(Debug)]
pub struct LogWriter {
    queue: Arc<GroupCommit>,
    thread: Option<JoinHandle<()>>,
    closed: bool,
}

impl LogWriter {
    /// Drives the log on a thread of its own. If there can be none, the first wait says so.
    #[must_use]
    pub fn on_thread<L: Log + Send + 'static>(mut log: L) -> LogWriter {
        let queue = Arc::new(GroupCommit::default());
        let of_thread = Arc::clone(&queue);
        let spawned = Builder::new().name("plumb-wal".to_owned()).spawn(move || {
            let _ended = EndOnDrop(&of_thread);
            let driven = catch_unwind(AssertUnwindSafe(|| drive(&mut log, &of_thread)));
            if let Err(panic) = driven {
                of_thread.publish(Err(StorageError::Panicked {
                    message: message_of(&*panic),
                }));
            }
        });
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(e) => {
                queue.publish(Err(StorageError::io("start the thread of", "the log", e)));
                None
            }
        };
        LogWriter {
            queue,
            thread,
            closed: false,
        }
    }

    /// Drives the log by a future, which the caller must run beside the rest.
    pub fn inline(
        wal: Wal,
        clock: std::sync::Arc<dyn Clock>,
        disk: std::sync::Arc<dyn Disk>,
    ) -> (LogWriter, impl Future<Output = ()> + Send + 'static) {
        let queue = Arc::new(GroupCommit::default());
        let driver = run_inline(wal, Arc::clone(&queue), clock, disk);
        (
            LogWriter {
                queue,
                thread: None,
                closed: false,
            },
            driver,
        )
    }

    /// Queues a batch; never blocks. See [`LogWriter::backlog`].
    ///
    /// # Panics
    /// If batches come out of order.
    pub fn submit(&self, batch: Batch) {
        self.queue.submit(batch);
    }

    /// What is submitted and not yet durable.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.queue.backlog()
    }

    /// The latest durable batch, as soon as it is later than `after`. May be dropped at any point
    /// and asked again: nothing is consumed.
    ///
    /// # Errors
    /// Whatever the log failed with; every later call says the same.
    pub async fn durable(&mut self, after: PersistSeq) -> Result<PersistSeq, StorageError> {
        poll_fn(|cx| self.queue.poll_durable(cx, after)).await
    }

    /// Takes no more; what is queued will still be written. Does not wait for it.
    pub fn close(&mut self) {
        self.closed = true;
        self.queue.close();
    }

    /// After [`close`](LogWriter::close): waits until all is written and the driver is done; returns
    /// the last durable batch.
    ///
    /// # Errors
    /// Whatever the log failed with.
    pub async fn drained(&mut self) -> Result<PersistSeq, StorageError> {
        poll_fn(|cx| self.queue.poll_ended(cx)).await
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if !self.closed {
            self.queue.abandon();
        }
        if let Some(thread) = self.thread.take() {
            // A panic over there has been published; there is nobody to pass it on to.
            drop(thread.join());
        }
    }
}
