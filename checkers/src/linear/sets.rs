//! Sets that only grow, and whose elements are each added once: what was read tells the order. Of two reads
//! the one that saw less came first, so the reads are a chain, and an element was added after the last read
//! that lacks it and before the first that has it. With the order of levels fixed, each operation takes effect
//! as early as it can; if that is too late for one, no order exists.

use plumb_histories::Value;

use super::Rules;
use super::elements::Decided;
use crate::budget::Meter;
use crate::hash::FastMap;
use crate::part::{FOREVER, Op, Part};
use crate::{Limit, SetCall};

/// An operation and where it belongs: a level's adds come before its reads.
struct Step {
    level: usize,
    is_read: bool,
    op: Op,
    place: u32,
}

/// Judges a part; `None` if it is no such set.
pub(super) fn decide(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
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
    let mut reads: Vec<(&[Value], u32)> = Vec::new();
    let mut adds: FastMap<&Value, u32> = FastMap::default();
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
    let mut step = |level, is_read, place: u32| {
        let op = part.ops[place as usize];
        steps.push(Step {
            level,
            is_read,
            op,
            place,
        });
    };
    let mut level = 0;
    let mut last = None;
    for (items, place) in reads {
        let known = seen.len();
        let mut fresh: Vec<&Value> = items.iter().collect();
        fresh.sort_unstable();
        fresh.dedup();
        let distinct = fresh.len();
        fresh.retain(|item| !seen.contains_key(item));
        // It must have all that smaller reads had, and nothing twice.
        if distinct < items.len() || distinct - fresh.len() != known {
            let ends = |place: u32| part.ops[place as usize].ret;
            let blamed = last.filter(|last| ends(*last) > ends(place));
            return Ok(Some(Decided::Violation(blamed.unwrap_or(place))));
        }
        level += usize::from(!fresh.is_empty());
        for item in fresh {
            // Nobody added it.
            let Some(add) = adds.remove(item) else {
                return Ok(Some(Decided::Violation(place)));
            };
            seen.insert(item, level);
            step(level, false, add);
        }
        step(level, true, place);
        last = Some(place);
    }
    for add in adds.into_values() {
        // What nobody saw comes after all reads; if it may not have happened, it did not.
        if part.ops[add as usize].is_certain() {
            step(level + 1, false, add);
        }
    }
    steps.sort_unstable_by_key(|step| (step.level, step.is_read, step.op.call));
    Ok(Some(soonest(&steps)))
}

/// Each operation as early as it can be, in the order of the steps; none may be too late.
fn soonest(steps: &[Step]) -> Decided {
    // The latest invocation among what must come first: of earlier kinds, and of this kind so far.
    let (mut before, mut here) = ((0, FOREVER), (0, FOREVER));
    let mut kind = (0, false);
    for step in steps {
        if kind != (step.level, step.is_read) {
            kind = (step.level, step.is_read);
            before = here;
        }
        if before.0 > step.op.ret {
            // A read tells; an add doesn't.
            let blamed = if step.is_read { step.place } else { before.1 };
            return Decided::Violation(blamed);
        }
        here = here.max((step.op.call, step.place));
    }
    Decided::Valid(steps.iter().map(|step| step.place).collect())
}
