//! What a check says: the verdict, and for each part how it was reached.

use std::fmt;

use plumb_histories::Value;
use serde::Serialize;

use crate::{Consistency, Verdict};

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is known.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The specification checked against.
    pub spec: String,
    /// The consistency demanded.
    pub consistency: Consistency,
    /// Operations in the history, failed ones included.
    pub operations: usize,
    /// The independent objects, in the order in which they first occur.
    pub parts: Vec<Part>,
}

impl Report {
    /// Steps over all parts.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.parts.iter().map(|part| part.steps).sum()
    }

    /// The algorithms that were used, each once, in the order of the parts.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut used = Vec::new();
        for part in &self.parts {
            if !used.contains(&part.algorithm) {
                used.push(part.algorithm);
            }
        }
        used
    }
}

/// How one independent object was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The object, where the history has several.
    pub key: Option<Value>,
    /// Operations on it, failed ones included.
    pub operations: usize,
    /// What decided, or tried to.
    pub algorithm: Algorithm,
    /// What is known of this part.
    pub outcome: PartOutcome,
    /// Steps of search or of passes over the operations.
    pub steps: u64,
    /// The most bytes that the search held at once.
    pub memory: usize,
}

/// The verdict on one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartOutcome {
    /// It is in order.
    Valid,
    /// It is not.
    Violation,
    /// A budget ran out.
    Unknown,
}

/// How a verdict was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Algorithm {
    /// Zones of registers with distinct values: Gibbons and Korach 1997, extended to compare-and-set.
    Zones,
    /// The order of a queue's elements, after Henzinger, Sezgin and Vafeiadis 2013.
    Elements,
    /// Each open operation by itself: proves violations of registers with few values.
    Abstraction,
    /// Cycles of dependencies between transactions, after Kingsbury and Alvaro's Elle (2020).
    Cycles,
    /// Search over how far each process has come.
    Sequential,
    /// Versions put in order by what sessions saw.
    Sessions,
    /// What went in counted against what came out.
    Audit,
    /// Search just in time over (open operations, state), after Wing and Gong 1993 and Lowe 2017.
    Search,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Zones => "zones",
            Algorithm::Abstraction => "abstraction",
            Algorithm::Elements => "elements",
            Algorithm::Cycles => "cycles",
            Algorithm::Sequential => "sequential",
            Algorithm::Sessions => "sessions",
            Algorithm::Audit => "audit",
            Algorithm::Search => "search",
        })
    }
}
