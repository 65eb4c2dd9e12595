//! A cheap proof that a register with few values is not linearizable, where the search would have to
//! try all that concurrent and indeterminate operations might have done. Each open operation is looked
//! at by itself: which values can the register have with it placed, and with it not placed, if every
//! other operation at hand may be used any number of times? That is more than can happen (a Cartesian
//! abstraction, after Cousot and Cousot 1977), so if nothing is possible, nothing is.

use super::registers::{Action, INITIAL, Registers};
use super::timeline::{Moment, Timeline};
use crate::Limit;
use crate::budget::Meter;
use crate::part::Part;

/// Values are bits of a word.
const MOST_VALUES: usize = 64;

/// The register's possible values around one open operation.
#[derive(Clone, Copy)]
struct View {
    op: u32,
    /// With the operation not placed.
    before: u64,
    /// With it placed.
    after: u64,
}

/// What is at hand at some moment.
struct AtHand {
    /// By value, how many writes of it.
    writes: Vec<u32>,
    writable: u64,
    /// By old and new value, how many compare-and-sets.
    changes: Vec<u32>,
    /// By old value, the new ones.
    next: Vec<u64>,
    values: usize,
}

impl AtHand {
    fn add(&mut self, action: Action) {
        match action {
            Action::Read(_) => {}
            Action::Write(value) => {
                self.writes[value as usize] += 1;
                self.writable |= 1 << value;
            }
            Action::Cas(old, new) => {
                self.changes[old as usize * self.values + new as usize] += 1;
                self.next[old as usize] |= 1 << new;
            }
        }
    }

    fn remove(&mut self, action: Action) {
        match action {
            Action::Read(_) => {}
            Action::Write(value) => {
                let count = &mut self.writes[value as usize];
                *count -= 1;
                self.writable &= !(u64::from(*count == 0) << value);
            }
            Action::Cas(old, new) => {
                let count = &mut self.changes[old as usize * self.values + new as usize];
                *count -= 1;
                self.next[old as usize] &= !(u64::from(*count == 0) << new);
            }
        }
    }

    /// The values that can come about from these.
    fn reach(&self, from: u64) -> u64 {
        if from == 0 {
            return 0;
        }
        let mut reached = from | self.writable;
        let mut fresh = reached;
        while fresh != 0 {
            let value = fresh.trailing_zeros() as usize;
            fresh &= fresh - 1;
            fresh |= self.next[value] & !reached;
            reached |= self.next[value];
        }
        reached
    }
}

/// The values after an operation, from these.
fn placed(action: Action, from: u64) -> u64 {
    match action {
        Action::Read(value) => from & 1 << value,
        Action::Write(value) => u64::from(from != 0) << value,
        Action::Cas(old, new) => (from >> old & 1) << new,
    }
}

/// The operation at whose completion no value is possible; `None` proves nothing.
pub(crate) fn refute(
    part: &Part,
    registers: &Registers,
    meter: &mut Meter<'_>,
) -> Result<Option<u32>, Limit> {
    let values = registers.values();
    if values > MOST_VALUES {
        return Ok(None);
    }
    let timeline = Timeline::new(part);
    let mut at_hand = AtHand {
        writes: vec![0; values],
        writable: 0,
        changes: vec![0; values * values],
        next: vec![0; values],
        values,
    };
    let action = |op: u32| registers.action(&part.ops[op as usize]);
    let mut possible: u64 = 1 << INITIAL;
    let mut views: Vec<View> = Vec::new();
    for pos in 0..timeline.len() {
        meter.pass(1 + views.len() / 8)?;
        match timeline.at(pos) {
            Moment::Call(op) => {
                at_hand.add(action(op));
                if part.ops[op as usize].is_certain() {
                    views.push(View {
                        op,
                        before: possible,
                        after: 0,
                    });
                }
                possible = at_hand.reach(possible);
                for view in &mut views {
                    // An operation is not used to explain the values before itself, nor twice.
                    let own = action(view.op);
                    at_hand.remove(own);
                    view.before = at_hand.reach(view.before);
                    view.after = at_hand.reach(view.after | placed(own, view.before));
                    at_hand.add(own);
                }
            }
            Moment::Return(op) => {
                let own = views.iter().position(|view| view.op == op);
                let view = views.swap_remove(own.expect("what returns was open"));
                at_hand.remove(action(op));
                possible &= view.after;
            }
        }
        // What is impossible in one view is so in all.
        possible = views.iter().fold(possible, |possible, view| {
            possible & (view.before | view.after)
        });
        for view in &mut views {
            view.before &= possible;
            view.after &= possible;
        }
        if let (0, Moment::Return(op)) = (possible, timeline.at(pos)) {
            return Ok(Some(op));
        }
    }
    Ok(None)
}
