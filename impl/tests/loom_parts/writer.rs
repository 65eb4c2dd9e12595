//! The server's end of its log: its thread comes to an end however the server does, by closing, by dropping it as in a
//! crash, or because the log itself panics; and nobody waits for ever.

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use plumb_raft::core::{Batch, PersistSeq};
use plumb_raft::storage::{Log, LogWriter, StorageError};

use super::{ModelLog, batch, explore};

fn writer() -> (LogWriter, Arc<AtomicU64>) {
    let synced = Arc::new(AtomicU64::new(0));
    let log = ModelLog {
        appended: 0,
        synced: Arc::clone(&synced),
        fails_at: u64::MAX,
    };
    (LogWriter::on_thread(log), synced)
}

#[test]
fn a_writer_that_is_closed_drains_what_was_submitted() {
    explore("writer: close, drain", Some(3), || {
        let (mut writer, synced) = writer();
        writer.submit(batch(1));
        writer.submit(batch(2));
        writer.close();
        let last = block_on(writer.drained()).expect("the log works");
        assert!(last == PersistSeq(2) && synced.load(Ordering::Relaxed) == 2);
        drop(writer);
        assert_eq!(
            Arc::strong_count(&synced),
            1,
            "its thread has let go of the log"
        );
    });
}

#[test]
fn a_writer_that_is_dropped_waits_for_its_thread_to_let_go_of_the_log() {
    explore("writer: dropped", Some(3), || {
        let (writer, synced) = writer();
        writer.submit(batch(1));
        writer.submit(batch(2));
        drop(writer);
        assert_eq!(
            Arc::strong_count(&synced),
            1,
            "its thread has let go of the log"
        );
    });
}

struct Panics;

impl Log for Panics {
    fn append(&mut self, _: &Batch) -> Result<(), StorageError> {
        panic!("the log panics")
    }

    fn write(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}

#[test]
fn whoever_waits_for_a_log_that_panics_is_told() {
    explore("writer: panic", Some(3), || {
        let mut writer = LogWriter::on_thread(Panics);
        writer.submit(batch(1));
        let told = block_on(writer.durable(PersistSeq(0)));
        assert!(
            matches!(told, Err(StorageError::Panicked { .. })),
            "{told:?}"
        );
        // And nobody waits for its end.
        assert!(block_on(writer.drained()).is_err());
    });
}
