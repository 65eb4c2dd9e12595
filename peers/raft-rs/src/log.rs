//! A log for raft-rs: what is on the disk, what a write does to it, and what raft-rs reads of it. The same
//! value stands for the disk and for the memory that mirrors it.

use plumb_harness::sim::peer::Image;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};

/// Hard state, snapshot and the entries behind `base`.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub hard_state: HardState,
    pub snapshot: Snapshot,
    /// The last entry that was compacted away, and its term.
    pub base: (u64, u64),
    pub entries: Vec<Entry>,
    /// Who takes part: from the start, not from the disk.
    pub members: ConfState,
}

/// A write that is whole or not at all. raft-rs asks for no less: a snapshot without the commit index that
/// came with it would keep it from starting, and TiKV writes both in one batch.
#[derive(Clone, Debug)]
pub enum Write {
    /// What a `Ready` holds.
    Ready {
        snapshot: Option<Snapshot>,
        entries: Vec<Entry>,
        hard_state: Option<HardState>,
    },
    /// A snapshot of the state machine, and the log cut up to an index.
    Compact { snapshot: Snapshot, up_to: u64 },
}

impl Log {
    pub fn last_index(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        let place = index.checked_sub(self.base.0 + 1)?;
        self.entries.get(place as usize).map(Entry::get_term)
    }

    /// The entries `low..high`, which are all there.
    pub fn range(&self, low: u64, high: u64) -> Vec<Entry> {
        let place = |index: u64| (index - self.base.0 - 1) as usize;
        self.entries[place(low)..place(high)].to_vec()
    }

    fn append(&mut self, entries: Vec<Entry>) {
        let Some(first) = entries.first().map(Entry::get_index) else {
            return;
        };
        assert!(
            (self.base.0 + 1..=self.last_index() + 1).contains(&first),
            "entry {first} follows on {}",
            self.last_index()
        );
        self.entries.truncate((first - self.base.0 - 1) as usize);
        self.entries.extend(entries);
    }
}

impl Image for Log {
    type Write = Write;

    fn apply(&mut self, write: Write) {
        match write {
            Write::Ready {
                snapshot,
                entries,
                hard_state,
            } => {
                if let Some(snapshot) = snapshot {
                    let metadata = snapshot.get_metadata();
                    self.base = (metadata.get_index(), metadata.get_term());
                    self.entries.clear();
                    self.snapshot = snapshot;
                }
                self.append(entries);
                if let Some(hard_state) = hard_state {
                    self.hard_state = hard_state;
                }
            }
            Write::Compact { snapshot, up_to } => {
                let index = snapshot.get_metadata().get_index();
                let commit = self.hard_state.get_commit().max(index);
                self.hard_state.set_commit(commit);
                if up_to > self.base.0 {
                    let term = self.term_at(up_to).expect("what is compacted is there");
                    self.entries.drain(..(up_to - self.base.0) as usize);
                    self.base = (up_to, term);
                }
                self.snapshot = snapshot;
            }
        }
    }
}
