//! One run of one scenario, from its world to what was seen and judged.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use plumb_checkers::{Budget, Consistency, Options, Spec, Verdict, check};
use plumb_histories::browser::ServerLanes;
use plumb_histories::{Header, History, Outcome, Recorder, Value};

use super::bare::{Bare, Guest};
use super::course::{Course, World};
use super::full::Full;
use super::laps::Laps;
use super::panics;
use super::peer::Peer;
use super::seams::disk::SimDisk;
use super::service::lack_of_service;
use super::watch::{Spared, Watch};
use crate::conformance::trace::StepRecorder;
use crate::invariants::{Coverage, Violation};
use crate::scenario::{Judges, Scenario, ScriptedOperation, Tier, Workload, WorkloadKind};
use crate::verify::stopwatch;
use crate::workload::{Books, FIRST_BALANCE, key_name};

/// The checker's budget for one history: far beyond what these histories take.
const CHECK_STEPS: u64 = 20_000_000;
/// That for whole queues, each state of which is a list: none takes a search if every dequeue was answered.
const QUEUE_STEPS: u64 = 200_000;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Keep the trace as text.
    pub trace: bool,
    /// Time the parts of its steps.
    pub profile: bool,
}

impl RunOptions {
    /// With the trace, and no more.
    #[must_use]
    pub fn traced() -> RunOptions {
        RunOptions {
            trace: true,
            ..RunOptions::default()
        }
    }
}

/// Everything that was seen of a run.
#[derive(Debug)]
pub struct Run {
    /// What clients saw.
    pub history: History,
    /// The first property that broke, if one did.
    pub violation: Option<Violation>,
    /// The checker could not decide (never counted as a pass).
    pub undecided: Option<String>,
    /// The checker's explanation of a violation of linearizability.
    pub explanation: Option<String>,
    /// What happened.
    pub coverage: Coverage,
    /// Client operations: ok, fail, info.
    pub operations: [u64; 3],
    /// The same operations as a script, which gives the same run.
    pub script: Vec<ScriptedOperation>,
    /// How long after healing the first entry committed, in simulated milliseconds.
    pub live_after_ms: Option<u64>,
    /// Who took part in the end, by what was committed.
    pub members: BTreeSet<u64>,
    /// How much was simulated.
    pub simulated: Duration,
    /// How long the checker took: for people, and never the same twice.
    pub checking: Duration,
    /// How long parts of its steps took, if that was asked for: never the same twice, either.
    pub laps: Laps,
    /// The trace, if it was asked for.
    pub trace: String,
    /// What each server was when, if the trace was asked for.
    pub lanes: ServerLanes,
}

/// The spec by which a workload's history is checked, and what each of its objects holds at first.
#[must_use]
pub fn spec_of(workload: &Workload) -> (&'static str, Value) {
    match workload.kind {
        WorkloadKind::Register => ("cas-register", Value::Null),
        WorkloadKind::Append => ("kv-append", Value::Str(String::new())),
        WorkloadKind::Txn => ("list-append", Value::Null),
        WorkloadKind::Bank => {
            let account = |key| (key_name(key), Value::Int(FIRST_BALANCE));
            ("bank", Value::map((0..workload.keys).map(account)))
        }
        WorkloadKind::Set => ("set", Value::Null),
        WorkloadKind::Counter => ("counter", Value::Null),
        WorkloadKind::Queue => ("fifo-queue", Value::Null),
    }
}

/// What a workload's history must be.
#[must_use]
pub fn consistency_of(kind: WorkloadKind) -> Consistency {
    match kind {
        WorkloadKind::Txn => Consistency::StrictSerializable,
        _ => Consistency::Linearizable,
    }
}

/// Runs a scenario to its end, or to the first property that breaks.
///
/// The same scenario gives the same run, in any process: see `tests/determinism.rs`.
///
/// # Panics
/// If the scenario contradicts itself: [`Scenario::check`] comes first.
#[must_use]
pub fn run(scenario: &Scenario, options: RunOptions) -> Run {
    run_recorded(scenario, options, None)
}

/// The same, with every step of every server written down.
///
/// # Panics
/// If the scenario contradicts itself: [`Scenario::check`] comes first.
#[must_use]
pub fn run_recorded(
    scenario: &Scenario,
    options: RunOptions,
    steps: Option<Arc<StepRecorder>>,
) -> Run {
    run_watched(scenario, options, |watch| watch.recording_steps(steps))
}

/// The same for a measurement: without what is spared, and with parts of its steps timed if they are `clocked`.
pub(crate) fn run_measured(scenario: &Scenario, spared: Spared, profile: bool) -> Run {
    let options = RunOptions {
        profile,
        ..RunOptions::default()
    };
    run_watched(scenario, options, |watch| watch.sparing(spared))
}

fn run_watched(
    scenario: &Scenario,
    options: RunOptions,
    prepare: impl FnOnce(Watch) -> Watch,
) -> Run {
    let books = books_of(scenario);
    match scenario.tier {
        Tier::Full => {
            let watch = prepare(Watch::of_turmoil(options));
            let world = Full::new(scenario, &watch, &books);
            let panics = panics::Caught::here();
            follow(scenario, &panics, world, &watch, &books)
        }
        Tier::Bare => {
            let (watch, now) = Watch::of_events(options);
            let watch = prepare(watch);
            let panics = panics::Caught::here();
            let world = Bare::of_replicas(scenario, now, &watch, &books);
            follow(scenario, &panics, world, &watch, &books)
        }
    }
}

/// Runs a scenario with somebody else's Raft, in the bare tier whichever tier it names.
///
/// # Panics
/// If the scenario contradicts itself: [`Scenario::check`] comes first.
#[must_use]
pub fn run_peer<P: Peer>(scenario: &Scenario, options: RunOptions) -> Run {
    let books = books_of(scenario);
    let (watch, now) = Watch::of_events(options);
    watch.lock().judge.guests(scenario.servers);
    let panics = panics::Caught::here();
    let world = Bare::new(scenario, now, &watch, &books, |id| {
        Guest::<P>::new(scenario, id, &watch)
    });
    follow(scenario, &panics, world, &watch, &books)
}

/// Runs a scenario of the full tier, and gives back its servers' disks as the run left them.
pub(super) fn run_with_disks(scenario: &Scenario) -> (Run, BTreeMap<u64, SimDisk>) {
    let books = books_of(scenario);
    let watch = Watch::of_turmoil(RunOptions::default());
    let world = Full::new(scenario, &watch, &books);
    let disks = world.disks();
    let panics = panics::Caught::here();
    (follow(scenario, &panics, world, &watch, &books), disks)
}

/// Runs a scenario of the full tier in a world that is prepared before anything happens in it.
#[cfg(test)]
pub(super) fn run_prepared(scenario: &Scenario, prepare: impl FnOnce(&mut Full<'_>)) -> Run {
    let books = books_of(scenario);
    let watch = Watch::of_turmoil(RunOptions::default());
    let mut world = Full::new(scenario, &watch, &books);
    prepare(&mut world);
    let panics = panics::Caught::here();
    follow(scenario, &panics, world, &watch, &books)
}

/// Empty books for a scenario, which is checked.
pub(super) fn books_of(scenario: &Scenario) -> Books {
    if let Err(what) = scenario.check() {
        panic!("a scenario is checked before it is run: {what}");
    }
    Books {
        recorder: Rc::new(RefCell::new(Recorder::new(header(scenario)))),
        script: Rc::default(),
        coverage: Rc::default(),
        ruling: Rc::default(),
    }
}

/// Lets a scenario happen in a world, and says what came of it.
pub(super) fn follow<W: World>(
    scenario: &Scenario,
    panics: &panics::Caught,
    world: W,
    watch: &Watch,
    books: &Books,
) -> Run {
    if scenario.settings.stickiness {
        let sticks_for_ns = sticks_for_ns(scenario);
        watch.lock().judge.expect_stickiness(sticks_for_ns);
    }
    watch
        .lock()
        .judge
        .expect_traffic(scenario.servers, scenario.workload.clients);
    let every = scenario.settings.snapshot_every;
    watch.lock().judge.expect_snapshots(every);
    if scenario.judges == Judges::Clients {
        watch.lock().judge.look_from_outside();
    }
    let mut course = Course::new(scenario, world, watch.clone(), books.clone());
    let live_after_ms = course.pass_time(panics);
    conclude(scenario, course.into_world(), watch, books, live_after_ms)
}

/// The least election timeout by the fastest clock, less a tick of the world's.
fn sticks_for_ns(scenario: &Scenario) -> u64 {
    let fastest = scenario.settings.clock_ppm.iter().max();
    let fastest = fastest.map_or(0, |ppm| u64::try_from(*ppm).unwrap_or(0));
    let least_ns = scenario.settings.election_ms.0 * 1_000_000;
    (least_ns * 1_000_000 / (1_000_000 + fastest)).saturating_sub(1_000_000)
}

fn conclude<W: World>(
    scenario: &Scenario,
    world: W,
    watch: &Watch,
    books: &Books,
    live_after_ms: Option<u64>,
) -> Run {
    let simulated = world.elapsed();
    let of_the_world = world.coverage();
    let end_ns = u64::try_from(simulated.as_nanos()).unwrap_or(u64::MAX);
    let history = std::mem::take(&mut *books.recorder.borrow_mut()).finish();
    // Ends every task, so that nothing is seen after what is concluded from here.
    drop(world);
    let mut operations = [0; 3];
    for operation in history.operations() {
        operations[match operation.outcome() {
            Outcome::Ok => 0,
            Outcome::Fail => 1,
            Outcome::Indeterminate => 2,
        }] += 1;
    }
    let mut watched = watch.lock();
    let checking = stopwatch();
    let judged = if watched.spared.checker {
        Judged::Undecided("the checker was spared".to_owned())
    } else {
        judge_history(&history, &scenario.workload)
    };
    let checking = checking();
    let mut coverage = watched.judge.coverage().clone();
    coverage.add(&books.coverage.borrow());
    coverage.add(&of_the_world);
    let (mut explanation, mut undecided) = (None, None);
    match judged {
        Judged::Linearizable => {}
        Judged::Undecided(why) => undecided = Some(why),
        Judged::Violation(why) => {
            let first = why.lines().next().unwrap_or_default().to_owned();
            watched.judge.rule(end_ns, "Linearizability", first);
            explanation = Some(why);
        }
    }
    if let Some((at_ns, what)) = books.ruling.take() {
        watched.judge.rule(at_ns, "Exactly Once", what);
    }
    if let Some(what) = lack_of_service(scenario, &history) {
        watched.judge.rule(end_ns, "Availability", what);
    }
    Run {
        lanes: std::mem::take(&mut watched.lanes).finish(&history),
        history,
        violation: watched.judge.violation().cloned(),
        undecided,
        explanation,
        coverage,
        operations,
        members: watched.judge.members().iter().map(|id| id.0).collect(),
        script: books.script.take(),
        live_after_ms,
        simulated,
        checking,
        laps: watched.laps.clone(),
        trace: std::mem::take(&mut watched.trace).into_text(),
    }
}

/// What the checker says of a run's history.
enum Judged {
    Linearizable,
    Violation(String),
    Undecided(String),
}

/// Counts steps and no time, so that the verdict is the same on any machine.
fn judge_history(history: &History, workload: &Workload) -> Judged {
    let (spec, init) = spec_of(workload);
    let spec = Spec::by_name(spec).expect("a workload names a spec that exists");
    let options = Options::new(spec)
        .with_init(init)
        .with_consistency(consistency_of(workload.kind))
        .with_budget(Budget::steps(match workload.kind {
            WorkloadKind::Queue => QUEUE_STEPS,
            _ => CHECK_STEPS,
        }));
    match check(history, &options) {
        Ok(report) => match report.verdict {
            Verdict::Valid(_) => Judged::Linearizable,
            Verdict::Violation(counterexample) => Judged::Violation(counterexample.to_string()),
            Verdict::Unknown(reason) => Judged::Undecided(reason.to_string()),
        },
        // Our own recorder wrote it: a history that does not fit its spec is a bug of ours.
        Err(error) => Judged::Undecided(format!("the history does not fit its spec: {error}")),
    }
}

fn header(scenario: &Scenario) -> Header {
    let (spec, init) = spec_of(&scenario.workload);
    Header {
        workload: Some(scenario.workload.kind.name().to_owned()),
        spec: Some(spec.to_owned()),
        init: Some(init),
        seed: Some(scenario.seed),
        build: Some(format!("plumb {}", env!("CARGO_PKG_VERSION"))),
        ..Header::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::{Length, generate};

    fn txn(f: &str, value: Value) -> Value {
        let key = Value::Str("k0".to_owned());
        Value::List(vec![Value::List(vec![
            Value::Str(f.to_owned()),
            key,
            value,
        ])])
    }

    /// An append, and a read that begins after it has ended and sees `seen`.
    fn read_after_append(seen: Value) -> History {
        let mut recorder = Recorder::new(Header::default());
        recorder.invoke(0, 0, "txn", None, txn("append", Value::Int(4)), None);
        recorder.ok(1, 0, txn("append", Value::Int(4)));
        recorder.invoke(2, 1, "txn", None, txn("r", Value::Null), None);
        recorder.ok(3, 1, txn("r", seen));
        recorder.finish()
    }

    #[test]
    fn transactions_are_held_to_real_time() {
        let mut workload = generate(1, Length::SHORT, Tier::Bare).workload;
        workload.kind = WorkloadKind::Txn;
        let fresh = read_after_append(Value::List(vec![Value::Int(4)]));
        let judged = judge_history(&fresh, &workload);
        assert!(matches!(judged, Judged::Linearizable));
        let stale = read_after_append(Value::List(vec![]));
        let judged = judge_history(&stale, &workload);
        assert!(matches!(judged, Judged::Violation(_)));
    }
}
