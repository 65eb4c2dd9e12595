//! An operation in the words of the people who read reports.

use std::fmt;

use plumb_histories::Value;
use serde::Serialize;

use crate::intake::Taken;
use crate::part::{Op, Part};

/// An operation of the history, as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Counts operations in the order of their invocations.
    pub number: u32,
    /// Who asked.
    pub process: u64,
    /// The operation's name.
    pub f: String,
    /// The object, where the history names one.
    pub key: Option<Value>,
    /// The arguments.
    pub argument: Value,
    /// The result; `None` if it never returned.
    pub result: Option<Value>,
    /// The index of the event that invoked it.
    pub invoked: u64,
    /// The index of the event that completed it; `None` if it never returned.
    pub completed: Option<u64>,
}

impl Described {
    pub(crate) fn of(taken: &Taken, part: &Part, op: &Op) -> Described {
        let call = taken.tables.call(part.classes.get(op.class));
        Described {
            number: op.number,
            process: *taken.tables.processes.get(op.process),
            f: call.f.to_owned(),
            key: call.key.cloned(),
            argument: call.argument.clone(),
            result: call.result.cloned(),
            invoked: taken.base + u64::from(op.call),
            completed: op.is_certain().then(|| taken.base + u64::from(op.ret)),
        }
    }

    /// What was asked, in a few words: `write 5`, `read`.
    #[must_use]
    pub fn asked(&self) -> String {
        let mut text = self.f.clone();
        if !self.argument.is_null() {
            text.push_str(&format!(" {}", short(&self.argument)));
        }
        text
    }

    /// What was asked and what came back: `write 5`, `read → 4`.
    #[must_use]
    pub fn action(&self) -> String {
        let mut text = self.asked();
        if let Some(result) = &self.result
            && (*result != self.argument || self.argument.is_null())
            && (!result.is_null() || self.argument.is_null())
        {
            text.push_str(&format!(" → {}", short(result)));
        }
        text
    }
}

/// A value for people: of a long list its ends.
pub(super) fn short(value: &Value) -> String {
    match value {
        Value::List(items) if items.len() > 12 => {
            let texts = |items: &[Value]| -> Vec<String> { items.iter().map(short).collect() };
            let (first, last) = (texts(&items[..4]), texts(&items[items.len() - 4..]));
            format!(
                "[{}, … {} in all …, {}]",
                first.join(", "),
                items.len(),
                last.join(", ")
            )
        }
        value => value.to_string(),
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by process {}", self.action(), self.process)?;
        match self.completed {
            Some(completed) => write!(f, " (events {}–{completed})", self.invoked),
            None => write!(f, " (event {}, never returned)", self.invoked),
        }
    }
}
