//! What no server knows: what was committed, who led which term, and how much of the scope is used up.

use super::local::ENTRY_BYTES;

/// The world's memory, part of its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ghost {
    /// Every entry that some server applied, [`ENTRY_BYTES`] each.
    pub(super) committed: Vec<u8>,
    /// For each of them the term in which it was committed: it binds the leaders of later terms.
    pub(super) committed_in: Vec<u8>,
    /// Who was elected in term 1, 2, …; zero if nobody was.
    pub(super) leaders: Vec<u8>,
    /// What of the scope's budgets was used.
    pub(super) used: Used,
    /// For each read under way: its number, and how many entries were committed when it was asked for.
    pub(super) reads: Vec<(u8, u8)>,
}

/// How often each thing was done that a scope bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Used {
    pub(super) proposals: u8,
    pub(super) crashes: u8,
    pub(super) snapshots: u8,
    pub(super) transfers: u8,
    pub(super) changes: u8,
    pub(super) reads: u8,
}

impl Ghost {
    /// Takes in what a server has applied in this term; false if that is not what others have.
    pub(super) fn agrees(&mut self, machine: &[u8], term: u64) -> bool {
        let common = machine.len().min(self.committed.len());
        if machine[..common] != self.committed[..common] {
            return false;
        }
        if machine.len() > self.committed.len() {
            machine.clone_into(&mut self.committed);
            self.committed_in
                .resize(self.committed.len() / ENTRY_BYTES, term as u8);
        }
        true
    }

    /// A server was elected; who had been before, if another.
    pub(super) fn elect(&mut self, term: u64, id: u64) -> Option<u8> {
        let at = term as usize - 1;
        if self.leaders.len() <= at {
            self.leaders.resize(at + 1, 0);
        }
        let before = std::mem::replace(&mut self.leaders[at], id as u8);
        (before != 0 && u64::from(before) != id).then_some(before)
    }

    /// The first of these answers, each a read's number and the index it is served at, that is behind what was
    /// committed when it was asked for: that index, and how much was.
    pub(super) fn reads_behind(&self, answers: &[(u8, u64)]) -> Option<(u64, u64)> {
        answers.iter().find_map(|(number, index)| {
            let asked = self.reads.iter().find(|(read, _)| read == number);
            let committed = u64::from(asked?.1);
            (*index < committed).then_some((*index, committed))
        })
    }
}
