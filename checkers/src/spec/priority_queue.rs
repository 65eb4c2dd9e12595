//! A priority queue of numbers: `insert`, and `extract-min` that returns the least, or `null` if there is none.
//! An `extract-min` that never returned may have taken an element: which, the order says.

use plumb_histories::Value;

use super::shapes::{expected, unknown};
use super::{Call, Discipline, QueueCall, SequentialSpec};

/// Sorted, the greatest first.
pub(super) struct PriorityQueue;

impl SequentialSpec for PriorityQueue {
    type State = Vec<Value>;

    fn name(&self) -> &'static str {
        "priority-queue"
    }

    fn init(&self, init: &Value) -> Result<Vec<Value>, String> {
        let mut items = match init {
            Value::Null => Vec::new(),
            Value::List(items) => items.clone(),
            _ => return Err("a priority queue starts from null (empty) or a list".to_owned()),
        };
        items.sort_unstable_by(|a, b| b.cmp(a));
        Ok(items)
    }

    fn step(&self, state: &Vec<Value>, call: &Call<'_>) -> Option<Vec<Value>> {
        let mut after = state.clone();
        if call.f == "insert" {
            let place = after.partition_point(|item| item > call.argument);
            after.insert(place, call.argument.clone());
            return Some(after);
        }
        let least = after.pop().unwrap_or_default();
        call.result
            .is_none_or(|result| *result == least)
            .then_some(after)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match (call.f, call.argument) {
            ("insert", Value::Int(_)) | ("extract-min", _) => Ok(()),
            ("insert", other) => expected(call, "a whole number", other),
            _ => unknown(call, "insert and extract-min"),
        }
    }

    fn as_queue<'a>(&self, call: &Call<'a>) -> Option<QueueCall<'a>> {
        match call.f {
            "insert" => Some(QueueCall::Put(call.argument)),
            "extract-min" => Some(QueueCall::taken(call.result)),
            _ => None,
        }
    }

    fn discipline(&self) -> Discipline {
        Discipline::Least
    }

    fn show(&self, state: &Vec<Value>) -> Value {
        Value::List(state.iter().rev().cloned().collect())
    }

    fn weight(&self, state: &Vec<Value>) -> usize {
        24 + 40 * state.len()
    }
}
