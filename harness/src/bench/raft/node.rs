//! A node of the measured cluster, as a process: the shipped server with production's seams. Counters look in
//! where a simulation would: at the disk's seam and through the observer.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plumb_raft::core::{Effects, Input, Node, Write, lease_duration};
use plumb_raft::production::{OsSeeded, seams};
use plumb_raft::seams::{Disk, DiskFile};
use plumb_raft::server::{Observer, ServerConfig, run};
use plumb_raft::storage::{RealDisk, RecoveryReport};
use plumb_raft::types::NodeId;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::cli::CliError;

/// As often as etcd 3.4 by default, so that neither does more of that work than the other.
const SNAPSHOT_EVERY: u64 = 100_000;
/// How far a clock may drift for leases to hold: 1 %.
const MAX_DRIFT_PPM: u32 = 10_000;

/// What a node has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Entries handed to its log.
    pub entries: u64,
    /// Files synced.
    pub syncs: u64,
}

#[derive(Debug, Default)]
struct Counting {
    entries: AtomicU64,
    syncs: AtomicU64,
}

impl Observer for Counting {
    fn recovered(&self, _: &Node, _: &RecoveryReport) {}
    fn before_step(&self, _: &Node, _: &Input) {}
    fn after_step(&self, _: &Node, effects: &Effects) {
        for write in effects.persist.iter().flat_map(|batch| &batch.writes) {
            if let Write::Append(entries) = write {
                let added = entries.len() as u64;
                self.entries.fetch_add(added, Ordering::Relaxed);
            }
        }
    }
}

struct CountingDisk {
    disk: RealDisk,
    counting: Arc<Counting>,
}

struct CountingFile {
    file: Box<dyn DiskFile>,
    counting: Arc<Counting>,
}

impl Disk for CountingDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(CountingFile {
            file: self.disk.open(name, create)?,
            counting: Arc::clone(&self.counting),
        }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

impl DiskFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.counting.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync()
    }
}

/// Runs a node until standard input ends. A line there is answered by a line of [`Counters`].
///
/// # Errors
/// If the server stops by itself.
pub fn serve(id: NodeId, addrs: &BTreeMap<NodeId, String>, folder: &Path) -> Result<(), CliError> {
    let failed = |why: String| {
        CliError::new(
            format!("node {id}: {why}"),
            "this is a part of `plumb bench raft`: is its folder writable, are its ports free?",
        )
    };
    let mut config = ServerConfig::new(id, addrs);
    config.snapshot_every = SNAPSHOT_EVERY.into();
    config.core.lease = lease_duration(config.election_timeout.0, MAX_DRIFT_PPM);
    let counting = Arc::new(Counting::default());
    let disk = CountingDisk {
        disk: RealDisk::open(folder).map_err(|error| failed(error.to_string()))?,
        counting: Arc::clone(&counting),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let told = Arc::clone(&counting);
    std::thread::spawn(move || {
        let _stop = stop;
        for line in io::stdin().lock().lines() {
            let counters = Counters {
                entries: told.entries.load(Ordering::Relaxed),
                syncs: told.syncs.load(Ordering::Relaxed),
            };
            let words = serde_json::to_string(&counters).expect("numbers always serialise");
            if line.is_err() || writeln!(io::stdout(), "{words}").is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let running = async {
        // Resolves when the thread ends, and with it the end that it holds.
        let shutdown = async { drop(stopped.await) };
        let random = Box::new(OsSeeded::new());
        run(config, seams(Arc::new(disk)), random, counting, shutdown).await
    };
    // Among the tasks that it talks to, not on this thread: each word between two threads costs a wake-up.
    let ended = runtime.block_on(runtime.spawn(running));
    ended
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))
}
