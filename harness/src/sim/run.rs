//! One run of one scenario: builds the world, lets time pass, strikes with faults, asks the judges.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use plumb_checkers::{Budget, Options, Spec, Verdict, check};
use plumb_histories::browser::ServerLanes;
use plumb_histories::{Header, History, Outcome, Recorder, Value};
use plumb_raft::seams::{Seams, Tasks};
use plumb_raft::server::{self, LogDriver, ServerConfig};
use plumb_raft::storage::WalOptions;
use plumb_raft::types::NodeId;

use super::faults::{cut_pairs, describe, moments, resolve};
use super::panics;
use super::seams::clock::SimClock;
use super::seams::disk::{CrashMode, DirectoryOrder, SimDisk};
use super::seams::network::{Connection, Flow, LinkFault, LinkFaults, SimNetwork};
use super::seams::random::Stream;
use super::watch::{Watch, now_ns};
use crate::invariants::{Coverage, Violation};
use crate::scenario::{
    FaultKind, MAX_RUN_MS, Scenario, ScriptedOperation, Settings, Unsynced, WorkloadKind,
};
use crate::verify::stopwatch;
use crate::workload::{Actor, Book, Operator, SharedRecorder, SharedScript, Task};

/// Where servers listen, in the simulated network.
const PORT: u16 = 7000;
/// Turmoil's ticks must be whole milliseconds.
const TICK: Duration = Duration::from_millis(1);
const NS_PER_MS: u64 = 1_000_000;
/// What was committed this long before the end must have reached every server at the end.
const SETTLE_MS: u64 = 500;
/// A server that is behind at the end gets this much longer: snapshots of some ten kilobytes, in pieces
/// of 40 bytes, one after the other, over links of 15 ms.
const CATCH_UP_MS: u64 = 60_000;
/// How likely a sector that was being written when power failed holds noise afterwards.
const GARBAGE: f64 = 0.25;
/// The checker's budget for one history: far beyond what these histories take.
const CHECK_STEPS: u64 = 20_000_000;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Keep the trace as text.
    pub trace: bool,
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
    /// How much was simulated.
    pub simulated: Duration,
    /// How long the checker took: for people, and never the same twice.
    pub checking: Duration,
    /// The trace, if it was asked for.
    pub trace: String,
    /// What each server was when, if the trace was asked for.
    pub lanes: ServerLanes,
}

/// A server of the world, from outside.
struct Server {
    disk: SimDisk,
    clock: SimClock,
    /// How many faults hold it down at the moment.
    down: u32,
    lives: u64,
}

struct World<'a> {
    scenario: &'a Scenario,
    sim: turmoil::Sim<'a>,
    servers: BTreeMap<u64, Server>,
    watch: Watch,
    link_faults: LinkFaults,
    recorder: SharedRecorder,
    script: SharedScript,
    /// The pairs that each fault under way cuts, by the fault's number.
    cuts: BTreeMap<usize, BTreeSet<(u64, u64)>>,
    /// The servers that each fault under way holds down.
    crashed: BTreeMap<usize, Vec<u64>>,
    /// The noise of each fault under way.
    noise: BTreeMap<usize, LinkFault>,
}

/// The spec by which a workload's history is checked, and a key's initial value.
#[must_use]
pub fn spec_of(kind: WorkloadKind) -> (&'static str, Value) {
    match kind {
        WorkloadKind::Register => ("cas-register", Value::Null),
        WorkloadKind::Append => ("kv-append", Value::Str(String::new())),
    }
}

fn name(id: u64) -> String {
    format!("n{id}")
}

/// Runs a scenario to its end, or to the first property that breaks.
///
/// The same scenario gives the same run, in any process: see `tests/determinism.rs`.
///
/// # Panics
/// If the scenario contradicts itself: [`Scenario::check`] comes first.
#[must_use]
pub fn run(scenario: &Scenario, options: RunOptions) -> Run {
    if let Err(what) = scenario.check() {
        panic!("a scenario is checked before it is run: {what}");
    }
    let panics = panics::Caught::here();
    let mut world = World::new(scenario, options);
    let live_after_ms = world.pass_time(&panics);
    world.conclude(live_after_ms)
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, options: RunOptions) -> World<'a> {
        let Settings {
            latency_ms,
            sync_us,
            sector_bytes,
            ..
        } = &scenario.settings;
        let mut sim = turmoil::Builder::new()
            .epoch(std::time::UNIX_EPOCH)
            .rng_seed(Stream::derive(scenario.seed, "turmoil", 0).next_u64())
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(latency_ms.0))
            .max_message_latency(Duration::from_millis(latency_ms.1))
            // Listeners that fall behind must not end the simulation: turmoil panics there.
            .tcp_capacity(1 << 16)
            .simulation_duration(Duration::from_millis(MAX_RUN_MS + 1_000))
            .build();
        let link_faults = LinkFaults::new();
        let watch = Watch::new(options.trace);
        let servers: BTreeMap<u64, Server> = (1..=scenario.servers)
            .map(|id| {
                let sector = usize::try_from(*sector_bytes).expect("checked: at most 4096");
                let disk = SimDisk::new(scenario.seed, id, sector);
                let (least, most) = *sync_us;
                disk.set_faults(|faults| {
                    faults.sync_delay = Duration::from_micros(least)..=Duration::from_micros(most);
                });
                let rate = scenario.settings.clock_ppm[id as usize - 1];
                let clock = SimClock::new(epoch_of(scenario.seed, id, 0), rate);
                (
                    id,
                    Server {
                        disk,
                        clock,
                        down: 0,
                        lives: 1,
                    },
                )
            })
            .collect();
        for (id, server) in &servers {
            add_server(&mut sim, scenario, *id, server, &link_faults, &watch);
        }
        let recorder: SharedRecorder = Rc::new(RefCell::new(Recorder::new(header(scenario))));
        let script = SharedScript::default();
        for number in 0..scenario.workload.clients {
            let actor = actor(scenario, number, &link_faults, &recorder, &script);
            sim.client(format!("c{number}"), async move {
                actor.run().await;
                Ok(())
            });
        }
        if let Some(operator) = operator(scenario, &link_faults) {
            sim.client("operator", async move {
                operator.run().await;
                Ok(())
            });
        }
        World {
            scenario,
            sim,
            servers,
            watch,
            link_faults,
            recorder,
            script,
            cuts: BTreeMap::new(),
            crashed: BTreeMap::new(),
            noise: BTreeMap::new(),
        }
    }

    /// Lets the scenario happen. Returns how long after healing the first entry committed.
    fn pass_time(&mut self, panics: &panics::Caught) -> Option<u64> {
        let scenario = self.scenario;
        for moment in moments(&scenario.faults) {
            self.advance(moment.at_ms, panics);
            if self.broken() {
                return None;
            }
            self.strike(moment.fault, moment.begins);
        }
        self.advance(scenario.heal_at_ms, panics);
        if scenario.live_within_ms == 0 {
            self.advance(scenario.end_at_ms, panics);
            return None;
        }
        let healed_ns = scenario.heal_at_ms * NS_PER_MS;
        let mut live_after_ms = None;
        let due_ms = scenario.heal_at_ms + scenario.live_within_ms;
        for at_ms in scenario.heal_at_ms + 1..=due_ms {
            self.advance(at_ms, panics);
            if self.watch.lock().judge.last_commit_ns() > healed_ns {
                live_after_ms = Some(at_ms - scenario.heal_at_ms);
                break;
            }
        }
        if live_after_ms.is_none() {
            let within = scenario.live_within_ms;
            self.rule(
                "Liveness",
                format!("nothing committed within {within} ms of healing"),
            );
        }
        // What is committed shortly before the end may be on its way to some servers still.
        self.advance(scenario.end_at_ms.saturating_sub(SETTLE_MS), panics);
        let (due, _) = self.watch.lock().judge.progress();
        self.advance(scenario.end_at_ms, panics);
        // A server may be far behind, and its snapshot come in the smallest of pieces: as long as it
        // gets there once the clients are silent, it was only slow.
        let mut at_ms = scenario.end_at_ms;
        while self.behind(due).is_some() && at_ms < scenario.end_at_ms + CATCH_UP_MS {
            at_ms += 100;
            self.advance(at_ms, panics);
        }
        self.converged(due);
        live_after_ms
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.sim.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn broken(&self) -> bool {
        self.watch.lock().judge.violation().is_some()
    }

    fn rule(&self, property: &str, what: impl Into<String>) {
        self.watch.lock().judge.rule(self.now_ns(), property, what);
    }

    /// Steps to a moment, unless a property breaks before.
    fn advance(&mut self, to_ms: u64, panics: &panics::Caught) {
        let to = Duration::from_millis(to_ms);
        while self.sim.elapsed() < to && !self.broken() {
            let stepped = self.sim.step();
            // The message of an assertion says more than that a task has ended.
            for message in panics.take() {
                self.rule("Assertion", message);
            }
            if let Err(error) = stepped {
                self.rule("Assertion", format!("a task failed: {error}"));
            }
        }
    }

    /// A fault begins or ends.
    fn strike(&mut self, number: usize, begins: bool) {
        let fault = &self.scenario.faults[number];
        let leader = self.watch.lock().judge.latest_leader().map_or(1, |id| id.0);
        let verb = if begins { "begins" } else { "ends" };
        let words = describe(&fault.what);
        let now_ns = self.now_ns();
        self.watch
            .lock()
            .trace
            .note(now_ns, "****", &format!("{verb}: {words}"));
        self.recorder
            .borrow_mut()
            .nemesis(now_ns, verb, Value::Str(words));
        match &fault.what {
            FaultKind::Crash { target, unsynced } if begins => {
                self.crash(number, &[resolve(*target, leader)], *unsynced);
            }
            FaultKind::PowerLoss { unsynced } if begins => {
                let all: Vec<u64> = self.servers.keys().copied().collect();
                self.crash(number, &all, *unsynced);
            }
            FaultKind::Crash { .. } | FaultKind::PowerLoss { .. } => self.restart(number),
            FaultKind::Noise {
                drop_permille,
                duplicate_permille,
                delay_permille,
                delay_ms,
            } => {
                if begins {
                    let share = |permille: u32| f64::from(permille) / 1000.0;
                    let noise = LinkFault {
                        flow: Flow::Open,
                        drop: share(*drop_permille),
                        duplicate: share(*duplicate_permille),
                        delay: share(*delay_permille),
                        delay_by: Duration::ZERO..=Duration::from_millis(*delay_ms),
                    };
                    self.noise.insert(number, noise);
                } else {
                    self.noise.remove(&number);
                }
                self.set_links();
            }
            // The operator's client keeps the time of these itself.
            FaultKind::Transfer { .. } | FaultKind::Membership { .. } => {}
            what => {
                if begins {
                    let cut = cut_pairs(what, self.scenario.servers, leader);
                    self.cuts.insert(number, cut);
                } else {
                    self.cuts.remove(&number);
                }
                self.set_links();
            }
        }
    }

    /// The network as all faults under way leave it: cuts add up, of two noises the later holds.
    fn set_links(&self) {
        let noise = self.noise.last_key_value().map(|(_, noise)| noise.clone());
        let noise = noise.unwrap_or_default();
        for from in self.servers.keys() {
            for to in self.servers.keys().filter(|to| *to != from) {
                let cut = self
                    .cuts
                    .values()
                    .any(|pairs| pairs.contains(&(*from, *to)));
                let flow = if cut { Flow::Block } else { Flow::Open };
                self.link_faults.set(
                    &name(*from),
                    &name(*to),
                    LinkFault {
                        flow,
                        ..noise.clone()
                    },
                );
            }
        }
    }

    fn crash(&mut self, number: usize, ids: &[u64], unsynced: Unsynced) {
        let at_ms = self.scenario.faults[number].at_ms;
        for id in ids {
            let server = self.servers.get_mut(id).expect("a server of this scenario");
            server.down += 1;
            if server.down > 1 {
                continue;
            }
            // Drawn by the moment, not by the fault's number: removing another fault changes nothing.
            let mut draw = Stream::derive(self.scenario.seed, "crash", at_ms << 8 | id);
            server.disk.crash(&mut draw, crash_mode(unsynced));
            self.link_faults.set_down(&name(*id), true);
            self.sim.crash(name(*id));
        }
        self.crashed.insert(number, ids.to_vec());
    }

    fn restart(&mut self, number: usize) {
        for id in self.crashed.remove(&number).unwrap_or_default() {
            let server = self
                .servers
                .get_mut(&id)
                .expect("a server of this scenario");
            server.down -= 1;
            if server.down > 0 {
                continue;
            }
            let epoch = epoch_of(self.scenario.seed, id, server.lives);
            server.lives += 1;
            server.clock.restart(self.sim.elapsed(), epoch);
            self.link_faults.set_down(&name(id), false);
            self.sim.bounce(name(id));
        }
    }

    /// A member that has not applied so many entries, and how many it has.
    fn behind(&self, due: u64) -> Option<(u64, u64)> {
        let watched = self.watch.lock();
        let (_, applied) = watched.judge.progress();
        let members = watched.judge.members();
        (1..=self.scenario.servers)
            .filter(|id| members.contains(&NodeId(*id)))
            .map(|id| (id, applied.get(&NodeId(id)).copied().unwrap_or(0)))
            .find(|(_, applied)| *applied < due)
    }

    /// In the end every member has applied what was committed by then.
    fn converged(&self, due: u64) {
        if let Some((id, applied)) = self.behind(due) {
            let what = format!("n{id} has applied {applied} of {due} committed entries at the end");
            self.rule("Convergence", what);
        }
    }

    fn conclude(self, live_after_ms: Option<u64>) -> Run {
        let simulated = self.sim.elapsed();
        let end_ns = self.now_ns();
        let history = std::mem::take(&mut *self.recorder.borrow_mut()).finish();
        // Ends every task, so that nothing is seen after what is concluded from here.
        drop(self.sim);
        let mut operations = [0; 3];
        for operation in history.operations() {
            operations[match operation.outcome() {
                Outcome::Ok => 0,
                Outcome::Fail => 1,
                Outcome::Indeterminate => 2,
            }] += 1;
        }
        let watch = stopwatch();
        let judged = judge_history(&history, self.scenario.workload.kind);
        let checking = watch();
        let mut watched = self.watch.lock();
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
        Run {
            lanes: std::mem::take(&mut watched.lanes).finish(&history),
            history,
            violation: watched.judge.violation().cloned(),
            undecided,
            explanation,
            coverage: watched.judge.coverage().clone(),
            operations,
            script: self.script.take(),
            live_after_ms,
            simulated,
            checking,
            trace: std::mem::take(&mut watched.trace).into_text(),
        }
    }
}

/// What the checker says of a run's history.
enum Judged {
    Linearizable,
    Violation(String),
    Undecided(String),
}

/// Counts steps and no time, so that the verdict is the same on any machine.
fn judge_history(history: &History, kind: WorkloadKind) -> Judged {
    let (spec, init) = spec_of(kind);
    let spec = Spec::by_name(spec).expect("a workload names a spec that exists");
    let options = Options::new(spec)
        .with_init(init)
        .with_budget(Budget::steps(CHECK_STEPS));
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
    let (spec, init) = spec_of(scenario.workload.kind);
    let workload = match scenario.workload.kind {
        WorkloadKind::Register => "register",
        WorkloadKind::Append => "append",
    };
    Header {
        workload: Some(workload.to_owned()),
        spec: Some(spec.to_owned()),
        init: Some(init),
        seed: Some(scenario.seed),
        build: Some(format!("plumb {}", env!("CARGO_PKG_VERSION"))),
        ..Header::default()
    }
}

/// A clock's reading means nothing outside a life: every life starts from another one.
fn epoch_of(seed: u64, id: u64, life: u64) -> Duration {
    let mut draw = Stream::derive(seed, "epoch", id << 32 | life);
    Duration::from_micros(draw.below(3_600_000_000))
}

fn crash_mode(unsynced: Unsynced) -> CrashMode {
    match unsynced {
        Unsynced::Lost => CrashMode::LoseUnsynced,
        Unsynced::Torn => CrashMode::Tear {
            garbage: GARBAGE,
            directory: DirectoryOrder::Journalled,
        },
        Unsynced::Kept => CrashMode::KeepAll,
    }
}

fn address(id: u64) -> String {
    format!("n{id}:{PORT}")
}

fn is_link_between_servers(connection: Connection<'_>) -> bool {
    let server = |host: &str| host.starts_with('n');
    server(connection.local) && server(connection.remote)
}

fn add_server(
    sim: &mut turmoil::Sim<'_>,
    scenario: &Scenario,
    id: u64,
    server: &Server,
    link_faults: &LinkFaults,
    watch: &Watch,
) {
    let addrs: BTreeMap<NodeId, String> = (1..=scenario.servers)
        .map(|id| (NodeId(id), address(id)))
        .collect();
    let settings = &scenario.settings;
    let (least, most) = settings.election_ms;
    let mut config = ServerConfig::new(NodeId(id), &addrs);
    config.election_timeout = (Duration::from_millis(least), Duration::from_millis(most));
    config.heartbeat = Duration::from_millis(settings.heartbeat_ms);
    config.wal = WalOptions {
        segment_bytes: settings.segment_bytes,
    };
    config.log_driver = LogDriver::Inline;
    config.core.max_entries_per_append = settings.max_entries_per_append;
    config.core.voters = if id <= settings.first_voters {
        (1..=settings.first_voters).map(NodeId).collect()
    } else {
        BTreeSet::new()
    };
    config.snapshot_every = settings.snapshot_every;
    config.core.retained_entries = settings.retained_entries;
    config.core.snapshot_chunk_bytes = settings.snapshot_chunk_bytes;
    config.core.pre_vote = settings.pre_vote;
    config.core.check_quorum = settings.check_quorum;
    config.core.stickiness = settings.stickiness;

    let seed = scenario.seed;
    let (disk, clock, watch) = (server.disk.clone(), server.clock.clone(), watch.clone());
    let network = SimNetwork::new(
        seed,
        &name(id),
        link_faults.clone(),
        is_link_between_servers,
    );
    let lives = Cell::new(0);
    sim.host(name(id), move || {
        let life = lives.replace(lives.get() + 1);
        let seams = Seams {
            tasks: Tasks::Local,
            clock: Arc::new(clock.clone()),
            disk: Arc::new(disk.mount()),
            network: Arc::new(network.clone()),
        };
        let random = Box::new(Stream::derive(seed, "server", id << 32 | life));
        let (config, watch) = (config.clone(), watch.clone());
        async move {
            let observer = Arc::new(watch.clone());
            let shutdown = std::future::pending();
            if let Err(error) = server::run(config, seams, random, observer, shutdown).await {
                let what = format!("n{id} stopped by itself: {error}");
                watch.lock().judge.rule(now_ns(), "Availability", what);
            }
            Ok(())
        }
    });
}

/// Carries out what the schedule asks an operator to do, if anything.
fn operator(scenario: &Scenario, link_faults: &LinkFaults) -> Option<Operator> {
    let tasks: Vec<(Duration, Task)> = scenario
        .faults
        .iter()
        .filter_map(|fault| {
            let task = match &fault.what {
                FaultKind::Transfer { to } => Task::Transfer(NodeId(*to)),
                FaultKind::Membership { voters, learners } => {
                    let ids = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
                    Task::Membership(ids(voters), ids(learners))
                }
                _ => return None,
            };
            Some((Duration::from_millis(fault.at_ms), task))
        })
        .collect();
    let servers = servers_of(scenario);
    (!tasks.is_empty()).then(|| Operator {
        tasks,
        servers,
        seams: client_seams(scenario, "operator", u64::MAX, link_faults),
    })
}

fn servers_of(scenario: &Scenario) -> Vec<(NodeId, String)> {
    (1..=scenario.servers)
        .map(|id| (NodeId(id), address(id)))
        .collect()
}

fn client_seams(scenario: &Scenario, host: &str, disk: u64, link_faults: &LinkFaults) -> Seams {
    let network = SimNetwork::new(
        scenario.seed,
        host,
        link_faults.clone(),
        is_link_between_servers,
    );
    Seams {
        tasks: Tasks::Local,
        clock: Arc::new(SimClock::new(Duration::ZERO, 0)),
        // Clients have no disk; a server's would be refused.
        disk: Arc::new(SimDisk::new(scenario.seed, disk, 512).mount()),
        network: Arc::new(network),
    }
}

fn actor(
    scenario: &Scenario,
    number: u64,
    link_faults: &LinkFaults,
    recorder: &SharedRecorder,
    script: &SharedScript,
) -> Actor {
    let host = format!("c{number}");
    let seams = client_seams(scenario, &host, u64::MAX - 1 - number, link_faults);
    let draw = Stream::derive(scenario.seed, "client", number);
    let workload = scenario.workload.clone();
    Actor {
        book: Book::new(
            number,
            workload,
            draw,
            Rc::clone(recorder),
            Rc::clone(script),
        ),
        servers: servers_of(scenario),
        seams,
        draw_server: Stream::derive(scenario.seed, "client.server", number),
        until: Duration::from_millis(scenario.clients_until_ms),
    }
}
