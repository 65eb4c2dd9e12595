//! The question that is asked of a history.

use plumb_histories::{Header, Value};

use crate::{Budget, CheckError, Consistency, Spec};

/// What to check a history against, and what it may cost. Built by [`Options::new`], then changed
/// field by field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What each object is meant to do.
    pub spec: Spec,
    /// The initial value of each object.
    pub init: Value,
    /// How the order of operations may relate to real time.
    pub consistency: Consistency,
    /// What the check may cost.
    pub budget: Budget,
    /// Threads; parts (keys) are shared out among them. The report does not depend on it.
    pub jobs: usize,
    /// Whether to explain a violation: its core, its shortest prefix, how far one can get, and whether a second
    /// search confirms it. Else the verdict stands alone.
    pub explain: bool,
    /// Whether to keep the order that proves validity.
    pub witness: bool,
    /// Of transactions on registers: whether the absence of cycles is enough, as it is for Elle, where reads don't
    /// tell the order of all versions. Else a serial order must be found, or the verdict is unknown.
    pub acyclic: bool,
    /// Whether to judge and report keys one by one; else all of them are one object, and a witness is
    /// one order over all of them.
    pub partition: bool,
}

impl Options {
    /// Linearizability against a specification from `null`, on one thread, explained, with the default
    /// budget.
    #[must_use]
    pub fn new(spec: Spec) -> Options {
        Options {
            spec,
            init: Value::Null,
            consistency: Consistency::Linearizable,
            budget: Budget::default(),
            jobs: 1,
            explain: true,
            witness: true,
            acyclic: false,
            partition: true,
        }
    }

    /// What a history's own header asks for, where it does.
    ///
    /// # Errors
    /// If it names a specification that does not exist.
    pub fn from_header(header: &Header) -> Result<Option<Options>, CheckError> {
        let Some(name) = &header.spec else {
            return Ok(None);
        };
        let options = Options::new(Spec::by_name(name)?);
        Ok(Some(Options {
            init: header.init.clone().unwrap_or_default(),
            ..options
        }))
    }

    /// With another initial value.
    #[must_use]
    pub fn with_init(self, init: Value) -> Options {
        Options { init, ..self }
    }

    /// With another budget.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Options {
        Options { budget, ..self }
    }

    /// With another consistency.
    #[must_use]
    pub fn with_consistency(self, consistency: Consistency) -> Options {
        Options {
            consistency,
            ..self
        }
    }

    /// With so many threads, at least one.
    #[must_use]
    pub fn with_jobs(self, jobs: usize) -> Options {
        Options {
            jobs: jobs.max(1),
            ..self
        }
    }
}
