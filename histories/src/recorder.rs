//! Records a history while a run goes. Misuse is a bug of the workload, so it panics with the reason.

use std::collections::BTreeMap;

use crate::history::Place;
use crate::{Builder, Event, Header, History, Kind, Line, Misplaced, NemesisEvent, Value};

/// Builds a history in memory, one call an event, in real-time order.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    history: History,
    next_index: u64,
    /// How many operations were invoked.
    operations: u32,
    /// What each process has open.
    open: BTreeMap<u64, Open>,
}

/// What a completion repeats of its invocation.
#[derive(Clone, Debug)]
struct Open {
    /// Which operation it is.
    number: u32,
    time_ns: u64,
    f: String,
    key: Option<Value>,
    node: Option<String>,
}

impl Recorder {
    /// An empty recording.
    #[must_use]
    pub fn new(header: Header) -> Recorder {
        Recorder {
            history: Builder::new(header).finish(),
            ..Recorder::default()
        }
    }

    /// A client asks for something.
    ///
    /// # Panics
    /// If the process has an open operation.
    pub fn invoke(
        &mut self,
        time_ns: u64,
        process: u64,
        f: &str,
        key: Option<Value>,
        value: Value,
        node: Option<&str>,
    ) {
        if let Some(open) = self.open.get(&process) {
            let open = open.f.clone();
            let misplaced = Misplaced::TwoOpen {
                process,
                open,
                f: f.to_owned(),
            };
            panic!("the workload recorded an impossible event: {misplaced}");
        }
        let open = Open {
            number: self.operations,
            time_ns,
            f: f.to_owned(),
            key: key.clone(),
            node: node.map(str::to_owned),
        };
        self.open.insert(process, open);
        self.operations += 1;
        let event = Event {
            index: self.take_index(),
            time_ns,
            process,
            kind: Kind::Invoke,
            f: f.to_owned(),
            key,
            value,
            node: node.map(str::to_owned),
            error: None,
        };
        self.history.keep(Line::Client(event), Place::Invocation);
    }

    /// It happened, with this result.
    ///
    /// # Panics
    /// If the process has no open operation.
    pub fn ok(&mut self, time_ns: u64, process: u64, value: Value) {
        self.complete(time_ns, process, Kind::Ok, value, None);
    }

    /// It did not happen and never will. A timeout is not this but [`Recorder::info`].
    ///
    /// # Panics
    /// If the process has no open operation.
    pub fn fail(&mut self, time_ns: u64, process: u64, value: Value, error: Option<&str>) {
        self.complete(time_ns, process, Kind::Fail, value, error);
    }

    /// Nobody knows whether it happened or will.
    ///
    /// # Panics
    /// If the process has no open operation.
    pub fn info(&mut self, time_ns: u64, process: u64, value: Value, error: Option<&str>) {
        self.complete(time_ns, process, Kind::Info, value, error);
    }

    /// A fault is set or healed.
    pub fn nemesis(&mut self, time_ns: u64, f: &str, value: Value) {
        let fault = NemesisEvent {
            index: self.take_index(),
            time_ns,
            f: f.to_owned(),
            value,
        };
        self.history.keep(Line::Nemesis(fault), Place::Fault);
    }

    /// What is under way: when it was asked for, and its function.
    pub fn open(&self) -> impl Iterator<Item = (u64, &str)> {
        let open = self.open.values();
        open.map(|open| (open.time_ns, open.f.as_str()))
    }

    /// What was recorded; what is still open stays indeterminate.
    #[must_use]
    pub fn finish(self) -> History {
        self.history
    }

    fn complete(
        &mut self,
        time_ns: u64,
        process: u64,
        kind: Kind,
        value: Value,
        error: Option<&str>,
    ) {
        let open = self.open.remove(&process).unwrap_or_else(|| {
            panic!(
                "the workload completed ({}) nothing: process {process}",
                kind.name()
            )
        });
        let event = Event {
            index: self.take_index(),
            time_ns,
            process,
            kind,
            f: open.f,
            key: open.key,
            value,
            node: open.node,
            error: error.map(str::to_owned),
        };
        let place = Place::Completion(open.number);
        self.history.keep(Line::Client(event), place);
    }

    fn take_index(&mut self) -> u64 {
        self.next_index += 1;
        self.next_index - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_what_a_builder_makes_of_the_same_lines() {
        let mut recorder = Recorder::new(Header::default());
        let key = || Some(Value::Str("k".to_owned()));
        recorder.invoke(1, 7, "write", key(), Value::Int(1), Some("n1"));
        recorder.invoke(2, 3, "read", key(), Value::Null, None);
        recorder.nemesis(3, "begins", Value::Null);
        recorder.ok(4, 3, Value::Int(1));
        recorder.invoke(5, 3, "read", None, Value::Null, None);
        recorder.info(6, 7, Value::Int(1), Some("no answer"));
        recorder.invoke(7, 8, "write", None, Value::Int(2), Some("n2"));
        recorder.fail(8, 8, Value::Int(2), None);
        let recorded = recorder.finish();
        let mut builder = Builder::new(Header::default());
        for line in recorded.lines() {
            assert_eq!(builder.push(line), Ok(()));
        }
        assert_eq!(builder.finish(), recorded);
    }

    #[test]
    #[should_panic(expected = "impossible event")]
    fn a_process_does_one_thing_at_a_time() {
        let mut recorder = Recorder::new(Header::default());
        recorder.invoke(1, 7, "read", None, Value::Null, None);
        recorder.invoke(2, 7, "read", None, Value::Null, None);
    }

    #[test]
    #[should_panic(expected = "completed (ok) nothing")]
    fn nothing_ends_that_has_not_begun() {
        Recorder::new(Header::default()).ok(1, 7, Value::Null);
    }
}
