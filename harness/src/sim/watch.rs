//! The one observer of all servers of a run: keeps the trace and asks the judge.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plumb_raft::core::{Effects, Input, Node};
use plumb_raft::kv::{KvStore, Reply};
use plumb_raft::server::Observer;
use plumb_raft::storage::RecoveryReport;
use plumb_raft::types::{Entry, NodeId};

use super::anchors::Anchors;
use super::lanes::Lanes;
use super::laps::{Laps, Part};
use super::run::RunOptions;
use super::trace::Trace;
use crate::conformance::steps::{Conformance, Restored};
use crate::conformance::trace::StepRecorder;
use crate::invariants::Judge;

/// What is watched in common.
#[derive(Debug, Default)]
pub struct Watched {
    /// Rules on every step.
    pub judge: Judge,
    /// Holds every step to the specification.
    pub conformance: Conformance,
    /// Records every step.
    pub trace: Trace,
    /// Records every change.
    pub lanes: Lanes,
    /// Tells what faults wait for.
    pub anchors: Anchors,
    /// Times parts of steps, for measurements.
    pub(crate) laps: Laps,
    /// What a measurement leaves out.
    pub(super) spared: Spared,
}

/// What is left out of a run, to measure what it costs. Whatever is left out decides nothing that the run's course
/// depends on; nothing but a measurement leaves anything out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spared {
    /// The steps are not held to the specification.
    pub(crate) conformance: bool,
    /// The history is not checked.
    pub(crate) checker: bool,
}

/// A handle; clones watch the same run.
#[derive(Clone, Debug)]
pub struct Watch {
    watched: Arc<Mutex<Watched>>,
    now: Now,
    /// Writes every step down, if that was asked for.
    steps: Option<Arc<StepRecorder>>,
}

/// Where the time is read.
#[derive(Clone, Debug)]
enum Now {
    Turmoil,
    /// The world keeps it here, in nanoseconds.
    Kept(Arc<AtomicU64>),
}

impl Watch {
    /// For the full tier; nothing seen yet.
    #[must_use]
    pub fn of_turmoil(options: RunOptions) -> Watch {
        Watch::new(options, Now::Turmoil)
    }

    /// For the bare tier, with the place where its world keeps the time in nanoseconds.
    #[must_use]
    pub fn of_events(options: RunOptions) -> (Watch, Arc<AtomicU64>) {
        let now = Arc::new(AtomicU64::new(0));
        (Watch::new(options, Now::Kept(Arc::clone(&now))), now)
    }

    fn new(options: RunOptions, now: Now) -> Watch {
        let watched = Watched {
            judge: Judge::default(),
            conformance: Conformance::default(),
            trace: Trace::new(options.trace),
            lanes: Lanes::new(options.trace),
            laps: Laps::new(options.profile),
            ..Watched::default()
        };
        Watch {
            watched: Arc::new(Mutex::new(watched)),
            now,
            steps: None,
        }
    }

    /// The same without what is spared.
    pub(super) fn sparing(self, spared: Spared) -> Watch {
        let mut watched = self.lock();
        watched.spared = spared;
        if spared.conformance {
            watched.conformance.switch_off();
        }
        drop(watched);
        self
    }

    /// The same, and every step is written down besides.
    #[must_use]
    pub fn recording_steps(self, steps: Option<Arc<StepRecorder>>) -> Watch {
        Watch { steps, ..self }
    }

    pub(super) fn now_ns(&self) -> u64 {
        match &self.now {
            Now::Turmoil => now_ns(),
            Now::Kept(now) => now.load(Ordering::Relaxed),
        }
    }

    /// What has been seen, also after a panic within a step: that is when it is wanted most.
    pub fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Simulated time in nanoseconds, within a host of turmoil.
#[must_use]
pub fn now_ns() -> u64 {
    let now = turmoil::sim_elapsed().unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl Observer for Watch {
    fn recovered(&self, node: &Node, report: &RecoveryReport) {
        if let Some(steps) = &self.steps {
            steps.recovered(node, report);
        }
        let mut watched = self.lock();
        let at_ns = self.now_ns();
        watched.trace.recovered(at_ns, node, report);
        watched.lanes.recovered(at_ns, node);
        let differs = watched.conformance.recovered(node);
        watched.judge.recovered(at_ns, node, report);
        if let Some(what) = differs {
            watched.judge.rule(at_ns, "Conformance", what.to_string());
        }
        watched.anchors.recovered(node);
    }

    fn before_step(&self, node: &Node, input: &Input) {
        if let Some(steps) = &self.steps {
            steps.before_step(node, input);
        }
        let mut watched = self.lock();
        let watched = &mut *watched;
        let at_ns = self.now_ns();
        watched.trace.before_step(at_ns, node, input);
        watched.lanes.before_step(at_ns, node, input);
        watched.laps.begin();
        if !watched.spared.conformance {
            watched.conformance.before_step(node, input);
            watched.laps.end(Part::Conformance);
        }
        watched.judge.before_step(node, input);
        watched.anchors.before_step(node);
        watched.laps.end(Part::Invariants);
    }

    fn after_step(&self, node: &Node, effects: &Effects) {
        if let Some(steps) = &self.steps {
            steps.after_step(node, effects);
        }
        let mut watched = self.lock();
        let watched = &mut *watched;
        let at_ns = self.now_ns();
        watched.laps.end(Part::Core);
        watched.trace.after_step(at_ns, node, effects);
        watched.lanes.after_step(at_ns, node, effects);
        watched.judge.after_step(at_ns, node, effects);
        watched.anchors.after_step(node, effects);
        watched.laps.end(Part::Invariants);
        if watched.spared.conformance {
            return;
        }
        if let Some(what) = watched.conformance.after_step(node, effects) {
            watched.judge.rule(at_ns, "Conformance", what.to_string());
        }
        watched.laps.end(Part::Conformance);
    }

    fn before_apply(&self, id: NodeId, store: &KvStore, entry: &Entry) {
        if let Some(steps) = &self.steps {
            steps.before_apply(id, store, entry);
        }
        self.lock().conformance.before_apply(id, store, entry);
    }

    fn after_apply(&self, id: NodeId, store: &KvStore, entry: &Entry, reply: Option<&Reply>) {
        if let Some(steps) = &self.steps {
            steps.after_apply(id, store, entry, reply);
        }
        let mut watched = self.lock();
        if let Some(what) = watched.conformance.after_apply(id, store, reply) {
            let at_ns = self.now_ns();
            watched.judge.rule(at_ns, "Conformance", what.to_string());
        }
    }

    fn restored(&self, id: NodeId, store: &KvStore) {
        if let Some(steps) = &self.steps {
            steps.restored(id, store);
        }
        let mut watched = self.lock();
        if let Some(what) = watched.conformance.restored(&Restored::of(id, store)) {
            let at_ns = self.now_ns();
            watched.judge.rule(at_ns, "Conformance", what.to_string());
        }
    }
}
