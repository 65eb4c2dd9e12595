//! A world in which nothing happens but what a play says: no servers, no network. What the judges are shown is made up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plumb_histories::Value;
use plumb_raft::kv::Reply;
use plumb_raft::types::{NodeId, Term};

use super::number;
use crate::invariants::Coverage;
use crate::nemesis::{Length, generate};
use crate::scenario::{Action, DiskLie, Scenario, ScriptedOperation, Tier, Unsynced, WorkloadKind};
use crate::sim::course::World;
use crate::sim::panics;
use crate::sim::run::{Run, RunOptions, books_of, follow};
use crate::sim::seams::disk::Trap;
use crate::sim::seams::network::LinkFault;
use crate::sim::watch::Watch;
use crate::workload::Books;

/// What happens.
pub(super) struct Play {
    /// Something is committed once the cluster is healed.
    pub(super) commits: bool,
    /// So many of the three servers apply it.
    pub(super) appliers: u64,
    /// What a read says after 7 was written; without it nobody is served.
    pub(super) told: Option<i64>,
    /// A client asks for this before the healing and never hears of it; nobody asks for anything else.
    pub(super) insists: Option<&'static str>,
    /// A server leads, though nothing commits.
    pub(super) leads: bool,
    /// What a request that was told `Done` is told when it arrives again.
    pub(super) again: Reply,
    /// How a part of the world fails.
    pub(super) fails: Option<&'static str>,
    /// A server panics.
    pub(super) panics: bool,
    /// So many steps are taken in a tenth of a second, once the run should be over.
    pub(super) steps: u64,
}

struct Stage {
    play: Play,
    scenario: Scenario,
    watch: Watch,
    now: Arc<AtomicU64>,
    books: Books,
    committed: bool,
    served: bool,
}

impl Stage {
    fn commit(&mut self, now_ns: u64) {
        self.committed = true;
        let judge = &mut self.watch.lock().judge;
        for id in 1..=self.play.appliers {
            judge.guest_applied(now_ns, (NodeId(id), Term(1)), 1, (Term(1), 0));
        }
    }

    /// Clients write 7, and read.
    fn serve(&mut self, now_ns: u64) {
        self.served = true;
        self.books
            .told_again(now_ns, &Reply::Done, &self.play.again);
        let mut recorder = self.books.recorder.borrow_mut();
        let key = || Some(Value::Str("k0".to_owned()));
        for (process, f, value) in [(0, "write", number(7)), (1, "read", Value::Null)] {
            recorder.invoke(now_ns, process, f, key(), value.clone(), None);
            match self.play.told {
                Some(told) if f == "read" => recorder.ok(now_ns, process, number(told)),
                Some(_) => recorder.ok(now_ns, process, value),
                None => recorder.fail(now_ns, process, value, Some("no leader")),
            }
        }
    }
}

impl World for Stage {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now.load(Ordering::Relaxed))
    }

    fn step(&mut self, to: Duration) -> Result<(), String> {
        let now_ns = u64::try_from(to.as_nanos()).expect("some minutes");
        self.now.store(now_ns, Ordering::Relaxed);
        let now_ms = now_ns / 1_000_000;
        if self.play.leads {
            let judge = &mut self.watch.lock().judge;
            judge.guest_answered(now_ns, true, 0, [0; 3]);
        }
        if let Some(f) = self.play.insists
            && !self.served
        {
            self.served = true;
            let mut recorder = self.books.recorder.borrow_mut();
            let (key, value) = match f {
                "add" => (Value::Str("k0".to_owned()), number(1)),
                _ => (Value::Str("k0".to_owned()), Value::Null),
            };
            recorder.invoke(now_ns, 0, f, Some(key), value, None);
        }
        if self.play.commits && !self.committed && now_ms > self.scenario.heal_at_ms {
            self.commit(now_ns);
        }
        if !self.served && now_ms >= self.scenario.heal_at_ms + self.scenario.live_within_ms {
            self.serve(now_ns);
        }
        if now_ms > self.scenario.end_at_ms {
            let judge = &mut self.watch.lock().judge;
            (0..self.play.steps).for_each(|_| judge.guest_answered(now_ns, true, 0, [0; 3]));
        }
        if self.play.panics {
            let panicked = catch_unwind(AssertUnwindSafe(|| panic!("a server's own assertion")));
            assert!(panicked.is_err());
        }
        self.play.fails.map_or(Ok(()), |what| Err(what.to_owned()))
    }

    fn slow_disk(&mut self, _: u64, _: Option<(u64, u64)>) {}
    fn snapshot_every(&mut self, _: u64, _: u64) {}
    fn set_link(&mut self, _: u64, _: u64, _: LinkFault) {}
    fn crash(&mut self, _: u64, _: Unsynced) {}
    fn empty(&mut self, _: u64) {}
    fn restart(&mut self, _: u64) {}
    fn pause(&mut self, _: u64) {}
    fn resume(&mut self, _: u64) {}
    fn jump(&mut self, _: u64, _: Duration) {}
    fn break_disk(&mut self, _: u64, _: Trap) {}
    fn rot(&mut self, _: u64) {}
    fn lie(&mut self, _: u64, _: DiskLie, _: u64) {}
    fn reset(&mut self, _: u64, _: u64) {}
    fn coverage(&self) -> Coverage {
        Coverage::default()
    }
    fn mend_disk(&mut self, _: u64) -> bool {
        false
    }
}

/// Three servers and no faults.
fn quiet() -> Scenario {
    let mut scenario = generate(1, Length::SHORT, Tier::Bare);
    scenario.servers = 3;
    scenario.settings.first_voters = 3;
    scenario.settings.clock_ppm = vec![0; 3];
    scenario.faults.clear();
    scenario.workload.kind = WorkloadKind::Register;
    scenario
}

/// The property that a play breaks first.
pub(super) fn broken(play: Play) -> Option<String> {
    let run = played(play);
    run.violation.map(|violation| violation.property)
}

/// A play's run.
pub(super) fn played(play: Play) -> Run {
    let mut scenario = quiet();
    scenario.workload.kind = match play.insists {
        Some("add") => WorkloadKind::Counter,
        Some("dequeue") => WorkloadKind::Queue,
        _ => WorkloadKind::Register,
    };
    let books = books_of(&scenario);
    if play.insists.is_none() {
        books.script.borrow_mut().push(ScriptedOperation {
            client: 0,
            at_us: scenario.heal_at_ms * 1_000,
            action: Action::Write,
            key: 0,
            value: 7,
            dies_after_us: None,
            returns_after_us: None,
            repeats_after_us: None,
        });
    }
    let (watch, now) = Watch::of_events(RunOptions::default());
    watch.lock().judge.guests(3);
    let panics = panics::Caught::here();
    let stage = Stage {
        play,
        scenario: scenario.clone(),
        watch: watch.clone(),
        now,
        books: books.clone(),
        committed: false,
        served: false,
    };
    let run = follow(&scenario, &panics, stage, &watch, &books);
    assert_eq!(run.undecided, None);
    run
}
