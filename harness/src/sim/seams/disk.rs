//! A disk in memory with the crash semantics of a real one, taken literally: what was not synced
//! may be lost, torn or reordered, and a life that is over can no longer write.
//!
//! It stands below the log code (`write_at`, `sync`, `rename`, `sync_dir`), where turmoil's shim of
//! `std::fs` has no failing sync, no lasting rot and no fence.

mod faults;
mod inode;
mod medium;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plumb_raft::seams::{Disk, DiskFile};

use self::medium::{InodeId, Medium};
use super::lock;
use super::random::Stream;

pub use self::faults::{
    CrashMode, DirectoryOrder, DiskCall, DiskFaults, DiskStats, Errno, Failure, Trap,
};

/// The disk itself, which survives its node's crashes. Clones are handles to the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    medium: Arc<Mutex<Medium>>,
}

impl SimDisk {
    /// An empty disk. `index` tells its draws (delays, damage by failing calls) from those of other
    /// disks of the same seed; `sector` is the unit that a crash keeps or loses.
    ///
    /// # Panics
    /// If `sector` is not within 1 to 4096.
    #[must_use]
    pub fn new(seed: u64, index: u64, sector: usize) -> SimDisk {
        SimDisk {
            medium: Arc::new(Mutex::new(Medium::new(seed, index, sector))),
        }
    }

    /// A disk on which these files are durable.
    ///
    /// # Panics
    /// If `sector` is not within 1 to 4096.
    #[must_use]
    pub fn from_image(
        image: BTreeMap<String, Vec<u8>>,
        seed: u64,
        index: u64,
        sector: usize,
    ) -> SimDisk {
        let disk = SimDisk::new(seed, index, sector);
        lock(&disk.medium).load(image);
        disk
    }

    /// The view of one life of the node, from now until [`crash`](SimDisk::crash).
    #[must_use]
    pub fn mount(&self) -> Mount {
        let generation = lock(&self.medium).generation;
        Mount {
            life: Life {
                medium: self.medium.clone(),
                generation,
            },
        }
    }

    /// Ends the present life: decides by `rng` what is left, and fences its mounts and files, which
    /// from now on report errors and change nothing. Call it *before* `turmoil::Sim::crash`, which
    /// runs the node's destructors.
    pub fn crash(&self, rng: &mut Stream, mode: CrashMode) {
        lock(&self.medium).crash(rng, mode);
    }

    /// Removes every file. The node must be down: call [`crash`](SimDisk::crash) before.
    pub fn empty(&self) {
        lock(&self.medium).empty();
    }

    /// Whether a [`Failure::PowerLoss`] has struck the present life: its node must be crashed now.
    #[must_use]
    pub fn lost_power(&self) -> bool {
        !lock(&self.medium).powered
    }

    /// Changes what is wrong with the disk.
    pub fn set_faults(&self, change: impl FnOnce(&mut DiskFaults)) {
        let mut medium = lock(&self.medium);
        change(&mut medium.faults);
        medium.faults.traps.retain(|trap| trap.times > 0);
    }

    /// Sets a trap beside those that wait already.
    pub fn set_trap(&self, trap: Trap) {
        self.set_faults(|faults| faults.traps.push(trap));
    }

    /// What is wrong with it now; traps show what is left of them.
    #[must_use]
    pub fn faults(&self) -> DiskFaults {
        lock(&self.medium).faults.clone()
    }

    /// Flips the bits of `mask` in one durable byte, for good; false if there is no such byte.
    #[must_use]
    pub fn rot(&self, file: &str, offset: u64, mask: u8) -> bool {
        lock(&self.medium).rot(file, offset, mask)
    }

    /// Gives back the bits that [`rot`](SimDisk::rot) has flipped, where nothing was written since.
    pub fn heal(&self) {
        lock(&self.medium).heal();
    }

    /// Whether there are bits for [`heal`](SimDisk::heal) to give back.
    #[must_use]
    pub fn is_rotten(&self) -> bool {
        lock(&self.medium).is_rotten()
    }

    /// Whether it has said to have done what it has not: a power loss now would take what others were promised.
    #[must_use]
    pub fn has_lied(&self) -> bool {
        lock(&self.medium).has_lied()
    }

    /// Whether it has lost or misplaced what it said to have written.
    #[must_use]
    pub fn has_lost_writes(&self) -> bool {
        lock(&self.medium).has_lost_writes()
    }

    /// Whoever reads it now is content with it: nothing is to be given back.
    pub fn forget_lost_writes(&self) {
        lock(&self.medium).forget_lost_writes();
    }

    /// All that it has said to have done is done, and durable.
    pub fn come_true(&self) {
        lock(&self.medium).come_true();
    }

    /// What a crash would leave that loses all it may.
    #[must_use]
    pub fn durable_image(&self) -> BTreeMap<String, Vec<u8>> {
        lock(&self.medium).durable_image()
    }

    /// What the running node reads.
    #[must_use]
    pub fn cached_image(&self) -> BTreeMap<String, Vec<u8>> {
        lock(&self.medium).cached_image()
    }

    /// What it has been through.
    #[must_use]
    pub fn stats(&self) -> DiskStats {
        lock(&self.medium).stats()
    }
}

/// One life's right to use a disk.
#[derive(Clone, Debug)]
struct Life {
    medium: Arc<Mutex<Medium>>,
    generation: u64,
}

impl Life {
    fn act<T>(&self, action: impl FnOnce(&mut Medium) -> io::Result<T>) -> io::Result<T> {
        let mut medium = lock(&self.medium);
        medium.check_alive(self.generation)?;
        action(&mut medium)
    }
}

/// A disk as one life of a node sees it.
#[derive(Clone, Debug)]
pub struct Mount {
    life: Life,
}

impl Disk for Mount {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.life.act(|medium| medium.open(name, create))?;
        Ok(Box::new(File {
            life: self.life.clone(),
            inode,
            name: name.to_owned(),
        }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.life.act(|medium| Ok(medium.list()))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.life.act(|medium| medium.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.life.act(|medium| medium.remove(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.life.act(Medium::sync_dir)
    }

    fn sync_delay(&self) -> Duration {
        self.life
            .act(|medium| Ok(medium.draw_sync_delay()))
            .unwrap_or(Duration::ZERO)
    }
}

/// An open file; traps know it by the name that it was opened by.
#[derive(Debug)]
struct File {
    life: Life,
    inode: InodeId,
    name: String,
}

impl File {
    fn id(&self) -> (InodeId, &str) {
        (self.inode, &self.name)
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        self.life.act(|medium| Ok(medium.len(self.inode)))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.life.act(|medium| medium.read(self.id(), offset, buf))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.life
            .act(|medium| medium.write(self.id(), offset, bytes))
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.life.act(|medium| medium.set_len(self.id(), len))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.life.act(|medium| medium.sync(self.id()))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let mut medium = lock(&self.life.medium);
        // Not `check_alive`: letting go of a handle is no use of the disk, and harmless after death.
        if medium.generation == self.life.generation {
            medium.close(self.inode);
        }
    }
}
