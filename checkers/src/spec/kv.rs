//! A key-value store of text: `get`, `put` and `append`, as in Porcupine's examples (and MIT 6.824's
//! laboratories, where its data comes from). Keys are independent; asked not to partition, the state
//! is the whole store.

use std::collections::BTreeMap;

use plumb_histories::Value;

use super::shapes::{expected, unknown};
use super::{Call, SequentialSpec, TextCall};

/// `get`, `put`, `append`.
pub(super) struct KvAppend;

/// What differs from the initial text, which all keys share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Store {
    initial: String,
    changed: BTreeMap<Option<Value>, String>,
}

impl SequentialSpec for KvAppend {
    type State = Store;

    fn name(&self) -> &'static str {
        "kv-append"
    }

    fn init(&self, init: &Value) -> Result<Store, String> {
        let initial = match init {
            Value::Null => String::new(),
            Value::Str(text) => text.clone(),
            _ => return Err("kv-append starts from a text, as \"\"".to_owned()),
        };
        Ok(Store {
            initial,
            changed: BTreeMap::new(),
        })
    }

    fn step(&self, state: &Store, call: &Call<'_>) -> Option<Store> {
        let key = call.key.cloned();
        let old = state.changed.get(&key).unwrap_or(&state.initial);
        let new = match (call.f, call.argument) {
            ("get", _) => {
                let result = call.result.unwrap_or(&Value::Null);
                let same = match result {
                    Value::Str(text) => text == old,
                    // An object that was never written reads as nothing in some stores.
                    _ => call.result.is_none() || old.is_empty(),
                };
                return same.then(|| state.clone());
            }
            ("put", Value::Str(text)) => text.clone(),
            ("append", Value::Str(text)) => format!("{old}{text}"),
            _ => return None,
        };
        let mut after = state.clone();
        after.changed.insert(key, new);
        Some(after)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match call.f {
            "get" => match call.result {
                None | Some(Value::Str(_) | Value::Null) => Ok(()),
                Some(other) => expected(call, "a text as its result", other),
            },
            "put" | "append" => match call.argument {
                Value::Str(_) => Ok(()),
                other => expected(call, "a text", other),
            },
            _ => unknown(call, "get, put and append"),
        }
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        call.f == "get"
    }

    fn as_text<'a>(&self, call: &Call<'a>) -> Option<TextCall<'a>> {
        match (call.f, call.argument) {
            // An object that was never written reads as nothing in some stores.
            ("get", _) => Some(TextCall::Get(
                call.result
                    .map(|result| result.as_str().unwrap_or_default()),
            )),
            ("put", Value::Str(text)) => Some(TextCall::Put(text)),
            ("append", Value::Str(text)) => Some(TextCall::Append(text)),
            _ => None,
        }
    }

    fn show(&self, state: &Store) -> Value {
        let name = |key: &Option<Value>| {
            key.as_ref()
                .map_or_else(String::new, super::shapes::name_of)
        };
        match (state.changed.len(), state.changed.first_key_value()) {
            (0, _) => Value::Str(state.initial.clone()),
            (1, Some((_, text))) => Value::Str(text.clone()),
            _ => Value::map(
                state
                    .changed
                    .iter()
                    .map(|(key, text)| (name(key), Value::Str(text.clone()))),
            ),
        }
    }

    fn weight(&self, state: &Store) -> usize {
        state
            .changed
            .values()
            .map(|text| text.len() + 80)
            .sum::<usize>()
            + 64
    }
}
