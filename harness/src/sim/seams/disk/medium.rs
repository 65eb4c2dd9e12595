//! The state behind a simulated disk: files, names, and what a crash makes of them. No locks, no
//! handles: [`SimDisk`](super::SimDisk) and [`Mount`](super::Mount) add those.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::faults::{CrashMode, DirectoryOrder, DiskCall, DiskFaults, DiskStats, Errno, Failure};
use super::inode::Inode;
use crate::sim::seams::random::Stream;

/// No simulated file needs more; a write beyond it reports EFBIG instead of eating the machine.
pub(super) const MAX_FILE: u64 = 1 << 30;

pub(super) type InodeId = u64;
type Names = BTreeMap<String, InodeId>;

/// A change of the directory that no `sync_dir` has made durable yet.
#[derive(Clone, Debug)]
enum NameChange {
    Link {
        name: String,
        inode: InodeId,
    },
    Rename {
        from: String,
        to: String,
        inode: InodeId,
    },
    Unlink {
        name: String,
        inode: InodeId,
    },
}

#[derive(Debug)]
pub(super) struct Medium {
    inodes: BTreeMap<InodeId, Inode>,
    next_inode: InodeId,
    names: Names,
    durable_names: Names,
    name_changes: Vec<NameChange>,
    sector: usize,
    /// The life that may use the disk: handles of earlier ones are fenced.
    pub(super) generation: u64,
    /// Whether the present life still has power.
    pub(super) powered: bool,
    pub(super) faults: DiskFaults,
    /// Something counts as durable that is not.
    lied_of_syncs: bool,
    stats: DiskStats,
    delays: Stream,
    /// Of its own: a slow disk leaves the other draws alone.
    slower: Stream,
    damage: Stream,
}

impl Medium {
    pub(super) fn new(seed: u64, index: u64, sector: usize) -> Medium {
        assert!((1..=4096).contains(&sector), "a sector has 1 to 4096 bytes");
        Medium {
            inodes: BTreeMap::new(),
            next_inode: 0,
            names: Names::new(),
            durable_names: Names::new(),
            name_changes: Vec::new(),
            sector,
            generation: 0,
            powered: true,
            faults: DiskFaults::default(),
            lied_of_syncs: false,
            stats: DiskStats::default(),
            delays: Stream::derive(seed, "disk.delay", index),
            slower: Stream::derive(seed, "disk.slower", index),
            damage: Stream::derive(seed, "disk.damage", index),
        }
    }

    pub(super) fn empty(&mut self) {
        self.lied_of_syncs = false;
        self.inodes.clear();
        self.names.clear();
        self.durable_names.clear();
        self.name_changes.clear();
    }

    pub(super) fn load(&mut self, image: BTreeMap<String, Vec<u8>>) {
        for (name, content) in image {
            let inode = self.add(Inode::from_durable(content));
            self.names.insert(name, inode);
        }
        self.durable_names.clone_from(&self.names);
    }

    fn add(&mut self, inode: Inode) -> InodeId {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, inode);
        self.next_inode
    }

    fn inode(&mut self, id: InodeId) -> &mut Inode {
        self.inodes
            .get_mut(&id)
            .expect("a name or an open handle keeps its inode")
    }

    fn peek(&self, id: InodeId) -> &Inode {
        &self.inodes[&id]
    }

    /// Admits a call or spoils it. `Ok(Some(..))` is a fault that the call itself carries out.
    fn admit(&mut self, call: DiskCall, file: &str) -> io::Result<Option<Failure>> {
        let mut sprung = None;
        for trap in &mut self.faults.traps {
            let failure = trap.spring(call, file);
            sprung = sprung.or(failure);
        }
        self.stats.spoiled += u64::from(sprung.is_some());
        if let Some(Failure::Error(errno)) = sprung {
            self.stats.failed_calls[call as usize] += 1;
            self.stats.failed_by[errno as usize] += 1;
        }
        match sprung {
            Some(Failure::PowerLoss) => {
                self.powered = false;
                Err(fenced())
            }
            Some(Failure::Error(errno)) if !matches!(call, DiskCall::Write | DiskCall::Sync) => {
                Err(errno.into())
            }
            other => Ok(other),
        }
    }

    /// Whether a handle of this life may still act.
    pub(super) fn check_alive(&mut self, generation: u64) -> io::Result<()> {
        if self.powered && self.generation == generation {
            return Ok(());
        }
        self.stats.fenced += 1;
        Err(fenced())
    }

    pub(super) fn open(&mut self, name: &str, create: bool) -> io::Result<InodeId> {
        check_name(name)?;
        self.admit(DiskCall::Open, name)?;
        let id = match self.names.get(name) {
            Some(id) => *id,
            None if create => {
                let id = self.add(Inode::default());
                self.names.insert(name.to_owned(), id);
                self.name_changes.push(NameChange::Link {
                    name: name.to_owned(),
                    inode: id,
                });
                id
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        self.inode(id).handles += 1;
        Ok(id)
    }

    pub(super) fn close(&mut self, id: InodeId) {
        self.inode(id).handles -= 1;
        self.collect_garbage();
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        check_name(to)?;
        let Some(id) = self.names.get(from).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if self.admit(DiskCall::Rename, to)? == Some(Failure::Lost) || from == to {
            return Ok(());
        }
        self.names.remove(from);
        self.names.insert(to.to_owned(), id);
        self.name_changes.push(NameChange::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            inode: id,
        });
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let Some(id) = self.names.get(name).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if self.admit(DiskCall::Remove, name)? == Some(Failure::Lost) {
            return Ok(());
        }
        self.names.remove(name);
        self.name_changes.push(NameChange::Unlink {
            name: name.to_owned(),
            inode: id,
        });
        Ok(())
    }

    pub(super) fn sync_dir(&mut self) -> io::Result<()> {
        self.stats.dir_syncs += 1;
        if self.admit(DiskCall::SyncDir, "")? == Some(Failure::Lost) {
            self.stats.lost_syncs += 1;
            self.lied_of_syncs = true;
            return Ok(());
        }
        self.name_changes.clear();
        self.durable_names.clone_from(&self.names);
        self.collect_garbage();
        Ok(())
    }

    pub(super) fn len(&self, id: InodeId) -> u64 {
        self.peek(id).cached().len() as u64
    }

    pub(super) fn read(
        &mut self,
        (id, name): (InodeId, &str),
        offset: u64,
        buf: &mut [u8],
    ) -> io::Result<usize> {
        self.stats.reads += 1;
        self.admit(DiskCall::Read, name)?;
        let content = self.peek(id).cached();
        let start = usize::try_from(offset).map_or(content.len(), |at| at.min(content.len()));
        let count = buf.len().min(content.len() - start);
        buf[..count].copy_from_slice(&content[start..start + count]);
        Ok(count)
    }

    pub(super) fn write(
        &mut self,
        (id, name): (InodeId, &str),
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.stats.writes += 1;
        self.stats.bytes_written += bytes.len() as u64;
        let errno = match self.admit(DiskCall::Write, name)? {
            Some(Failure::Lost) => {
                self.stats.lost_writes += 1;
                self.inode(id).lie(position(offset)?, bytes, None);
                return Ok(());
            }
            Some(Failure::Misdirected(shift)) => {
                self.stats.misdirected_writes += 1;
                let lands = position(offset.saturating_add(shift))?;
                self.inode(id).lie(position(offset)?, bytes, Some(lands));
                return Ok(());
            }
            Some(Failure::Error(errno)) => Some(errno),
            Some(Failure::PowerLoss) | None => None,
        };
        let start = position(offset)?;
        let end = position((start as u64).saturating_add(bytes.len() as u64))?;
        let grows = end.saturating_sub(self.peek(id).cached().len()) as u64;
        let errno = errno.or_else(|| self.full(grows));
        let Some(errno) = errno else {
            self.inode(id).write(start, bytes);
            return Ok(());
        };
        // write(2) may have written any part before the error; a full disk leaves nothing to grow.
        let written = if errno == Errno::Enospc && grows > 0 {
            0
        } else {
            self.damage.index(bytes.len() + 1)
        };
        self.inode(id).write(start, &bytes[..written]);
        Err(errno.into())
    }

    pub(super) fn set_len(&mut self, (id, name): (InodeId, &str), len: u64) -> io::Result<()> {
        let len = position(len)?;
        if self.admit(DiskCall::SetLen, name)? == Some(Failure::Lost) {
            return Ok(());
        }
        let grows = len.saturating_sub(self.peek(id).cached().len()) as u64;
        if let Some(errno) = self.full(grows) {
            return Err(errno.into());
        }
        self.inode(id).set_len(len);
        Ok(())
    }

    pub(super) fn sync(&mut self, (id, name): (InodeId, &str)) -> io::Result<()> {
        self.stats.syncs += 1;
        let failure = self.admit(DiskCall::Sync, name)?;
        let inode = self
            .inodes
            .get_mut(&id)
            .expect("an open handle keeps its inode");
        match failure {
            Some(Failure::Error(errno)) => {
                inode.fail_sync(&mut self.damage, self.sector);
                Err(errno.into())
            }
            Some(Failure::Lost) => {
                self.stats.lost_syncs += 1;
                self.lied_of_syncs = true;
                inode.lie_of_sync();
                Ok(())
            }
            _ => {
                inode.sync();
                Ok(())
            }
        }
    }

    /// ENOSPC if growing by so many bytes would exceed the capacity.
    fn full(&mut self, grows: u64) -> Option<Errno> {
        let capacity = self.faults.capacity?;
        let used: u64 = self
            .inodes
            .values()
            .map(|inode| inode.cached().len() as u64)
            .sum();
        let full = grows > 0 && used + grows > capacity;
        self.stats.spoiled += u64::from(full);
        full.then_some(Errno::Enospc)
    }

    pub(super) fn draw_sync_delay(&mut self) -> std::time::Duration {
        let delay = self.delays.range_duration(&self.faults.sync_delay);
        let Some(slower) = &self.faults.sync_slower else {
            return delay;
        };
        self.stats.slow_syncs += 1;
        delay + self.slower.range_duration(slower)
    }

    pub(super) fn crash(&mut self, rng: &mut Stream, mode: CrashMode) {
        self.generation += 1;
        self.powered = true;
        self.stats.crashes += 1;
        match mode {
            CrashMode::KeepAll => {}
            CrashMode::LoseUnsynced => {
                self.inodes.values_mut().for_each(Inode::lose_unsynced);
                self.names.clone_from(&self.durable_names);
                self.name_changes.clear();
            }
            CrashMode::Tear { garbage, directory } => {
                for inode in self.inodes.values_mut() {
                    inode.tear(rng, self.sector, garbage);
                }
                self.tear_directory(rng, directory);
            }
        }
        self.inodes.values_mut().for_each(|inode| inode.handles = 0);
        self.collect_garbage();
    }

    fn tear_directory(&mut self, rng: &mut Stream, order: DirectoryOrder) {
        let changes = std::mem::take(&mut self.name_changes);
        let prefix = rng.index(changes.len() + 1);
        for (at, change) in changes.into_iter().enumerate() {
            let kept = match order {
                DirectoryOrder::Journalled => at < prefix,
                DirectoryOrder::Any => rng.chance(0.5),
            };
            if kept {
                change.apply(&mut self.durable_names);
            }
        }
        self.names.clone_from(&self.durable_names);
    }

    /// Forgets files that no name, present or durable or possible after a crash, and no handle has.
    fn collect_garbage(&mut self) {
        let mut reachable: BTreeSet<InodeId> = self
            .names
            .values()
            .chain(self.durable_names.values())
            .copied()
            .collect();
        reachable.extend(self.name_changes.iter().map(NameChange::inode));
        self.inodes
            .retain(|id, inode| inode.handles > 0 || reachable.contains(id));
    }

    pub(super) fn rot(&mut self, name: &str, offset: u64, mask: u8) -> bool {
        let Ok(offset) = position(offset) else {
            return false;
        };
        let id = self
            .names
            .get(name)
            .or_else(|| self.durable_names.get(name))
            .copied();
        id.is_some_and(|id| self.inode(id).rot(offset, mask))
    }

    pub(super) fn heal(&mut self) {
        self.inodes.values_mut().for_each(Inode::heal);
    }

    /// Whether it has said to have done what it has not.
    pub(super) fn has_lied(&self) -> bool {
        self.lied_of_syncs || self.inodes.values().any(Inode::has_lied)
    }

    /// Whether it has lost or misplaced what it said to have written.
    pub(super) fn has_lost_writes(&self) -> bool {
        self.inodes.values().any(Inode::has_lied)
    }

    pub(super) fn forget_lost_writes(&mut self) {
        self.inodes.values_mut().for_each(Inode::forget_lies);
    }

    /// All that it has said is true from now on.
    pub(super) fn come_true(&mut self) {
        self.inodes.values_mut().for_each(Inode::come_true);
        if std::mem::take(&mut self.lied_of_syncs) {
            self.inodes.values_mut().for_each(Inode::sync);
            self.name_changes.clear();
            self.durable_names.clone_from(&self.names);
            self.collect_garbage();
        }
    }

    pub(super) fn is_rotten(&self) -> bool {
        self.inodes.values().any(Inode::is_rotten)
    }

    pub(super) fn durable_image(&self) -> BTreeMap<String, Vec<u8>> {
        let file =
            |(name, id): (&String, &InodeId)| (name.clone(), self.peek(*id).durable().to_vec());
        self.durable_names.iter().map(file).collect()
    }

    pub(super) fn cached_image(&self) -> BTreeMap<String, Vec<u8>> {
        let file =
            |(name, id): (&String, &InodeId)| (name.clone(), self.peek(*id).cached().to_vec());
        self.names.iter().map(file).collect()
    }

    pub(super) fn stats(&self) -> DiskStats {
        let unsynced_bytes = self.inodes.values().map(Inode::unsynced_bytes).sum();
        DiskStats {
            unsynced_bytes,
            ..self.stats
        }
    }
}

impl NameChange {
    fn inode(&self) -> InodeId {
        match self {
            NameChange::Link { inode, .. }
            | NameChange::Rename { inode, .. }
            | NameChange::Unlink { inode, .. } => *inode,
        }
    }

    /// Applies it if what it acts on is there: after a subset of the changes before it, it may not.
    fn apply(self, names: &mut Names) {
        match self {
            NameChange::Link { name, inode } => {
                names.entry(name).or_insert(inode);
            }
            NameChange::Rename { from, to, inode } if names.get(&from) == Some(&inode) => {
                names.remove(&from);
                names.insert(to, inode);
            }
            NameChange::Unlink { name, inode } if names.get(&name) == Some(&inode) => {
                names.remove(&name);
            }
            NameChange::Rename { .. } | NameChange::Unlink { .. } => {}
        }
    }
}

fn position(offset: u64) -> io::Result<usize> {
    if offset > MAX_FILE {
        return Err(Errno::Efbig.into());
    }
    usize::try_from(offset).map_err(|_| Errno::Efbig.into())
}

fn check_name(name: &str) -> io::Result<()> {
    if name.is_empty() || name.contains(['/', '\\', '\0']) {
        let reason = format!("{name:?} is not the name of a file in a flat folder");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    Ok(())
}

fn fenced() -> io::Error {
    io::Error::other("the node that opened this disk has crashed")
}
