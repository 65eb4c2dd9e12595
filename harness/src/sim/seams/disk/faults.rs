//! What may go wrong with a simulated disk, as data: a scenario is JSON, and shrinking edits it.

use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a crash leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrashMode {
    /// The process died and the machine did not: the page cache keeps everything. It is still
    /// unsynced, and a later power loss may take it.
    KeepAll,
    /// Power loss on a disk that had written nothing by itself.
    LoseUnsynced,
    /// Power loss on a disk that had written some of it: any subset of sectors, and some of the
    /// directory's operations.
    Tear {
        /// The probability that a sector being written holds noise afterwards.
        garbage: f64,
        /// Which directory operations may survive.
        directory: DirectoryOrder,
    },
}

/// Which unsynced creations, renames and removals a power loss may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryOrder {
    /// A prefix: what ext4, xfs and btrfs do, which journal their metadata in order.
    Journalled,
    /// Any subset whose operations still make sense one after the other: all that POSIX promises.
    Any,
}

/// A call on a disk or a file, as traps name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskCall {
    /// `Disk::open`.
    Open,
    /// `DiskFile::read_at`.
    Read,
    /// `DiskFile::write_at`.
    Write,
    /// `DiskFile::set_len`.
    SetLen,
    /// `DiskFile::sync`.
    Sync,
    /// `Disk::rename`.
    Rename,
    /// `Disk::remove`.
    Remove,
    /// `Disk::sync_dir`.
    SyncDir,
}

impl DiskCall {
    /// All of them, in order.
    pub const ALL: [DiskCall; 8] = [
        DiskCall::Open,
        DiskCall::Read,
        DiskCall::Write,
        DiskCall::SetLen,
        DiskCall::Sync,
        DiskCall::Rename,
        DiskCall::Remove,
        DiskCall::SyncDir,
    ];
}

/// The errors that a real disk reports, by their names in errno.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Errno {
    /// The medium failed.
    Eio,
    /// The disk is full.
    Enospc,
    /// The file would be too large.
    Efbig,
}

impl Errno {
    /// All of them, in order.
    pub const ALL: [Errno; 3] = [Errno::Eio, Errno::Enospc, Errno::Efbig];
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(match errno {
            Errno::Eio => 5,
            Errno::Efbig => 27,
            Errno::Enospc => 28,
        })
    }
}

/// What happens to the call that springs a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// It reports an error. A failed write has written a random prefix; a failed sync has made some
    /// sectors durable and forgotten the others, so that syncing again proves nothing.
    Error(Errno),
    /// It reports success and does nothing: a lost write, a lying sync. Reads see a lost write's
    /// bytes as they were before it. Means nothing to `Open` and `Read`.
    Lost,
    /// A write lands this many bytes further on than asked for. Means nothing to other calls.
    Misdirected(u64),
    /// Power fails just before the call takes effect: it and all later calls of this life report
    /// an error. The driver sees [`lost_power`](super::SimDisk::lost_power) and crashes the node.
    PowerLoss,
}

/// A fault that waits for a call: "the third sync of the log from now fails with EIO".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    /// The call that it waits for.
    pub call: DiskCall,
    /// Only calls on files whose name starts with this; empty for all. Renames match by target.
    #[serde(default)]
    pub file: String,
    /// How many matching calls pass unharmed first.
    #[serde(default)]
    pub skip: u64,
    /// How many calls it then spoils, one after the other.
    pub times: u64,
    /// What happens to them.
    pub failure: Failure,
}

impl Trap {
    /// Counts a call; says what happens to it. A trap that is spent has `times` zero.
    pub(super) fn spring(&mut self, call: DiskCall, file: &str) -> Option<Failure> {
        if self.times == 0 || self.call != call || !file.starts_with(&self.file) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.failure)
    }
}

/// What is wrong with a disk as long as it is set; nothing by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskFaults {
    /// How long a sync takes: uniform in this range.
    pub sync_delay: RangeInclusive<Duration>,
    /// How much longer a sync takes, while the disk is slow.
    pub sync_slower: Option<RangeInclusive<Duration>>,
    /// Writes that would bring all files together beyond this many bytes report ENOSPC.
    pub capacity: Option<u64>,
    /// Faults that wait for a call. All of them see each call; the first that springs decides.
    pub traps: Vec<Trap>,
}

impl Default for DiskFaults {
    fn default() -> DiskFaults {
        DiskFaults {
            sync_delay: Duration::ZERO..=Duration::ZERO,
            sync_slower: None,
            capacity: None,
            traps: Vec::new(),
        }
    }
}

/// What a disk has been through since it was made, for judges and reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStats {
    /// Calls of `read_at`.
    pub reads: u64,
    /// Calls of `write_at`.
    pub writes: u64,
    /// Bytes that they were asked to write.
    pub bytes_written: u64,
    /// Calls of `sync`.
    pub syncs: u64,
    /// Calls of `sync_dir`.
    pub dir_syncs: u64,
    /// Delays of syncs that were longer because the disk was slow.
    pub slow_syncs: u64,
    /// Calls that a trap or a full disk spoiled.
    pub spoiled: u64,
    /// Of these, calls that failed, by [`DiskCall`].
    pub failed_calls: [u64; DiskCall::ALL.len()],
    /// The same, by [`Errno`].
    pub failed_by: [u64; Errno::ALL.len()],
    /// Of these, writes that were lost.
    pub lost_writes: u64,
    /// Of these, writes that went elsewhere.
    pub misdirected_writes: u64,
    /// Of these, syncs that did nothing.
    pub lost_syncs: u64,
    /// Calls by a life that was already over.
    pub fenced: u64,
    /// Crashes.
    pub crashes: u64,
    /// Bytes written and not yet synced, at this moment, overwritten ones counted again.
    pub unsynced_bytes: u64,
}
