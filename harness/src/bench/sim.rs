//! How fast runs are simulated, by one thread: each seed is run for each set of judges, in turns, so that whatever else
//! the machine does strikes all of them alike, a few times, of which the fastest counts, since that only slows runs
//! down; and once more with a clock, which says where the time goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::nemesis::{Length, generate};
use crate::scenario::{Scenario, Tier};
use crate::sim::Run;
use crate::sim::profile::{Processor, Shares, Spent};
use crate::sim::run::run_measured;
use crate::sim::watch::Spared;
use crate::verify::stopwatch;

/// Which runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runs {
    /// As a sweep draws them: three or five servers, ten seconds of faults and six of health.
    Drawn,
    /// Five servers, 54 seconds of faults and six of health, and some 1,500 operations of clients.
    Minute,
}

impl Runs {
    /// All of them.
    pub const ALL: [Runs; 2] = [Runs::Drawn, Runs::Minute];

    /// Their name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Runs::Drawn => "drawn",
            Runs::Minute => "minute",
        }
    }

    /// The first scenario from this seed on that is one of these, and its seed.
    fn next(self, mut seed: u64, tier: Tier) -> (u64, Scenario) {
        let length = match self {
            Runs::Drawn => Length::SHORT,
            Runs::Minute => Length::LONG,
        };
        loop {
            let mut scenario = generate(seed, length, tier);
            match self {
                Runs::Drawn => return (seed, scenario),
                Runs::Minute if scenario.servers == 5 => {
                    pace(&mut scenario);
                    return (seed, scenario);
                }
                Runs::Minute => seed += 1,
            }
        }
    }
}

/// Clients that ask for some 1,500 operations in a minute, however many they are.
fn pace(scenario: &mut Scenario) {
    // A client thinks half as long as it may, and waits some 50 ms for an answer, faults and all.
    const OPERATIONS: u64 = 1_500;
    const ANSWER_MS: u64 = 50;
    let workload = &mut scenario.workload;
    let between_ms = scenario.clients_until_ms * workload.clients / OPERATIONS;
    workload.think_ms = 2 * between_ms.saturating_sub(ANSWER_MS).max(1);
}

/// What looks at a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Looks {
    /// The rules on all servers at every step.
    Invariants,
    /// These, and the checker on what clients saw.
    Checker,
    /// All: each step is held to the specification, too.
    All,
}

impl Looks {
    /// All of them, the fewest judges first.
    pub const ALL: [Looks; 3] = [Looks::Invariants, Looks::Checker, Looks::All];

    /// Who looks, in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Looks::Invariants => "invariants",
            Looks::Checker => "invariants, checker",
            Looks::All => "all, with conformance",
        }
    }

    fn spared(self) -> Spared {
        Spared {
            conformance: self != Looks::All,
            checker: self == Looks::Invariants,
        }
    }
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Order {
    /// In which worlds.
    pub tiers: Vec<Tier>,
    /// Which runs.
    pub runs: Vec<Runs>,
    /// The first seed.
    pub start: u64,
    /// How often each seed is run with each set of judges; the fastest counts.
    pub rounds: u32,
    /// How long each world and kind of runs is measured; at least one seed is run.
    pub measured: Duration,
}

/// A measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// In which world.
    pub tier: Tier,
    /// Which runs.
    pub runs: Runs,
    /// Who looked.
    pub looks: Looks,
    /// How many runs.
    pub count: u64,
    /// Runs in which a property broke.
    pub failed: u64,
    /// Operations of clients, over all runs.
    pub operations: u64,
    /// Steps of servers, over all runs.
    pub steps: u64,
    /// Simulated seconds, over all runs.
    pub simulated: f64,
    /// Seconds of the processor's time, or of the wall's where the system does not tell.
    pub seconds: f64,
    /// Simulated seconds for one of these.
    pub per_second: f64,
    /// Runs for one of these.
    pub runs_per_second: f64,
}

/// Rows of one kind of runs in one world, and where their time went.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// A row for each set of judges.
    pub rows: Vec<Row>,
    /// Where the time goes.
    pub shares: Shares,
}

/// Measures what is asked for, unless it is told to stop; `each` is shown what is there as soon as it is.
pub fn measure(order: &Order, stop: &AtomicBool, mut each: impl FnMut(&Measured)) -> Vec<Measured> {
    let mut all = Vec::new();
    for tier in &order.tiers {
        for runs in &order.runs {
            if stop.load(Ordering::Relaxed) {
                return all;
            }
            let measured = one(order, *tier, *runs, stop);
            each(&measured);
            all.push(measured);
        }
    }
    all
}

fn one(order: &Order, tier: Tier, runs: Runs, stop: &AtomicBool) -> Measured {
    let elapsed = stopwatch();
    let mut rows = Looks::ALL.map(|looks| Row::new(tier, runs, looks));
    let mut spent = Spent::default();
    let mut seed = order.start;
    loop {
        let begun = Processor::now();
        let (drawn, scenario) = runs.next(seed, tier);
        let drawing = begun.since();
        let mut fastest = [Duration::MAX; Looks::ALL.len()];
        let mut seen = None;
        for _ in 0..order.rounds.max(1) {
            for (fastest, looks) in fastest.iter_mut().zip(Looks::ALL) {
                let begun = Processor::now();
                let run = run_measured(&scenario, looks.spared(), false);
                *fastest = begun.since().min(*fastest);
                assert_same(seen.as_ref(), &run);
                seen = Some(run);
            }
        }
        // The last one, at which all have looked.
        let Some(run) = seen else { break };
        for (row, fastest) in rows.iter_mut().zip(fastest) {
            row.add(&run, fastest + drawing);
        }
        let begun = Processor::now();
        let run = run_measured(&scenario, Spared::default(), true);
        spent.add(&Spent::of(begun.since() + drawing, drawing, &run));
        seed = drawn + 1;
        if elapsed() >= order.measured || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Measured {
        rows: rows.into_iter().map(Row::finish).collect(),
        shares: spent.shares(),
    }
}

/// Whoever looks changes nothing, unless something is found.
fn assert_same(one: Option<&Run>, other: &Run) {
    let Some(one) = one else { return };
    let whole = one.violation.is_none() && other.violation.is_none();
    assert!(
        !whole || (&one.history, &one.coverage) == (&other.history, &other.coverage),
        "a scenario is one run, whoever looks"
    );
}

impl Row {
    fn new(tier: Tier, runs: Runs, looks: Looks) -> Row {
        Row {
            tier,
            runs,
            looks,
            count: 0,
            failed: 0,
            operations: 0,
            steps: 0,
            simulated: 0.0,
            seconds: 0.0,
            per_second: 0.0,
            runs_per_second: 0.0,
        }
    }

    fn add(&mut self, run: &Run, took: Duration) {
        self.seconds += took.as_secs_f64();
        self.count += 1;
        self.failed += u64::from(run.violation.is_some());
        self.operations += run.operations.iter().sum::<u64>();
        self.steps += run.coverage.steps;
        self.simulated += run.simulated.as_secs_f64();
    }

    fn finish(mut self) -> Row {
        let seconds = self.seconds.max(1e-9);
        self.per_second = self.simulated / seconds;
        self.runs_per_second = self.count as f64 / seconds;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::laps::Part;

    #[test]
    fn what_is_spared_is_not_done_and_changes_nothing_else() {
        let (_, scenario) = Runs::Drawn.next(3, Tier::Bare);
        let whole = run_measured(&scenario, Looks::All.spared(), true);
        let bare = run_measured(&scenario, Looks::Invariants.spared(), true);
        assert_same(Some(&whole), &bare);
        assert_eq!(whole.undecided, None);
        assert!(bare.undecided.is_some(), "nobody has looked at the history");
        assert!(whole.laps.of(Part::Conformance) > Duration::ZERO);
        assert_eq!(bare.laps.of(Part::Conformance), Duration::ZERO);
    }

    #[test]
    fn a_minute_has_five_servers_all_its_faults_and_more_than_a_thousand_operations() {
        let (mut seed, mut counts) = (0, Vec::new());
        while counts.len() < 5 {
            let (drawn, scenario) = Runs::Minute.next(seed, Tier::Bare);
            scenario.check().expect("a scenario that can be run");
            assert_eq!((scenario.servers, scenario.end_at_ms), (5, 60_000));
            let run = run_measured(&scenario, Spared::default(), false);
            counts.push(run.operations.iter().sum::<u64>());
            seed = drawn + 1;
        }
        assert!(counts.iter().sum::<u64>() > 5 * 1_000, "{counts:?}");
    }
}
