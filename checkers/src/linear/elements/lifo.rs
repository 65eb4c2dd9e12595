//! Last in, first out. An element at the bottom of the stack is what everything else happens above: if one
//! may go in before all others of a group and come out after all of them, the group is in order if and only
//! if it is without that one. A group that no moment cuts in two has such an element or no order at all: in
//! an order, the stack either runs empty in between, and that moment cuts it, or the first element to go in
//! comes out last. An element without a core goes in and out at one moment, in nobody's way.
//!
//! (The idea of taking elements away one by one is Lee and Mathur's, *Efficient Decrease-and-Conquer
//! Linearizability Monitoring*, OOPSLA 2025. The argument above is what this rests on.)

use super::trees::{Cover, Row};
use super::{Arranged, Element};
use crate::Limit;
use crate::budget::Meter;
use crate::part::FOREVER;

/// What is still to be told; what is to be told last lies lowest.
enum Task {
    /// Elements that no moment cuts in two, by the places in the row of moments that their cores cover.
    Group { from: usize, to: usize },
    /// The end of what was put below a group, the lowest first; and where that group ended.
    Above { bottom: Vec<usize>, to: u32 },
}

/// Elements with cores, sorted by the beginnings of these.
struct Stack<'e> {
    elements: Vec<&'e Element>,
    /// Where cores begin and end, in order; place `n` of the row is between `ends[n]` and `ends[n + 1]`.
    ends: Vec<u32>,
    cover: Cover,
    /// Elements whose insertion, or whose removal, has not come to reach beyond their group yet. Groups only
    /// shrink, so what reaches beyond one stays so.
    insertions: Row,
    removals: Row,
    /// Of each element how many of the two reach beyond: both, and it is taken away.
    reaching: Vec<u8>,
    /// By element, one that is not before the next that is left.
    next: Vec<usize>,
}

/// Appends an order, if there is one. n log n.
pub(super) fn arrange(
    elements: &[Element],
    order: &mut Vec<u32>,
    meter: &mut Meter<'_>,
) -> Result<Arranged, Limit> {
    meter.pass(elements.len())?;
    let mut passing: Vec<&Element> = elements.iter().filter(|one| !one.has_core()).collect();
    passing.sort_unstable_by_key(|one| std::cmp::Reverse(one.last()));
    // Those without a core that pass before an event.
    let mut pass = |before: u32, order: &mut Vec<u32>| {
        while passing.last().is_some_and(|one| one.last() < before) {
            let one = passing.pop().expect("there is a last one");
            order.extend([one.put, one.got]);
        }
    };
    let mut stack = Stack::new(elements);
    let mut tasks = Vec::new();
    stack.split(0, stack.ends.len().saturating_sub(1), &mut tasks);
    let mut bottom = Vec::new();
    while let Some(task) = tasks.pop() {
        match task {
            Task::Above { bottom, to } => {
                pass(to, order);
                let bottom = bottom.iter().rev().map(|at| stack.elements[*at]);
                order.extend(bottom.filter(|one| !one.stays()).map(|one| one.got));
            }
            Task::Group { from, to } => {
                meter.pass(1)?;
                stack.take_bottom(from, to, &mut bottom);
                if bottom.is_empty() {
                    return Ok(Arranged::Violation(stack.blame(from, to)));
                }
                pass(stack.ends[from], order);
                order.extend(bottom.iter().map(|at| stack.elements[*at].put));
                let end = stack.ends[to];
                let bottom = std::mem::take(&mut bottom);
                tasks.push(Task::Above { bottom, to: end });
                stack.split(from, to, &mut tasks);
            }
        }
    }
    pass(FOREVER, order);
    Ok(Arranged::Done)
}

impl<'e> Stack<'e> {
    fn new(all: &'e [Element]) -> Stack<'e> {
        let mut elements: Vec<&Element> = all.iter().filter(|one| one.has_core()).collect();
        elements.sort_unstable_by_key(|one| one.first());
        let both = elements.iter().flat_map(|one| [one.first(), one.last()]);
        let mut ends: Vec<u32> = both.collect();
        ends.sort_unstable();
        ends.dedup();
        let mut stack = Stack {
            cover: Cover::new(ends.len()),
            insertions: Row::new(elements.iter().map(|one| one.put_call)),
            // The later the smaller.
            removals: Row::new(elements.iter().map(|one| !one.got_ret)),
            reaching: vec![0; elements.len()],
            next: (0..=elements.len()).collect(),
            elements,
            ends,
        };
        for at in 0..stack.elements.len() {
            stack.cover(at, 1);
        }
        stack
    }

    fn place(&self, event: u32) -> usize {
        self.ends.partition_point(|end| *end < event)
    }

    fn cover(&mut self, at: usize, by: i32) {
        let one = self.elements[at];
        let (from, to) = (self.place(one.first()), self.place(one.last()));
        self.cover.add(from, to, by);
    }

    /// The elements whose cores begin within these places.
    fn within(&self, from: usize, to: usize) -> (usize, usize) {
        let at = |event: u32| self.elements.partition_point(|one| one.first() < event);
        (at(self.ends[from]), at(self.ends[to]))
    }

    /// Takes away all elements that may go in before all others of the group and come out after them.
    fn take_bottom(&mut self, from: usize, to: usize, bottom: &mut Vec<usize>) {
        bottom.clear();
        let (first, last) = self.within(from, to);
        let (begin, end) = (self.ends[from], self.ends[to]);
        let reaching = &mut self.reaching;
        let mut reach = |at: usize| {
            reaching[at] += 1;
            if reaching[at] == 2 {
                bottom.push(at);
            }
        };
        self.insertions.take_below(first, last, begin, &mut reach);
        // What stays comes out after everything, and in whatever order.
        let bound = if end == FOREVER { 1 } else { !end };
        self.removals.take_below(first, last, bound, &mut reach);
        for at in bottom {
            self.cover(*at, -1);
        }
    }

    /// Groups of what is left in these places, the first on top.
    fn split(&mut self, from: usize, to: usize, tasks: &mut Vec<Task>) {
        let bottom = tasks.len();
        let mut at = from;
        while at < to {
            let (first, last) = self.within(at, to);
            let next = self.next_left(first);
            if next >= last {
                break;
            }
            let start = self.place(self.elements[next].first());
            at = self.cover.first_free(start).min(to);
            tasks.push(Task::Group {
                from: start,
                to: at,
            });
        }
        tasks[bottom..].reverse();
    }

    /// The first element from this one on that is left; their number if none is.
    fn next_left(&mut self, from: usize) -> usize {
        let mut at = from;
        while at < self.elements.len() && self.reaching[at] == 2 {
            at = self.next[at].max(at + 1);
        }
        // Shortens the way for whoever comes after.
        let mut passed = from;
        while passed < at {
            passed = std::mem::replace(&mut self.next[passed], at).max(passed + 1);
        }
        at
    }

    /// The last completion in a group that has no order: it fails by then.
    fn blame(&self, from: usize, to: usize) -> u32 {
        let (first, last) = self.within(from, to);
        let left = (first..last).filter(|at| self.reaching[*at] < 2);
        let ops = left.flat_map(|at| {
            let one = self.elements[at];
            [(one.put_ret, one.put), (one.got_ret, one.got)]
        });
        let known = ops.filter(|(ret, _)| *ret != FOREVER);
        known.max().map_or(self.elements[first].put, |(_, op)| op)
    }
}
