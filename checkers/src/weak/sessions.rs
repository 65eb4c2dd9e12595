//! Session guarantees (Terry et al., *Session Guarantees for Weakly Consistent Replicated Data*, 1994)
//! of registers whose values are each written once. Each guarantee says of two operations of a process
//! that one version is not older than another; what is known of the versions besides is that one whose
//! write had completed before another's was invoked is the older. The guarantee is broken if that goes
//! round in a circle.

use super::{Found, Outcome, unsupported};
use crate::hash::FastMap;
use crate::intake::Taken;
use crate::linear::registers::{INITIAL, Registers};
use crate::part::{Op, Part};
use crate::txn::graph::{Edge, Graph, Kind, Kinds};
use crate::{CheckError, Consistency, Options};

const NOBODY: u32 = u32::MAX;

pub(super) fn judge<'t>(
    taken: &'t Taken,
    options: &Options,
    guarantee: Consistency,
) -> Result<Outcome<'t>, CheckError> {
    let what = "session guarantees are judged for registers in which each value is written once";
    for part in &taken.parts {
        let registers = part.registers.as_ref();
        let registers = registers.ok_or_else(|| unsupported(options, what))?;
        let writers = writers(part, registers).ok_or_else(|| unsupported(options, what))?;
        if let Some(found) = judge_part(taken, part, registers, &writers, guarantee) {
            return Ok(Outcome::Wrong(found));
        }
    }
    Ok(Outcome::Fine(None))
}

/// By value, the operation that wrote it; `None` if there are several.
pub(super) fn writers(part: &Part, registers: &Registers) -> Option<Vec<u32>> {
    let mut writers = vec![NOBODY; registers.values()];
    for (place, op) in (0u32..).zip(&part.ops) {
        if let Some(value) = registers.action(op).produces() {
            if value == INITIAL || writers[value as usize] != NOBODY {
                return None;
            }
            writers[value as usize] = place;
        }
    }
    Some(writers)
}

/// Versions in the order in which a process met them, by the kind of meeting.
#[derive(Clone, Copy)]
struct Met {
    value: u32,
    op: u32,
    writes: bool,
}

fn judge_part<'t>(
    taken: &'t Taken,
    part: &'t Part,
    registers: &Registers,
    writers: &[u32],
    guarantee: Consistency,
) -> Option<Found<'t>> {
    let values = u32::try_from(writers.len()).expect("values fit 32 bits");
    let mut edges: Vec<(u32, Edge)> = Vec::new();
    // Which two operations an edge comes from.
    let mut because: FastMap<(u32, u32), (u32, u32)> = FastMap::default();
    let edge = |to| Edge {
        to,
        kind: Kind::Process,
        key: 0,
    };
    let (first_is_write, second_is_write) = match guarantee {
        Consistency::MonotonicReads => (false, false),
        Consistency::MonotonicWrites => (true, true),
        Consistency::ReadYourWrites => (true, false),
        _ => (false, true),
    };
    // By process, the versions met so far that come first in the guarantee; the later ones include the
    // earlier ones only if both kinds are the same, so otherwise all of them count.
    let mut met: FastMap<u32, Vec<Met>> = FastMap::default();
    for (place, op) in (0u32..).zip(&part.ops) {
        if !op.is_certain() {
            continue;
        }
        let action = registers.action(op);
        let mut meetings = Vec::new();
        if let Some(value) = action.observes() {
            meetings.push((value, false));
        }
        if let Some(value) = action.produces() {
            meetings.push((value, true));
        }
        for (value, writes) in meetings {
            let before = met.entry(op.process).or_default();
            if writes == second_is_write {
                for first in before
                    .iter()
                    .rev()
                    .filter(|met| met.writes == first_is_write)
                {
                    if first.value != value {
                        edges.push((first.value, edge(value)));
                        because
                            .entry((first.value, value))
                            .or_insert((first.op, place));
                    }
                    if first_is_write == second_is_write {
                        break;
                    }
                }
            }
            if writes == first_is_write {
                before.push(Met {
                    value,
                    op: place,
                    writes,
                });
            }
        }
    }
    // Real time between writes, through moments; the initial version is the oldest.
    let mut ends: Vec<(u32, u32)> = writers
        .iter()
        .zip(0u32..)
        .filter(|(writer, _)| **writer != NOBODY)
        .map(|(writer, value)| (part.ops[*writer as usize].ret, value))
        .collect();
    ends.sort_unstable();
    let mut nodes = values;
    let time = |to| Edge {
        to,
        kind: Kind::RealTime,
        key: 0,
    };
    edges.push((INITIAL, time(nodes)));
    for (_, value) in &ends {
        edges.push((nodes, time(nodes + 1)));
        nodes += 1;
        edges.push((*value, time(nodes)));
    }
    for (_, value) in &ends {
        let call = part.ops[writers[*value as usize] as usize].call;
        let before = ends.partition_point(|(end, _)| *end < call);
        let before = u32::try_from(before).expect("values fit 32 bits");
        edges.push((values + before, time(*value)));
    }
    nodes += 1;
    let graph = Graph::new(nodes as usize, &edges);
    let kinds = Kinds::PROCESS.and(Kinds::REAL_TIME);
    let component = graph.components(kinds).into_iter().next()?;
    let mut inside = vec![false; nodes as usize];
    for node in &component {
        inside[*node as usize] = true;
    }
    let cycle = component
        .iter()
        .filter(|node| **node < values)
        .take(64)
        .filter_map(|node| graph.path(*node, *node, kinds, &inside))
        .min_by_key(Vec::len)?;
    let describe = |place: u32| {
        crate::explain::Described::of(taken, part, &part.ops[place as usize]).to_string()
    };
    let mut ops: Vec<&Op> = Vec::new();
    let mut steps = Vec::new();
    for (from, step) in cycle.iter().filter(|(_, step)| step.kind == Kind::Process) {
        let (first, second) = because[&(*from, step.to)];
        ops.extend([&part.ops[first as usize], &part.ops[second as usize]]);
        steps.push(format!(
            "{} came before {}, so the version of the first is not newer than that of the second",
            describe(first),
            describe(second)
        ));
    }
    for writer in cycle
        .iter()
        .filter_map(|(node, _)| writers.get(*node as usize))
    {
        if *writer != NOBODY {
            ops.push(&part.ops[*writer as usize]);
            steps.push(format!(
                "one of the versions is that of {}",
                describe(*writer)
            ));
        }
    }
    Some(Found {
        sentence: format!(
            "{guarantee} is broken: what sessions saw and the real time of writes put versions in no \
             order"
        ),
        part,
        ops,
        steps,
    })
}
