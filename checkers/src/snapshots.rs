//! Checks a witness of snapshot isolation, without trusting what made it: each transaction stands in it twice, where
//! it begins and where it commits. It reads the state at its beginning and what it wrote itself, and nobody else
//! writes what it writes before it commits.

use std::collections::BTreeMap;

use plumb_histories::{History, Operation, Outcome, Value};

use crate::spec::{Micro, micro};
use crate::{Witness, WitnessError};

/// Registers by name, with the number of the write that was the last.
type State<'a> = BTreeMap<&'a Value, (u32, &'a Value)>;

/// A transaction between its beginning and its commit.
struct Begun<'a> {
    /// What it leaves behind.
    writes: BTreeMap<&'a Value, &'a Value>,
    /// Of each that it writes, the last write before it began.
    before: Vec<(&'a Value, u32)>,
}

/// Replays a witness.
pub(crate) fn verify(history: &History, witness: &Witness) -> Result<(), WitnessError> {
    let [part] = &witness.parts[..] else {
        return Err(WitnessError::Parts {
            found: witness.parts.len(),
            expected: 1,
        });
    };
    let membership = |number: u32, what| WitnessError::Membership { number, what };
    let mut state: State<'_> = BTreeMap::new();
    let mut begun: BTreeMap<u32, Begun<'_>> = BTreeMap::new();
    let mut committed = vec![false; history.operations().len()];
    let mut commits = 0;
    for number in &part.order {
        match committed.get(*number as usize) {
            Some(false) => {}
            Some(true) => return Err(membership(*number, "stands in the order a third time")),
            None => return Err(membership(*number, "does not belong to this history")),
        }
        let Some(own) = begun.remove(number) else {
            let operation = history.operation(*number as usize);
            if operation.outcome() == Outcome::Fail {
                return Err(membership(*number, "failed, so it did not happen"));
            }
            let own = begin(&operation, &state);
            begun.insert(
                *number,
                own.ok_or(WitnessError::Impossible { number: *number })?,
            );
            continue;
        };
        committed[*number as usize] = true;
        commits += 1;
        let last = |key: &Value| state.get(key).map_or(0, |(write, _)| *write);
        if own.before.iter().any(|(key, write)| last(key) != *write) {
            return Err(WitnessError::Impossible { number: *number });
        }
        state.extend(
            own.writes
                .into_iter()
                .map(|(key, value)| (key, (commits, value))),
        );
    }
    if let Some(number) = begun.into_keys().next() {
        return Err(membership(number, "begins and does not commit"));
    }
    let mut operations = history.operations();
    let absent = operations
        .find(|operation| operation.outcome() == Outcome::Ok && !committed[operation.number]);
    match absent {
        None => Ok(()),
        Some(absent) => Err(membership(
            u32::try_from(absent.number).unwrap_or(u32::MAX),
            "took place, yet does not stand in the order",
        )),
    }
}

/// Reads from the state at the beginning; `None` if a read says otherwise.
fn begin<'a>(operation: &Operation<'a>, state: &State<'a>) -> Option<Begun<'a>> {
    let result = operation.result();
    let mut writes: BTreeMap<&Value, &Value> = BTreeMap::new();
    for item in result.unwrap_or(operation.argument()).as_list()? {
        match micro(item)? {
            (Micro::Write, key, value) => drop(writes.insert(key, value)),
            (Micro::Read, key, value) => {
                let held = writes.get(key).copied();
                let held = held.or_else(|| state.get(key).map(|(_, value)| *value));
                if result.is_some() && held.unwrap_or(&Value::Null) != value {
                    return None;
                }
            }
            (Micro::Append, ..) => return None,
        }
    }
    let last = |key: &Value| state.get(key).map_or(0, |(write, _)| *write);
    let before = writes.keys().map(|key| (*key, last(key))).collect();
    Some(Begun { writes, before })
}
