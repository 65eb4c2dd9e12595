//! One object that turns out to be several: a store judged as a whole is judged key by key all the
//! same, and the orders of its keys are woven into one. That is always possible (locality: Herlihy and
//! Wing 1990, theorem 1); here is the constructive half of the proof.

use super::registers::Registers;
use super::{Finding, Outcome, Rules, decide};
use crate::Algorithm;
use crate::budget::Meter;
use crate::hash::FastMap;
use crate::intern::Interner;
use crate::part::{Op, Part};

/// The part by independent objects, each with the places of its operations; `None` if it is one.
fn split(part: &Part, rules: Rules<'_>) -> Option<Vec<(Part, Vec<u32>)>> {
    let keys: Vec<Option<u32>> = part
        .classes
        .items()
        .iter()
        .map(|class| {
            let call = rules.tables.call(class);
            rules.spec.partition(&call).map(|_| class.key)
        })
        .collect();
    if keys.windows(2).all(|pair| pair[0] == pair[1]) {
        return None;
    }
    let mut by_key: FastMap<Option<u32>, usize> = FastMap::default();
    let mut parts: Vec<(Part, Vec<u32>)> = Vec::new();
    for (place, op) in (0u32..).zip(&part.ops) {
        let number = *by_key.entry(keys[op.class as usize]).or_insert_with(|| {
            let part = Part {
                key: part.key,
                ops: Vec::new(),
                classes: Interner::default(),
                recorded: 0,
                registers: None,
            };
            parts.push((part, Vec::new()));
            parts.len() - 1
        });
        let (sub, places) = &mut parts[number];
        let class = sub.classes.intern(part.classes.get(op.class));
        sub.ops.push(Op { class, ..*op });
        places.push(place);
    }
    Some(parts)
}

/// Judges a part as the objects that it consists of; `None` if it is one object.
pub(super) fn decide_split(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Option<(Algorithm, Outcome)> {
    let mut algorithm = Algorithm::Zones;
    let mut unknown = None;
    // When each operation takes effect: the later of its invocation and what precedes it.
    let mut moments: Vec<(u32, u32)> = Vec::with_capacity(part.ops.len());
    for (mut sub, mut places) in split(part, rules)? {
        sub.registers = Registers::of(&sub, rules);
        if let Some(registers) = &sub.registers {
            let all = sub.ops.clone();
            registers.drop_needless(&mut sub.ops);
            let mut kept = sub.ops.iter().peekable();
            let mut all = all.iter();
            places.retain(|_| {
                let number = all.next().map(|op| op.number);
                kept.next_if(|op| Some(op.number) == number).is_some()
            });
        }
        let (used, outcome) = decide(&sub, rules, meter);
        if used == Algorithm::Search {
            algorithm = used;
        }
        match outcome {
            Outcome::Valid(order) => {
                let mut moment = 0;
                for place in order {
                    moment = moment.max(sub.ops[place as usize].call);
                    moments.push((moment, places[place as usize]));
                }
            }
            Outcome::Violation(finding) => {
                let within = Finding::Within(Box::new((sub, finding)));
                return Some((used, Outcome::Violation(within)));
            }
            Outcome::Unknown(limit) => {
                unknown.get_or_insert(limit);
            }
        }
    }
    if let Some(limit) = unknown {
        return Some((algorithm, Outcome::Unknown(limit)));
    }
    // Stable: within a key the order stays. An operation that completed before another was invoked has
    // the earlier moment, for moments lie between invocation and completion.
    moments.sort_by_key(|(moment, _)| *moment);
    let order = moments.into_iter().map(|(_, place)| place).collect();
    Some((algorithm, Outcome::Valid(order)))
}
