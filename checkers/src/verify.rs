//! Checks a witness without trusting what made it: straight from the history and the specification, by
//! replaying the order and comparing it with real time.

use std::collections::BTreeMap;

use plumb_histories::{History, Outcome, Value};
use thiserror::Error;

use crate::spec::{Call, DEAD};
use crate::{Consistency, Options, Witness, snapshots};

/// Why a witness proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WitnessError {
    /// What was judged is not shown by an order of operations.
    #[error("what is valid under {consistency} is not shown by one order of operations")]
    NoOrder {
        /// What was judged.
        consistency: Consistency,
    },
    /// A part has no order, or an order has no part.
    #[error("the witness has {found} orders for {expected} objects")]
    Parts {
        /// Orders in the witness.
        found: usize,
        /// Objects in the history.
        expected: usize,
    },
    /// An operation that took place is missing, or one is there twice, or does not belong.
    #[error("operation {number} {what}")]
    Membership {
        /// The operation.
        number: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The order contradicts real time, or that of a process where only this counts.
    #[error("operation {second} stands after operation {first}, before which it had completed")]
    RealTime {
        /// Stands first, was invoked later.
        first: u32,
        /// Stands second, had completed earlier.
        second: u32,
    },
    /// The specification does not allow it there.
    #[error("operation {number} is not possible where it stands")]
    Impossible {
        /// The operation.
        number: u32,
    },
}

/// What an order must agree with, besides what was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follows {
    RealTime,
    Processes,
    Data,
    /// There is no order.
    Nothing,
}

/// Checks that a witness proves its history linearizable; or, of transactions on registers, serializable, strong
/// session serializable, strict serializable or explained by snapshots, whichever was asked for.
///
/// # Errors
/// With the first thing that is wrong.
///
/// # Panics
/// If the history does not fit the specification: [`check`](crate::check) would have said so.
pub fn verify_witness(
    history: &History,
    options: &Options,
    witness: &Witness,
) -> Result<(), WitnessError> {
    if options.consistency == Consistency::SnapshotIsolation && !witness.parts.is_empty() {
        return snapshots::verify(history, witness);
    }
    let follows = match options.consistency {
        Consistency::Linearizable => Follows::RealTime,
        // The absence of cycles is another kind of proof.
        _ if witness.parts.is_empty() => Follows::Nothing,
        Consistency::StrictSerializable => Follows::RealTime,
        Consistency::StrongSessionSerializable => Follows::Processes,
        Consistency::Serializable => Follows::Data,
        _ => Follows::Nothing,
    };
    if follows == Follows::Nothing {
        return Err(WitnessError::NoOrder {
            consistency: options.consistency,
        });
    }
    let spec = &*options.spec.0;
    let key_of = |number: usize| {
        let operation = history.operation(number);
        let call = Call {
            f: operation.f(),
            key: operation.key(),
            argument: operation.argument(),
            result: None,
        };
        let key = spec.partition(&call).filter(|_| options.partition);
        key.cloned()
    };
    // What must be in each order.
    let mut certain: BTreeMap<Option<Value>, usize> = BTreeMap::new();
    for operation in history.operations() {
        let count = certain.entry(key_of(operation.number)).or_default();
        *count += usize::from(operation.outcome() == Outcome::Ok);
    }
    if witness.parts.len() != certain.len() {
        return Err(WitnessError::Parts {
            found: witness.parts.len(),
            expected: certain.len(),
        });
    }
    let mut seen = vec![false; history.operations().len()];
    for part in &witness.parts {
        let mut missing = certain.get(&part.key).copied().unwrap_or(0);
        // One class an operation: nothing is shared, nothing interned.
        let mut replays: BTreeMap<Option<&Value>, Vec<(u32, Call<'_>)>> = BTreeMap::new();
        // The latest invocation so far: of all, or of each process.
        let mut last_call: BTreeMap<u64, (usize, u32)> = BTreeMap::new();
        for number in &part.order {
            let membership = |what| WitnessError::Membership {
                number: *number,
                what,
            };
            let place = *number as usize;
            if place >= seen.len() || key_of(place) != part.key {
                return Err(membership("does not belong to this object"));
            }
            if std::mem::replace(&mut seen[place], true) {
                return Err(membership("stands in the order twice"));
            }
            let operation = history.operation(place);
            match operation.outcome() {
                Outcome::Fail => return Err(membership("failed, so it did not happen")),
                Outcome::Ok => missing -= 1,
                Outcome::Indeterminate => {}
            }
            let whose = match follows {
                Follows::Processes => operation.process(),
                _ => 0,
            };
            let invoked = (operation.invoked_at, *number);
            let latest = last_call.entry(whose).or_insert(invoked);
            if let Some(end) = operation.completed_at
                && end < latest.0
                && follows != Follows::Data
            {
                return Err(WitnessError::RealTime {
                    first: latest.1,
                    second: *number,
                });
            }
            *latest = invoked.max(*latest);
            let call = Call {
                f: operation.f(),
                key: operation.key(),
                argument: operation.argument(),
                result: operation.result(),
            };
            let object = spec.partition(&call);
            replays.entry(object).or_default().push((*number, call));
        }
        if missing > 0 {
            let absent = history
                .operations()
                .find(|operation| {
                    operation.outcome() == Outcome::Ok
                        && !seen[operation.number]
                        && key_of(operation.number) == part.key
                })
                .map_or(0, |operation| operation.number);
            return Err(WitnessError::Membership {
                number: u32::try_from(absent).unwrap_or(u32::MAX),
                what: "took place, yet does not stand in the order",
            });
        }
        for replay in replays.into_values() {
            let (numbers, calls): (Vec<u32>, Vec<Call<'_>>) = replay.into_iter().unzip();
            let mut machine = spec
                .machine(&options.init, calls)
                .expect("check refuses an initial value that does not fit");
            let mut state = machine.init();
            for (class, number) in (0u32..).zip(numbers) {
                state = machine.step(state, class);
                if state == DEAD {
                    return Err(WitnessError::Impossible { number });
                }
            }
        }
    }
    Ok(())
}
