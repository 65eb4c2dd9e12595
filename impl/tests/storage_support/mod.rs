//! A disk in memory that takes crashes literally, and workloads for logs on it. Not the simulator's
//! disk: the storage tests of this crate must stand without the harness.
#![allow(dead_code, reason = "each test file uses its share")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use plumb_raft::core::{Batch, PersistSeq, Snapshot, Write};
use plumb_raft::seams::{Disk, DiskFile};
use plumb_raft::storage::{Recovered, StorageError, Wal, WalOptions};
use plumb_raft::types::{Entry, HardState, LogIndex, NodeId, Payload, Term};

pub type Image = BTreeMap<String, Vec<u8>>;

/// A small generator, the same everywhere (xorshift64*).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize) % n
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    cached: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Default)]
struct Medium {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    /// What the folder may be after a crash: as last synced, or as after any change since.
    name_states: Vec<BTreeMap<String, usize>>,
    changes: usize,
    power_off_at: Option<usize>,
    failing_syncs: usize,
}

/// The disk; clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct MemDisk(Arc<Mutex<Medium>>);

impl MemDisk {
    pub fn new() -> MemDisk {
        MemDisk::from_image(&Image::new())
    }

    pub fn from_image(image: &Image) -> MemDisk {
        let mut medium = Medium::default();
        for (name, bytes) in image {
            medium.names.insert(name.clone(), medium.inodes.len());
            let (durable, cached) = (bytes.clone(), bytes.clone());
            medium.inodes.push(Inode {
                durable,
                cached,
                unsynced: Vec::new(),
            });
        }
        medium.name_states.push(medium.names.clone());
        MemDisk(Arc::new(Mutex::new(medium)))
    }

    pub fn seam(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Medium> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What the running process reads.
    pub fn cached_image(&self) -> Image {
        let medium = self.lock();
        let read =
            |(name, id): (&String, &usize)| (name.clone(), medium.inodes[*id].cached.clone());
        medium.names.iter().map(read).collect()
    }

    /// What a power cut leaves, where `choose(n)` picks one of n fates: for the folder, how many of
    /// its changes took place; for each unsynced sector of a write and each cut, whether it did.
    pub fn after_power_cut(&self, sector: usize, choose: &mut dyn FnMut(usize) -> usize) -> Image {
        let medium = self.lock();
        let names = &medium.name_states[choose(medium.name_states.len())];
        let mut image = Image::new();
        for (name, id) in names {
            let inode = &medium.inodes[*id];
            let mut bytes = inode.durable.clone();
            for change in &inode.unsynced {
                match change {
                    Change::SetLen(len) if choose(2) == 1 => bytes.resize(*len, 0),
                    Change::SetLen(_) => {}
                    Change::Write(offset, written) => {
                        for (at, part) in sectors(*offset, written, sector) {
                            if choose(2) == 1 {
                                put(&mut bytes, at, part);
                            }
                        }
                    }
                }
            }
            image.insert(name.clone(), bytes);
        }
        image
    }

    /// What a power cut leaves that loses all it may.
    pub fn durable_image(&self) -> Image {
        self.after_power_cut(512, &mut |_| 0)
    }

    /// How many unsynced sectors the named file has.
    pub fn unsynced_sectors(&self, name: &str, sector: usize) -> usize {
        let medium = self.lock();
        let Some(id) = medium.names.get(name) else {
            return 0;
        };
        let count = |change: &Change| match change {
            Change::Write(offset, bytes) => sectors(*offset, bytes, sector).count(),
            Change::SetLen(_) => 1,
        };
        medium.inodes[*id].unsynced.iter().map(count).sum()
    }

    /// Power fails at the n-th change from now: it and all later ones report an error.
    pub fn power_off_after(&self, n: usize) {
        let mut medium = self.lock();
        medium.power_off_at = Some(medium.changes + n);
    }

    pub fn changes(&self) -> usize {
        self.lock().changes
    }

    /// The next n file syncs fail: the cache keeps the bytes as if they were clean (fsyncgate).
    pub fn fail_syncs(&self, n: usize) {
        self.lock().failing_syncs = n;
    }
}

fn sectors(offset: usize, bytes: &[u8], sector: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = offset;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, after) = rest.split_at(rest.len().min(sector - at % sector));
        let start = at;
        at += part.len();
        rest = after;
        Some((start, part))
    })
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(bytes);
}

impl Medium {
    fn change(&mut self) -> io::Result<()> {
        self.changes += 1;
        match self.power_off_at {
            Some(at) if self.changes > at => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    fn names_changed(&mut self) {
        self.name_states.push(self.names.clone());
    }
}

impl Disk for MemDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut medium = self.lock();
        let id = match medium.names.get(name) {
            Some(id) => *id,
            None if create => {
                medium.change()?;
                medium.inodes.push(Inode::default());
                let id = medium.inodes.len() - 1;
                medium.names.insert(name.to_owned(), id);
                medium.names_changed();
                id
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Box::new(MemFile {
            disk: self.clone(),
            id,
        }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut medium = self.lock();
        medium.change()?;
        let id = medium.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        medium.names.insert(to.to_owned(), id);
        medium.names_changed();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut medium = self.lock();
        medium.change()?;
        medium.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        medium.names_changed();
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut medium = self.lock();
        medium.change()?;
        medium.name_states = vec![medium.names.clone()];
        Ok(())
    }
}

struct MemFile {
    disk: MemDisk,
    id: usize,
}

impl DiskFile for MemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().inodes[self.id].cached.len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let medium = self.disk.lock();
        let from = medium.inodes[self.id]
            .cached
            .get(offset as usize..)
            .unwrap_or(&[]);
        let got = from.len().min(buf.len());
        buf[..got].copy_from_slice(&from[..got]);
        Ok(got)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut medium = self.disk.lock();
        let alive = medium.change();
        let inode = &mut medium.inodes[self.id];
        // A write that meets the power cut may be on the platter as well.
        inode
            .unsynced
            .push(Change::Write(offset as usize, bytes.to_vec()));
        put(&mut inode.cached, offset as usize, bytes);
        alive
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut medium = self.disk.lock();
        medium.change()?;
        let inode = &mut medium.inodes[self.id];
        inode.unsynced.push(Change::SetLen(len as usize));
        inode.cached.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut medium = self.disk.lock();
        medium.change()?;
        let fails = medium.failing_syncs > 0;
        medium.failing_syncs = medium.failing_syncs.saturating_sub(1);
        let inode = &mut medium.inodes[self.id];
        if fails {
            inode.unsynced.clear();
            return Err(io::Error::from_raw_os_error(5));
        }
        inode.durable = inode.cached.clone();
        inode.unsynced.clear();
        Ok(())
    }
}

/// What a log amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub hard_state: HardState,
    pub snapshot: Option<Snapshot>,
    pub base: (LogIndex, Term),
    pub entries: Vec<Entry>,
}

impl State {
    pub fn apply(&mut self, batch: &Batch) {
        for write in &batch.writes {
            match write {
                Write::HardState(hard_state) => self.hard_state = *hard_state,
                Write::Truncate(from) => self.entries.retain(|entry| entry.index < *from),
                Write::Snapshot { snapshot, base } => {
                    self.snapshot = Some(snapshot.clone());
                    self.base = *base;
                    self.entries.retain(|entry| entry.index > base.0);
                }
                Write::Append(entries) => self.entries.extend_from_slice(entries),
            }
        }
    }
}

impl From<Recovered> for State {
    fn from(recovered: Recovered) -> State {
        State {
            hard_state: recovered.hard_state,
            snapshot: recovered.snapshot,
            base: recovered.base,
            entries: recovered.entries,
        }
    }
}

/// Makes batches that fit, and remembers the state after each; no two states are equal.
#[derive(Clone, Debug)]
pub struct Workload {
    rng: Rng,
    max_command: usize,
    serial: u64,
    /// Whether some batches save snapshots, which sync files of their own.
    pub snapshots: bool,
    /// Number n is the state after n batches.
    pub states: Vec<State>,
}

impl Workload {
    pub fn new(seed: u64, max_command: usize) -> Workload {
        let states = vec![State::default()];
        Workload {
            rng: Rng::new(seed),
            max_command,
            serial: 0,
            snapshots: true,
            states,
        }
    }

    pub fn next(&mut self) -> Batch {
        let mut state = self.states.last().expect("there is the first").clone();
        let mut writes = Vec::new();
        let mut hard_state = state.hard_state;
        let base = state.base.0.0 as usize;
        let last = base + state.entries.len();
        let kind = self.rng.below(if self.snapshots { 7 } else { 6 });
        if kind <= 1 {
            hard_state.current_term = hard_state.current_term.next();
            hard_state.voted_for = (kind == 0).then_some(NodeId(7));
            writes.push(Write::HardState(hard_state));
        }
        let mut next = last + 1;
        if kind == 2 && last > base {
            next = last - self.rng.below((last - base).min(4));
            writes.push(Write::Truncate(LogIndex(next as u64)));
        }
        let snapshot = (kind == 6).then(|| self.snapshot(&state)).flatten();
        if let Some(snapshot) = snapshot {
            writes.push(snapshot);
        } else if kind > 0 {
            let count = 1 + self.rng.below(3);
            let entries =
                (next..next + count).map(|index| self.entry(index, hard_state.current_term));
            writes.push(Write::Append(entries.collect()));
        }
        let batch = Batch {
            seq: PersistSeq(self.states.len() as u64),
            writes,
        };
        state.apply(&batch);
        self.states.push(state);
        batch
    }

    /// A snapshot that reaches further than the last, if there can be one.
    fn snapshot(&mut self, state: &State) -> Option<Write> {
        let last = state
            .snapshot
            .as_ref()
            .map_or(LogIndex(0), |s| s.last_index);
        let new = state
            .entries
            .iter()
            .filter(|entry| entry.index > last)
            .count();
        if new == 0 {
            return None;
        }
        self.serial += 1;
        let data = Bytes::from(self.serial.to_be_bytes().repeat(1 + self.rng.below(4)));
        let at = state.entries.len() - 1 - self.rng.below(new);
        let Entry { index, term, .. } = state.entries[at];
        let dropped = state.entries[self.rng.below(at + 1)].clone();
        Some(Write::Snapshot {
            snapshot: Snapshot::new(index, term, Arc::default(), data),
            base: (dropped.index, dropped.term),
        })
    }

    fn entry(&mut self, index: usize, term: Term) -> Entry {
        self.serial += 1;
        let mut command = self.serial.to_be_bytes().to_vec();
        let more = self.rng.below(self.max_command);
        // Zeros among the bytes, as holes look like them.
        command.extend((0..more).map(|_| self.rng.below(3) as u8));
        Entry {
            index: LogIndex(index as u64),
            term,
            payload: Payload::Command(Bytes::from(command)),
        }
    }

    /// How many batches make this state, if it is one of ours.
    pub fn number_of(&self, state: &State) -> Option<usize> {
        self.states.iter().position(|s| s == state)
    }
}

pub fn options(segment_bytes: u64) -> WalOptions {
    WalOptions { segment_bytes }
}

pub fn open(disk: &MemDisk, segment_bytes: u64) -> Result<(Wal, Recovered), StorageError> {
    Wal::open(disk.seam(), options(segment_bytes))
}
