//! Many runs on all cores. Runs share nothing, so which thread takes which seed changes no result;
//! results are given out in the order of seeds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::invariants::{Coverage, Violation};
use crate::nemesis::Length;
use crate::scenario::{Judges, Scenario, Tier};
use crate::verify::stopwatch;

use super::run::{Run, RunOptions};
use super::system::System;

/// A run in which a property broke.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What broke first.
    pub violation: Violation,
    /// The checker's explanation, where it was the checker.
    pub explanation: Option<String>,
}

/// What a sweep has come to so far.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs that ended.
    pub runs: u64,
    /// Runs in which a property broke, in the order of their seeds.
    pub failures: Vec<Failure>,
    /// Seeds of runs that could not be decided: never counted as passed.
    pub undecided: Vec<u64>,
    /// Client operations: ok, fail, info.
    pub operations: [u64; 3],
    /// Faults that struck.
    pub faults: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// What happened.
    pub coverage: Coverage,
    /// The slowest return to life after healing, in simulated milliseconds.
    pub slowest_to_live_ms: u64,
    /// Time spent on the checking of histories, over all threads; for people.
    pub checking: Duration,
}

impl Summary {
    fn add(&mut self, seed: u64, scenario: &Scenario, run: &Run) {
        self.runs += 1;
        self.checking += run.checking;
        if let Some(violation) = run.violation.clone() {
            let explanation = run.explanation.clone();
            self.failures.push(Failure {
                seed,
                violation,
                explanation,
            });
        } else if run.undecided.is_some() {
            self.undecided.push(seed);
        }
        for (sum, count) in self.operations.iter_mut().zip(run.operations) {
            *sum += count;
        }
        self.faults += scenario.faults.len() as u64;
        self.simulated += run.simulated;
        self.coverage.add(&run.coverage);
        let live_after_ms = run.live_after_ms.unwrap_or(0);
        self.slowest_to_live_ms = self.slowest_to_live_ms.max(live_after_ms);
    }
}

/// Which seeds, how, and when to stop.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is simulated.
    pub system: System,
    /// The seeds.
    pub seeds: Range<u64>,
    /// How long each run is.
    pub length: Length,
    /// In which world.
    pub tier: Tier,
    /// Who judges.
    pub judges: Judges,
    /// How many at a time.
    pub jobs: usize,
    /// Start no further seed after a failure.
    pub stop_at_failure: bool,
    /// Start no further seed after this long, on the wall's clock.
    pub for_time: Option<Duration>,
}

/// Runs the plan until it is done or `stop` is set. `each` sees every run, in the order of seeds;
/// what it needs to keep, it keeps.
pub fn sweep(
    plan: &Plan,
    stop: &AtomicBool,
    mut each: impl FnMut(u64, &Scenario, &Run, &Summary),
) -> Summary {
    let elapsed = stopwatch();
    let late = || plan.for_time.is_some_and(|time| elapsed() >= time);
    let next = AtomicU64::new(plan.seeds.start);
    let failed = AtomicBool::new(false);
    let (sender, results) = mpsc::channel();
    let mut summary = Summary::default();
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            let (sender, next, failed, late) = (sender.clone(), &next, &failed, &late);
            scope.spawn(move || {
                let stopped = || stop.load(Ordering::Relaxed) || failed.load(Ordering::Relaxed);
                while !stopped() && !late() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= plan.seeds.end {
                        return;
                    }
                    let mut scenario = (plan.system.generate)(seed, plan.length, plan.tier);
                    scenario.judges = plan.judges;
                    let run = (plan.system.run)(&scenario, RunOptions::default());
                    if plan.stop_at_failure && run.violation.is_some() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    if sender.send((seed, scenario, run)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut due = plan.seeds.start;
        for (seed, scenario, run) in results {
            waiting.insert(seed, (scenario, run));
            // Behind the first failure lie seeds that happened to be under way: with other threads
            // they would be others, so they are forgotten.
            while let Some((scenario, run)) = waiting.remove(&due)
                && (!plan.stop_at_failure || summary.failures.is_empty())
            {
                summary.add(due, &scenario, &run);
                each(due, &scenario, &run, &summary);
                due += 1;
            }
        }
    });
    summary
}
