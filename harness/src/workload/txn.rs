//! Transactions of a workload: lists by key that they read and append to, as Elle has them. What one does
//! follows from its number alone, so that a script need not say it and shrinking may drop any other.

use bytes::Bytes;
use plumb_histories::Value;
use plumb_raft::kv::TxnStep;

use super::values::{key_name, listed};
use crate::scenario::ScriptedOperation;
use crate::sim::seams::random::Stream;

/// The most steps of one transaction.
const MOST_STEPS: u64 = 4;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Reads a list.
    Read {
        /// Its key.
        key: u64,
    },
    /// Adds an element that nobody else ever adds.
    Append {
        /// The list's key.
        key: u64,
        /// The element.
        element: u64,
    },
}

/// What a transaction does, over so many keys: its own key first.
pub(super) fn steps(operation: ScriptedOperation, keys: u64) -> Vec<Step> {
    let mut draw = Stream::derive(operation.value, "transaction", operation.key);
    let count = 1 + draw.below(MOST_STEPS);
    (0..count)
        .map(|number| {
            let key = (operation.key + number * draw.below(keys)) % keys;
            if draw.chance(0.5) {
                Step::Read { key }
            } else {
                let element = operation.value * MOST_STEPS + number;
                Step::Append { key, element }
            }
        })
        .collect()
}

/// A step as the cluster is asked for it.
pub(super) fn asked(step: &Step) -> TxnStep {
    match *step {
        Step::Read { key } => TxnStep::Read { key: key_name(key) },
        Step::Append { key, element } => TxnStep::Append {
            key: key_name(key),
            suffix: Bytes::from(format!("{element} ")),
        },
    }
}

/// The steps as a history has them, with what the reads saw, if they saw anything.
pub(super) fn recorded(steps: &[Step], reads: Option<&[Option<Bytes>]>) -> Value {
    let mut reads = reads.map(|reads| reads.iter());
    let recorded = steps.iter().map(|step| match *step {
        Step::Read { key } => {
            let saw = reads.as_mut().and_then(Iterator::next);
            let saw = saw.map_or(Value::Null, |value| listed(value.as_ref()));
            micro("r", key, saw)
        }
        Step::Append { key, element } => micro("append", key, Value::Int(element as i64)),
    });
    Value::List(recorded.collect())
}

fn micro(f: &str, key: u64, value: Value) -> Value {
    Value::List(vec![
        Value::Str(f.to_owned()),
        Value::Str(key_name(key)),
        value,
    ])
}
