//! A first-in-first-out queue: `enqueue`, and `dequeue` that returns the oldest element, or `null` if
//! there is none. A `dequeue` that never returned may have taken an element: which, the order says.

use std::collections::VecDeque;

use plumb_histories::Value;

use super::shapes::unknown;
use super::{Call, QueueCall, SequentialSpec};

/// Oldest first.
pub(super) struct FifoQueue;

impl SequentialSpec for FifoQueue {
    type State = VecDeque<Value>;

    fn name(&self) -> &'static str {
        "fifo-queue"
    }

    fn init(&self, init: &Value) -> Result<VecDeque<Value>, String> {
        match init {
            Value::Null => Ok(VecDeque::new()),
            Value::List(items) => Ok(items.iter().cloned().collect()),
            _ => Err("a queue starts from null (empty) or a list, oldest first".to_owned()),
        }
    }

    fn step(&self, state: &VecDeque<Value>, call: &Call<'_>) -> Option<VecDeque<Value>> {
        let mut after = state.clone();
        if call.f == "enqueue" {
            after.push_back(call.argument.clone());
            return Some(after);
        }
        match (after.pop_front(), call.result) {
            (None, Some(Value::Null)) => Some(after),
            (Some(_), None) => Some(after),
            (Some(oldest), Some(result)) if oldest == *result => Some(after),
            _ => None,
        }
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match call.f {
            "enqueue" | "dequeue" => Ok(()),
            _ => unknown(call, "enqueue and dequeue"),
        }
    }

    fn as_queue<'a>(&self, call: &Call<'a>) -> Option<QueueCall<'a>> {
        match call.f {
            "enqueue" => Some(QueueCall::Put(call.argument)),
            "dequeue" => Some(QueueCall::taken(call.result)),
            _ => None,
        }
    }

    fn show(&self, state: &VecDeque<Value>) -> Value {
        Value::List(state.iter().cloned().collect())
    }

    fn weight(&self, state: &VecDeque<Value>) -> usize {
        48 + 40 * state.len()
    }
}
