//! A serial order of transactions on registers, where no cycle was found. Reads tell the order of versions only in
//! part, so the absence of cycles proves nothing; an order does. It is built by carrying transactions out, one
//! after the other, as soon as what must come before them has been: a transaction that writes a register waits
//! until all who read its present version have. Linear in the history, and no search: it may get stuck though
//! there is an order.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use plumb_histories::Value;

use super::graph::{Edge, Kind};
use super::infer::{Ended, Inference};
use crate::Limit;
use crate::budget::Meter;
use crate::hash::{FastMap, FastSet};
use crate::part::{FOREVER, NONE};
use crate::spec::Micro;

/// What a transaction does with a register.
struct Access {
    key: u32,
    /// Whose version it reads from outside; [`NONE`] for the initial one.
    reads: Option<u32>,
    writes: bool,
}

/// So many of those who are still to write a key are looked at: of a long chain, they are all of it.
const LOOKED_AT: usize = 64;

/// Transactions on their way into an order.
struct Schedule {
    accesses: Vec<Vec<Access>>,
    /// By key, whose version is there.
    present: Vec<u32>,
    /// Who has yet to read a version.
    readers: FastMap<(u32, u32), u32>,
    /// By key, who waits until its present version has been read.
    waiting: Vec<Vec<u32>>,
    /// By key, those who are still to write it, by when they completed.
    writers: Vec<BTreeSet<(u32, u32)>>,
    /// By key and version, the first of the chain that it belongs to: each but the first was written by who had read
    /// the one before, so that nothing stands between them.
    chains: FastMap<(u32, u32), u32>,
    /// When a version of a chain was last asked for: whoever else had written the key by then did so before.
    last_asked: FastMap<(u32, u32), u32>,
    /// When each completed.
    completed: Vec<u32>,
}

/// Transactions in a serial order that explains all reads and agrees with all edges, `in_time` if these hold real
/// time; `None` if none was found.
pub(super) fn order(
    inference: &Inference<'_>,
    nodes: usize,
    edges: &[(u32, Edge)],
    in_time: bool,
    meter: &mut Meter<'_>,
) -> Result<Option<Vec<u32>>, Limit> {
    meter.pass(nodes + edges.len())?;
    let mut schedule = Schedule::new(inference);
    schedule.tie_chains(&Web::new(nodes, edges).topological());
    if !in_time {
        schedule.last_asked.clear();
    }
    let mut edges = edges.to_vec();
    schedule.add_orders_of_versions(inference, &mut edges, meter)?;
    let web = Web::new(nodes, &edges);
    let topological = web.topological();
    if topological.len() < nodes {
        return Ok(None);
    }
    // What comes before something is at least as urgent.
    let takes_place =
        |node: u32| (node as usize) < inference.transactions() && inference.happened(node);
    let mut urgency = vec![FOREVER; nodes];
    for node in topological.into_iter().rev() {
        let own = if takes_place(node) {
            inference.op(node).ret
        } else {
            FOREVER
        };
        let after = web.after(node).iter().map(|after| urgency[*after as usize]);
        urgency[node as usize] = after.min().unwrap_or(FOREVER).min(own);
    }
    // Whoever only reads does so at once: that is in nobody's way.
    for (node, accesses) in schedule.accesses.iter().enumerate() {
        if !accesses.iter().any(|one| one.writes) {
            urgency[node] = 0;
        }
    }
    let mut waits_for = web.waits_for.clone();
    let mut ready: BinaryHeap<Reverse<(u32, u32)>> = (0u32..)
        .zip(&waits_for)
        .filter(|(_, waits)| **waits == 0)
        .map(|(node, _)| Reverse((urgency[node as usize], node)))
        .collect();
    let mut order = Vec::with_capacity(inference.transactions());
    while let Some(Reverse((_, node))) = ready.pop() {
        // Who waits may be asked again and again.
        meter.pass(1)?;
        if takes_place(node) {
            if let Some(key) = schedule.blocks(node) {
                schedule.waiting[key as usize].push(node);
                continue;
            }
            let Some(woken) = schedule.carry_out(node) else {
                return Ok(None);
            };
            ready.extend(
                woken
                    .into_iter()
                    .map(|one| Reverse((urgency[one as usize], one))),
            );
            order.push(node);
        }
        for after in web.after(node) {
            let waits = &mut waits_for[*after as usize];
            *waits -= 1;
            if *waits == 0 {
                ready.push(Reverse((urgency[*after as usize], *after)));
            }
        }
    }
    let all = (0u32..)
        .take(inference.transactions())
        .filter(|txn| inference.happened(*txn))
        .count();
    Ok((order.len() == all).then_some(order))
}

/// Which node leads to which.
struct Web {
    starts: Vec<u32>,
    leads_to: Vec<u32>,
    /// How many lead to each.
    waits_for: Vec<u32>,
}

impl Web {
    fn new(nodes: usize, edges: &[(u32, Edge)]) -> Web {
        let mut waits_for = vec![0u32; nodes];
        let mut starts = vec![0u32; nodes + 1];
        for (from, edge) in edges {
            waits_for[edge.to as usize] += 1;
            starts[*from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut leads_to = vec![0u32; edges.len()];
        for (from, edge) in edges {
            let place = &mut next[*from as usize];
            leads_to[*place as usize] = edge.to;
            *place += 1;
        }
        Web {
            starts,
            leads_to,
            waits_for,
        }
    }

    fn after(&self, node: u32) -> &[u32] {
        let (from, to) = (self.starts[node as usize], self.starts[node as usize + 1]);
        &self.leads_to[from as usize..to as usize]
    }

    /// All nodes, each after what leads to it: there are no cycles.
    fn topological(&self) -> Vec<u32> {
        let mut waits_for = self.waits_for.clone();
        let mut order: Vec<u32> = (0u32..)
            .zip(&waits_for)
            .filter(|(_, waits)| **waits == 0)
            .map(|(node, _)| node)
            .collect();
        let mut at = 0;
        while at < order.len() {
            for after in self.after(order[at]) {
                let waits = &mut waits_for[*after as usize];
                *waits -= 1;
                if *waits == 0 {
                    order.push(*after);
                }
            }
            at += 1;
        }
        order
    }
}

impl Schedule {
    fn new(inference: &Inference<'_>) -> Schedule {
        let mut readers: FastMap<(u32, u32), u32> = FastMap::default();
        let mut last_asked: FastMap<(u32, u32), u32> = FastMap::default();
        let mut writers = vec![BTreeSet::new(); inference.keys.len()];
        let txns = u32::try_from(inference.transactions()).expect("fewer than events");
        let accesses = (0..txns)
            .map(|txn| {
                let accesses = accesses(inference, txn);
                for access in &accesses {
                    let op = inference.op(txn);
                    if let Some(version) = access.reads {
                        *readers.entry((access.key, version)).or_default() += 1;
                        let asked = last_asked.entry((access.key, version)).or_default();
                        *asked = op.call.max(*asked);
                    }
                    if access.writes {
                        writers[access.key as usize].insert((op.ret, txn));
                    }
                }
                accesses
            })
            .collect();
        Schedule {
            accesses,
            present: vec![NONE; inference.keys.len()],
            readers,
            waiting: vec![Vec::new(); inference.keys.len()],
            writers,
            chains: FastMap::default(),
            last_asked,
            completed: (0..txns).map(|txn| inference.op(txn).ret).collect(),
        }
    }

    fn chain(&self, key: u32, version: u32) -> u32 {
        self.chains.get(&(key, version)).copied().unwrap_or(version)
    }

    /// Finds the chains, of transactions each after what leads to it.
    fn tie_chains(&mut self, topological: &[u32]) {
        for txn in topological {
            let Some(accesses) = self.accesses.get(*txn as usize) else {
                continue;
            };
            for access in accesses.iter().filter(|one| one.writes) {
                if let Some(before) = access.reads {
                    let first = self.chain(access.key, before);
                    self.chains.insert((access.key, *txn), first);
                }
            }
        }
        let mut of_chains: FastMap<(u32, u32), u32> = FastMap::default();
        for ((key, version), asked) in &self.last_asked {
            let last = of_chains
                .entry((*key, self.chain(*key, *version)))
                .or_default();
            *last = (*asked).max(*last);
        }
        self.last_asked = of_chains;
    }

    fn writes(&self, txn: u32, key: u32) -> bool {
        let accesses = self.accesses[txn as usize].iter();
        accesses.filter(|one| one.writes).any(|one| one.key == key)
    }

    /// Orders of versions that follow from other orders, until no more do:
    ///
    /// - whoever completed a write of a key before a version of another chain was last asked for wrote before that
    ///   chain;
    /// - if one comes before another that read a key, and wrote this key too, it wrote before the version that was
    ///   read, and before the chain of that;
    /// - if one wrote a key before another did, those who read its version come before the other.
    fn add_orders_of_versions(
        &self,
        inference: &Inference<'_>,
        edges: &mut Vec<(u32, Edge)>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Limit> {
        let mut readers: FastMap<(u32, u32), Vec<u32>> = FastMap::default();
        let mut known: FastSet<(u32, u32)> = FastSet::default();
        let mut fresh: Vec<(u32, u32)> = Vec::new();
        for (txn, accesses) in (0u32..).zip(&self.accesses) {
            for access in accesses {
                if let Some(version) = access.reads.filter(|version| *version != NONE) {
                    readers.entry((access.key, version)).or_default().push(txn);
                    if version != txn && known.insert((version, txn)) {
                        fresh.push((version, txn));
                    }
                }
            }
        }
        let stated = fresh.len();
        for ((key, first), asked) in &self.last_asked {
            if *first == NONE {
                continue;
            }
            let begun = inference.op(*first).call;
            for (_, other) in self.writers[*key as usize].range((begun.min(*asked), 0)..(*asked, 0))
            {
                if self.chain(*key, *other) != *first && known.insert((*other, *first)) {
                    fresh.push((*other, *first));
                }
            }
        }
        let mut at = 0;
        while at < fresh.len() {
            // There may be many: of each pair that write a key, one.
            meter.pass(1)?;
            meter.hold(fresh.capacity() * 8 + known.capacity() * 10)?;
            let (before, after) = fresh[at];
            at += 1;
            let mut add = |from: u32, to: u32| {
                if from != to && known.insert((from, to)) {
                    fresh.push((from, to));
                }
            };
            for access in &self.accesses[after as usize] {
                let key = access.key;
                if !self.writes(before, key) {
                    continue;
                }
                if let Some(version) = access.reads.filter(|version| *version != NONE) {
                    let first = self.chain(key, version);
                    if first != NONE && self.chain(key, before) != first {
                        add(before, first);
                    } else if version != before {
                        add(before, version);
                    }
                }
                if access.writes {
                    let earlier = readers.get(&(key, before));
                    for reader in earlier.into_iter().flatten() {
                        add(*reader, after);
                    }
                }
            }
        }
        // What was read is an edge already.
        edges.extend(fresh[stated..].iter().map(|(from, to)| {
            let kind = Kind::WriteWrite;
            (
                *from,
                Edge {
                    to: *to,
                    kind,
                    key: 0,
                },
            )
        }));
        Ok(())
    }

    fn left_to_read(&self, key: u32) -> u32 {
        let version = (key, self.present[key as usize]);
        self.readers.get(&version).copied().unwrap_or(0)
    }

    /// A register that a transaction is to write, of which others have yet to read the present version; or that
    /// others wrote before what it writes was read last.
    fn blocks(&self, txn: u32) -> Option<u32> {
        let accesses = self.accesses[txn as usize].iter();
        let mut writes = accesses.filter(|one| one.writes);
        let blocked = writes.find(|one| {
            let own = one.reads == Some(self.present[one.key as usize]);
            let chain = self.chain(one.key, txn);
            let asked = self.last_asked.get(&(one.key, chain)).copied();
            let mut others = self.writers[one.key as usize].iter().take(LOOKED_AT);
            let earlier = others.find(|(_, other)| self.chain(one.key, *other) != chain);
            self.left_to_read(one.key) > u32::from(own)
                || earlier.is_some_and(|(completed, _)| Some(*completed) < asked)
        });
        blocked.map(|one| one.key)
    }

    /// Carries a transaction out: who may go on now; `None` if it would read something else than it did.
    fn carry_out(&mut self, txn: u32) -> Option<Vec<u32>> {
        let accesses = std::mem::take(&mut self.accesses[txn as usize]);
        let reads_right = |one: &Access| {
            one.reads
                .is_none_or(|version| version == self.present[one.key as usize])
        };
        if !accesses.iter().all(reads_right) {
            return None;
        }
        let mut woken = Vec::new();
        for access in accesses {
            if let Some(version) = access.reads
                && let Some(left) = self.readers.get_mut(&(access.key, version))
            {
                *left -= 1;
            }
            if access.writes {
                self.present[access.key as usize] = txn;
                let completed = self.completed[txn as usize];
                self.writers[access.key as usize].remove(&(completed, txn));
            }
            // One may be left: whoever waits to replace what it reads itself.
            if access.writes || self.left_to_read(access.key) <= 1 {
                woken.append(&mut self.waiting[access.key as usize]);
            }
        }
        Some(woken)
    }
}

/// What a transaction that took place reads from outside, and what it leaves behind.
fn accesses(inference: &Inference<'_>, txn: u32) -> Vec<Access> {
    let mut accesses: Vec<Access> = Vec::new();
    if !inference.happened(txn) {
        return accesses;
    }
    let returned = inference.ended(txn) == Ended::Ok;
    for (f, key, value) in inference.micros(txn) {
        let key = inference.number_of(key);
        let known = accesses.iter().position(|one| one.key == key);
        // What it reads of its own was looked at before.
        let reads = (f == Micro::Read && known.is_none() && returned)
            .then(|| version(inference, key, value));
        let at = known.unwrap_or_else(|| {
            accesses.push(Access {
                key,
                reads,
                writes: false,
            });
            accesses.len() - 1
        });
        accesses[at].writes |= f == Micro::Write;
    }
    accesses
}

fn version(inference: &Inference<'_>, key: u32, value: &Value) -> u32 {
    let writer = inference.writers.get(&(key, value));
    writer.map_or(NONE, |writer| writer.txn)
}
