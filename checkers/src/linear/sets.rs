//! Sets that only grow, and whose elements are each added once: what was read tells the order. Of two reads
//! the one that saw less came first, so the reads are a chain, and an element was added after the last read
//! that lacks it and before the first that has it. With the order of levels fixed, each operation takes effect
//! as early as it can; if that is too late for one, no order exists.

use plumb_histories::Value;

use super::Rules;
use super::elements::Decided;
use crate::budget::Meter;
use crate::hash::{FastMap, FastSet};
use crate::part::{Op, Part};
use crate::{Limit, SetCall};

/// An operation and where it belongs: a level's adds come before its reads.
struct Step<'a> {
    level: usize,
    /// What it adds; `None` for a read.
    element: Option<&'a Value>,
    op: Op,
    place: u32,
}

impl Step<'_> {
    /// What must all come before what has another.
    fn kind(&self) -> (usize, bool) {
        (self.level, self.element.is_none())
    }
}

/// An order, or operations that have none, the one to blame first, whatever all others did; with elements that show it.
type Chain<'a> = Result<Vec<u32>, Core<'a>>;

/// Judges a part; `None` if it is no such set.
pub(super) fn decide(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
    Ok(chain(part, rules, meter)?.map(|chain| match chain {
        Ok(order) => Decided::Valid(order),
        Err((ops, _)) => Decided::Violation(ops[0]),
    }))
}

/// Operations, as places, and elements.
type Core<'a> = (Vec<u32>, Vec<&'a Value>);

/// The few operations that a violation comes down to, as places in order, and the elements that matter to it: the same
/// cut to these has no order either.
pub(crate) fn core<'a>(
    part: &Part,
    rules: Rules<'a>,
    meter: &mut Meter<'_>,
) -> Result<Option<Core<'a>>, Limit> {
    let Some(Err((mut ops, elements))) = chain(part, rules, meter)? else {
        return Ok(None);
    };
    ops.sort_unstable();
    ops.dedup();
    Ok(Some((ops, elements)))
}

fn chain<'a>(
    part: &Part,
    rules: Rules<'a>,
    meter: &mut Meter<'_>,
) -> Result<Option<Chain<'a>>, Limit> {
    let calls = part.calls(rules.tables);
    if calls.is_empty() || rules.spec.as_set(&calls[0]).is_none() {
        return Ok(None);
    }
    let initial = rules.spec.show_init(rules.init);
    let Some(initial) = initial.as_list() else {
        return Ok(None);
    };
    // Elements that were seen, and the level at which they first were.
    let mut seen: FastMap<&Value, usize> = initial.iter().map(|value| (value, 0)).collect();
    let mut reads: Vec<(&'a [Value], u32)> = Vec::new();
    let mut adds: FastMap<&'a Value, u32> = FastMap::default();
    for (place, op) in (0u32..).zip(&part.ops) {
        match rules.spec.as_set(&calls[op.class as usize]) {
            Some(SetCall::Add(value)) => {
                if seen.contains_key(value) || adds.insert(value, place).is_some() {
                    return Ok(None);
                }
            }
            Some(SetCall::Read(items)) => reads.push((items, place)),
            None => return Ok(None),
        }
    }
    let items: usize = reads.iter().map(|(items, _)| items.len()).sum();
    meter.pass(part.ops.len() + items)?;
    reads.sort_by_key(|(items, _)| items.len());
    let mut steps = Vec::with_capacity(part.ops.len());
    let mut step = |level, element, place: u32| {
        let op = part.ops[place as usize];
        steps.push(Step {
            level,
            element,
            op,
            place,
        });
    };
    let mut level = 0;
    let mut last: Option<(&[Value], u32)> = None;
    for (items, place) in &reads {
        let known = seen.len();
        let mut fresh: Vec<&'a Value> = items.iter().collect();
        fresh.sort_unstable();
        let twice = fresh.windows(2).find(|two| two[0] == two[1]);
        if let Some(twice) = twice {
            return Ok(Some(Err((vec![*place], vec![twice[0]]))));
        }
        fresh.retain(|item| !seen.contains_key(item));
        // It must have all that smaller reads had.
        if items.len() - fresh.len() != known {
            let lacks = |of: &'a [Value], other: &[Value]| {
                let there: FastSet<&Value> = other.iter().collect();
                of.iter().find(|item| !there.contains(item))
            };
            let Some((larger, other)) = last else {
                return Ok(Some(Err((vec![*place], Vec::new()))));
            };
            let larger: &'a [Value] = larger;
            let elements: Vec<&Value> = [lacks(larger, items), lacks(items, larger)]
                .into_iter()
                .flatten()
                .collect();
            let ends = |place: u32| part.ops[place as usize].ret;
            let mut ops = vec![*place, other];
            ops.sort_by_key(|place| std::cmp::Reverse(ends(*place)));
            return Ok(Some(Err((ops, elements))));
        }
        level += usize::from(!fresh.is_empty());
        for item in fresh {
            // Nobody added it.
            let Some(add) = adds.remove(item) else {
                return Ok(Some(Err((vec![*place], vec![item]))));
            };
            seen.insert(item, level);
            step(level, Some(item), add);
        }
        step(level, None, *place);
        last = Some((items, *place));
    }
    for (item, add) in adds {
        // What nobody saw comes after all reads; if it may not have happened, it did not.
        if part.ops[add as usize].is_certain() {
            step(level + 1, Some(item), add);
        }
    }
    steps.sort_unstable_by_key(|step| (step.kind(), step.op.call));
    Ok(Some(soonest(&steps, &reads)))
}

/// Each operation as early as it can be, in the order of the steps; none may be too late.
fn soonest<'a>(steps: &[Step<'a>], reads: &[(&'a [Value], u32)]) -> Chain<'a> {
    // The latest invocation among what must come first: of earlier kinds, and of this kind so far.
    let mut before: Option<&Step<'a>> = None;
    let mut here: Option<&Step<'a>> = None;
    let mut kind = (0, false);
    for step in steps {
        if kind != step.kind() {
            kind = step.kind();
            before = here;
        }
        if let Some(before) = before
            && before.op.call > step.op.ret
        {
            return Err(too_late(before, step, steps, reads));
        }
        if here.is_none_or(|here| here.op.call < step.op.call) {
            here = Some(step);
        }
    }
    Ok(steps.iter().map(|step| step.place).collect())
}

/// Why the one comes before the other, which completed before it was invoked. A read tells; an add doesn't.
fn too_late<'a>(
    before: &Step<'a>,
    step: &Step<'a>,
    steps: &[Step<'a>],
    reads: &[(&'a [Value], u32)],
) -> (Vec<u32>, Vec<&'a Value>) {
    let (one, other) = (before.place, step.place);
    match (before.element, step.element) {
        // It saw what was added only later.
        (Some(added), None) => (vec![other, one], vec![added]),
        // It lacks what had been added.
        (None, Some(added)) => (vec![one, other], vec![added]),
        // It saw less than what had been read.
        (None, None) => {
            let items = |place: u32| reads.iter().find(|read| read.1 == place).map(|read| read.0);
            let less: FastSet<&Value> = items(one).into_iter().flatten().collect();
            let more = items(other).into_iter().flatten();
            let lacking = more.filter(|item| !less.contains(item)).take(1);
            (vec![one, other], lacking.collect())
        }
        // A read saw the one and not the other.
        (Some(first), Some(second)) => {
            let reads = steps.iter().filter(|step| step.element.is_none());
            let saw = reads
                .filter(|read| read.level == before.level)
                .map(|read| read.place);
            let mut ops: Vec<u32> = saw.take(1).collect();
            ops.extend([one, other]);
            (ops, vec![first, second])
        }
    }
}
