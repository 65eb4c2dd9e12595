//! A serial order of transactions on registers, where no cycle was found: reads tell the order of versions only in
//! part, so the absence of cycles proves nothing; an order does. It is built one goal after the other, by when they
//! completed. What must come first is forced:
//! what an edge leads from; and before a register is written again, all who read its present version. Where that
//! goes round in a circle, some version was written too early: whoever is in its way must be written before it, which
//! is learned as an edge, and everything since that version is taken back. Where several versions may have been the
//! early one, one is guessed, and another if that leads nowhere. What is learned is only ever a way to an order: that
//! none was found proves nothing. Snapshots are such an order too, of beginnings and commits apart. (The idea of
//! learning orders of versions from conflicts is Cobra's: Tan, Zhao, Mu and Walfish, OSDI 2020; here without a solver.)

mod builder;

use plumb_histories::Value;

use super::graph::{Edge, Kind};
use super::infer::{Ended, Inference};
use crate::Limit;
use crate::budget::Meter;
use crate::part::NONE;
use crate::spec::Micro;
use builder::{Blocked, Builder};

/// So many times is every node placed, on average, before it is given up.
const PATIENCE: usize = 200;

/// What a transaction does with a register.
struct Access {
    key: u32,
    /// Whose version it reads from outside; [`NONE`] for the initial one.
    reads: Option<u32>,
    writes: bool,
}

/// Transactions in an order that explains all reads and agrees with all edges; `None` if none was found.
pub(super) fn order(
    inference: &Inference<'_>,
    nodes: usize,
    edges: &[(u32, Edge)],
    meter: &mut Meter<'_>,
) -> Result<Option<Vec<u32>>, Limit> {
    let txns = u32::try_from(inference.transactions()).expect("fewer than events");
    let accesses: Vec<Vec<Access>> = (0..txns).map(|txn| accesses(inference, txn)).collect();
    build(inference, nodes, edges, &accesses, 0, meter)
}

/// Beginnings and commits of transactions, each transaction twice, in an order in which all read the state at their
/// beginning and nobody else writes what they write before they commit; `None` if none was found.
pub(super) fn snapshots(
    inference: &Inference<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<Vec<u32>>, Limit> {
    // Transaction `t` begins at node `t` and commits at `txns + t`; moments come after that.
    let txns = u32::try_from(inference.transactions()).expect("fewer than events");
    let nodes = (inference.nodes + txns) as usize;
    let edges = inference.dependencies.iter().map(|(from, edge)| {
        let begins = |node: u32, begins: bool| {
            if node < txns && begins {
                node
            } else {
                node + txns
            }
        };
        // Who replaces what another read commits after that began; who reads or replaces what another wrote begins
        // after that committed.
        let replaces = edge.kind == Kind::ReadWrite;
        let to = begins(edge.to, !replaces && edge.kind != Kind::Onward);
        (begins(*from, replaces), Edge { to, ..*edge })
    });
    let mut edges: Vec<(u32, Edge)> = edges.collect();
    edges.extend((0..txns).map(|txn| {
        let edge = Edge {
            to: txn + txns,
            kind: Kind::Process,
            key: 0,
        };
        (txn, edge)
    }));
    let mut begin = Vec::with_capacity(nodes);
    let mut commit = Vec::with_capacity(txns as usize);
    for txn in 0..txns {
        let all = accesses(inference, txn);
        commit.push(
            all.iter()
                .filter(|one| one.writes)
                .map(|one| Access {
                    reads: None,
                    ..*one
                })
                .collect::<Vec<_>>(),
        );
        begin.push(
            all.into_iter()
                .map(|one| Access {
                    writes: false,
                    ..one
                })
                .collect::<Vec<_>>(),
        );
    }
    begin.append(&mut commit);
    let order = build(inference, nodes, &edges, &begin, txns, meter)?;
    Ok(order.map(|order| order.into_iter().map(|node| node % txns).collect()))
}

/// Nodes that transactions do something at, in order: all but moments. With snapshots `commits` is what a
/// transaction's commit is numbered after its beginning; else 0.
fn build(
    inference: &Inference<'_>,
    nodes: usize,
    edges: &[(u32, Edge)],
    accesses: &[Vec<Access>],
    commits: u32,
    meter: &mut Meter<'_>,
) -> Result<Option<Vec<u32>>, Limit> {
    meter.pass(nodes + edges.len())?;
    let mut builder = Builder::new(inference, nodes, edges, accesses, commits);
    meter.hold((edges.len() + nodes * 4) * 4)?;
    let txns = u32::try_from(inference.transactions()).expect("fewer than events");
    let mut goals: Vec<u32> = (0..txns).filter(|txn| inference.happened(*txn)).collect();
    goals.sort_unstable_by_key(|txn| (inference.op(*txn).ret, *txn));
    for goal in &mut goals {
        *goal += commits;
    }
    let mut rank = vec![NONE; nodes];
    for (at, goal) in (0u32..).zip(&goals) {
        rank[*goal as usize] = at;
    }
    let mut patience = PATIENCE.saturating_mul(nodes);
    let mut at = 0;
    while let Some(goal) = goals.get(at) {
        let placed = builder.order.len();
        match builder.reach(*goal, meter)? {
            Ok(()) => at += 1,
            Err(Blocked::Misread) => return Ok(None),
            Err(Blocked::Early(choices, reasons)) => {
                let learned = if choices.is_empty() {
                    builder.reconsider(reasons)
                } else {
                    builder.guess(choices, reasons)
                };
                let Some(learned) = learned else {
                    return Ok(None);
                };
                let place = builder.place[learned.version as usize];
                builder.learn(learned);
                if place == NONE {
                    patience = patience.saturating_sub(1);
                } else {
                    patience = patience.saturating_sub(1 + builder.order.len() - place as usize);
                    for node in builder.take_back(place as usize) {
                        at = at.min(rank[node as usize] as usize);
                    }
                }
                if patience == 0 {
                    return Ok(None);
                }
            }
        }
        meter.pass(1 + builder.order.len().saturating_sub(placed))?;
    }
    let does = |node: &u32| {
        let commit = if *node < commits {
            *node + commits
        } else {
            *node
        };
        rank[commit as usize] != NONE
    };
    builder.order.retain(does);
    Ok(Some(builder.order))
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
