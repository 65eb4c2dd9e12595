//! What a sweep keeps of one run: a line of its file, from which its summary can be put together again.

use serde::{Deserialize, Serialize};

use crate::invariants::{Coverage, Violation};
use crate::scenario::{Scenario, Tier, WorkloadKind};
use crate::sim::Run;

/// One seed's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The seed.
    pub seed: u64,
    /// `ok`, `undecided`, or the name of the property that broke.
    pub signature: String,
    /// In which world.
    pub tier: Tier,
    /// What clients did.
    pub workload: WorkloadKind,
    /// Steps of all cores.
    pub steps: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Faults of the schedule.
    pub faults: u64,
    /// Client operations: ok, fail, info.
    pub operations: [u64; 3],
    /// How long after healing the first entry committed, in simulated milliseconds.
    pub live_after_ms: Option<u64>,
    /// What broke, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<Violation>,
    /// The checker's explanation, where it was the checker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Why the run could not be decided, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
    /// What happened.
    pub coverage: Coverage,
}

impl Seen {
    /// What is to be kept of a run.
    #[must_use]
    pub fn of(seed: u64, scenario: &Scenario, run: &Run) -> Seen {
        let mut seen = Seen {
            seed,
            signature: String::new(),
            tier: scenario.tier,
            workload: scenario.workload.kind,
            steps: run.coverage.steps,
            simulated_ms: u64::try_from(run.simulated.as_millis()).unwrap_or(u64::MAX),
            faults: scenario.faults.len() as u64,
            operations: run.operations,
            live_after_ms: run.live_after_ms,
            violation: run.violation.clone(),
            explanation: run.explanation.clone(),
            undecided: run.undecided.clone(),
            coverage: run.coverage.clone(),
        };
        seen.signature = seen.broke().to_owned();
        seen
    }

    /// What its signature has to be. A line of which the violation is gone is no line of a run that passed.
    #[must_use]
    pub fn broke(&self) -> &str {
        match (&self.violation, &self.undecided) {
            (Some(violation), _) => &violation.property,
            (None, Some(_)) => "undecided",
            (None, None) => "ok",
        }
    }
}
