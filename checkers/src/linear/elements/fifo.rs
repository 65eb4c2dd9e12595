//! First in, first out. An order of the *elements* decides: `a` must come before `b` if its enqueue, or its
//! dequeue, completed before that of `b` was invoked, or its dequeue before the enqueue of `b`.
//! If that order exists, the earliest possible moments in it are an order of the operations. Two
//! elements that must come before each other are a violation (the pattern `VOrd` of Henzinger, Sezgin
//! and Vafeiadis, *Aspect-Oriented Linearizability Proofs*, 2013). What is neither is left to the
//! search: nothing here rests on a theorem that the two exhaust all cases.

use super::{Arranged, Element};
use crate::Limit;
use crate::budget::Meter;
use crate::part::FOREVER;

impl Element {
    fn must_precede(&self, other: &Element) -> bool {
        self.put_ret < other.put_call
            || self.got_ret < other.got_call
            || self.got_ret < other.put_call
    }
}

/// Appends an order, if one is found.
pub(super) fn arrange(
    elements: &[Element],
    order: &mut Vec<u32>,
    meter: &mut Meter<'_>,
) -> Result<Arranged, Limit> {
    let mut left = elements.to_vec();
    left.sort_unstable_by_key(|element| element.put_call);
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
            let blamed = blame(&left, &placed, meter)?;
            return Ok(blamed.map_or(Arranged::Open, Arranged::Violation));
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
    moments.sort_by_key(|(moment, _)| *moment);
    order.extend(moments.into_iter().map(|(_, place)| place));
    Ok(Arranged::Done)
}

/// Looks among what cannot be arranged for two elements that must come before each other.
fn blame(left: &[Element], placed: &[bool], meter: &mut Meter<'_>) -> Result<Option<u32>, Limit> {
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
    Ok(worst)
}
