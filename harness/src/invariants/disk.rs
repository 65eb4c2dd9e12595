//! The judge's own account of a server's disk: what it was told to write, and how much of that is
//! said to be durable. After a crash the server must stand at one of the states between.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use plumb_raft::core::{Batch, Node, PersistSeq, Snapshot, Write};
use plumb_raft::types::{Entry, HardState, LogIndex, Term};

/// An entry as the judge remembers it: its term and a digest of its payload.
pub(super) type Mark = (Term, u64);

/// A digest of an entry's payload, the same in every process.
pub(super) fn mark(entry: &Entry) -> Mark {
    let mut hasher = DefaultHasher::new();
    entry.payload.hash(&mut hasher);
    (entry.term, hasher.finish())
}

/// Hard state, snapshot and log, as marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) hard_state: HardState,
    /// Last entry, its term, and the checksum of the data.
    pub(super) snapshot: Option<(LogIndex, Term, u32)>,
    /// The last entry that was compacted away, and its term.
    pub(super) base: (LogIndex, Term),
    /// The entries behind the base.
    pub(super) log: Vec<Mark>,
}

impl Image {
    pub(super) fn of(node: &Node) -> Image {
        Image {
            hard_state: node.hard_state(),
            snapshot: node.snapshot().map(name),
            base: node.log().base(),
            log: node.log().entries().iter().map(mark).collect(),
        }
    }

    fn position(&self, index: LogIndex) -> Option<usize> {
        usize::try_from(index.0.checked_sub(self.base.0.0 + 1)?).ok()
    }

    fn apply(&mut self, write: &Write) {
        match write {
            Write::HardState(hard_state) => self.hard_state = *hard_state,
            Write::Truncate(from) => self.log.truncate(self.position(*from).unwrap_or(0)),
            Write::Snapshot { snapshot, base } => {
                self.snapshot = Some(name(snapshot));
                let dropped = base.0.0.saturating_sub(self.base.0.0) as usize;
                self.log.drain(..dropped.min(self.log.len()));
                self.base = *base;
            }
            Write::Append(entries) => self.log.extend(entries.iter().map(mark)),
        }
    }

    /// Whether there is an entry at an index, or was before it was compacted away.
    pub(super) fn holds(&self, index: LogIndex) -> bool {
        self.position(index)
            .is_none_or(|position| position < self.log.len())
    }
}

fn name(snapshot: &Snapshot) -> (LogIndex, Term, u32) {
    (snapshot.last_index, snapshot.last_term, snapshot.checksum)
}

/// A server's disk as it must be.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// What is said to be durable.
    pub(super) durable: Image,
    under_way: VecDeque<Batch>,
}

impl Disk {
    pub(super) fn begin(&mut self, batch: &Batch) {
        self.under_way.push_back(batch.clone());
    }

    pub(super) fn complete(&mut self, seq: PersistSeq) {
        while self.under_way.front().is_some_and(|batch| batch.seq <= seq) {
            for write in self
                .under_way
                .pop_front()
                .iter()
                .flat_map(|batch| &batch.writes)
            {
                self.durable.apply(write);
            }
        }
    }

    /// The server has restarted with `found`: the durable state, or that and some first writes of
    /// those under way.
    pub(super) fn recover(&mut self, found: Image) -> Result<(), String> {
        let mut expected = self.durable.clone();
        let under_way = std::mem::take(&mut self.under_way);
        let mut writes = under_way.iter().flat_map(|batch| &batch.writes);
        loop {
            if expected == found {
                self.durable = found;
                return Ok(());
            }
            match writes.next() {
                Some(write) => expected.apply(write),
                None => break,
            }
        }
        let durable = &self.durable;
        Err(format!(
            "restarted with term {}, vote {}, {} entries; durable were term {}, vote {}, {} entries",
            found.hard_state.current_term,
            found
                .hard_state
                .voted_for
                .map_or("none".to_owned(), |id| id.to_string()),
            found.log.len(),
            durable.hard_state.current_term,
            durable
                .hard_state
                .voted_for
                .map_or("none".to_owned(), |id| id.to_string()),
            durable.log.len(),
        ))
    }
}
