//! First-in-first-out queues whose elements are all different, without a search over orders. If nobody
//! found the queue empty, an order of the *elements* decides: `a` must come before `b` if its enqueue,
//! or its dequeue, completed before that of `b` was invoked, or its dequeue before the enqueue of `b`.
//! If that order exists, the earliest possible moments in it are an order of the operations. Two
//! elements that must come before each other are a violation (the pattern `VOrd` of Henzinger, Sezgin
//! and Vafeiadis, *Aspect-Oriented Linearizability Proofs*, 2013). What is neither is left to the
//! search: nothing here rests on a theorem that the two exhaust all cases.

use plumb_histories::Value;

use super::Rules;
use crate::Limit;
use crate::QueueCall;
use crate::budget::Meter;
use crate::hash::FastMap;
use crate::part::{FOREVER, Part};

/// What the elements say.
pub(super) enum Decided {
    /// Operations in an order that explains them, as places in the part.
    Valid(Vec<u32>),
    /// None exists: this operation is to blame.
    Violation(u32),
}

/// One element's way through the queue. Times are of the enqueue and of the dequeue.
#[derive(Clone, Copy)]
struct Element {
    put: u32,
    put_call: u32,
    put_ret: u32,
    /// [`FOREVER`] if it stays.
    got: u32,
    got_call: u32,
    got_ret: u32,
}

impl Element {
    fn must_precede(&self, other: &Element) -> bool {
        self.put_ret < other.put_call
            || self.got_ret < other.got_call
            || self.got_ret < other.put_call
    }
}

/// Judges a part; `None` if it is no such queue, or undecided.
pub(super) fn decide(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
    let calls = part.calls(rules.tables);
    let as_queue = |class: usize| rules.spec.as_queue(&calls[class]);
    if calls.is_empty() || as_queue(0).is_none() || rules.spec.show_init(rules.init) != EMPTY {
        return Ok(None);
    }
    meter.pass(part.ops.len())?;
    let mut elements: Vec<Element> = Vec::new();
    let mut by_value: FastMap<&Value, usize> = FastMap::default();
    let mut gets: Vec<(u32, &Value)> = Vec::new();
    for (place, op) in (0u32..).zip(&part.ops) {
        match as_queue(op.class as usize) {
            Some(QueueCall::Put(value)) => {
                elements.push(Element {
                    put: place,
                    put_call: op.call,
                    put_ret: op.ret,
                    got: FOREVER,
                    got_call: FOREVER,
                    got_ret: FOREVER,
                });
                if by_value.insert(value, elements.len() - 1).is_some() {
                    return Ok(None);
                }
            }
            // What a dequeue without a result took nobody knows; what found nothing needs more.
            Some(QueueCall::Got(Some(value))) => gets.push((place, value)),
            Some(QueueCall::Got(None)) | None => return Ok(None),
        }
    }
    for (place, value) in gets {
        let op = &part.ops[place as usize];
        let Some(number) = by_value.get(value) else {
            return Ok(Some(Decided::Violation(place)));
        };
        let element = &mut elements[*number];
        // It came out twice, or before it went in.
        if element.got != FOREVER || op.ret < element.put_call {
            return Ok(Some(Decided::Violation(place)));
        }
        (element.got, element.got_call, element.got_ret) = (place, op.call, op.ret);
    }
    // An enqueue of unknown fate whose element never came out may be taken not to have happened: it
    // would only be in the way.
    elements.retain(|element| element.put_ret != FOREVER || element.got != FOREVER);
    arrange(elements, meter)
}

const EMPTY: Value = Value::List(Vec::new());

/// Puts the elements, sorted by the invocations of their enqueues, in order.
fn arrange(mut left: Vec<Element>, meter: &mut Meter<'_>) -> Result<Option<Decided>, Limit> {
    let mut order = Vec::with_capacity(left.len() * 2);
    // Earliest completions of those that are left, by place in `left`; sorted descending, so that the
    // earliest is at the end and those already placed are skipped.
    let sorted = |key: fn(&Element) -> u32, left: &[Element]| {
        let mut places: Vec<usize> = (0..left.len()).collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(key(&left[*place])));
        places
    };
    let mut by_put = sorted(|element| element.put_ret, &left);
    let mut by_got = sorted(|element| element.got_ret, &left);
    let mut placed = vec![false; left.len()];
    let mut first = 0;
    let mut moment = 0;
    let mut moments: Vec<(u32, u32)> = Vec::with_capacity(left.len() * 2);
    let mut got_moment = 0;
    for _ in 0..left.len() {
        let earliest = |places: &mut Vec<usize>, placed: &[bool]| {
            while places.last().is_some_and(|place| placed[*place]) {
                places.pop();
            }
            places.last().copied()
        };
        let (Some(put), Some(got)) = (
            earliest(&mut by_put, &placed),
            earliest(&mut by_got, &placed),
        ) else {
            break;
        };
        let (put_end, got_end) = (left[put].put_ret, left[got].got_ret);
        while placed[first] {
            first += 1;
        }
        // Only what was invoked before the first completion can be first.
        let mut chosen = None;
        for (place, element) in left.iter().enumerate().skip(first) {
            meter.pass(1)?;
            if element.put_call > put_end || element.put_call > got_end {
                break;
            }
            if !placed[place] && (element.got_call <= got_end || place == got) {
                chosen = Some(place);
                break;
            }
        }
        let Some(chosen) = chosen else {
            return blame(&left, &placed, meter);
        };
        placed[chosen] = true;
        let element = left[chosen];
        moment = element.put_call.max(moment);
        moments.push((moment, element.put));
        if element.got != FOREVER {
            got_moment = element.got_call.max(moment).max(got_moment);
            moments.push((got_moment, element.got));
        }
    }
    left.clear();
    moments.sort_by_key(|(moment, _)| *moment);
    order.extend(moments.into_iter().map(|(_, place)| place));
    Ok(Some(Decided::Valid(order)))
}

/// Looks among what cannot be arranged for two elements that must come before each other.
fn blame(
    left: &[Element],
    placed: &[bool],
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
    let rest: Vec<&Element> = left
        .iter()
        .zip(placed)
        .filter(|(_, placed)| !**placed)
        .map(|(element, _)| element)
        .collect();
    let mut worst: Option<u32> = None;
    let mut when = FOREVER;
    for (place, first) in rest.iter().enumerate() {
        meter.pass(1 + rest.len() / 64)?;
        for second in &rest[place + 1..] {
            if first.must_precede(second) && second.must_precede(first) {
                for (got, ret) in [(first.got, first.got_ret), (second.got, second.got_ret)] {
                    if got != FOREVER && ret < when {
                        (worst, when) = (Some(got), ret);
                    }
                }
            }
        }
        if worst.is_some() {
            break;
        }
    }
    Ok(worst.map(Decided::Violation))
}
