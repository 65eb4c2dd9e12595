//! Which few elements fail by themselves: what a violation is explained with. An order of some elements, cut to
//! fewer, is an order of these; so what fails by itself fails whatever became of all others.

use plumb_histories::Value;

use super::{Arranged, Element, Story, arrange, empty_moments, read};
use crate::budget::Meter;
use crate::linear::Rules;
use crate::linear::search::{Search, Searched, Use};
use crate::part::{FOREVER, Op, Part};
use crate::{Discipline, Limit, QueueCall};

/// A search over what is left gets so many steps.
const SEARCH: u64 = 20_000;

/// Operations that fail by themselves, as places in the part, in order; `None` if none are known. Those of unknown
/// result, which may have taken anything, belong to them.
pub(crate) fn core(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<Vec<u32>>, Limit> {
    let Some(read) = read(part, rules) else {
        return Ok(None);
    };
    let (mut ops, unknown) = match read {
        Ok(story) => (
            failing(&story, rules.spec.discipline(), meter)?,
            story.unknown,
        ),
        Err(op) => (
            all_on(part, rules, &[part.ops[op as usize].number]),
            Vec::new(),
        ),
    };
    if ops.is_empty() {
        return Ok(None);
    }
    ops.extend(&unknown);
    ops.sort_unstable();
    let fails = unknown.is_empty() || stuck(part, rules, &ops, meter)?.is_some();
    Ok(fails.then_some(ops))
}

/// Where a search over these operations alone ends, if it finds no order of them in time.
pub(super) fn stuck(
    part: &Part,
    rules: Rules<'_>,
    ops: &[u32],
    meter: &mut Meter<'_>,
) -> Result<Option<u32>, Limit> {
    let few = part.cut(ops);
    let mut machine = few.machine(rules.spec, rules.init, rules.tables);
    let searched = meter.limited(SEARCH, |meter| {
        Search::new(&few, &mut *machine, Use::Once).run(meter)
    });
    Ok(match searched {
        Some(Ok(Searched::Stuck { op, .. })) => Some(ops[op as usize]),
        Some(Ok(Searched::Valid(_))) | None => None,
        Some(Err(limit)) => return Err(limit),
    })
}

/// Who is to blame if these operations fail whatever those of unknown results took. Each took one element at most: so
/// more groups that fail than there are of them, without an element in common, leave one that fails.
pub(super) fn fails_anyway(
    part: &Part,
    rules: Rules<'_>,
    mut story: Story,
    first: Vec<u32>,
    meter: &mut Meter<'_>,
) -> Result<Option<u32>, Limit> {
    let mut ops = first.clone();
    ops.extend(&story.unknown);
    ops.sort_unstable();
    if let Some(op) = stuck(part, rules, &ops, meter)? {
        return Ok(Some(op));
    }
    let ends = |ops: &[u32]| {
        let known = ops.iter().filter(|op| part.ops[**op as usize].is_certain());
        known.max_by_key(|op| part.ops[**op as usize].ret).copied()
    };
    let (mut blamed, mut group) = (ends(&first), first);
    for _ in 0..story.unknown.len() {
        story
            .elements
            .retain(|one| !group.contains(&one.put) && !group.contains(&one.got));
        group = failing(&story, rules.spec.discipline(), meter)?;
        if group.is_empty() {
            return Ok(None);
        }
        let end = |op: Option<u32>| op.map(|op| part.ops[op as usize].ret);
        if let Some(op) = ends(&group)
            && end(Some(op)) > end(blamed)
        {
            blamed = Some(op);
        }
    }
    Ok(blamed)
}

/// These operations, by their numbers, and all on the elements that they put in or took out; as places.
pub(crate) fn all_on(part: &Part, rules: Rules<'_>, numbers: &[u32]) -> Vec<u32> {
    let calls = part.calls(rules.tables);
    let element = |op: &Op| -> Option<&Value> {
        match rules.spec.as_queue(&calls[op.class as usize])? {
            QueueCall::Put(value) | QueueCall::Got(value) => Some(value),
            QueueCall::Empty | QueueCall::Unknown => None,
        }
    };
    let named = |op: &&Op| numbers.contains(&op.number);
    let elements: Vec<&Value> = part.ops.iter().filter(named).filter_map(element).collect();
    let places = (0u32..).zip(&part.ops);
    let on = |op: &Op| element(op).is_some_and(|element| elements.contains(&element));
    let all = places.filter(|(_, op)| named(op) || on(op));
    all.map(|(place, _)| place).collect()
}

/// Operations of few elements that fail by themselves; none if all are in order, or nobody knows.
pub(super) fn failing(
    story: &Story,
    discipline: Discipline,
    meter: &mut Meter<'_>,
) -> Result<Vec<u32>, Limit> {
    let moments = match empty_moments(story) {
        Ok(moments) => moments,
        Err(place) => return Ok(never_empty(story, place)),
    };
    let mut elements = story.elements.clone();
    elements.sort_unstable_by_key(Element::last);
    let mut rest = elements.as_slice();
    let cuts = moments.iter().map(|(moment, _)| *moment).chain([FOREVER]);
    for cut in cuts {
        let last = cut == FOREVER;
        let (group, after) = rest.split_at(rest.partition_point(|one| last || one.last() < cut));
        if let Some(op) = blamed(group, discipline, meter)? {
            let near = around(group, op, discipline, meter)?;
            return reduce(near, discipline, meter);
        }
        rest = after;
    }
    Ok(Vec::new())
}

/// Somebody who found nothing, and elements whose cores cover the whole of that operation.
fn never_empty(story: &Story, place: u32) -> Vec<u32> {
    let found = story.empties.iter().find(|(empty, _)| *empty == place);
    let Some((_, op)) = found else {
        return Vec::new();
    };
    let mut ops = vec![place];
    let mut free = op.call + 1;
    while free <= op.ret {
        let covering = story
            .elements
            .iter()
            .filter(|one| one.has_core() && one.first() < free);
        // Of all that cover the moment, the one that does so for longest.
        let Some(one) = covering.max_by_key(|one| one.last()) else {
            return Vec::new();
        };
        if one.last() < free {
            return Vec::new();
        }
        ops.extend(one.ops());
        free = one.last().saturating_add(1);
        if one.last() == FOREVER {
            break;
        }
    }
    ops
}

/// The operation that is to blame, if these elements have no order.
fn blamed(
    elements: &[Element],
    discipline: Discipline,
    meter: &mut Meter<'_>,
) -> Result<Option<u32>, Limit> {
    Ok(
        match arrange(elements, discipline, &mut Vec::new(), meter)? {
            Arranged::Violation(op) => Some(op),
            Arranged::Done | Arranged::Open => None,
        },
    )
}

fn fails(
    elements: &[Element],
    discipline: Discipline,
    meter: &mut Meter<'_>,
) -> Result<bool, Limit> {
    Ok(blamed(elements, discipline, meter)?.is_some())
}

/// Those around the operation that is to blame, as many as it takes to fail.
fn around(
    group: &[Element],
    op: u32,
    discipline: Discipline,
    meter: &mut Meter<'_>,
) -> Result<Vec<Element>, Limit> {
    let blamed = group.iter().find(|one| one.put == op || one.got == op);
    let Some(blamed) = blamed else {
        return Ok(group.to_vec());
    };
    let (from, to) = (blamed.first(), blamed.last());
    let distance = |one: &Element| {
        let apart = from.saturating_sub(one.last()) + one.first().saturating_sub(to);
        (apart, one.last().abs_diff(to))
    };
    let mut near = group.to_vec();
    near.sort_by_key(distance);
    let mut size = 8;
    while size < near.len() {
        if fails(&near[..size], discipline, meter)? {
            near.truncate(size);
            break;
        }
        size *= 4;
    }
    Ok(near)
}

/// Takes elements away while the rest still fails: first those that came after it, then those that were gone
/// before it, then any.
fn reduce(
    mut kept: Vec<Element>,
    discipline: Discipline,
    meter: &mut Meter<'_>,
) -> Result<Vec<u32>, Limit> {
    let by_beginning: fn(&Element) -> u32 = Element::first;
    let by_end: fn(&Element) -> u32 = |one| !one.last();
    for key in [by_beginning, by_end] {
        kept.sort_by_key(key);
        // As many of the first as it takes to fail.
        let (mut too_few, mut enough) = (0, kept.len());
        while too_few + 1 < enough {
            let middle = too_few + (enough - too_few) / 2;
            if fails(&kept[..middle], discipline, meter)? {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        kept.truncate(enough);
    }
    let mut chunk = kept.len().div_ceil(2);
    loop {
        let mut from = 0;
        while from < kept.len() {
            let to = (from + chunk).min(kept.len());
            let mut fewer = kept.clone();
            fewer.drain(from..to);
            if fails(&fewer, discipline, meter)? {
                kept = fewer;
            } else {
                from = to;
            }
        }
        if chunk <= 1 {
            break;
        }
        chunk = chunk.div_ceil(2);
    }
    Ok(kept.iter().flat_map(Element::ops).collect())
}
