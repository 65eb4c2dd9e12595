//! Linearizability of one part: picks the fastest sound algorithm for what the calls are.

pub(crate) mod abstraction;
mod blame;
pub(crate) mod elements;
mod makers;
pub(crate) mod one_register;
pub(crate) mod registers;
pub(crate) mod search;
pub(crate) mod sets;
mod split;
#[cfg(test)]
mod tests;
mod texts;
mod timeline;
mod visited;
pub(crate) mod wgl;
pub(crate) mod zones;

use plumb_histories::Value;

use crate::budget::Meter;
use crate::part::{Op, Part, Tables};
use crate::spec::{ErasedSpec, Machine};
use crate::{Algorithm, Limit};
use search::{Search, Searched, Use};

/// What a part was held against.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) spec: &'a dyn ErasedSpec,
    pub(crate) init: &'a Value,
    pub(crate) tables: &'a Tables,
}

/// What is known of a part.
pub(crate) enum Outcome {
    /// Operations in an order that explains them, as places in the part.
    Valid(Vec<u32>),
    /// No order explains them.
    Violation(Finding),
    /// A budget ran out.
    Unknown(Limit),
}

/// What an algorithm saw when it found a violation; the explanation starts from it.
pub(crate) enum Finding {
    /// Zones that cannot be reconciled: these operations, as places in the part.
    Zones(zones::Conflict),
    /// Of several objects that were judged as one, this one has it.
    Within(Box<(Part, Finding)>),
    /// The abstraction says so: even if each open operation is looked at by itself, this one cannot complete.
    Refuted {
        /// Its place in the part.
        op: u32,
    },
    /// No search state survived this operation's completion.
    Stuck {
        /// Its place in the part.
        op: u32,
    },
}

impl Finding {
    /// An operation by whose completion the part fails, as its place.
    fn blamed(&self, part: &Part) -> u32 {
        match self {
            Finding::Refuted { op } | Finding::Stuck { op } => *op,
            Finding::Zones(conflict) => {
                let ops = conflict.operations().into_iter();
                let known = ops.filter(|op| part.ops[*op as usize].is_certain());
                known
                    .max_by_key(|op| part.ops[*op as usize].ret)
                    .unwrap_or(0)
            }
            Finding::Within(within) => {
                let number = within.0.ops[within.1.blamed(&within.0) as usize].number;
                let place = part.ops.partition_point(|op| op.number < number);
                u32::try_from(place).expect("fewer operations than events")
            }
        }
    }
}

/// Judges a part; the algorithm with the outcome.
pub(crate) fn decide(part: &Part, rules: Rules<'_>, meter: &mut Meter<'_>) -> (Algorithm, Outcome) {
    if let Some(split) = split::decide_split(part, rules, meter) {
        return split;
    }
    if let Some(registers) = &part.registers {
        if let Some(outcome) = by_zones(zones::decide(part, registers, meter)) {
            return (Algorithm::Zones, outcome);
        }
        let mut machine = registers.machine();
        return search(part, &mut machine, meter);
    }
    if let Some(outcome) = by_zones(makers::decide(part, rules, meter)) {
        return (Algorithm::Zones, outcome);
    }
    let by_elements = match elements::decide(part, rules, meter) {
        Ok(None) => sets::decide(part, rules, meter),
        decided => decided,
    };
    match by_elements {
        Ok(Some(elements::Decided::Valid(order))) => {
            return (Algorithm::Elements, Outcome::Valid(order));
        }
        Ok(Some(elements::Decided::Violation(op))) => {
            let finding = Finding::Stuck { op };
            return (Algorithm::Elements, Outcome::Violation(finding));
        }
        Ok(None) => {}
        Err(limit) => return (Algorithm::Elements, Outcome::Unknown(limit)),
    }
    match one_register::wrong(part, rules, meter) {
        Ok(Some(one)) => {
            let finding = Finding::Stuck { op: one.blamed };
            return (one.algorithm, Outcome::Violation(finding));
        }
        Ok(None) => {}
        Err(limit) => return (Algorithm::Search, Outcome::Unknown(limit)),
    }
    let mut machine = part.machine(rules.spec, rules.init, rules.tables);
    search(part, &mut *machine, meter)
}

fn by_zones(decided: Result<Option<zones::Decided>, Limit>) -> Option<Outcome> {
    match decided {
        Ok(Some(zones::Decided::Valid(order))) => Some(Outcome::Valid(order)),
        Ok(Some(zones::Decided::Conflict(conflict))) => {
            Some(Outcome::Violation(Finding::Zones(conflict)))
        }
        Ok(None) => None,
        Err(limit) => Some(Outcome::Unknown(limit)),
    }
}

/// A first search gets so many steps, and so many more an operation.
const FIRST: (u64, u64) = (20_000, 20);

/// Searches. Where that does not end soon, asks first whether the part fails even if indeterminate
/// operations could be used again and again, or if each open one is looked at by itself.
fn search<M: Machine + ?Sized>(
    part: &Part,
    machine: &mut M,
    meter: &mut Meter<'_>,
) -> (Algorithm, Outcome) {
    let mut run = |uses, steps, meter: &mut Meter<'_>| {
        meter.limited(steps, |meter| Search::new(part, machine, uses).run(meter))
    };
    // Only a register's states are bounded by its calls: elsewhere, repeating one never ends.
    let registers = part.registers.as_ref();
    let relax = registers.is_some() && !part.ops.iter().all(Op::is_certain);
    let some = FIRST.0 + FIRST.1 * part.ops.len() as u64;
    let rounds = [
        // Most histories are decided by then, either way.
        Round::Search(Use::Once, some / 32),
        Round::Search(Use::Often, some / 8),
        Round::Search(Use::Once, some),
        Round::Refute,
        Round::Search(Use::Often, u64::MAX),
        Round::Search(Use::Once, u64::MAX),
    ];
    let mut searched = Err(Limit::Stopped);
    for round in rounds {
        match (round, registers) {
            (Round::Search(Use::Often, _), _) if !relax => {}
            // Nothing else would come in between.
            (Round::Search(Use::Once, steps), None) if steps < u64::MAX => {}
            (Round::Refute, None) => {}
            (Round::Refute, Some(registers)) => match abstraction::refute(part, registers, meter) {
                Ok(None) => {}
                Ok(Some(op)) => {
                    let finding = Finding::Refuted { op };
                    return (Algorithm::Abstraction, Outcome::Violation(finding));
                }
                Err(limit) => return (Algorithm::Abstraction, Outcome::Unknown(limit)),
            },
            (Round::Search(uses, steps), _) => match (run(uses, steps, meter), uses) {
                // It would take more steps, or is no answer.
                (None, _) | (Some(Ok(Searched::Valid(_))), Use::Often) => {}
                (Some(answer), _) => {
                    searched = answer;
                    break;
                }
            },
        }
    }
    let outcome = match searched {
        Ok(Searched::Valid(order)) => Outcome::Valid(order),
        Ok(Searched::Stuck { op, .. }) => Outcome::Violation(Finding::Stuck { op }),
        Err(limit) => Outcome::Unknown(limit),
    };
    (Algorithm::Search, outcome)
}

/// One attempt at a verdict.
#[derive(Clone, Copy)]
enum Round {
    /// A search with no more than so many steps.
    Search(Use, u64),
    /// The abstraction.
    Refute,
}
