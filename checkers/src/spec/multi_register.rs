//! Several registers that one transaction reads and writes together: `txn` with micro-operations
//! `[r k v]`/`[w k v]` (also `read`/`write`), or Knossos's older `read` and `write` of maps
//! `{k: v, …}`. Nothing is partitioned: a transaction spans keys.

use std::collections::BTreeMap;

use plumb_histories::Value;

use super::shapes::{Micro, expected, micro, name_of, unknown};
use super::{Call, SequentialSpec};

/// Registers by name.
pub(super) struct MultiRegister;

/// Registers by name; those absent hold `initial`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Registers {
    initial: Value,
    held: BTreeMap<String, Value>,
}

impl Registers {
    fn get(&self, name: &str) -> &Value {
        self.held.get(name).unwrap_or(&self.initial)
    }

    fn set(&mut self, name: String, value: Value) {
        // One form for each state: what is as it was at the start is absent.
        if value == self.initial {
            self.held.remove(&name);
        } else {
            self.held.insert(name, value);
        }
    }
}

/// The registers that a transaction names.
pub(crate) fn register_names(call: &Call<'_>) -> Vec<String> {
    let micros = |value: &Value| -> Vec<String> {
        let items = value.as_list().unwrap_or_default().iter();
        items
            .filter_map(micro)
            .map(|(_, key, _)| name_of(key))
            .collect()
    };
    match (call.f, call.argument, call.result) {
        ("read", _, Some(Value::Map(pairs))) | ("write", Value::Map(pairs), _) => {
            pairs.iter().map(|(name, _)| name.clone()).collect()
        }
        ("read" | "write", ..) => Vec::new(),
        _ => micros(call.argument),
    }
}

/// What a transaction read from a register before it wrote it, if that is known, and what it wrote to it last; `None`
/// if what it read contradicts itself.
pub(crate) fn on_register<'a>(
    call: &Call<'a>,
    name: &str,
) -> Option<(Option<&'a Value>, Option<&'a Value>)> {
    let of_map = |value: Option<&'a Value>| match value {
        Some(Value::Map(pairs)) => pairs
            .iter()
            .find(|(other, _)| other == name)
            .map(|pair| &pair.1),
        _ => None,
    };
    match call.f {
        "read" => return Some((of_map(call.result), None)),
        "write" => return Some((None, of_map(Some(call.argument)))),
        _ => {}
    }
    let (mut read, mut written) = (None, None);
    let known = call.result.is_some();
    for item in call.result.unwrap_or(call.argument).as_list()? {
        let (f, key, value) = micro(item)?;
        if name_of(key) != name {
            continue;
        }
        match (f, written.or(read)) {
            (Micro::Write, _) => written = Some(value),
            (_, None) if known => read = Some(value),
            (_, Some(there)) if known && there != value => return None,
            _ => {}
        }
    }
    Some((read, written))
}

const MICRO: &str = "a list of [r k v] and [w k v]";

impl SequentialSpec for MultiRegister {
    type State = Registers;

    fn name(&self) -> &'static str {
        "multi-register"
    }

    fn init(&self, init: &Value) -> Result<Registers, String> {
        let (initial, pairs) = match init {
            Value::Map(pairs) => (Value::Null, pairs.clone()),
            other => (other.clone(), Vec::new()),
        };
        let mut registers = Registers {
            initial,
            held: BTreeMap::new(),
        };
        for (name, value) in pairs {
            registers.set(name, value);
        }
        Ok(registers)
    }

    fn step(&self, state: &Registers, call: &Call<'_>) -> Option<Registers> {
        let mut after = state.clone();
        match call.f {
            "read" => {
                if let Some(Value::Map(pairs)) = call.result {
                    let same = pairs.iter().all(|(name, value)| state.get(name) == value);
                    return same.then_some(after);
                }
            }
            "write" => {
                if let Value::Map(pairs) = call.argument {
                    for (name, value) in pairs {
                        after.set(name.clone(), value.clone());
                    }
                }
            }
            _ => {
                let known = call.result.is_some();
                for item in call.result.unwrap_or(call.argument).as_list()? {
                    let (f, key, value) = micro(item)?;
                    let name = name_of(key);
                    match f {
                        Micro::Write => after.set(name, value.clone()),
                        _ if known && after.get(&name) != value => return None,
                        _ => {}
                    }
                }
            }
        }
        Some(after)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match call.f {
            "read" => match call.result {
                None | Some(Value::Map(_)) => Ok(()),
                Some(other) => expected(call, "a map of registers as its result", other),
            },
            "write" => match call.argument {
                Value::Map(_) => Ok(()),
                other => expected(call, "a map of registers", other),
            },
            "txn" => {
                let value = call.result.unwrap_or(call.argument);
                let fits = |item| matches!(micro(item), Some((Micro::Read | Micro::Write, ..)));
                match value.as_list() {
                    Some(items) if items.iter().all(fits) => Ok(()),
                    _ => expected(call, MICRO, value),
                }
            }
            _ => unknown(call, "txn, read and write"),
        }
    }

    fn partition<'a>(&self, _call: &Call<'a>) -> Option<&'a Value> {
        None
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        let reads = |item| matches!(micro(item), Some((Micro::Read, ..)));
        call.f == "read"
            || call
                .argument
                .as_list()
                .is_some_and(|items| items.iter().all(reads))
    }

    fn show(&self, state: &Registers) -> Value {
        Value::map(state.held.clone())
    }

    fn weight(&self, state: &Registers) -> usize {
        64 + 100 * state.held.len()
    }
}
