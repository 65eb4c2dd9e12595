//! A counter: `add` of a whole number (negative to subtract), and `read`.

use plumb_histories::Value;

use super::shapes::{expected, int, unknown};
use super::{Call, SequentialSpec};

/// A number.
pub(super) struct Counter;

impl SequentialSpec for Counter {
    /// Wide enough that no history overflows it.
    type State = i128;

    fn name(&self) -> &'static str {
        "counter"
    }

    fn init(&self, init: &Value) -> Result<i128, String> {
        match init {
            Value::Null => Ok(0),
            Value::Int(number) => Ok(i128::from(*number)),
            _ => Err("a counter starts from a whole number".to_owned()),
        }
    }

    fn step(&self, state: &i128, call: &Call<'_>) -> Option<i128> {
        if call.f == "add" {
            return int(call.argument).map(|number| state + i128::from(number));
        }
        match call.result {
            None => Some(*state),
            Some(result) => (i128::from(int(result)?) == *state).then_some(*state),
        }
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match (call.f, call.argument, call.result) {
            ("add", Value::Int(_), _) | ("read", _, None | Some(Value::Int(_))) => Ok(()),
            ("add", other, _) => expected(call, "a whole number", other),
            ("read", _, Some(other)) => expected(call, "a whole number as its result", other),
            _ => unknown(call, "add and read"),
        }
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        call.f == "read" || *call.argument == Value::Int(0)
    }

    fn show(&self, state: &i128) -> Value {
        i64::try_from(*state).map_or_else(|_| Value::Str(state.to_string()), Value::Int)
    }
}
