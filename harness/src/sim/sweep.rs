//! Many runs on all cores. Runs share nothing, so which thread takes which seed changes no result;
//! results are given out in the order of seeds.

mod crew;
mod seen;
mod shard;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::invariants::{Coverage, Violation};
use crate::nemesis::{Length, Nemesis, instead};
use crate::scenario::{Judges, Scenario, Tier, WorkloadKind};
use crate::verify::stopwatch;

use super::profile::{Processor, Spent};
use super::run::{Run, RunOptions};
use super::system::System;

use crew::{Crew, GivenUp};
pub use seen::Seen;
pub use shard::Shard;

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
    /// Seeds whose runs had not ended after [`Plan::give_up`]: never counted as passed, nor as run.
    pub given_up: Vec<u64>,
    /// Client operations: ok, fail, info.
    pub operations: [u64; 3],
    /// Faults that struck.
    pub faults: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// What happened.
    pub coverage: Coverage,
    /// How many runs had each kind of workload.
    pub workloads: BTreeMap<WorkloadKind, u64>,
    /// The slowest return to life after healing, in simulated milliseconds.
    pub slowest_to_live_ms: u64,
    /// Time spent on the checking of histories, over all threads; for people.
    pub checking: Duration,
    /// Where the processors' time went, if that was asked for; for people.
    pub(crate) spent: Option<Spent>,
    /// The seeds that took longest on the wall's clock, the slowest first; for people.
    pub slowest: Vec<(Duration, u64)>,
    /// The seed whose clients did most, and how much: the run with most to look at.
    pub busiest: Option<(u64, u64)>,
}

/// So many of the slowest seeds are kept.
const SLOWEST: usize = 5;

impl Summary {
    /// Takes in another run.
    pub fn add(&mut self, seen: Seen) {
        self.runs += 1;
        for (sum, count) in self.operations.iter_mut().zip(seen.operations) {
            *sum += count;
        }
        let done = seen.operations.iter().sum();
        if self.busiest.is_none_or(|(_, most)| done > most) {
            self.busiest = Some((seen.seed, done));
        }
        self.faults += seen.faults;
        self.simulated += Duration::from_millis(seen.simulated_ms);
        self.coverage.add(&seen.coverage);
        let live_after_ms = seen.live_after_ms.unwrap_or(0);
        self.slowest_to_live_ms = self.slowest_to_live_ms.max(live_after_ms);
        *self.workloads.entry(seen.workload).or_default() += 1;
        if let Some(violation) = seen.violation {
            self.failures.push(Failure {
                seed: seen.seed,
                violation,
                explanation: seen.explanation,
            });
        } else if seen.undecided.is_some() {
            self.undecided.push(seen.seed);
        }
    }

    fn took(&mut self, seed: u64, time: Duration) {
        let place = self.slowest.partition_point(|(other, _)| *other >= time);
        self.slowest.insert(place, (time, seed));
        self.slowest.truncate(SLOWEST);
    }

    /// The failures by what broke: how many, and the first seed.
    #[must_use]
    pub fn signatures(&self) -> BTreeMap<&str, (u64, u64)> {
        let mut signatures = BTreeMap::new();
        for failure in &self.failures {
            let property = failure.violation.property.as_str();
            signatures.entry(property).or_insert((0, failure.seed)).0 += 1;
        }
        signatures
    }
}

/// How long a run may take where nothing else is said: hundreds of times what any took.
pub const GIVE_UP: Duration = Duration::from_secs(300);

/// Which seeds, how, and when to stop.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is simulated.
    pub system: System,
    /// The seeds of all shards together.
    pub seeds: Range<u64>,
    /// Which of them.
    pub shard: Shard,
    /// What has run before, in the order of seeds: it is not run again.
    pub before: Vec<Seen>,
    /// How long each run is.
    pub length: Length,
    /// In which world.
    pub tier: Tier,
    /// Who judges.
    pub judges: Judges,
    /// What goes wrong; what seeds draw by themselves if nothing is said.
    pub nemeses: Option<Vec<Nemesis>>,
    /// How many at a time.
    pub jobs: usize,
    /// Start no further seed after a failure.
    pub stop_at_failure: bool,
    /// Start no further seed after this long, on the wall's clock.
    pub for_time: Option<Duration>,
    /// How long a run may take on the wall's clock. What takes longer is given up, and the sweep is undecided.
    pub give_up: Duration,
    /// Find out where the time goes.
    pub profile: bool,
}

impl Plan {
    /// All of these seeds as [`System`]s draw them, short, one at a time, to the end, with all judges.
    #[must_use]
    pub fn new(system: System, tier: Tier, seeds: Range<u64>) -> Plan {
        Plan {
            system,
            seeds,
            shard: Shard::WHOLE,
            before: Vec::new(),
            length: Length::SHORT,
            tier,
            judges: Judges::All,
            nemeses: None,
            jobs: 1,
            stop_at_failure: false,
            for_time: None,
            give_up: GIVE_UP,
            profile: false,
        }
    }

    /// How many seeds it has in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shard.count(&self.seeds)
    }
}

/// What a thread hands over of a run: all of it only where a property broke. The rest is let go where it was made,
/// since memory that another thread gives back goes by way of the system, which took a third of a sweep's time.
struct Done {
    seen: Seen,
    took: Duration,
    checking: Duration,
    spent: Option<Spent>,
    failed: Option<Box<(Scenario, Run)>>,
}

impl Plan {
    /// Draws a seed's scenario and runs it.
    fn run(&self, seed: u64) -> Done {
        let (clock, begun) = (stopwatch(), self.profile.then(Processor::now));
        let mut scenario = (self.system.generate)(seed, self.length, self.tier);
        scenario.judges = self.judges;
        if let Some(nemeses) = &self.nemeses {
            instead(&mut scenario, nemeses);
        }
        let drawing = begun.as_ref().map(Processor::since);
        let options = RunOptions {
            profile: self.profile,
            ..RunOptions::default()
        };
        let run = (self.system.run)(&scenario, options);
        let all = begun.as_ref().map(Processor::since);
        Done {
            seen: Seen::of(seed, &scenario, &run),
            took: clock(),
            checking: run.checking,
            spent: all
                .zip(drawing)
                .map(|(all, drawing)| Spent::of(all, drawing, &run)),
            failed: run.violation.is_some().then(|| Box::new((scenario, run))),
        }
    }
}

/// Runs the plan until it is done or any of `stop` is set. `each` sees every run, in the order of seeds, and all of it
/// where a property broke; what it needs to keep, it keeps.
pub fn sweep(
    plan: &Plan,
    stop: &[&AtomicBool],
    mut each: impl FnMut(&Seen, Option<&(Scenario, Run)>, &Summary),
) -> Summary {
    let mut summary = Summary {
        spent: plan.profile.then(Spent::default),
        ..Summary::default()
    };
    plan.before
        .iter()
        .cloned()
        .for_each(|seen| summary.add(seen));
    let before: BTreeSet<u64> = plan.before.iter().map(|seen| seen.seed).collect();
    let is_before = |nth| {
        let seed = plan.shard.nth(&plan.seeds, nth);
        seed.is_some_and(|seed| before.contains(&seed))
    };
    let mut crew = Crew::start(plan, before.clone());
    if plan.stop_at_failure && !summary.failures.is_empty() {
        crew.halt();
    }
    let mut waiting = BTreeMap::new();
    let mut due = 0;
    while let Some((nth, fate)) = crew.next(|| stop.iter().any(|stop| stop.load(Ordering::Relaxed)))
    {
        waiting.insert(nth, fate);
        while is_before(due) {
            due += 1;
        }
        // Behind the first failure lie seeds that happened to be under way: with other threads
        // they would be others, so they are forgotten.
        while let Some(first) = waiting.first_entry()
            && *first.key() <= due
            && (!plan.stop_at_failure || summary.failures.is_empty())
        {
            // What comes after its turn was given up, and has ended after all.
            due = due.max(first.key() + 1);
            while is_before(due) {
                due += 1;
            }
            match first.remove() {
                Ok(done) => {
                    let seed = done.seen.seed;
                    summary.given_up.retain(|given_up| *given_up != seed);
                    summary.checking += done.checking;
                    summary.took(seed, done.took);
                    if let (Some(sum), Some(spent)) = (&mut summary.spent, &done.spent) {
                        sum.add(spent);
                    }
                    summary.add(done.seen.clone());
                    each(&done.seen, done.failed.as_deref(), &summary);
                }
                Err(GivenUp(seed)) => summary.given_up.push(seed),
            }
        }
    }
    crew.end();
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(seed: u64, operations: [u64; 3]) -> Seen {
        Seen {
            seed,
            signature: "ok".to_owned(),
            tier: Tier::Bare,
            workload: WorkloadKind::Register,
            steps: 1,
            simulated_ms: 1,
            faults: 0,
            operations,
            live_after_ms: None,
            violation: None,
            explanation: None,
            undecided: None,
            coverage: Coverage::default(),
        }
    }

    /// A server's task that never yields: the thread of its run does not come back.
    fn never_ends_at_3(scenario: &Scenario, options: RunOptions) -> Run {
        if scenario.seed == 3 {
            loop {
                std::thread::park();
            }
        }
        (System::SHIPPED.run)(scenario, options)
    }

    #[test]
    fn a_run_that_never_ends_is_given_up_and_the_others_count() {
        for (jobs, runs) in [(2, 5), (1, 3)] {
            let system = System {
                run: never_ends_at_3,
                ..System::SHIPPED
            };
            let plan = Plan {
                jobs,
                give_up: Duration::from_secs(3),
                ..Plan::new(system, Tier::Bare, 0..6)
            };
            let mut seeds = Vec::new();
            let summary = sweep(&plan, &[], |seen, _, _| seeds.push(seen.seed));
            assert_eq!(summary.given_up, [3]);
            assert_eq!(summary.runs, runs, "{jobs} jobs: who has no thread left");
            assert!(seeds.is_sorted() && !seeds.contains(&3), "{seeds:?}");
        }
    }

    #[test]
    fn the_run_whose_clients_did_most_and_the_slowest_seeds_are_kept() {
        let mut summary = Summary::default();
        for (seed, operations) in [(1, [5, 0, 0]), (2, [3, 3, 1]), (3, [0, 0, 7])] {
            summary.add(seen(seed, operations));
        }
        assert_eq!(summary.busiest, Some((2, 7)), "of equals the first");
        for seed in 1..=7 {
            summary.took(seed, Duration::from_millis(seed * 7 % 5));
        }
        let slowest: Vec<(u128, u64)> = summary
            .slowest
            .iter()
            .map(|(time, seed)| (time.as_millis(), *seed))
            .collect();
        assert_eq!(slowest, [(4, 2), (4, 7), (3, 4), (2, 1), (2, 6)]);
    }
}
