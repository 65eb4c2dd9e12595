//! Promises other than linearizability: orders that need not respect real time, what a session may
//! expect, and the audits of Jepsen's checkers that count elements instead of ordering operations.

mod audits;
mod sequential;
mod sessions;
mod staleness;

pub use staleness::{StaleRead, Staleness, staleness};

use crate::budget::{Meter, Shared};
use crate::explain::{Counterexample, Described};
use crate::intake::Taken;
use crate::linear::Rules;
use crate::part::{Op, Part};
use crate::report::{Part as PartReport, PartOutcome};
use crate::{
    Algorithm, CheckError, Consistency, Limit, Options, PartWitness, Reason, Report, Verdict,
    Witness,
};

/// What a judge found wrong.
struct Found<'t> {
    sentence: String,
    part: &'t Part,
    ops: Vec<&'t Op>,
    /// Each a sentence.
    steps: Vec<String>,
}

/// What a judge found.
enum Outcome<'t> {
    /// Nothing wrong, and where there is one the order that shows it, as numbers of operations.
    Fine(Option<Vec<u32>>),
    Wrong(Found<'t>),
}

/// Judges by a consistency of this module.
pub(crate) fn check(
    taken: &Taken,
    options: &Options,
    shared: &Shared<'_>,
) -> Result<Report, CheckError> {
    let mut meter = shared.meter();
    let rules = Rules {
        spec: &*options.spec.0,
        init: &options.init,
        tables: &taken.tables,
    };
    let (algorithm, outcome) = match options.consistency {
        Consistency::Sequential => (
            Algorithm::Sequential,
            sequential::judge(taken, rules, &mut meter),
        ),
        Consistency::TotalQueue => (
            Algorithm::Audit,
            counted(audits::total_queue(taken, options)?, taken, &mut meter),
        ),
        Consistency::Membership => (
            Algorithm::Audit,
            counted(audits::membership(taken, options)?, taken, &mut meter),
        ),
        Consistency::CounterBounds => (
            Algorithm::Audit,
            counted(audits::counter_bounds(taken, options)?, taken, &mut meter),
        ),
        Consistency::UniqueIds => (
            Algorithm::Audit,
            counted(audits::unique_ids(taken, options)?, taken, &mut meter),
        ),
        guarantee => (
            Algorithm::Sessions,
            counted(
                sessions::judge(taken, options, guarantee)?,
                taken,
                &mut meter,
            ),
        ),
    };
    let (part, verdict) = match outcome {
        Ok(Outcome::Fine(order)) => {
            let parts = order.map(|order| PartWitness { key: None, order });
            (
                PartOutcome::Valid,
                Verdict::Valid(Witness {
                    parts: parts.into_iter().collect(),
                }),
            )
        }
        Ok(Outcome::Wrong(found)) => (
            PartOutcome::Violation,
            Verdict::Violation(Box::new(found.into_counterexample(taken))),
        ),
        Err(limit) => (
            PartOutcome::Unknown,
            Verdict::Unknown(Reason {
                limit,
                key: None,
                decided: 0,
                undecided: 1,
            }),
        ),
    };
    Ok(Report {
        verdict,
        spec: options.spec.name().to_owned(),
        consistency: options.consistency,
        operations: taken.operations,
        parts: vec![PartReport {
            key: None,
            operations: taken.operations,
            algorithm,
            outcome: part,
            steps: meter.steps(),
            memory: meter.peak(),
        }],
    })
}

/// One pass over the operations.
fn counted<'t>(
    outcome: Outcome<'t>,
    taken: &Taken,
    meter: &mut Meter<'_>,
) -> Result<Outcome<'t>, Limit> {
    meter.pass(taken.operations)?;
    Ok(outcome)
}

impl Found<'_> {
    fn into_counterexample(mut self, taken: &Taken) -> Counterexample {
        self.ops.sort_by_key(|op| op.call);
        self.ops.dedup_by_key(|op| op.call);
        Counterexample {
            since: None,
            by_themselves: false,
            sentence: self.sentence,
            key: taken.tables.value(self.part.key).cloned(),
            operations: self
                .ops
                .iter()
                .map(|op| Described::of(taken, self.part, op))
                .collect(),
            minimal: false,
            confirmed: true,
            prefix: None,
            furthest: Vec::new(),
            steps: self.steps,
        }
    }
}

/// The consistency does not fit the specification.
fn unsupported(options: &Options, what: &str) -> CheckError {
    CheckError::Unsupported {
        consistency: options.consistency.to_string(),
        spec: options.spec.name().to_owned(),
        what: what.to_owned(),
    }
}
