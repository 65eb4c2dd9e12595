//! A serial order of transactions on registers, where no cycle was found. Reads tell the order of versions only in
//! part, so the absence of cycles proves nothing; an order does. It is built by carrying transactions out, one
//! after the other, as soon as what must come before them has been: a transaction that writes a register waits
//! until all who read its present version have. Linear in the history, and no search: it may get stuck though
//! there is an order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use plumb_histories::Value;

use super::graph::Edge;
use super::infer::{Ended, Inference};
use crate::Limit;
use crate::budget::Meter;
use crate::hash::FastMap;
use crate::part::{FOREVER, NONE};
use crate::spec::Micro;

/// What a transaction does with a register.
struct Access {
    key: u32,
    /// Whose version it reads from outside; [`NONE`] for the initial one.
    reads: Option<u32>,
    writes: bool,
}

/// Transactions on their way into an order.
struct Schedule {
    accesses: Vec<Vec<Access>>,
    /// By key, whose version is there.
    present: Vec<u32>,
    /// Who has yet to read a version.
    readers: FastMap<(u32, u32), u32>,
    /// By key, who waits until its present version has been read.
    waiting: Vec<Vec<u32>>,
}

/// Transactions in a serial order that explains all reads and agrees with all edges; `None` if none was found.
pub(super) fn order(
    inference: &Inference<'_>,
    nodes: usize,
    edges: &[(u32, Edge)],
    meter: &mut Meter<'_>,
) -> Result<Option<Vec<u32>>, Limit> {
    meter.pass(nodes + edges.len())?;
    let mut schedule = Schedule::new(inference);
    let web = Web::new(nodes, edges);
    // What comes before something is at least as urgent.
    let takes_place =
        |node: u32| (node as usize) < inference.transactions() && inference.happened(node);
    let mut urgency = vec![FOREVER; nodes];
    for node in web.topological().into_iter().rev() {
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
        let txns = u32::try_from(inference.transactions()).expect("fewer than events");
        let accesses = (0..txns)
            .map(|txn| {
                let accesses = accesses(inference, txn);
                for access in &accesses {
                    if let Some(version) = access.reads {
                        *readers.entry((access.key, version)).or_default() += 1;
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
        }
    }

    fn left_to_read(&self, key: u32) -> u32 {
        let version = (key, self.present[key as usize]);
        self.readers.get(&version).copied().unwrap_or(0)
    }

    /// A register that a transaction is to write, of which others have yet to read the present version.
    fn blocks(&self, txn: u32) -> Option<u32> {
        let accesses = self.accesses[txn as usize].iter();
        let mut writes = accesses.filter(|one| one.writes);
        let blocked = writes.find(|one| {
            let own = one.reads == Some(self.present[one.key as usize]);
            self.left_to_read(one.key) > u32::from(own)
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
            }
            // One may be left: whoever waits to replace what it reads itself.
            if self.left_to_read(access.key) <= 1 {
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
