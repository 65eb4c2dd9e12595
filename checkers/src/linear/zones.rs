//! Registers whose observed values were each written once: linearizability in n log n, after Gibbons
//! and Korach (*Testing Shared Memories*, 1997). Extended here in two ways: a compare-and-set glues the
//! cluster of the value it brings to the cluster of the value it takes, so that a *block* is a chain of
//! clusters with a fixed order; and values that nobody observed may be written any number of times.
//!
//! A block's operations must stand together, in the order of its chain. It needs the stretch from its
//! first completion to its last invocation (a *forward* zone) if that is how they lie; otherwise all
//! its operations overlap and any one moment between the two will do (a *backward* zone). A history is
//! linearizable if and only if each chain agrees with real time, no two forward zones overlap, and no
//! backward zone lies within a forward one. Cutting a block's operations to its forward zone keeps
//! their order possible, so blocks are to chains what clusters are to Gibbons and Korach.

use super::registers::{Action, INITIAL, Registers};
use crate::Limit;
use crate::budget::Meter;
use crate::part::{Op, Part};

/// What the zones say.
pub(crate) enum Decided {
    /// Operations in an order that explains them.
    Valid(Vec<u32>),
    /// None exists.
    Conflict(Conflict),
}

/// Why no order exists. All numbers are places of operations in the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// It observed a value that nothing brings.
    FromNowhere { op: u32 },
    /// Both took the same value, which was brought once.
    TakenTwice { first: u32, second: u32 },
    /// Compare-and-sets that each wait for the next.
    Circle { ops: Vec<u32> },
    /// The value of `later` comes about after `earlier`, yet `later` had completed before `earlier`
    /// was invoked.
    Backwards { earlier: u32, later: u32 },
    /// The first block must span `[first.0, first.1]` and the second `[second.0, second.1]`, which
    /// overlap: each pair is the first operation to complete and the last to be invoked.
    Interleaved {
        first: (u32, u32),
        second: (u32, u32),
    },
    /// The pair `outer` must enclose no other value, yet all of `inner` lies between.
    Enclosed {
        outer: (u32, u32),
        inner: (u32, u32),
    },
}

const NOBODY: u32 = u32::MAX;

/// One observed value.
#[derive(Clone, Copy)]
struct Cluster {
    /// What brought it; [`NOBODY`] for the initial value.
    writer: u32,
    /// The read that completed first and the read that was invoked last.
    first_read: u32,
    last_read: u32,
    /// The compare-and-set that took it.
    taker: u32,
}

const NEW: Cluster = Cluster {
    writer: NOBODY,
    first_read: NOBODY,
    last_read: NOBODY,
    taker: NOBODY,
};

/// A chain's extent: `[first completion, last invocation]` if forward.
#[derive(Clone, Copy)]
struct Block {
    /// The value that it starts with; [`NOBODY`] for a write of a value that nobody observed.
    root: u32,
    /// When the first operation completes, and which.
    first: (u32, u32),
    /// When the last operation is invoked, and which.
    last: (u32, u32),
}

impl Block {
    fn is_forward(&self) -> bool {
        self.first.0 < self.last.0
    }
}

const BEFORE_ALL: u32 = 0;
const AFTER_ALL: u32 = u32::MAX;

/// Judges a part without needless indeterminate updates: then each indeterminate one that is left is
/// the only source of a value that somebody observed, so it happened. `None` if some observed value could have come
/// from several writes: then this algorithm says nothing.
pub(crate) fn decide(
    part: &Part,
    registers: &Registers,
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
    decide_ops(&part.ops, registers, meter)
}

/// As [`decide`], of operations.
pub(super) fn decide_ops(
    ops: &[Op],
    registers: &Registers,
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
    let zones = Zones { ops, registers };
    meter.pass(ops.len())?;
    meter.hold(registers.values() * 24 + ops.len() * 8)?;
    let Some(clusters) = zones.clusters() else {
        return Ok(None);
    };
    Ok(Some(match zones.solve(&clusters) {
        Ok(order) => Decided::Valid(order),
        Err(conflict) => Decided::Conflict(conflict),
    }))
}

struct Zones<'a> {
    ops: &'a [Op],
    registers: &'a Registers,
}

impl Zones<'_> {
    fn places(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.ops.len()).expect("fewer operations than events")
    }

    fn action(&self, op: u32) -> Action {
        self.registers.action(&self.ops[op as usize])
    }

    /// Times are one later here, so that there is one before all.
    fn call(&self, op: u32) -> u32 {
        self.ops[op as usize].call + 1
    }

    fn ret(&self, op: u32) -> u32 {
        self.ops[op as usize].ret.saturating_add(1)
    }

    /// Clusters by value; `None` if an observed value has several writers.
    fn clusters(&self) -> Option<Vec<Cluster>> {
        let values = self.registers.values();
        let mut observed = vec![false; values];
        for op in self.ops {
            if let Some(value) = self.registers.action(op).observes() {
                observed[value as usize] = true;
            }
        }
        let mut clusters = vec![NEW; values];
        for (place, op) in (0u32..).zip(self.ops) {
            let action = self.registers.action(op);
            if let Some(value) = action.produces()
                && observed[value as usize]
            {
                let writer = &mut clusters[value as usize].writer;
                if value == INITIAL || *writer != NOBODY {
                    return None;
                }
                *writer = place;
            }
            match action {
                Action::Read(value) => {
                    let cluster = &mut clusters[value as usize];
                    let first = cluster.first_read;
                    if first == NOBODY || op.ret < self.ops[first as usize].ret {
                        cluster.first_read = place;
                    }
                    // Operations come in the order of their invocations.
                    cluster.last_read = place;
                }
                Action::Cas(old, _) => {
                    clusters[old as usize].taker = place;
                }
                Action::Write(_) => {}
            }
        }
        Some(clusters)
    }

    /// The two compare-and-sets that took one value, if there are such.
    fn taken_twice(&self) -> Option<Conflict> {
        let mut takers = vec![NOBODY; self.registers.values()];
        for place in self.places() {
            if let Action::Cas(old, _) = self.action(place) {
                let first = std::mem::replace(&mut takers[old as usize], place);
                if first != NOBODY {
                    return Some(Conflict::TakenTwice {
                        first,
                        second: place,
                    });
                }
            }
        }
        None
    }

    fn solve(&self, clusters: &[Cluster]) -> Result<Vec<u32>, Conflict> {
        for op in self.places() {
            if let Some(value) = self.action(op).observes()
                && value != INITIAL
                && clusters[value as usize].writer == NOBODY
            {
                return Err(Conflict::FromNowhere { op });
            }
        }
        if let Some(conflict) = self.taken_twice() {
            return Err(conflict);
        }
        let mut blocks = self.blocks(clusters)?;
        self.reconcile(&mut blocks)?;
        Ok(self.order(clusters, &blocks))
    }

    /// Follows each chain from its root.
    fn blocks(&self, clusters: &[Cluster]) -> Result<Vec<Block>, Conflict> {
        let mut blocks = Vec::new();
        let mut reached = vec![false; clusters.len()];
        let is_observed = |value: u32| {
            let cluster = &clusters[value as usize];
            cluster.first_read != NOBODY || cluster.taker != NOBODY
        };
        blocks.push(self.block(INITIAL, clusters, &mut reached)?);
        for op in self.places() {
            if let Action::Write(value) = self.action(op) {
                blocks.push(if is_observed(value) {
                    self.block(value, clusters, &mut reached)?
                } else {
                    Block {
                        root: NOBODY,
                        first: (self.ret(op), op),
                        last: (self.call(op), op),
                    }
                });
            }
        }
        // A chain that was not reached has no beginning: it bites its own tail.
        for value in (0u32..).take(clusters.len()) {
            if !reached[value as usize] && is_observed(value) {
                let mut ops = Vec::new();
                let mut at = value;
                while ops.first() != Some(&clusters[at as usize].writer) {
                    let writer = clusters[at as usize].writer;
                    ops.push(writer);
                    match self.action(writer) {
                        Action::Cas(old, _) => at = old,
                        Action::Read(_) | Action::Write(_) => break,
                    }
                    if ops.len() > clusters.len() {
                        break;
                    }
                }
                return Err(Conflict::Circle { ops });
            }
        }
        Ok(blocks)
    }

    /// One chain: checks its order against real time, measures its extent.
    fn block(
        &self,
        root: u32,
        clusters: &[Cluster],
        reached: &mut [bool],
    ) -> Result<Block, Conflict> {
        let mut block = Block {
            root,
            first: (AFTER_ALL, NOBODY),
            last: (BEFORE_ALL, NOBODY),
        };
        if root == INITIAL {
            block.first = (BEFORE_ALL, NOBODY);
        }
        let mut value = root;
        loop {
            reached[value as usize] = true;
            let cluster = clusters[value as usize];
            let mut stand = |completes: u32, invoked: u32| {
                let earlier = block.last.1;
                if self.ret(completes) < block.last.0 {
                    return Err(Conflict::Backwards {
                        earlier,
                        later: completes,
                    });
                }
                block.first = block.first.min((self.ret(completes), completes));
                block.last = block.last.max((self.call(invoked), invoked));
                Ok(())
            };
            if cluster.writer != NOBODY {
                stand(cluster.writer, cluster.writer)?;
            }
            if cluster.first_read != NOBODY {
                stand(cluster.first_read, cluster.last_read)?;
            }
            if cluster.taker == NOBODY {
                return Ok(block);
            }
            let Action::Cas(_, new) = self.action(cluster.taker) else {
                unreachable!("only compare-and-sets take values");
            };
            let observed = {
                let next = &clusters[new as usize];
                next.first_read != NOBODY || next.taker != NOBODY
            };
            if !observed {
                // The end of the chain: a value that nobody looked at.
                stand(cluster.taker, cluster.taker)?;
                return Ok(block);
            }
            value = new;
        }
    }

    /// Sorts the blocks into the order in which they can stand.
    fn reconcile(&self, blocks: &mut Vec<Block>) -> Result<(), Conflict> {
        let mut forward: Vec<Block> = blocks.iter().copied().filter(Block::is_forward).collect();
        forward.sort_unstable_by_key(|block| block.first);
        for pair in forward.windows(2) {
            if pair[1].first.0 < pair[0].last.0 {
                return Err(Conflict::Interleaved {
                    first: (pair[0].first.1, pair[0].last.1),
                    second: (pair[1].first.1, pair[1].last.1),
                });
            }
        }
        // By last invocation: a backward block stands there, or, if that is within a forward zone, at
        // the end of that zone.
        blocks.retain(|block| !block.is_forward());
        blocks.sort_unstable_by_key(|block| (block.last, block.first));
        let mut sorted = Vec::with_capacity(blocks.len() + forward.len());
        let mut ahead = forward.into_iter().peekable();
        let mut around: Option<Block> = None;
        for block in blocks.iter() {
            while let Some(next) = ahead.next_if(|next| next.first.0 < block.last.0) {
                around = Some(next);
                sorted.push(next);
            }
            if let Some(outer) = around
                && block.first.0 < outer.last.0
            {
                return Err(Conflict::Enclosed {
                    outer: (outer.first.1, outer.last.1),
                    inner: (block.first.1, block.last.1),
                });
            }
            sorted.push(*block);
        }
        sorted.extend(ahead);
        *blocks = sorted;
        Ok(())
    }

    /// All operations, block by block.
    fn order(&self, clusters: &[Cluster], blocks: &[Block]) -> Vec<u32> {
        let ops = self.ops;
        // Reads by value, as linked lists in the order of their invocations.
        let mut head = vec![NOBODY; clusters.len()];
        let mut next = vec![NOBODY; ops.len()];
        for place in self.places().rev() {
            if let Action::Read(value) = self.action(place) {
                next[place as usize] = std::mem::replace(&mut head[value as usize], place);
            }
        }
        let mut order = Vec::with_capacity(ops.len());
        for block in blocks {
            let mut value = block.root;
            if value == NOBODY {
                order.push(block.first.1);
                continue;
            }
            if value != INITIAL {
                order.push(clusters[value as usize].writer);
            }
            loop {
                let mut read = head[value as usize];
                while read != NOBODY {
                    order.push(read);
                    read = next[read as usize];
                }
                let taker = clusters[value as usize].taker;
                if taker == NOBODY {
                    break;
                }
                order.push(taker);
                match self.action(taker) {
                    Action::Cas(_, new) => value = new,
                    Action::Read(_) | Action::Write(_) => break,
                }
            }
        }
        order
    }
}

impl Conflict {
    /// The operations that it is about.
    pub(crate) fn operations(&self) -> Vec<u32> {
        let mut ops = match self {
            Conflict::FromNowhere { op } => vec![*op],
            Conflict::TakenTwice { first, second } => vec![*first, *second],
            Conflict::Circle { ops } => ops.clone(),
            Conflict::Backwards { earlier, later } => vec![*earlier, *later],
            Conflict::Interleaved { first, second } => vec![first.0, first.1, second.0, second.1],
            Conflict::Enclosed { outer, inner } => vec![outer.0, outer.1, inner.0, inner.1],
        };
        ops.retain(|op| *op != NOBODY);
        ops.sort_unstable();
        ops.dedup();
        ops
    }
    /// With each operation replaced by the one at its place.
    fn at(self, places: &[u32]) -> Conflict {
        let at = |op: u32| places.get(op as usize).copied().unwrap_or(op);
        let both = |(first, last)| (at(first), at(last));
        match self {
            Conflict::FromNowhere { op } => Conflict::FromNowhere { op: at(op) },
            Conflict::TakenTwice { first, second } => Conflict::TakenTwice {
                first: at(first),
                second: at(second),
            },
            Conflict::Circle { ops } => Conflict::Circle {
                ops: ops.into_iter().map(at).collect(),
            },
            Conflict::Backwards { earlier, later } => Conflict::Backwards {
                earlier: at(earlier),
                later: at(later),
            },
            Conflict::Interleaved { first, second } => Conflict::Interleaved {
                first: both(first),
                second: both(second),
            },
            Conflict::Enclosed { outer, inner } => Conflict::Enclosed {
                outer: both(outer),
                inner: both(inner),
            },
        }
    }
}

impl Decided {
    /// With each operation replaced by the one at its place: for what was judged without some operations.
    pub(super) fn at(self, places: &[u32]) -> Decided {
        match self {
            Decided::Valid(mut order) => {
                for op in &mut order {
                    *op = places[*op as usize];
                }
                Decided::Valid(order)
            }
            Decided::Conflict(conflict) => Decided::Conflict(conflict.at(places)),
        }
    }
}
