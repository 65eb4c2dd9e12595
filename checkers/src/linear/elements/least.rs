//! A priority queue: the least comes out first. Nobody is hindered by what is greater, so elements are placed
//! from the least on, each as shortly as can be: it goes in as late as it may, and comes out at the first
//! moment at which nothing less must be within. No order has it come out earlier, so what must be within is
//! known exactly; an element that finds no moment has none.

use super::{Arranged, Element};
use crate::Limit;
use crate::budget::Meter;
use crate::part::FOREVER;

/// When within a moment between two events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// What was within before comes out, the least first.
    Leaves,
    /// What is within for this moment alone.
    Visits,
    /// What stays goes in.
    Enters,
}

/// Appends an order, if there is one. n log n.
pub(super) fn arrange(
    elements: &[Element],
    order: &mut Vec<u32>,
    meter: &mut Meter<'_>,
) -> Result<Arranged, Limit> {
    meter.pass(elements.len())?;
    let mut by_rank: Vec<&Element> = elements.iter().collect();
    by_rank.sort_unstable_by_key(|one| one.rank);
    let mut within = Stretches::default();
    // A moment is named by the event that it comes before.
    let mut placed: Vec<(u32, Phase, u32, u32)> = Vec::with_capacity(elements.len() * 2);
    for element in by_rank {
        let latest = element.put_ret;
        if element.stays() {
            placed.push((latest, Phase::Enters, element.rank, element.put));
            within.cover(latest + 1, FOREVER);
            continue;
        }
        let out = within.next_free(element.last() + 1);
        if out > element.got_ret {
            return Ok(Arranged::Violation(element.got));
        }
        if latest < out {
            placed.push((latest, Phase::Enters, element.rank, element.put));
            placed.push((out, Phase::Leaves, element.rank, element.got));
            within.cover(latest + 1, out - 1);
        } else {
            placed.push((out, Phase::Visits, element.rank, element.put));
            placed.push((out, Phase::Visits, element.rank, element.got));
        }
    }
    // Stable, so that what visits goes in before it comes out.
    placed.sort_by_key(|(moment, phase, rank, _)| (*moment, *phase, *rank));
    order.extend(placed.into_iter().map(|(.., op)| op));
    Ok(Arranged::Done)
}

/// Stretches of moments, both ends included, that neither touch nor overlap; by their beginnings.
#[derive(Default)]
struct Stretches(std::collections::BTreeMap<u32, u32>);

impl Stretches {
    /// The first moment from this one on that is in none.
    fn next_free(&self, from: u32) -> u32 {
        let before = self.0.range(..=from).next_back();
        before
            .filter(|(_, to)| **to >= from)
            .map_or(from, |(_, to)| to.saturating_add(1))
    }

    fn cover(&mut self, mut from: u32, mut to: u32) {
        if from > to {
            return;
        }
        // Whatever begins up to just behind the end and ends from just before the beginning on.
        let behind = to.saturating_add(1);
        while let Some((start, end)) = self.0.range(..=behind).next_back().map(|(a, b)| (*a, *b)) {
            if end.saturating_add(1) < from {
                break;
            }
            self.0.remove(&start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.0.insert(from, to);
    }
}
