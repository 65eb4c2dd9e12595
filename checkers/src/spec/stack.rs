//! A stack: `push`, and `pop` that returns the newest element, or `null` if there is none. A `pop` that never
//! returned may have taken an element: which, the order says.

use plumb_histories::Value;

use super::shapes::unknown;
use super::{Call, Discipline, QueueCall, SequentialSpec};

/// Newest last.
pub(super) struct Stack;

impl SequentialSpec for Stack {
    type State = Vec<Value>;

    fn name(&self) -> &'static str {
        "stack"
    }

    fn init(&self, init: &Value) -> Result<Vec<Value>, String> {
        match init {
            Value::Null => Ok(Vec::new()),
            Value::List(items) => Ok(items.clone()),
            _ => Err("a stack starts from null (empty) or a list, newest last".to_owned()),
        }
    }

    fn step(&self, state: &Vec<Value>, call: &Call<'_>) -> Option<Vec<Value>> {
        let mut after = state.clone();
        if call.f == "push" {
            after.push(call.argument.clone());
            return Some(after);
        }
        let newest = after.pop().unwrap_or_default();
        call.result
            .is_none_or(|result| *result == newest)
            .then_some(after)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match call.f {
            "push" if call.argument.is_null() => {
                Err("null can't be pushed: it is what an empty stack returns".to_owned())
            }
            "push" | "pop" => Ok(()),
            _ => unknown(call, "push and pop"),
        }
    }

    fn as_queue<'a>(&self, call: &Call<'a>) -> Option<QueueCall<'a>> {
        match call.f {
            "push" => Some(QueueCall::Put(call.argument)),
            "pop" => Some(QueueCall::taken(call.result)),
            _ => None,
        }
    }

    fn discipline(&self) -> Discipline {
        Discipline::Lifo
    }

    fn show(&self, state: &Vec<Value>) -> Value {
        Value::List(state.clone())
    }

    fn weight(&self, state: &Vec<Value>) -> usize {
        24 + 40 * state.len()
    }
}
