//! What can be wrong with transactions, and which of it a consistency forbids.

use super::graph::{Edge, Graph, Kind, Kinds};
use super::infer::Inference;
use crate::budget::Meter;
use crate::{Consistency, Limit};

/// An anomaly by its usual name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anomaly {
    /// A transaction contradicts itself.
    Internal,
    /// A value that nobody wrote, or a list that holds one twice.
    Garbage,
    /// What a failed transaction wrote was read.
    G1a,
    /// What a transaction wrote only for a while was read.
    G1b,
    /// Two reads that no one order of versions explains.
    IncompatibleOrder,
    /// A cycle of writes.
    G0,
    /// A cycle of writes and reads of what was written.
    G1c,
    /// A cycle with one anti-dependency.
    GSingle,
    /// Two transactions read one version and both wrote the next.
    LostUpdate,
    /// A cycle with anti-dependencies, no two of them adjacent.
    GNonadjacent,
    /// Any other cycle.
    G2Item,
}

impl Anomaly {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Anomaly::Internal => "internal",
            Anomaly::Garbage => "garbage-read",
            Anomaly::G1a => "G1a",
            Anomaly::G1b => "G1b",
            Anomaly::IncompatibleOrder => "incompatible-order",
            Anomaly::G0 => "G0",
            Anomaly::G1c => "G1c",
            Anomaly::GSingle => "G-single",
            Anomaly::LostUpdate => "lost-update",
            Anomaly::GNonadjacent => "G-nonadjacent",
            Anomaly::G2Item => "G2-item",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Anomaly::Internal => "a transaction contradicts itself",
            Anomaly::Garbage => "what was read was never written so",
            Anomaly::G1a => "what a failed transaction wrote was read",
            Anomaly::G1b => "what a transaction wrote only for a while was read",
            Anomaly::IncompatibleOrder => "two reads cannot both be beginnings of one list",
            Anomaly::G0 => "writes go round in a circle",
            Anomaly::G1c => "information flows round in a circle",
            Anomaly::GSingle => "a transaction read a state from before what it depends on",
            Anomaly::LostUpdate => "two transactions updated one version, and one update is lost",
            Anomaly::GNonadjacent => "transactions read states that no snapshots explain",
            Anomaly::G2Item => "transactions read around each other's writes",
        }
    }
}

/// A step of a cycle: `from` comes before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) kind: Kind,
    pub(crate) key: u32,
}

/// An anomaly where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) anomaly: Anomaly,
    /// Those that it is about, if it is no cycle.
    pub(crate) about: Vec<u32>,
    /// What is wrong, if it is no cycle.
    pub(crate) detail: String,
    /// The cycle.
    pub(crate) steps: Vec<Step>,
}

impl Finding {
    pub(crate) fn direct(anomaly: Anomaly, about: Vec<u32>, detail: String) -> Finding {
        Finding {
            anomaly,
            about,
            detail,
            steps: Vec::new(),
        }
    }

    pub(crate) fn transactions(&self) -> Vec<u32> {
        let mut all = self.about.clone();
        all.extend(self.steps.iter().map(|step| step.from));
        all
    }

    /// Joins the steps that lead through moments.
    pub(crate) fn without_moments(mut self, inference: &Inference<'_>) -> Finding {
        let is_txn = |node: u32| (node as usize) < inference.transactions();
        let Some(start) = self.steps.iter().position(|step| is_txn(step.from)) else {
            return self;
        };
        self.steps.rotate_left(start);
        let mut joined: Vec<Step> = Vec::new();
        for step in self.steps {
            match joined.last_mut() {
                // What leaves a transaction names the step.
                Some(last) if !is_txn(step.from) => last.to = step.to,
                _ => joined.push(step),
            }
        }
        Finding {
            steps: joined,
            ..self
        }
    }

    /// The sentence, and for a cycle its steps.
    pub(crate) fn in_words(
        &self,
        inference: &Inference<'_>,
        named: &[u32],
    ) -> (String, Vec<String>) {
        let name = self.anomaly.name();
        if self.steps.is_empty() {
            return (format!("{name}: {}", self.detail), Vec::new());
        }
        let label = |txn: u32| {
            let place = named.iter().position(|other| *other == txn);
            format!("T{}", place.map_or(0, |place| place + 1))
        };
        let timed = self.steps.iter().any(|step| step.kind == Kind::RealTime);
        let bound = self.steps.iter().any(|step| step.kind == Kind::Process);
        let variant = match (timed, bound) {
            (true, _) => "-realtime",
            (false, true) => "-process",
            (false, false) => "",
        };
        let mut lines: Vec<String> = named
            .iter()
            .map(|txn| format!("{} = {}", label(*txn), inference.show(*txn)))
            .collect();
        for step in &self.steps {
            lines.push(format!(
                "{} comes before {}: {}",
                label(step.from),
                label(step.to),
                inference.because(step)
            ));
        }
        let count = self.steps.len();
        let sentence = format!(
            "{name}{variant}: {}: each of these {count} transactions comes before the next, and the \
             last before the first",
            self.anomaly.meaning()
        );
        (sentence, lines)
    }
}

/// So many starting points are tried for a short cycle.
const STARTS: usize = 64;

/// The worst cycle that the consistency forbids, and as short as is easily found.
pub(crate) fn find_cycle(
    graph: &Graph,
    nodes: usize,
    consistency: Consistency,
    meter: &mut Meter<'_>,
) -> Result<Option<Finding>, Limit> {
    let order = match consistency {
        Consistency::StrictSerializable => Kinds::PROCESS.and(Kinds::REAL_TIME),
        Consistency::StrongSessionSerializable => Kinds::PROCESS,
        _ => Kinds::WW,
    };
    let dependencies = Kinds::WW.and(Kinds::WR);
    let all = dependencies.and(Kinds::RW);
    let mut inside = vec![false; nodes];
    // Fast path: nothing goes round at all.
    let forbids_rw = consistency != Consistency::ReadCommitted;
    let widest = if forbids_rw { all } else { dependencies };
    meter.pass(nodes)?;
    if graph.components(widest.and(order)).is_empty() {
        return Ok(None);
    }
    let levels: &[Kinds] = if order == Kinds::WW {
        &[Kinds::WW]
    } else {
        // A cycle that needs no order but that of the data is the clearer one.
        &[Kinds::WW, order]
    };
    for extra in levels {
        for (kinds, anomaly) in [(Kinds::WW, Anomaly::G0), (dependencies, Anomaly::G1c)] {
            meter.pass(nodes)?;
            let kinds = kinds.and(*extra);
            if let Some(component) = graph.components(kinds).first() {
                mark(&mut inside, component, true);
                let starts = component.iter().take(STARTS);
                let cycle = starts
                    .filter_map(|node| graph.path(*node, *node, kinds, &inside))
                    .min_by_key(Vec::len);
                if let Some(cycle) = cycle {
                    return Ok(Some(finding(anomaly, &cycle)));
                }
            }
        }
        if !forbids_rw {
            continue;
        }
        meter.pass(nodes)?;
        let kinds = all.and(*extra);
        let mut other = None;
        for component in graph.components(kinds) {
            mark(&mut inside, &component, true);
            let anti = graph.inner_edges(&component, Kind::ReadWrite, &inside);
            for (from, edge) in anti.take(16 * STARTS) {
                meter.pass(component.len())?;
                let back = dependencies.and(*extra);
                if let Some(path) = graph.path(edge.to, from, back, &inside) {
                    let mut cycle = vec![(from, edge)];
                    cycle.extend(path);
                    return Ok(Some(finding(single(&cycle), &cycle)));
                }
                if other.as_ref().is_none_or(|other: &Vec<_>| other.len() > 3)
                    && let Some(path) = graph.path(edge.to, from, kinds, &inside)
                {
                    let mut cycle = vec![(from, edge)];
                    cycle.extend(path);
                    if other.as_ref().is_none_or(|other| other.len() > cycle.len()) {
                        other = Some(cycle);
                    }
                }
            }
            mark(&mut inside, &component, false);
        }
        if let Some(cycle) = other {
            let apart = adjacent(&cycle);
            if apart || consistency != Consistency::SnapshotIsolation {
                let anomaly = if apart {
                    Anomaly::GNonadjacent
                } else {
                    Anomaly::G2Item
                };
                return Ok(Some(finding(anomaly, &cycle)));
            }
        }
    }
    Ok(None)
}

fn mark(inside: &mut [bool], component: &[u32], value: bool) {
    for node in component {
        inside[*node as usize] = value;
    }
}

/// No two anti-dependencies follow each other.
fn adjacent(cycle: &[(u32, Edge)]) -> bool {
    let kinds = cycle.iter().map(|(_, edge)| edge.kind);
    let kinds: Vec<Kind> = kinds.filter(|kind| *kind != Kind::Onward).collect();
    (0..kinds.len()).all(|place| {
        kinds[place] != Kind::ReadWrite || kinds[(place + 1) % kinds.len()] != Kind::ReadWrite
    })
}

/// Two transactions, one key: a lost update.
fn single(cycle: &[(u32, Edge)]) -> Anomaly {
    let one_key = cycle.iter().all(|(_, edge)| edge.key == cycle[0].1.key);
    let writes = cycle[1..]
        .iter()
        .all(|(_, edge)| edge.kind == Kind::WriteWrite);
    if cycle.len() == 2 && one_key && writes {
        Anomaly::LostUpdate
    } else {
        Anomaly::GSingle
    }
}

fn finding(anomaly: Anomaly, cycle: &[(u32, Edge)]) -> Finding {
    Finding {
        anomaly,
        about: Vec::new(),
        detail: String::new(),
        steps: cycle
            .iter()
            .map(|(from, edge)| Step {
                from: *from,
                to: edge.to,
                kind: edge.kind,
                key: edge.key,
            })
            .collect(),
    }
}
