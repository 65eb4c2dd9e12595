//! Lists by key that transactions read and append to: Elle's list-append as a sequential object.
//! Linearizability of it is strict serializability. For long histories the search for cycles
//! ([`Consistency::StrictSerializable`](crate::Consistency)) is the tool.

use std::collections::BTreeMap;

use plumb_histories::Value;

use super::shapes::{Micro, expected, micro, name_of, unknown};
use super::{Call, SequentialSpec};

/// Lists by key.
pub(super) struct ListAppend;

impl SequentialSpec for ListAppend {
    type State = BTreeMap<String, Vec<Value>>;

    fn name(&self) -> &'static str {
        "list-append"
    }

    fn init(&self, init: &Value) -> Result<Self::State, String> {
        let what = "list-append starts from null (all empty) or a map of lists";
        match init {
            Value::Null => Ok(BTreeMap::new()),
            Value::Map(pairs) => pairs
                .iter()
                .map(|(name, value)| match value {
                    Value::List(items) => Ok((name.clone(), items.clone())),
                    _ => Err(what.to_owned()),
                })
                .collect(),
            _ => Err(what.to_owned()),
        }
    }

    fn step(&self, state: &Self::State, call: &Call<'_>) -> Option<Self::State> {
        let mut after = state.clone();
        let known = call.result.is_some();
        for item in call.result.unwrap_or(call.argument).as_list()? {
            let (f, key, value) = micro(item)?;
            let name = name_of(key);
            match f {
                Micro::Append => after.entry(name).or_default().push(value.clone()),
                _ if known => {
                    let list = after.get(&name).map_or(&[][..], Vec::as_slice);
                    // Nothing appended yet reads as null or as an empty list.
                    if list != value.as_list().unwrap_or_default() {
                        return None;
                    }
                }
                _ => {}
            }
        }
        Some(after)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        if call.f != "txn" {
            return unknown(call, "txn");
        }
        let value = call.result.unwrap_or(call.argument);
        let fits = |item| match micro(item) {
            Some((Micro::Append, ..)) => true,
            Some((Micro::Read, _, value)) => matches!(value, Value::Null | Value::List(_)),
            _ => false,
        };
        match value.as_list() {
            Some(items) if items.iter().all(fits) => Ok(()),
            _ => expected(call, "a list of [r k list] and [append k v]", value),
        }
    }

    fn partition<'a>(&self, _call: &Call<'a>) -> Option<&'a Value> {
        None
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        let reads = |item| matches!(micro(item), Some((Micro::Read, ..)));
        call.argument
            .as_list()
            .is_some_and(|items| items.iter().all(reads))
    }

    fn show(&self, state: &Self::State) -> Value {
        Value::map(
            state
                .iter()
                .map(|(name, list)| (name.clone(), Value::List(list.clone()))),
        )
    }

    fn weight(&self, state: &Self::State) -> usize {
        64 + state
            .values()
            .map(|list| 80 + 40 * list.len())
            .sum::<usize>()
    }
}
