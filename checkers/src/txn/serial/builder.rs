//! An order as it grows: nodes placed one after the other, what was learned on the way, and what has to be taken back.

use std::collections::BTreeSet;

use super::Access;
use crate::Limit;
use crate::budget::Meter;
use crate::hash::FastMap;
use crate::part::NONE;
use crate::txn::graph::Edge;
use crate::txn::infer::Inference;

/// An order of two that was learned.
pub(super) struct Learned {
    first: u32,
    /// What it must come before.
    pub(super) version: u32,
    /// It is this or one of these, if what was learned at `reasons` holds.
    others: Vec<(u32, u32)>,
    reasons: Vec<u32>,
}

/// What is placed so far.
pub(super) struct Builder<'a> {
    accesses: &'a [Vec<Access>],
    /// See [`build`].
    commits: u32,
    /// By key, which beginning is of who is to write it next; [`NONE`] if that is open.
    held: Vec<u32>,
    /// By node, what leads to it.
    starts: Vec<u32>,
    before: Vec<u32>,
    /// What was learned, the latest last.
    learned: Vec<Learned>,
    /// By node, what was learned to come before it.
    learned_of: FastMap<u32, Vec<u32>>,
    /// Who reads a version of a key.
    readers: FastMap<(u32, u32), Vec<u32>>,
    /// By key, whose version is there.
    present: Vec<u32>,
    /// By node, its place in the order, or [`NONE`].
    pub(super) place: Vec<u32>,
    pub(super) order: Vec<u32>,
    /// What keys held before: with the place in the order of who wrote them.
    replaced: Vec<(u32, u32, u32)>,
}

/// A node that waits for another.
struct Waiting {
    node: u32,
    /// Its next edge.
    next: u32,
    /// What would have to come before what, were it not for the other's version, or its beginning.
    early: Option<(u32, u32)>,
    /// By which of what was learned it waits, if it does.
    learned: u32,
}

/// What stands in the way of an order.
pub(super) enum Blocked {
    /// One of these must come before the version beside it, if what was learned there holds.
    Early(Vec<(u32, u32)>, Vec<u32>),
    /// A transaction would read something else than it did.
    Misread,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        inference: &Inference<'_>,
        nodes: usize,
        edges: &[(u32, Edge)],
        accesses: &'a [Vec<Access>],
        commits: u32,
    ) -> Builder<'a> {
        let mut starts = vec![0u32; nodes + 1];
        for (_, edge) in edges {
            starts[edge.to as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut before = vec![0u32; edges.len()];
        for (from, edge) in edges {
            let place = &mut next[edge.to as usize];
            before[*place as usize] = *from;
            *place += 1;
        }
        let mut readers: FastMap<(u32, u32), Vec<u32>> = FastMap::default();
        for (txn, accesses) in (0u32..).zip(accesses) {
            for access in accesses {
                if let Some(version) = access.reads {
                    readers.entry((access.key, version)).or_default().push(txn);
                }
            }
        }
        Builder {
            accesses,
            commits,
            held: vec![NONE; inference.keys.len()],
            starts,
            before,
            learned: Vec::new(),
            learned_of: FastMap::default(),
            readers,
            present: vec![NONE; inference.keys.len()],
            place: vec![NONE; nodes],
            order: Vec::with_capacity(nodes),
            replaced: Vec::new(),
        }
    }

    fn is_placed(&self, node: u32) -> bool {
        self.place[node as usize] != NONE
    }

    /// Which of the choices to learn: to take back the latest version is the least work.
    pub(super) fn guess(&self, mut choices: Vec<(u32, u32)>, reasons: Vec<u32>) -> Option<Learned> {
        choices.sort_by_key(|(_, version)| self.place[*version as usize]);
        let (first, version) = choices.pop()?;
        Some(Learned {
            first,
            version,
            others: choices,
            reasons,
        })
    }

    /// What was learned goes round in a circle: the latest guess that led to it is given up, with all that was learned
    /// since; what to learn instead.
    pub(super) fn reconsider(&mut self, circle: Vec<u32>) -> Option<Learned> {
        let mut reasons: BTreeSet<u32> = circle.into_iter().collect();
        // The latest first: each rests on earlier ones.
        while let Some(latest) = reasons.pop_last() {
            let learned = &self.learned[latest as usize];
            reasons.extend(&learned.reasons);
            if learned.others.is_empty() {
                continue;
            }
            for later in self.learned.split_off(latest as usize + 1) {
                self.forget(&later);
            }
            let given_up = self.learned.pop()?;
            self.forget(&given_up);
            let mut others = given_up.others;
            let (first, version) = others.pop()?;
            return Some(Learned {
                first,
                version,
                others,
                reasons: reasons.into_iter().collect(),
            });
        }
        None
    }

    pub(super) fn learn(&mut self, learned: Learned) {
        let number = u32::try_from(self.learned.len()).expect("fewer than there was patience for");
        let of_version = self.learned_of.entry(learned.version).or_default();
        of_version.push(number);
        self.learned.push(learned);
    }

    /// Forgets what is no longer among what was learned.
    fn forget(&mut self, learned: &Learned) {
        let left = u32::try_from(self.learned.len()).unwrap_or(NONE);
        if let Some(of_version) = self.learned_of.get_mut(&learned.version) {
            of_version.retain(|number| *number < left);
        }
    }

    /// Places a node after all that must come before it.
    pub(super) fn reach(
        &mut self,
        goal: u32,
        meter: &mut Meter<'_>,
    ) -> Result<Result<(), Blocked>, Limit> {
        if self.is_placed(goal) {
            return Ok(Ok(()));
        }
        let waits = |node: u32, starts: &[u32]| Waiting {
            node,
            next: starts[node as usize],
            early: None,
            learned: NONE,
        };
        let mut stack = vec![waits(goal, &self.starts)];
        let mut depth: FastMap<u32, usize> = FastMap::default();
        depth.insert(goal, 0);
        while let Some(top) = stack.last_mut() {
            meter.pass(1)?;
            let node = top.node;
            let end = self.starts[node as usize + 1];
            while top.next < end && self.place[self.before[top.next as usize] as usize] != NONE {
                top.next += 1;
            }
            (top.early, top.learned) = (None, NONE);
            let first = if top.next < end {
                Some(self.before[top.next as usize])
            } else {
                let mut learned = self.learned_of.get(&node).into_iter().flatten();
                let first = |number: u32| self.learned[number as usize].first;
                let waits = learned.find(|number| !self.is_placed(first(**number)));
                match waits {
                    Some(number) => {
                        top.learned = *number;
                        Some(first(*number))
                    }
                    None => {
                        let other = self.holder(node).or_else(|| self.reader_left(node));
                        other.map(|(first, early)| {
                            top.early = early;
                            first
                        })
                    }
                }
            };
            let Some(first) = first else {
                if !self.carry_out(node) {
                    return Ok(Err(Blocked::Misread));
                }
                depth.remove(&node);
                stack.pop();
                continue;
            };
            if let Some(from) = depth.get(&first) {
                let circle = &stack[*from..];
                let early = circle.iter().filter_map(|one| one.early).collect();
                let reasons = circle.iter().map(|one| one.learned);
                let reasons = reasons.filter(|number| *number != NONE).collect();
                return Ok(Err(Blocked::Early(early, reasons)));
            }
            depth.insert(first, stack.len());
            stack.push(waits(first, &self.starts));
        }
        Ok(Ok(()))
    }

    /// Who has begun, and is to write what this transaction, that is to begin, is to write too.
    fn holder(&self, node: u32) -> Option<(u32, Option<(u32, u32)>)> {
        if node >= self.commits {
            return None;
        }
        let commit = node + self.commits;
        let writes = self.accesses[commit as usize].iter();
        let mut holders = writes.map(|access| self.held[access.key as usize]);
        let other = holders.find(|other| *other != NONE)?;
        Some((other + self.commits, Some((commit, other))))
    }

    /// A transaction that begins holds what it is to write; until it commits, or is taken back.
    fn hold(&mut self, node: u32, begins: bool) {
        let start = if node < self.commits {
            node
        } else {
            node.wrapping_sub(self.commits)
        };
        if start < self.commits {
            for access in &self.accesses[(start + self.commits) as usize] {
                self.held[access.key as usize] = if begins { start } else { NONE };
            }
        }
    }

    /// Somebody who has yet to read what this transaction is to replace; and which version that is.
    fn reader_left(&self, node: u32) -> Option<(u32, Option<(u32, u32)>)> {
        let accesses = self.accesses.get(node as usize)?.iter();
        let mut writes = accesses.filter(|access| access.writes);
        writes.find_map(|access| {
            let version = self.present[access.key as usize];
            let readers = self.readers.get(&(access.key, version))?;
            let mut left = readers
                .iter()
                .filter(|one| **one != node && !self.is_placed(**one));
            let early = (version != NONE).then(|| (node, version + self.commits));
            left.next().map(|reader| (*reader, early))
        })
    }

    /// Carries a transaction out; whether it reads what it did.
    fn carry_out(&mut self, node: u32) -> bool {
        let place = u32::try_from(self.order.len()).expect("fewer nodes than 2^32");
        for access in self.accesses.get(node as usize).into_iter().flatten() {
            let present = &mut self.present[access.key as usize];
            if access.reads.is_some_and(|version| version != *present) {
                return false;
            }
            if access.writes {
                let before = std::mem::replace(present, node - self.commits);
                self.replaced.push((place, access.key, before));
            }
        }
        self.hold(node, node < self.commits);
        self.place[node as usize] = place;
        self.order.push(node);
        true
    }

    /// Takes back all from a place of the order on.
    pub(super) fn take_back(&mut self, place: usize) -> Vec<u32> {
        let taken = self.order.split_off(place);
        for node in taken.iter().rev() {
            self.place[*node as usize] = NONE;
            self.hold(*node, *node >= self.commits);
        }
        while let Some((_, key, before)) = self.replaced.pop_if(|(at, ..)| *at as usize >= place) {
            self.present[key as usize] = before;
        }
        taken
    }
}
