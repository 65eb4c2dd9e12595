//! What a server of openraft keeps on its disk, and what each write does to it. The same value stands for the
//! disk and for the memory that mirrors it.

use std::collections::BTreeMap;

use openraft::{Entry, LogId, SnapshotMeta, Vote};
use plumb_harness::sim::peer::Image;

use crate::server::Types;

/// A snapshot in one piece.
#[derive(Clone, Debug)]
pub struct Saved {
    pub meta: SnapshotMeta<u64, ()>,
    pub data: Vec<u8>,
}

/// Vote, log and snapshot.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub vote: Option<Vote<u64>>,
    pub log: BTreeMap<u64, Entry<Types>>,
    /// The last entry that was purged.
    pub purged: Option<LogId<u64>>,
    /// What was known to be committed. Paper's servers forget it, but one of openraft's that led when it crashed
    /// leads on in its term, and would answer reads from what it had forgotten.
    pub committed: Option<LogId<u64>>,
    pub snapshot: Option<Saved>,
}

/// A write that is whole or not at all.
#[derive(Clone, Debug)]
pub enum Write {
    Vote(Vote<u64>),
    Append(Vec<Entry<Types>>),
    /// This entry goes, and all that are behind it.
    Truncate(u64),
    /// This entry goes, and all that are before it.
    Purge(LogId<u64>),
    Committed(Option<LogId<u64>>),
    Snapshot(Box<Saved>),
}

impl Disk {
    pub fn is_blank(&self) -> bool {
        self.vote.is_none() && self.log.is_empty() && self.purged.is_none()
    }

    pub fn last(&self) -> Option<LogId<u64>> {
        let last = self.log.last_key_value();
        last.map_or(self.purged, |(_, entry)| Some(entry.log_id))
    }

    /// Whether its snapshot holds what came of all entries up to this one.
    pub fn stands_for(&self, log_id: &LogId<u64>) -> bool {
        let snapshot = self.snapshot.as_ref();
        snapshot.is_some_and(|saved| saved.meta.last_log_id >= Some(*log_id))
    }

    pub fn term_at(&self, index: u64) -> Option<u64> {
        let entry = self.log.get(&index).map(|entry| entry.log_id);
        let purged = self.purged.filter(|purged| purged.index == index);
        entry.or(purged).map(|log_id| log_id.leader_id.term)
    }
}

impl Image for Disk {
    type Write = Write;

    fn apply(&mut self, write: Write) {
        match write {
            Write::Vote(vote) => self.vote = Some(vote),
            Write::Append(entries) => {
                let named = entries.into_iter().map(|entry| (entry.log_id.index, entry));
                self.log.extend(named);
            }
            Write::Truncate(index) => drop(self.log.split_off(&index)),
            Write::Purge(log_id) => {
                self.log = self.log.split_off(&(log_id.index + 1));
                self.purged = self.purged.max(Some(log_id));
            }
            Write::Committed(committed) => self.committed = committed,
            Write::Snapshot(saved) => self.snapshot = Some(*saved),
        }
    }
}
