//! A generator of identifiers: `generate` returns one that was never returned before.

use std::collections::BTreeSet;

use plumb_histories::Value;

use super::shapes::unknown;
use super::{Call, SequentialSpec};

/// What was returned so far.
pub(super) struct UniqueIds;

impl SequentialSpec for UniqueIds {
    type State = BTreeSet<Value>;

    fn name(&self) -> &'static str {
        "unique-ids"
    }

    fn init(&self, init: &Value) -> Result<BTreeSet<Value>, String> {
        match init {
            Value::Null => Ok(BTreeSet::new()),
            _ => Err("a generator starts from null".to_owned()),
        }
    }

    fn step(&self, state: &BTreeSet<Value>, call: &Call<'_>) -> Option<BTreeSet<Value>> {
        let mut after = state.clone();
        match call.result {
            None => Some(after),
            Some(id) => after.insert(id.clone()).then_some(after),
        }
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match call.f {
            "generate" => Ok(()),
            _ => unknown(call, "generate"),
        }
    }

    fn show(&self, state: &BTreeSet<Value>) -> Value {
        Value::List(state.iter().cloned().collect())
    }

    fn weight(&self, state: &BTreeSet<Value>) -> usize {
        48 + 48 * state.len()
    }
}
