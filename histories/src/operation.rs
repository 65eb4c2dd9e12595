//! An operation as a checker sees it: an invocation with its completion, or with none.

use crate::{Event, Kind, Value};

/// What is known of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It happened between its invocation and its completion.
    Ok,
    /// It did not happen.
    Fail,
    /// It may have happened at any time after its invocation, or never: `info`, or no completion.
    Indeterminate,
}

/// A view into a history.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'h> {
    /// Counts operations in the order of their invocations.
    pub number: usize,
    /// The place of the invocation among the history's events.
    pub invoked_at: usize,
    /// The place of the `ok` or `fail`; an `info` is not an end, as it says nothing of when.
    pub completed_at: Option<usize>,
    /// The invocation.
    pub invocation: &'h Event,
    /// The completion, `info` included.
    pub completion: Option<&'h Event>,
}

impl<'h> Operation<'h> {
    /// Who asked.
    #[must_use]
    pub fn process(&self) -> u64 {
        self.invocation.process
    }

    /// The operation's name.
    #[must_use]
    pub fn f(&self) -> &'h str {
        &self.invocation.f
    }

    /// The object that it concerns, as the invocation names it.
    #[must_use]
    pub fn key(&self) -> Option<&'h Value> {
        self.invocation.key.as_ref()
    }

    /// The arguments: the invocation's value, because an `info` may have lost it.
    #[must_use]
    pub fn argument(&self) -> &'h Value {
        &self.invocation.value
    }

    /// The result: the value of an `ok`.
    #[must_use]
    pub fn result(&self) -> Option<&'h Value> {
        self.completion
            .filter(|event| event.kind == Kind::Ok)
            .map(|event| &event.value)
    }

    /// What is known of it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.completion.map(|event| event.kind) {
            Some(Kind::Ok) => Outcome::Ok,
            Some(Kind::Fail) => Outcome::Fail,
            Some(Kind::Info | Kind::Invoke) | None => Outcome::Indeterminate,
        }
    }
}
