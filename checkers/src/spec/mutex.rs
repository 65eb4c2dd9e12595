//! A lock: `acquire` and `release`. Who holds it is not looked at, as in Knossos: to demand that only
//! the holder releases, check the processes with another specification.

use plumb_histories::Value;

use super::shapes::unknown;
use super::{Call, SequentialSpec};

/// Held or free.
pub(super) struct Mutex;

impl SequentialSpec for Mutex {
    type State = bool;

    fn name(&self) -> &'static str {
        "mutex"
    }

    fn init(&self, init: &Value) -> Result<bool, String> {
        match init {
            Value::Null => Ok(false),
            Value::Bool(held) => Ok(*held),
            _ => Err("a mutex starts as true (held), false or null (free)".to_owned()),
        }
    }

    fn step(&self, held: &bool, call: &Call<'_>) -> Option<bool> {
        let acquires = call.f == "acquire";
        (*held != acquires).then_some(acquires)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match call.f {
            "acquire" | "release" => Ok(()),
            _ => unknown(call, "acquire and release"),
        }
    }

    fn show(&self, held: &bool) -> Value {
        Value::from(if *held { "held" } else { "free" })
    }
}
