//! The search: the smallest so far, and candidates that are run in order until one fails as it did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::weight::Weight;
use super::{Effort, Progress, Signature, Size, Step};
use crate::scenario::{Scenario, Tier};
use crate::sim::run::{Run, RunOptions};
use crate::sim::system::System;

pub(super) struct Search<'a> {
    system: System,
    pub(super) signature: Signature,
    best: (Scenario, Run),
    left: u64,
    spent: u64,
    effort: Effort<'a>,
    progress: &'a mut dyn FnMut(Progress),
    pass: &'static str,
    steps: Vec<Step>,
}

/// What came of a candidate.
struct Tried {
    /// Whether it was run: what weighs too much is not.
    ran: bool,
    /// The candidate and its run, if it fails as it should.
    fails: Option<(Scenario, Run)>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        system: System,
        signature: Signature,
        best: (Scenario, Run),
        effort: Effort<'a>,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Search<'a> {
        Search {
            system,
            signature,
            best,
            left: effort.runs,
            spent: 1,
            effort,
            progress,
            pass: "",
            steps: Vec::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0 || self.effort.stop.load(Ordering::Relaxed)
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    pub(super) fn best(&self) -> &Scenario {
        &self.best.0
    }

    pub(super) fn best_run(&self) -> &Run {
        &self.best.1
    }

    pub(super) fn into_best(self) -> (Scenario, Run) {
        self.best
    }

    pub(super) fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// A pass by its name; whether it made the scenario smaller.
    pub(super) fn pass(&mut self, name: &'static str, pass: impl FnOnce(&mut Search<'a>)) -> bool {
        let (before, spent) = (Weight::of(&self.best.0), self.spent);
        self.pass = name;
        pass(self);
        let smaller = Weight::of(&self.best.0) < before;
        if smaller {
            self.steps.push(Step {
                pass: name,
                runs: self.spent - spent,
                after: Size::of(&self.best.0, &self.best.1),
            });
        }
        smaller
    }

    /// Tries a change of the best scenario, as often as its luck is worth.
    pub(super) fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.0.clone();
        change(&mut candidate);
        let tries = self.tries();
        self.first_of(&[candidate], tries).is_some()
    }

    /// The first of these that fails as it should becomes the best: its place. Each is run with its own seed
    /// first, and, as long as none has failed, with others: whatever is taken away, all draws of luck that come after
    /// change, and one that could fail may need another draw to do so.
    pub(super) fn first_of(&mut self, candidates: &[Scenario], tries: u64) -> Option<usize> {
        let count = candidates.len() * usize::try_from(tries.max(1)).unwrap_or(1);
        let luck = self.spent;
        let make = |place: usize| {
            let mut candidate = candidates[place % candidates.len()].clone();
            if place >= candidates.len() {
                candidate.seed = luck + place as u64;
            }
            Some(candidate)
        };
        let place = self.first_failing(count, &make)?;
        Some(place % candidates.len())
    }

    /// How often the luck of a candidate is tried: often where that costs little.
    pub(super) fn tries(&self) -> u64 {
        let (affordable_ms, most) = match self.best.0.tier {
            Tier::Bare => (40_000, 16),
            Tier::Full => (10_000, 4),
        };
        (affordable_ms / self.best.0.end_at_ms.max(1)).clamp(1, most)
    }

    /// Runs candidates in order, on all cores, until one fails as it should: this is the best then. Only what weighs
    /// less than the best is run, and counted.
    pub(super) fn first_failing(
        &mut self,
        count: usize,
        make: &(dyn Fn(usize) -> Option<Scenario> + Sync),
    ) -> Option<usize> {
        if self.is_over() {
            return None;
        }
        let (system, signature) = (self.system, self.signature.clone());
        let heaviest = Weight::of(&self.best.0);
        let attempt = move |place: usize| {
            let candidate = make(place)
                .filter(|candidate| Weight::of(candidate) < heaviest && candidate.check().is_ok());
            let Some(candidate) = candidate else {
                return Tried {
                    ran: false,
                    fails: None,
                };
            };
            let run = (system.run)(&candidate, RunOptions::default());
            let seen = run.violation.as_ref().map(Signature::of);
            Tried {
                ran: true,
                fails: (seen.as_ref() == Some(&signature)).then_some((candidate, run)),
            }
        };
        if self.effort.jobs > 1 && count > 1 {
            return self.on_all_cores(count, &attempt);
        }
        for place in 0..count {
            let tried = attempt(place);
            let found = tried.fails.is_some();
            self.take(tried);
            if found || self.is_over() {
                return found.then_some(place);
            }
        }
        None
    }

    fn on_all_cores(
        &mut self,
        count: usize,
        attempt: &(dyn Fn(usize) -> Tried + Sync),
    ) -> Option<usize> {
        let (next, until) = (AtomicUsize::new(0), AtomicUsize::new(count));
        let (sender, results) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..self.effort.jobs.min(count) {
                let (sender, next, until) = (sender.clone(), &next, &until);
                scope.spawn(move || {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        if place >= until.load(Ordering::Relaxed) {
                            return;
                        }
                        let tried = attempt(place);
                        if tried.fails.is_some() {
                            until.fetch_min(place + 1, Ordering::Relaxed);
                        }
                        if sender.send((place, tried)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut waiting = BTreeMap::new();
            let mut due = 0;
            for (place, tried) in results {
                waiting.insert(place, tried);
                while let Some(tried) = waiting.remove(&due) {
                    let found = tried.fails.is_some();
                    self.take(tried);
                    if found || self.is_over() {
                        until.store(0, Ordering::Relaxed);
                        return found.then_some(due);
                    }
                    due += 1;
                }
            }
            None
        })
    }

    /// Counts what was tried, and keeps what fails.
    fn take(&mut self, tried: Tried) {
        if !tried.ran {
            return;
        }
        self.left -= 1;
        self.spent += 1;
        if let Some(found) = tried.fails {
            self.best = found;
        }
        (self.progress)(Progress {
            pass: self.pass,
            runs: self.spent,
            best: Size::of(&self.best.0, &self.best.1),
        });
    }
}
