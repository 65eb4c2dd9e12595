//! Queues of three disciplines: an operation that puts an element in, and one that takes out the oldest, the
//! newest or the least, or returns `null` if there is none. One that takes out and never returned may have taken
//! an element: which, the order says.

use std::collections::VecDeque;

use plumb_histories::Value;

use super::shapes::{expected, unknown};
use super::{Call, Discipline, QueueCall, SequentialSpec};

/// Of a discipline. Its state holds the next to come out last, but for a queue's, which holds it first.
pub(super) struct Queue(pub(super) Discipline);

impl Discipline {
    /// The names of the operations that put in and take out.
    pub(crate) fn operations(self) -> [&'static str; 2] {
        match self {
            Discipline::Fifo => ["enqueue", "dequeue"],
            Discipline::Lifo => ["push", "pop"],
            Discipline::Least => ["insert", "extract-min"],
        }
    }

    /// The name of the specification.
    pub(crate) fn spec(self) -> &'static str {
        match self {
            Discipline::Fifo => "fifo-queue",
            Discipline::Lifo => "stack",
            Discipline::Least => "priority-queue",
        }
    }
}

impl Queue {
    fn put(&self, state: &mut VecDeque<Value>, element: Value) {
        let place = match self.0 {
            Discipline::Fifo | Discipline::Lifo => state.len(),
            Discipline::Least => state.partition_point(|item| *item > element),
        };
        state.insert(place, element);
    }

    fn is_put(&self, call: &Call<'_>) -> bool {
        call.f == self.0.operations()[0]
    }
}

impl SequentialSpec for Queue {
    type State = VecDeque<Value>;

    fn name(&self) -> &'static str {
        self.0.spec()
    }

    fn init(&self, init: &Value) -> Result<VecDeque<Value>, String> {
        let items = match init {
            Value::Null => &[][..],
            Value::List(items) => items,
            _ => return Err("it starts from null (empty) or a list, first put in first".to_owned()),
        };
        let mut state = VecDeque::with_capacity(items.len());
        for item in items {
            self.put(&mut state, item.clone());
        }
        Ok(state)
    }

    fn step(&self, state: &VecDeque<Value>, call: &Call<'_>) -> Option<VecDeque<Value>> {
        let mut after = state.clone();
        if self.is_put(call) {
            self.put(&mut after, call.argument.clone());
            return Some(after);
        }
        let taken = match self.0 {
            Discipline::Fifo => after.pop_front(),
            Discipline::Lifo | Discipline::Least => after.pop_back(),
        };
        let taken = taken.unwrap_or_default();
        let agrees = call.result.is_none_or(|result| *result == taken);
        agrees.then_some(after)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        let [put, take] = self.0.operations();
        match call.argument {
            _ if call.f == take => Ok(()),
            _ if call.f != put => unknown(call, &format!("{put} and {take}")),
            Value::Int(_) => Ok(()),
            other if self.0 == Discipline::Least => expected(call, "a whole number", other),
            // It would look like nothing when it comes out.
            Value::Null => expected(call, "an element that is not null", &Value::Null),
            _ => Ok(()),
        }
    }

    fn as_queue<'a>(&self, call: &Call<'a>) -> Option<QueueCall<'a>> {
        Some(match call.result {
            _ if self.is_put(call) => QueueCall::Put(call.argument),
            None => QueueCall::Unknown,
            Some(Value::Null) => QueueCall::Empty,
            Some(value) => QueueCall::Got(value),
        })
    }

    fn discipline(&self) -> Discipline {
        self.0
    }

    fn show(&self, state: &VecDeque<Value>) -> Value {
        Value::List(state.iter().cloned().collect())
    }

    fn weight(&self, state: &VecDeque<Value>) -> usize {
        48 + 40 * state.len()
    }
}
