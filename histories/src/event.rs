//! One thing that a recorder saw: a client's invocation or completion, or a fault being set.

use serde::{Deserialize, Serialize};

use crate::Value;

/// What an event says of its operation, in Jepsen's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was asked for.
    Invoke,
    /// It happened, between its invocation and now.
    Ok,
    /// It did not happen and never will.
    Fail,
    /// Nobody knows: it may have happened, may yet happen, or never.
    Info,
}

impl Kind {
    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info]
            .into_iter()
            .find(|k| k.name() == name)
    }
}

/// A client's event. The order of events in a history is the real-time order; `time_ns` is for
/// people. Two events with one timestamp are ordered by their place in the file, no more: a recorder
/// that cannot tell which came first must write the invocation first, which makes them concurrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Grows along the history, shared with nemesis events.
    pub index: u64,
    /// Nanoseconds since the start of the run.
    pub time_ns: u64,
    /// The client: one operation at a time.
    pub process: u64,
    /// What the event says.
    pub kind: Kind,
    /// The operation's name.
    pub f: String,
    /// The object that it concerns, where a history has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// The arguments in an invocation, the result in a completion.
    #[serde(default)]
    pub value: Value,
    /// The server that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why it failed or is indeterminate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Event {
    /// Reads a value as `jepsen.independent` writes it, `[key value]`, and moves the key to where ours are.
    /// A value of another shape is left alone.
    #[must_use]
    pub fn with_independent_key(self) -> Event {
        match self.value {
            Value::List(mut pair) if pair.len() == 2 => {
                let value = pair.pop().expect("there are two");
                Event {
                    key: pair.pop(),
                    value,
                    ..self
                }
            }
            value => Event { value, ..self },
        }
    }
}

/// A fault set or healed; it never takes part in a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NemesisEvent {
    /// Its place among all events.
    pub index: u64,
    /// Nanoseconds since the start of the run.
    pub time_ns: u64,
    /// What was done.
    pub f: String,
    /// To whom.
    pub value: Value,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// By a client.
    Client(Event),
    /// By the nemesis.
    Nemesis(NemesisEvent),
}
