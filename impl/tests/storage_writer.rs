//! The log's drivers: on a thread over a real folder, and as a task over a disk with a delay.

mod storage_support;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use plumb_raft::core::{Batch, PersistSeq, Write};
use plumb_raft::seams::{BoxFuture, Clock, Disk, DiskFile};
use plumb_raft::storage::{LogWriter, RealDisk, StorageError, Wal, WalOptions};
use plumb_raft::types::LogIndex;
use storage_support::{MemDisk, State, Workload, open};

fn within<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(async {
        tokio::time::timeout(Duration::from_secs(20), future)
            .await
            .expect("it does not hang")
    })
}

/// The same where nothing waits for another thread: time passes only when all are asleep.
fn on_paused_time<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

async fn durable(writer: &mut LogWriter, seq: u64) -> Result<PersistSeq, StorageError> {
    writer.durable(PersistSeq(seq - 1)).await
}

#[test]
fn a_thread_writes_to_a_real_folder_and_close_drains() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut workload = Workload::new(5, 100);
    for life in 1..=3 {
        let disk = Arc::new(RealDisk::open(folder.path()).expect("the last life let go of it"));
        let options = WalOptions {
            segment_bytes: 4096,
        };
        let (wal, recovered) = Wal::open(disk, options).expect("it is whole");
        assert_eq!(
            Some(&State::from(recovered)),
            workload.states.last(),
            "life {life}"
        );
        let mut writer = LogWriter::on_thread(wal);
        within(async {
            for seq in 1..=50 {
                writer.submit(Batch {
                    seq: PersistSeq(seq),
                    ..workload.next()
                });
                if seq % 10 == 0 {
                    assert!(durable(&mut writer, seq).await.expect("the disk works").0 >= seq);
                }
            }
            writer.submit(Batch {
                seq: PersistSeq(51),
                ..workload.next()
            });
            writer.close();
            assert_eq!(
                writer.drained().await.expect("the disk works"),
                PersistSeq(51)
            );
        });
    }
}

#[test]
fn dropping_the_writer_is_a_crash_that_frees_the_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut workload = Workload::new(6, 100);
    let disk = Arc::new(RealDisk::open(folder.path()).expect("it is free"));
    let (wal, _) = Wal::open(disk, WalOptions::default()).expect("an empty folder opens");
    let mut writer = LogWriter::on_thread(wal);
    writer.submit(workload.next());
    within(durable(&mut writer, 1)).expect("the disk works");
    writer.submit(workload.next());
    drop(writer);
    let disk = Arc::new(RealDisk::open(folder.path()).expect("it is free at once"));
    let (_, recovered) = Wal::open(disk, WalOptions::default()).expect("it is whole");
    assert!(
        workload
            .number_of(&State::from(recovered))
            .is_some_and(|n| n >= 1)
    );
}

#[test]
fn a_failing_disk_and_a_panic_reach_who_waits() {
    let disk = MemDisk::new();
    let (wal, _) = open(&disk, 4096).expect("an empty folder opens");
    let mut writer = LogWriter::on_thread(wal);
    disk.fail_syncs(1);
    writer.submit(Workload::new(7, 100).next());
    let error = within(durable(&mut writer, 1)).expect_err("the disk fails");
    assert!(
        matches!(error, StorageError::Io { action: "sync", .. }),
        "{error}"
    );
    let error = within(writer.drained()).expect_err("it stays");
    assert!(
        matches!(error, StorageError::Io { action: "sync", .. }),
        "{error}"
    );

    let (wal, _) = open(&MemDisk::new(), 4096).expect("an empty folder opens");
    let mut writer = LogWriter::on_thread(wal);
    let nonsense = vec![Write::Truncate(LogIndex(9))];
    writer.submit(Batch {
        seq: PersistSeq(1),
        writes: nonsense,
    });
    let error = within(durable(&mut writer, 1)).expect_err("a bug is a failure, not a hang");
    let StorageError::Panicked { message } = error else {
        panic!("{error}")
    };
    assert!(
        message.contains("batch 1 does not fit the log"),
        "{message}"
    );
}

struct TestClock;

impl Clock for TestClock {
    fn now(&self) -> Duration {
        unreachable!("the driver only sleeps")
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A disk whose syncs take a while.
struct Slow(MemDisk);

impl Disk for Slow {
    fn open(&self, name: &str, create: bool) -> std::io::Result<Box<dyn DiskFile>> {
        self.0.open(name, create)
    }
    fn list(&self) -> std::io::Result<Vec<String>> {
        self.0.list()
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.0.remove(name)
    }
    fn sync_dir(&self) -> std::io::Result<()> {
        self.0.sync_dir()
    }
    fn sync_delay(&self) -> Duration {
        Duration::from_millis(5)
    }
}

#[test]
fn a_task_groups_what_piles_up_and_a_cancelled_wait_loses_nothing() {
    let memory = MemDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(Slow(memory.clone()));
    let mut workload = Workload::new(8, 100);
    workload.snapshots = false;
    let batches: Vec<Batch> = (0..20).map(|_| workload.next()).collect();
    on_paused_time(async {
        let (wal, _) = Wal::open(Arc::clone(&disk), WalOptions::default()).expect("it opens");
        let clock = Arc::new(TestClock);
        let (mut writer, driver) = LogWriter::inline(wal, clock, disk);
        let driver = tokio::spawn(driver);
        let before = memory.changes();
        writer.submit(batches[0].clone());
        tokio::time::sleep(Duration::from_millis(2)).await;
        for batch in &batches[1..] {
            writer.submit(batch.clone());
        }
        assert_eq!(writer.backlog().batches, 20);
        let cancelled =
            tokio::time::timeout(Duration::from_micros(1), durable(&mut writer, 1)).await;
        assert!(cancelled.is_err(), "the sync takes longer");
        assert_eq!(
            durable(&mut writer, 1).await.expect("it works"),
            PersistSeq(1)
        );
        assert_eq!(
            durable(&mut writer, 2).await.expect("it works"),
            PersistSeq(20)
        );
        // Two groups, each a write, a sync and a line in the notebook.
        assert_eq!(memory.changes() - before, 6);
        assert_eq!(writer.backlog().batches, 0);
        writer.close();
        assert_eq!(writer.drained().await.expect("it works"), PersistSeq(20));
        driver.await.expect("it ends");
    });
    let after = MemDisk::from_image(&memory.durable_image());
    let (_, recovered) = open(&after, 4096).expect("it is whole");
    assert_eq!(workload.number_of(&State::from(recovered)), Some(20));
}

#[test]
fn a_dropped_driver_ends_every_wait() {
    let memory = MemDisk::new();
    within(async {
        let (wal, _) = open(&memory, 4096).expect("it opens");
        let clock = Arc::new(TestClock);
        let (mut writer, driver) = LogWriter::inline(wal, clock, Arc::new(Slow(memory.clone())));
        let driver = tokio::spawn(driver);
        writer.submit(Workload::new(9, 100).next());
        tokio::time::sleep(Duration::from_millis(1)).await;
        driver.abort();
        let error = durable(&mut writer, 1)
            .await
            .expect_err("nobody writes any more");
        assert!(matches!(error, StorageError::Closed), "{error}");
    });
}
