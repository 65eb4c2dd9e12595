//! From a failing scenario to the shortest story found that fails in the same way. Delta debugging (Zeller and
//! Hildebrandt 2002) takes parts away; what a cut of luck made pass is tried with other seeds; and tiny scenarios
//! of the same kinds of faults are drawn afresh, as a person would try them. It never looks at the system, only at
//! the judge's verdict; and what it returns has been run.

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::run::{Run, RunOptions};
use super::system::System;
use crate::scenario::{Scenario, Tier};

mod cuts;
mod fewer;
mod plain;
mod replace;
mod search;
mod signature;
mod small;
#[cfg(test)]
mod tests;
mod weight;

use search::Search;
use signature::Signature;

/// How large a scenario is, as its reader feels it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Servers.
    pub servers: u64,
    /// Clients.
    pub clients: u64,
    /// Client operations that were started.
    pub operations: usize,
    /// Faults.
    pub faults: usize,
    /// Simulated milliseconds to the end.
    pub end_at_ms: u64,
}

impl Size {
    fn of(scenario: &Scenario, run: &Run) -> Size {
        Size {
            servers: scenario.servers,
            clients: scenario.workload.clients,
            operations: run.script.len(),
            faults: scenario.faults.len(),
            end_at_ms: scenario.end_at_ms,
        }
    }
}

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Effort<'a> {
    /// At most so many runs. The result follows from this number, and not from jobs or the machine's speed.
    pub runs: u64,
    /// So many at a time.
    pub jobs: usize,
    /// Set to stop early, with the smallest found so far.
    pub stop: &'a AtomicBool,
}

/// How many runs shrinking may take where nobody says: some seconds of one core in the bare tier, a minute or two in
/// the full one.
#[must_use]
pub fn usual_runs(tier: Tier) -> u64 {
    match tier {
        Tier::Bare => 20_000,
        Tier::Full => 2_000,
    }
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was tried.
    pub pass: &'static str,
    /// How many runs it took.
    pub runs: u64,
    /// How large the scenario was then.
    pub after: Size,
}

/// What shrinking came to.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest scenario found.
    pub scenario: Scenario,
    /// Its run.
    pub run: Run,
    /// How large the scenario was.
    pub before: Size,
    /// How large it is now.
    pub after: Size,
    /// How many runs it took.
    pub runs: u64,
    /// The passes that made it smaller, in order.
    pub steps: Vec<Step>,
    /// Whether nothing smaller was left to try; else the budget ran out.
    pub minimal: bool,
}

/// Where shrinking is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is being tried.
    pub pass: &'static str,
    /// Runs so far.
    pub runs: u64,
    /// The smallest so far.
    pub best: Size,
}

/// Shrinks a scenario whose run breaks a property, keeping the property; `None` if the scenario does not fail.
/// `progress` sees every run.
pub fn shrink(
    system: System,
    scenario: &Scenario,
    effort: Effort<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Option<Shrunk> {
    let first = (system.run)(scenario, RunOptions::default());
    let signature = Signature::of(first.violation.as_ref()?);
    let before = Size::of(scenario, &first);
    let mut search = Search::new(
        system,
        signature,
        (scenario.clone(), first),
        effort,
        progress,
    );
    let minimal = search.make_small();
    let (runs, steps) = (search.spent(), search.take_steps());
    let (scenario, run) = search.into_best();
    let after = Size::of(&scenario, &run);
    Some(Shrunk {
        scenario,
        run,
        before,
        after,
        runs,
        steps,
        minimal,
    })
}

impl Search<'_> {
    /// Tries everything until nothing helps any more; whether it came to that.
    fn make_small(&mut self) -> bool {
        self.pass("script", Search::write_down_the_script);
        self.pass("end", Search::cut_the_end);
        // Before the long scenario is looked into: each of its runs costs as much as many small ones.
        let draws = self.left() / 8;
        self.pass("small worlds", |search| search.small_worlds(draws));
        loop {
            self.settle();
            let draws = (self.left() / 4).min(SMALL_WORLDS);
            let smaller = self.pass("small worlds", |search| search.small_worlds(draws));
            if !smaller || self.is_over() {
                return !self.is_over();
            }
        }
    }

    /// All passes in turn until none of them helps.
    fn settle(&mut self) {
        loop {
            let mut smaller = false;
            for (name, pass) in PASSES {
                smaller |= self.pass(name, pass);
            }
            if !smaller || self.is_over() {
                return;
            }
        }
    }
}

/// So many small worlds are drawn at most once nothing can be taken away any more.
const SMALL_WORLDS: u64 = 3_000;

type Pass = fn(&mut Search<'_>);

/// The passes, those that make runs shorter first.
const PASSES: [(&str, Pass); 9] = [
    ("end", |search| search.cut_the_end()),
    ("faults", |search| search.drop_faults()),
    ("operations", |search| search.drop_operations()),
    ("merged faults", |search| search.merge_faults()),
    ("clients and keys", |search| search.drop_clients_and_keys()),
    ("servers", |search| search.drop_servers()),
    ("waits", |search| search.bring_forward()),
    ("settings", |search| search.simplify_settings()),
    ("plainer faults", |search| search.simplify_faults()),
];
