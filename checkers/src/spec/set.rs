//! A set: `add`, `remove`, and `read` that returns all elements as a list in any order.

use std::collections::BTreeSet;

use plumb_histories::Value;

use super::shapes::{expected, unknown};
use super::{Call, SequentialSpec, SetCall};

/// Elements.
pub(super) struct Set;

impl SequentialSpec for Set {
    type State = BTreeSet<Value>;

    fn name(&self) -> &'static str {
        "set"
    }

    fn init(&self, init: &Value) -> Result<BTreeSet<Value>, String> {
        match init {
            Value::Null => Ok(BTreeSet::new()),
            Value::List(items) => Ok(items.iter().cloned().collect()),
            _ => Err("a set starts from null (empty) or a list".to_owned()),
        }
    }

    fn step(&self, state: &BTreeSet<Value>, call: &Call<'_>) -> Option<BTreeSet<Value>> {
        let mut after = state.clone();
        match call.f {
            "add" => {
                after.insert(call.argument.clone());
            }
            "remove" => {
                after.remove(call.argument);
            }
            _ => {
                if let Some(result) = call.result {
                    let items = result.as_list()?;
                    let distinct: BTreeSet<&Value> = items.iter().collect();
                    let same = items.len() == state.len() && distinct.iter().copied().eq(state);
                    return same.then_some(after);
                }
            }
        }
        Some(after)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match (call.f, call.result) {
            ("add" | "remove", _) | ("read", None | Some(Value::List(_))) => Ok(()),
            ("read", Some(other)) => expected(call, "a list of elements as its result", other),
            _ => unknown(call, "add, remove and read"),
        }
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        call.f == "read"
    }

    fn as_set<'a>(&self, call: &Call<'a>) -> Option<SetCall<'a>> {
        match call.f {
            "add" => Some(SetCall::Add(call.argument)),
            "read" => call.result?.as_list().map(SetCall::Read),
            _ => None,
        }
    }

    fn show(&self, state: &BTreeSet<Value>) -> Value {
        Value::List(state.iter().cloned().collect())
    }

    fn weight(&self, state: &BTreeSet<Value>) -> usize {
        48 + 48 * state.len()
    }
}
