//! The terms in a log, as runs: terms only grow, so a log of any length is a few numbers.

use plumb_model::relation::Entries;
use plumb_raft::core::log::Log;
use serde::{Deserialize, Serialize};

use crate::conformance::steps::Seen;

/// A log's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// The index and the term of the last entry that was discarded.
    base: (u64, u64),
    /// Where each term begins behind it: index and term, ascending.
    runs: Vec<(u64, u64)>,
    /// The last index.
    last: u64,
}

impl Runs {
    /// Those of a log.
    #[must_use]
    pub fn of(log: &Log) -> Runs {
        let base = log.base();
        let mut runs = Vec::new();
        let mut rest = log.entries();
        while let Some(first) = rest.first() {
            runs.push((first.index.0, first.term.0));
            let behind = rest.partition_point(|entry| entry.term == first.term);
            rest = &rest[behind..];
        }
        Runs {
            base: (base.0.0, base.1.0),
            runs,
            last: log.last_index().0,
        }
    }

    /// What is wrong with it as the log of this server, if something is.
    pub(super) fn contradicts(&self, server: &Seen) -> Option<String> {
        let mut behind = self.base;
        for run in &self.runs {
            let contiguous = behind != self.base || run.0 == self.base.0.saturating_add(1);
            if run.0 <= behind.0 || run.1 < behind.1 || !contiguous || run.0 > self.last {
                return Some(format!("the run {run:?} does not follow {behind:?}"));
            }
            behind = *run;
        }
        if self.runs.is_empty() && self.last != self.base.0 {
            return Some(format!("entries up to {} have no terms", self.last));
        }
        let own = (server.base, server.last);
        (own != (self.base, self.last()))
            .then(|| format!("the server has {own:?} for ends of its log, and the log has not"))
    }
}

impl Entries for Runs {
    fn last(&self) -> (u64, u64) {
        let term = self.runs.last().map_or(self.base.1, |run| run.1);
        (self.last, term)
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        let upto = self.runs.partition_point(|run| run.0 <= index);
        let run = self.runs.get(upto.checked_sub(1)?)?;
        (index <= self.last).then_some(run.1)
    }

    fn is_compacted(&self, index: u64) -> bool {
        index <= self.base.0
    }
}
