//! Records a history while a run goes. Misuse is a bug of the workload, so it panics with the reason.

use std::collections::BTreeMap;

use crate::{Builder, Event, Header, History, Kind, Line, NemesisEvent, Value};

/// Builds a history in memory, one call an event, in real-time order.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    builder: Builder,
    /// What each process has open, for the completion to repeat.
    open: BTreeMap<u64, (String, Option<Value>, Option<String>)>,
}

impl Recorder {
    /// An empty recording.
    #[must_use]
    pub fn new(header: Header) -> Recorder {
        Recorder {
            builder: Builder::new(header),
            open: BTreeMap::new(),
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
        let node = node.map(str::to_owned);
        self.push(Line::Client(Event {
            index: self.builder.next_index(),
            time_ns,
            process,
            kind: Kind::Invoke,
            f: f.to_owned(),
            key: key.clone(),
            value,
            node: node.clone(),
            error: None,
        }));
        self.open.insert(process, (f.to_owned(), key, node));
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
        let index = self.builder.next_index();
        self.push(Line::Nemesis(NemesisEvent {
            index,
            time_ns,
            f: f.to_owned(),
            value,
        }));
    }

    /// What was recorded; what is still open stays indeterminate.
    #[must_use]
    pub fn finish(self) -> History {
        self.builder.finish()
    }

    fn complete(
        &mut self,
        time_ns: u64,
        process: u64,
        kind: Kind,
        value: Value,
        error: Option<&str>,
    ) {
        let open = self.open.remove(&process);
        let (f, key, node) = open.unwrap_or_else(|| {
            panic!(
                "the workload completed ({}) nothing: process {process}",
                kind.name()
            )
        });
        self.push(Line::Client(Event {
            index: self.builder.next_index(),
            time_ns,
            process,
            kind,
            f,
            key,
            value,
            node,
            error: error.map(str::to_owned),
        }));
    }

    fn push(&mut self, line: Line) {
        if let Err(misplaced) = self.builder.push(line) {
            panic!("the workload recorded an impossible event: {misplaced}");
        }
    }
}
