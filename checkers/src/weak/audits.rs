//! Audits in the manner of Jepsen's checkers `total-queue`, `set-full`, `counter` and `unique-ids`:
//! what went in must come out, no more and no less. They count, so they are linear, and they demand
//! less than an order does.

use plumb_histories::Value;

use super::{Found, Outcome, unsupported};
use crate::hash::{FastMap, FastSet};
use crate::intake::Taken;
use crate::part::{Op, Part};
use crate::spec::Call;
use crate::{CheckError, Options};

/// Each operation with what it said.
fn calls<'t>(taken: &'t Taken, part: &'t Part) -> impl Iterator<Item = (&'t Op, Call<'t>)> {
    part.ops
        .iter()
        .map(|op| (op, taken.tables.call(part.classes.get(op.class))))
}

fn wrong<'t>(part: &'t Part, sentence: String, ops: Vec<&'t Op>) -> Outcome<'t> {
    Outcome::Wrong(Found {
        sentence,
        part,
        ops,
        steps: Vec::new(),
    })
}

/// Every element that was put in for certain came out once at most, and if the queue was drained (its
/// last dequeue found nothing) at least once; nothing came out that was not put in.
pub(super) fn total_queue<'t>(
    taken: &'t Taken,
    options: &Options,
) -> Result<Outcome<'t>, CheckError> {
    if options.spec.name() != "fifo-queue" {
        return Err(unsupported(options, "ask for it with --spec fifo-queue"));
    }
    for part in &taken.parts {
        let mut put: FastMap<&Value, Vec<&Op>> = FastMap::default();
        let mut got: FastMap<&Value, Vec<&Op>> = FastMap::default();
        let (mut last, mut unknown) = (None, false);
        for (op, call) in calls(taken, part) {
            match (call.f, call.result) {
                ("enqueue", _) => put.entry(call.argument).or_default().push(op),
                (_, Some(Value::Null)) => last = Some(op),
                (_, Some(value)) => got.entry(value).or_default().push(op),
                // It may have taken anything.
                (_, None) => unknown = true,
            }
        }
        for (op, call) in calls(taken, part) {
            if call.f == "enqueue" {
                let value = call.argument;
                let drained = last.is_some_and(|last| op.is_certain() && op.ret < last.call);
                let certain = put[value].iter().filter(|op| op.is_certain()).count();
                let out = got.get(value).map_or(0, Vec::len);
                if drained && !unknown && out < certain {
                    let sentence =
                        format!("{value} was put in, never came out, and is not there: it is lost");
                    return Ok(wrong(part, sentence, vec![op]));
                }
                continue;
            }
            let Some(value) = call.result.filter(|value| !value.is_null()) else {
                continue;
            };
            let Some(sources) = put.get(value) else {
                let sentence = format!("{value} came out, but was never put in");
                return Ok(wrong(part, sentence, vec![op]));
            };
            if got[value].len() > sources.len() {
                let sentence = format!(
                    "{value} came out {} times, but was put in {} times",
                    got[value].len(),
                    sources.len()
                );
                let mut ops = got[value].clone();
                ops.extend(sources);
                return Ok(wrong(part, sentence, ops));
            }
            if sources.iter().all(|source| source.call > op.ret) {
                let sentence = format!("{value} came out before it was put in");
                return Ok(wrong(part, sentence, vec![op, sources[0]]));
            }
        }
    }
    Ok(Outcome::Fine(None))
}

/// Every element that was added and never removed is in every read that began after that, and nothing is
/// that was never added. An element that a read missed and a later one has was recovered: stale, but not
/// lost; what the last reads miss is lost.
pub(super) fn membership<'t>(
    taken: &'t Taken,
    options: &Options,
) -> Result<Outcome<'t>, CheckError> {
    if options.spec.name() != "set" {
        return Err(unsupported(options, "ask for it with --spec set"));
    }
    for part in &taken.parts {
        let mut added: FastMap<&Value, &Op> = FastMap::default();
        let mut removed: FastSet<&Value> = FastSet::default();
        let initial = options.init.as_list().unwrap_or_default();
        let initial: FastSet<&Value> = initial.iter().collect();
        let mut reads: Vec<(&Op, FastSet<&Value>)> = Vec::new();
        for (op, call) in calls(taken, part) {
            match call.f {
                "add" => {
                    // The earliest completion is what a read must honour.
                    let first = added.entry(call.argument).or_insert(op);
                    if op.ret < first.ret {
                        *first = op;
                    }
                }
                "remove" => {
                    removed.insert(call.argument);
                }
                _ => {
                    let list = call.result.and_then(Value::as_list).unwrap_or_default();
                    reads.push((op, list.iter().collect()));
                }
            }
        }
        for (read, elements) in &reads {
            let unexpected = elements
                .iter()
                .filter(|value| !added.contains_key(*value) && !initial.contains(*value))
                .min();
            if let Some(value) = unexpected {
                let sentence = format!("{value} was read, but never added");
                return Ok(wrong(part, sentence, vec![read]));
            }
        }
        let mut elements: Vec<(&Value, &Op)> = added.into_iter().collect();
        elements.sort_unstable_by_key(|(_, op)| op.number);
        for (value, add) in elements {
            if !add.is_certain() || removed.contains(value) {
                continue;
            }
            let missed = reads
                .iter()
                .find(|(read, seen)| read.call > add.ret && !seen.contains(value));
            let Some((read, _)) = missed else { continue };
            let again = reads
                .iter()
                .find(|(later, seen)| later.call > read.ret && seen.contains(value));
            let (what, mut ops) = match again {
                Some((later, _)) => (
                    "it was recovered by a later read, so this one was stale",
                    vec![*later],
                ),
                None => ("no later read has it: it is lost", Vec::new()),
            };
            ops.extend([add, *read]);
            let sentence =
                format!("{value} was added, but a read that began later misses it; {what}");
            return Ok(wrong(part, sentence, ops));
        }
    }
    Ok(Outcome::Fine(None))
}

/// Every read lies between what was certainly added before it began and what may have been added before
/// it ended.
pub(super) fn counter_bounds<'t>(
    taken: &'t Taken,
    options: &Options,
) -> Result<Outcome<'t>, CheckError> {
    if options.spec.name() != "counter" {
        return Err(unsupported(options, "ask for it with --spec counter"));
    }
    let number = |value: Option<&Value>| match value {
        Some(Value::Int(number)) => i128::from(*number),
        _ => 0,
    };
    for part in &taken.parts {
        let start = number(Some(&options.init));
        // An addition may count from its invocation and must count from its completion; a subtraction
        // the other way round.
        let mut lower: Vec<(u32, i128)> = Vec::new();
        let mut upper: Vec<(u32, i128)> = Vec::new();
        for (op, call) in calls(taken, part).filter(|(_, call)| call.f == "add") {
            let amount = number(Some(call.argument));
            let (early, late) = if amount >= 0 {
                (&mut upper, &mut lower)
            } else {
                (&mut lower, &mut upper)
            };
            early.push((op.call, amount));
            if op.is_certain() {
                late.push((op.ret, amount));
            }
        }
        for bounds in [&mut lower, &mut upper] {
            bounds.sort_unstable_by_key(|(time, _)| *time);
            let mut sum = start;
            for (_, amount) in bounds.iter_mut() {
                sum += *amount;
                *amount = sum;
            }
        }
        let at = |bounds: &[(u32, i128)], time: u32| {
            let after = bounds.partition_point(|(moment, _)| *moment < time);
            after.checked_sub(1).map_or(start, |place| bounds[place].1)
        };
        for (op, call) in calls(taken, part).filter(|(_, call)| call.f == "read") {
            let value = number(call.result);
            // The least it may have been at any moment of the read, and the most.
            let low = at(&lower, op.call).min(at(&lower, op.ret));
            let high = at(&upper, op.ret).max(at(&upper, op.call));
            if value < low || value > high {
                let sentence =
                    format!("the counter read {value}, but was between {low} and {high}");
                return Ok(wrong(part, sentence, vec![op]));
            }
        }
    }
    Ok(Outcome::Fine(None))
}

/// No two operations returned the same value.
pub(super) fn unique_ids<'t>(
    taken: &'t Taken,
    options: &Options,
) -> Result<Outcome<'t>, CheckError> {
    if options.spec.name() != "unique-ids" {
        return Err(unsupported(options, "ask for it with --spec unique-ids"));
    }
    for part in &taken.parts {
        let mut seen: FastMap<&Value, &Op> = FastMap::default();
        for (op, call) in calls(taken, part) {
            let Some(value) = call.result else { continue };
            if let Some(first) = seen.insert(value, op) {
                let sentence = format!("two operations returned the identifier {value}");
                return Ok(wrong(part, sentence, vec![first, op]));
            }
        }
    }
    Ok(Outcome::Fine(None))
}
