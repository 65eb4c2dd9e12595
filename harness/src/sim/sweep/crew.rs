//! The threads of a sweep. Nobody can stop a thread that never comes back from a run, as when a server's task never
//! yields: it is left behind, and the sweep goes on without it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Done, Plan};
use crate::verify::stopwatch;

/// How often it is looked after, where nothing comes.
const BEAT: Duration = Duration::from_millis(100);

/// The seed of a run that had not ended after [`Plan::give_up`].
pub(super) struct GivenUp(pub(super) u64);

/// Threads at work, each on one seed at a time.
pub(super) struct Crew {
    work: Arc<Work>,
    threads: Vec<JoinHandle<()>>,
    results: Receiver<(u64, Done)>,
    /// What was given up, by the numbers of the runs in the plan.
    given_up: BTreeSet<u64>,
}

struct Work {
    plan: Plan,
    /// The seeds that have run before.
    before: BTreeSet<u64>,
    next: AtomicU64,
    /// No further seed is to be started.
    halt: AtomicBool,
    /// Since when: for people and for giving up, never for a verdict.
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    /// The runs by number: their seeds, and when they began.
    under_way: Mutex<BTreeMap<u64, (u64, Duration)>>,
}

impl Crew {
    pub(super) fn start(plan: &Plan, before: BTreeSet<u64>) -> Crew {
        let work = Arc::new(Work {
            plan: plan.clone(),
            before,
            next: AtomicU64::new(0),
            halt: AtomicBool::new(false),
            clock: Box::new(stopwatch()),
            under_way: Mutex::default(),
        });
        let (sender, results) = channel();
        let thread = |_| {
            let (work, sender) = (Arc::clone(&work), sender.clone());
            std::thread::spawn(move || work.run(&sender))
        };
        Crew {
            threads: (0..plan.jobs.max(1)).map(thread).collect(),
            work,
            results,
            given_up: BTreeSet::new(),
        }
    }

    /// Starts no further seed.
    pub(super) fn halt(&self) {
        self.work.halt.store(true, Ordering::Relaxed);
    }

    /// The next run that ended or was given up, by its number; `None` once there will be no other. What was given up may end
    /// still, as long as others are at work. `stop` is asked now and then.
    pub(super) fn next(&mut self, stop: impl Fn() -> bool) -> Option<(u64, Result<Done, GivenUp>)> {
        loop {
            if stop() {
                self.halt();
            }
            match self.results.recv_timeout(BEAT) {
                Ok((nth, done)) => {
                    // What ends after all has a result like any other.
                    self.given_up.remove(&nth);
                    return Some((nth, Ok(done)));
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some((nth, seed)) = self.overdue() {
                        self.given_up.insert(nth);
                        return Some((nth, Err(GivenUp(seed))));
                    }
                    if self.all_are_left() {
                        return None;
                    }
                }
            }
        }
    }

    fn overdue(&self) -> Option<(u64, u64)> {
        let now = (self.work.clock)();
        let patience = self.work.plan.give_up;
        let mut under_way = self.work.under_way().clone().into_iter();
        let overdue = under_way.find(|(nth, (_, began))| {
            now.saturating_sub(*began) >= patience && !self.given_up.contains(nth)
        });
        overdue.map(|(nth, (seed, _))| (nth, seed))
    }

    /// Whoever is still at work is at something that was given up.
    fn all_are_left(&self) -> bool {
        let at_work = self.threads.iter().filter(|thread| !thread.is_finished());
        at_work.count() == self.left()
    }

    fn left(&self) -> usize {
        let under_way = self.work.under_way();
        let left = under_way.keys().filter(|nth| self.given_up.contains(nth));
        left.count()
    }

    /// Passes the panic of a thread on. Whoever was left behind ends with the process.
    pub(super) fn end(self) {
        let nobody_is_left = self.left() == 0;
        for thread in self.threads {
            if (nobody_is_left || thread.is_finished())
                && let Err(panic) = thread.join()
            {
                resume_unwind(panic);
            }
        }
    }
}

impl Work {
    fn under_way(&self) -> MutexGuard<'_, BTreeMap<u64, (u64, Duration)>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does.
    fn run(&self, results: &Sender<(u64, Done)>) {
        let late = || {
            let time = self.plan.for_time;
            time.is_some_and(|time| (self.clock)() >= time)
        };
        while !self.halt.load(Ordering::Relaxed) && !late() {
            let nth = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(seed) = self.plan.shard.nth(&self.plan.seeds, nth) else {
                return;
            };
            if self.before.contains(&seed) {
                continue;
            }
            self.under_way().insert(nth, (seed, (self.clock)()));
            let done = self.plan.run(seed);
            if self.plan.stop_at_failure && done.failed.is_some() {
                self.halt.store(true, Ordering::Relaxed);
            }
            self.under_way().remove(&nth);
            if results.send((nth, done)).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;
    use crate::scenario::{Scenario, Tier};
    use crate::sim::{Run, RunOptions, System};

    static MAY_END: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    fn waits(scenario: &Scenario, options: RunOptions) -> Run {
        let run = (System::SHIPPED.run)(scenario, options);
        let (may_end, told) = &MAY_END;
        let waiting = told.wait_while(may_end.lock().expect("no panics"), |may_end| !*may_end);
        drop(waiting.expect("no panics"));
        run
    }

    #[test]
    fn what_was_given_up_and_ends_after_all_is_handed_over() {
        let system = System {
            run: waits,
            ..System::SHIPPED
        };
        let plan = Plan {
            give_up: Duration::ZERO,
            ..Plan::new(system, Tier::Bare, 7..8)
        };
        let mut crew = Crew::start(&plan, BTreeSet::new());
        let given_up = crew.next(|| false);
        assert!(matches!(given_up, Some((0, Err(GivenUp(7))))));
        *MAY_END.0.lock().expect("no panics") = true;
        MAY_END.1.notify_all();
        while !crew.threads[0].is_finished() {
            std::thread::yield_now();
        }
        let ended = crew.next(|| false);
        assert!(matches!(ended, Some((0, Ok(done))) if done.seen.seed == 7));
        assert!(crew.next(|| false).is_none());
        crew.end();
    }
}
