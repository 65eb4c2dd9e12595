//! Queues, stacks and priority queues whose elements are all different, without a search over orders: what
//! decides is when each element went in and came out.
//!
//! An element is *certainly within* between its first completion and its last invocation: after it went in
//! for certain, and before anybody asked for what became it. That stretch is its *core*; an element whose
//! operations all overlap has none. Two facts hold for any of the three, as each behaves alike whatever
//! elements are taken out of the story, and two stories that end empty can be told one after the other:
//!
//! - If no core covers a moment, the history is linearizable if and only if it is so for the elements that
//!   are asked for before that moment, and for those that complete after it, each by themselves: an order
//!   cut to some elements is an order of these; and the two orders, one after the other, agree with real
//!   time, as nothing of the second completed before something of the first was invoked.
//! - So somebody may find it empty at a moment if and only if no core covers that.
//!
//! What orders the elements between such moments is each discipline's own.

mod core;
mod fifo;
mod least;
mod lifo;
mod trees;

use plumb_histories::Value;

pub(crate) use self::core::{all_on, core};

use super::Rules;
use crate::budget::Meter;
use crate::hash::{FastMap, FastSet};
use crate::part::{FOREVER, Op, Part};
use crate::{Discipline, Limit, QueueCall};

/// What the elements say.
pub(in crate::linear) enum Decided {
    /// Operations in an order that explains them, as places in the part.
    Valid(Vec<u32>),
    /// None exists: this operation is to blame.
    Violation(u32),
}

/// One element's way. Times are of events; [`FOREVER`] for what never came.
#[derive(Clone, Copy, Debug)]
struct Element {
    /// The operation that put it in, as a place in the part.
    put: u32,
    put_call: u32,
    put_ret: u32,
    /// The operation that took it out; [`FOREVER`] if it stays.
    got: u32,
    got_call: u32,
    got_ret: u32,
    /// Its place among all elements by value: the least comes first.
    rank: u32,
}

impl Element {
    /// Its first completion.
    fn first(&self) -> u32 {
        self.put_ret.min(self.got_ret)
    }

    /// Its last invocation.
    fn last(&self) -> u32 {
        self.put_call.max(self.got_call)
    }

    /// Whether there is a time at which it is within for certain.
    fn has_core(&self) -> bool {
        self.first() < self.last()
    }

    fn stays(&self) -> bool {
        self.got == FOREVER
    }

    /// Its operations.
    fn ops(&self) -> impl Iterator<Item = u32> + use<> {
        [self.put, self.got].into_iter().filter(|op| *op != FOREVER)
    }
}

/// Elements and those who found none.
struct Story {
    elements: Vec<Element>,
    empties: Vec<(u32, Op)>,
    /// Those who never returned and may have taken any element, or none.
    unknown: Vec<u32>,
}

/// Leaves out what may not have happened and nobody saw: an insertion of unknown fate whose element never came
/// out. In any order that has it, it can be left out: it could only be in the way. Not where somebody may have
/// taken an element and nobody knows which.
pub(crate) fn drop_needless(part: &mut Part, rules: Rules<'_>) {
    let calls = part.calls(rules.tables);
    let as_queue = |op: &Op| rules.spec.as_queue(&calls[op.class as usize]);
    if part.ops.iter().all(Op::is_certain) || part.ops.first().and_then(as_queue).is_none() {
        return;
    }
    let mut seen: FastSet<&Value> = FastSet::default();
    for op in &part.ops {
        match as_queue(op) {
            Some(QueueCall::Got(value)) => drop(seen.insert(value)),
            Some(QueueCall::Put(_) | QueueCall::Empty) => {}
            Some(QueueCall::Unknown) | None => return,
        }
    }
    let needed = |op: &Op| match as_queue(op) {
        Some(QueueCall::Put(value)) => op.is_certain() || seen.contains(value),
        _ => true,
    };
    let ops = part.ops.iter().copied().filter(needed).collect();
    part.ops = ops;
}

/// Whether a part's elements are all different.
pub(crate) fn are_different(part: &Part, rules: Rules<'_>) -> bool {
    !part.ops.is_empty() && read(part, rules).is_some()
}

/// Judges a part; `None` if it is no such object, or undecided.
pub(super) fn decide(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
    let calls = part.calls(rules.tables);
    if calls.is_empty()
        || rules.spec.as_queue(&calls[0]).is_none()
        || rules.spec.show_init(rules.init) != EMPTY
    {
        return Ok(None);
    }
    meter.pass(part.ops.len())?;
    let story = match read(part, rules) {
        Some(Ok(story)) => story,
        Some(Err(op)) => return Ok(Some(Decided::Violation(op))),
        None => return Ok(None),
    };
    if story.unknown.is_empty() {
        return judge(story, rules.spec.discipline(), meter);
    }
    // If all is in order without those whose results are unknown, none of them need have happened. If it is not, what
    // fails must do so with them: a search over few elements and all of them says that, or nothing.
    let discipline = rules.spec.discipline();
    let ops = core::failing(&story, discipline, meter)?;
    if ops.is_empty() {
        let judged = judge(story, discipline, meter)?;
        return Ok(judged.filter(|judged| matches!(judged, Decided::Valid(_))));
    }
    let blamed = core::fails_anyway(part, rules, story, ops, meter)?;
    Ok(blamed.map(Decided::Violation))
}

/// Judges elements of which all is known.
fn judge(
    story: Story,
    discipline: Discipline,
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
    let moments = match empty_moments(&story) {
        Ok(moments) => moments,
        Err(op) => return Ok(Some(Decided::Violation(op))),
    };
    let mut elements = story.elements;
    elements.sort_unstable_by_key(Element::last);
    let mut order = Vec::with_capacity(2 * elements.len());
    let mut rest = elements.as_slice();
    for (moment, empty) in moments {
        // Asked for before the moment: at an event before it.
        let (before, after) = rest.split_at(rest.partition_point(|one| one.last() < moment));
        match arrange(before, discipline, &mut order, meter)? {
            Arranged::Done => {}
            Arranged::Violation(op) => return Ok(Some(Decided::Violation(op))),
            Arranged::Open => return Ok(None),
        }
        order.push(empty);
        rest = after;
    }
    Ok(match arrange(rest, discipline, &mut order, meter)? {
        Arranged::Done => Some(Decided::Valid(order)),
        Arranged::Violation(op) => Some(Decided::Violation(op)),
        Arranged::Open => None,
    })
}

const EMPTY: Value = Value::List(Vec::new());

/// What became of some elements' order.
enum Arranged {
    /// It was appended.
    Done,
    /// There is none: this operation is to blame.
    Violation(u32),
    /// Nobody knows.
    Open,
}

/// Appends an order of these elements' operations, if there is one.
fn arrange(
    elements: &[Element],
    discipline: Discipline,
    order: &mut Vec<u32>,
    meter: &mut Meter<'_>,
) -> Result<Arranged, Limit> {
    match discipline {
        Discipline::Fifo => fifo::arrange(elements, order, meter),
        Discipline::Lifo => lifo::arrange(elements, order, meter),
        Discipline::Least => least::arrange(elements, order, meter),
    }
}

/// The elements; an operation that can't be; or `None` if elements are not all different, or somebody who returned
/// has taken one and nobody knows which.
fn read(part: &Part, rules: Rules<'_>) -> Option<Result<Story, u32>> {
    let calls = part.calls(rules.tables);
    let mut elements: Vec<Element> = Vec::new();
    let mut values: Vec<&Value> = Vec::new();
    let mut by_value: FastMap<&Value, usize> = FastMap::default();
    let mut gets: Vec<(u32, &Value)> = Vec::new();
    let mut empties = Vec::new();
    let mut unknown = Vec::new();
    for (place, op) in (0u32..).zip(&part.ops) {
        match rules.spec.as_queue(&calls[op.class as usize])? {
            QueueCall::Put(value) => {
                elements.push(Element {
                    put: place,
                    put_call: op.call,
                    put_ret: op.ret,
                    got: FOREVER,
                    got_call: FOREVER,
                    got_ret: FOREVER,
                    rank: 0,
                });
                values.push(value);
                if by_value.insert(value, elements.len() - 1).is_some() {
                    return None;
                }
            }
            QueueCall::Got(value) => gets.push((place, value)),
            // Who never returned found nothing, or did nothing: all the same.
            QueueCall::Empty if !op.is_certain() => {}
            QueueCall::Empty => empties.push((place, *op)),
            QueueCall::Unknown if op.is_certain() => return None,
            QueueCall::Unknown => unknown.push(place),
        }
    }
    // What never returned took an element only if nobody else did.
    gets.sort_by_key(|(place, _)| !part.ops[*place as usize].is_certain());
    for (place, value) in gets {
        let op = &part.ops[place as usize];
        let element = by_value.get(value).map(|number| &mut elements[*number]);
        // Nobody put it in, it came out twice, or before it went in.
        let element = element.filter(|one| one.stays() && op.ret > one.put_call);
        let Some(element) = element else {
            if op.is_certain() {
                return Some(Err(place));
            }
            continue;
        };
        (element.got, element.got_call, element.got_ret) = (place, op.call, op.ret);
    }
    let mut by_rank: Vec<usize> = (0..elements.len()).collect();
    by_rank.sort_unstable_by_key(|place| values[*place]);
    for (rank, place) in (0u32..).zip(by_rank) {
        elements[place].rank = rank;
    }
    // As in `drop_needless`.
    elements.retain(|element| element.put_ret != FOREVER || !element.stays());
    Some(Ok(Story {
        elements,
        empties,
        unknown,
    }))
}

/// When those who found nothing did so, in order: each before the event of that time. Or one who can't have.
fn empty_moments(story: &Story) -> Result<Vec<(u32, u32)>, u32> {
    if story.empties.is_empty() {
        return Ok(Vec::new());
    }
    let covered = covers(&story.elements);
    let mut moments = Vec::with_capacity(story.empties.len());
    for (place, op) in &story.empties {
        // The last stretch that begins before the earliest moment.
        let earliest = op.call + 1;
        let at = covered.partition_point(|(from, _)| *from < earliest);
        let moment = match at.checked_sub(1).map(|before| covered[before]) {
            Some((_, to)) if to >= earliest => to.saturating_add(1),
            _ => earliest,
        };
        if moment > op.ret {
            return Err(*place);
        }
        moments.push((moment, *place));
    }
    moments.sort_unstable();
    Ok(moments)
}

/// The stretches that cores cover, joined: from after an event to before another.
fn covers(elements: &[Element]) -> Vec<(u32, u32)> {
    let mut cores: Vec<(u32, u32)> = elements
        .iter()
        .filter(|one| one.has_core())
        .map(|one| (one.first(), one.last()))
        .collect();
    cores.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for (from, to) in cores {
        match joined.last_mut() {
            Some((_, end)) if from < *end => *end = (*end).max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}
