//! What is known of a history after a check. Three-valued on purpose: what ran out of budget is
//! neither valid nor violated.

use std::fmt;

use plumb_histories::Value;
use serde::Serialize;

use crate::Counterexample;

/// What is known of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "evidence", rename_all = "lowercase")]
pub enum Verdict {
    /// It satisfies the specification, and here is the order that shows it.
    Valid(Witness),
    /// It does not, and here is why.
    Violation(Box<Counterexample>),
    /// Nobody knows: a budget ran out first.
    Unknown(Reason),
}

impl Verdict {
    /// Whether the history is known to satisfy its specification.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(self, Verdict::Valid(_))
    }

    /// Whether the history is known to break its specification.
    #[must_use]
    pub fn is_violation(&self) -> bool {
        matches!(self, Verdict::Violation(_))
    }

    /// Whether a budget ran out first.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Verdict::Unknown(_))
    }

    /// `valid`, `violation` or `unknown`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Valid(_) => "valid",
            Verdict::Violation(_) => "violation",
            Verdict::Unknown(_) => "unknown",
        }
    }
}

/// The name, and for a violation or an unknown the reason in words.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Valid(_) => f.write_str("valid"),
            Verdict::Violation(counterexample) => write!(f, "violation: {counterexample}"),
            Verdict::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}

/// For each part, an order of its operations that explains all results: the proof of validity.
/// [`verify_witness`](crate::verify_witness) checks it without trusting the search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// One entry a part, in the order of [`Report::parts`](crate::Report::parts); empty if the check
    /// was asked not to keep them, or proves validity otherwise (by the absence of cycles).
    pub parts: Vec<PartWitness>,
}

/// The order for one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartWitness {
    /// The object, where the history has several.
    pub key: Option<Value>,
    /// Operations by number (counted in the order of their invocations); those that need not have
    /// happened are left out. Under snapshot isolation each stands there twice: where it begins and where it commits.
    pub order: Vec<u32>,
}

/// How far the check came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What ran out.
    pub limit: Limit,
    /// The first part that is undecided.
    pub key: Option<Value>,
    /// Parts that were decided, all of them valid.
    pub decided: usize,
    /// Parts that were not.
    pub undecided: usize,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.limit)?;
        if let Some(key) = &self.key {
            write!(f, " at key {key}")?;
        }
        let all = self.decided + self.undecided;
        if all > 1 {
            write!(
                f,
                "; {} of {all} parts were decided, all valid",
                self.decided
            )?;
        }
        Ok(())
    }
}

/// What ran out before a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Steps of search.
    Steps {
        /// How many were allowed.
        limit: u64,
    },
    /// Wall time.
    Time {
        /// Milliseconds allowed.
        limit_ms: u64,
    },
    /// Memory.
    Memory {
        /// Bytes allowed.
        limit: usize,
    },
    /// The caller asked to stop.
    Stopped,
    /// What was recorded does not decide it, as far as the algorithms here go.
    Open {
        /// Why.
        what: String,
    },
    /// Two independent algorithms disagree: a bug in this crate, and no verdict to rely on.
    Disagreement {
        /// Which, and on what.
        what: String,
    },
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Steps { limit } => write!(f, "the budget of {limit} steps ran out"),
            Limit::Time { limit_ms } => write!(f, "the budget of {limit_ms} ms ran out"),
            Limit::Memory { limit } => {
                write!(f, "the budget of {} MiB of memory ran out", limit >> 20)
            }
            Limit::Stopped => f.write_str("stopped on request"),
            Limit::Open { what } => f.write_str(what),
            Limit::Disagreement { what } => {
                write!(f, "two algorithms disagree (please report this): {what}")
            }
        }
    }
}
