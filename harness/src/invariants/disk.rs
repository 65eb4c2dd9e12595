//! The judge's own account of a server's log and disk: what it was told to write, and how much of that is
//! said to be durable. After a crash the server must stand at one of the states between.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use plumb_raft::core::{Batch, Node, PersistSeq, Snapshot, Write};
use plumb_raft::types::{Entry, HardState, LogIndex, Membership, NodeId, Payload, Term};

use super::digest::Digest;

/// An entry as the judge remembers it: its term and a digest of its payload.
pub(super) type Mark = (Term, u64);

/// A digest of an entry's payload, the same in every process.
pub(super) fn mark(entry: &Entry) -> Mark {
    let mut digest = Digest::default();
    entry.payload.hash(&mut digest);
    (entry.term, digest.finish())
}

/// A write as the judge remembers it.
#[derive(Clone, Debug)]
pub(super) enum Noted {
    HardState(HardState),
    Truncate(LogIndex),
    Append(Vec<Mark>),
    Snapshot {
        name: (LogIndex, Term, u32),
        base: (LogIndex, Term),
    },
}

impl Noted {
    pub(super) fn of(write: &Write) -> Noted {
        match write {
            Write::HardState(hard_state) => Noted::HardState(*hard_state),
            Write::Truncate(from) => Noted::Truncate(*from),
            Write::Append(entries) => Noted::Append(entries.iter().map(mark).collect()),
            Write::Snapshot { snapshot, base } => Noted::Snapshot {
                name: name(snapshot),
                base: *base,
            },
        }
    }
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

    pub(super) fn apply(&mut self, write: &Noted) {
        match write {
            Noted::HardState(hard_state) => self.hard_state = *hard_state,
            Noted::Truncate(from) => self.log.truncate(self.position(*from).unwrap_or(0)),
            Noted::Snapshot { name, base } => {
                self.snapshot = Some(*name);
                let dropped = base.0.0.saturating_sub(self.base.0.0) as usize;
                self.log.drain(..dropped.min(self.log.len()));
                self.base = *base;
            }
            Noted::Append(marks) => self.log.extend(marks),
        }
    }

    /// Whether there is an entry at an index, or was before it was compacted away.
    pub(super) fn holds(&self, index: LogIndex) -> bool {
        self.position(index)
            .is_none_or(|position| position < self.log.len())
    }

    /// Whether this very entry is there, or was compacted away: only committed ones are.
    pub(super) fn holds_this(&self, index: LogIndex, entry: Mark) -> bool {
        self.position(index)
            .is_none_or(|position| self.log.get(position) == Some(&entry))
    }

    /// The entries from an index on, each with its index.
    pub(super) fn from(&self, from: LogIndex) -> impl Iterator<Item = (LogIndex, Mark)> {
        let skipped = self.position(from).unwrap_or(0);
        let first = self.base.0.0 + 1;
        let marks = self.log.iter().copied().enumerate().skip(skipped);
        marks.map(move |(at, mark)| (LogIndex(first + at as u64), mark))
    }

    /// The last entry, or what stands for it.
    pub(super) fn last(&self) -> (Term, LogIndex) {
        let term = self.log.last().map_or(self.base.1, |(term, _)| *term);
        (term, LogIndex(self.base.0.0 + self.log.len() as u64))
    }
}

fn name(snapshot: &Snapshot) -> (LogIndex, Term, u32) {
    (snapshot.last_index, snapshot.last_term, snapshot.checksum)
}

/// The memberships that a server's log and snapshot speak of, as the judge reads them.
#[derive(Clone, Debug, Default)]
pub(super) struct Memberships {
    /// As of the latest snapshot.
    base: Option<Arc<Membership>>,
    later: Vec<(LogIndex, Arc<Membership>)>,
}

impl Memberships {
    pub(super) fn of(node: &Node) -> Memberships {
        let mut memberships = Memberships {
            base: node.snapshot().map(|snapshot| snapshot.membership.clone()),
            later: Vec::new(),
        };
        memberships.append(node.log().entries());
        let covered = node.snapshot_index();
        memberships.later.retain(|(index, _)| *index > covered);
        memberships
    }

    pub(super) fn append(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Payload::Membership(membership) = &entry.payload {
                self.later.push((entry.index, membership.clone()));
            }
        }
    }

    pub(super) fn apply(&mut self, write: &Write) {
        match write {
            Write::HardState(_) => {}
            Write::Truncate(from) => self.later.retain(|(index, _)| index < from),
            Write::Append(entries) => self.append(entries),
            Write::Snapshot { snapshot, .. } => {
                self.later.retain(|(index, _)| *index > snapshot.last_index);
                self.base = Some(snapshot.membership.clone());
            }
        }
    }

    /// The one in force, if anything was ever recorded.
    pub(super) fn in_force(&self) -> Option<&Arc<Membership>> {
        let last = self.later.last().map(|(_, membership)| membership);
        last.or(self.base.as_ref())
    }

    /// Whether this server votes by the last one that is committed or by any later one; yes if nothing was ever
    /// recorded.
    pub(super) fn may_name_voter(&self, id: NodeId, commit: LogIndex) -> bool {
        let first = self.later.partition_point(|(index, _)| *index <= commit);
        let committed = match first.checked_sub(1) {
            Some(last) => Some(&self.later[last].1),
            None => self.base.as_ref(),
        };
        let later = self.later[first..].iter().map(|(_, membership)| membership);
        committed.is_none()
            || committed
                .into_iter()
                .chain(later)
                .any(|one| one.is_voter(id))
    }

    /// The entry that put it in force; zero if a snapshot speaks of it, or the configuration.
    pub(super) fn in_force_since(&self) -> LogIndex {
        self.later
            .last()
            .map_or(LogIndex::ZERO, |(index, _)| *index)
    }
}

/// A server's disk as it must be.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// What is said to be durable.
    pub(super) durable: Image,
    under_way: VecDeque<(PersistSeq, Vec<Noted>)>,
}

impl Disk {
    /// Whether everything that it was told to write is durable.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(super) fn begin(&mut self, batch: &Batch, noted: Vec<Noted>) {
        self.under_way.push_back((batch.seq, noted));
    }

    pub(super) fn complete(&mut self, done: PersistSeq) {
        while let Some((_, writes)) = self.under_way.pop_front_if(|(seq, _)| *seq <= done) {
            for write in &writes {
                self.durable.apply(write);
            }
        }
    }

    /// The server has restarted with `found`: the durable state, or that and some first writes of
    /// those under way.
    pub(super) fn recover(&mut self, found: Image) -> Result<(), String> {
        let mut expected = self.durable.clone();
        let under_way = std::mem::take(&mut self.under_way);
        let mut writes = under_way.iter().flat_map(|(_, writes)| writes);
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
