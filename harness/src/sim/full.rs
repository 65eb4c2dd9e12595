//! The full tier's world: the shipped server, its framing, its runtime and its log on turmoil, with a
//! network, clocks and disks of ours under it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use plumb_raft::seams::{Seams, Tasks};
use plumb_raft::server::{self, LogDriver, ServerConfig, SnapshotEvery};
use plumb_raft::storage::{Wal, WalOptions};
use plumb_raft::types::NodeId;

use super::cluster::{core_config, read_mode, tasks};
use super::course::World;
use super::seams::clock::SimClock;
use super::seams::disk::{CrashMode, DirectoryOrder, DiskCall, Errno, Failure, SimDisk, Trap};
use super::seams::gate::Gate;
use super::seams::network::{Connection, LinkFault, LinkFaults, SimNetwork};
use super::seams::random::Stream;
use super::watch::{Watch, now_ns};
use crate::invariants::Coverage;
use crate::scenario::{DiskLie, Scenario, Settings, Unsynced, millis};
use crate::workload::{Actor, Book, Books, Operator};

#[cfg(test)]
mod tests;

/// Where servers listen, in the simulated network.
const PORT: u16 = 7000;
/// The host on which all clients live, and the operator: a run costs turmoil so much for each host and for each pair of
/// them at every tick, and what strikes servers strikes no client.
const CALLERS: &str = "callers";
/// Turmoil's ticks must be whole milliseconds.
const TICK: Duration = Duration::from_millis(1);
/// Turmoil ends a simulation after so long with an error. A course ends its run itself, hours before.
const NEVER: Duration = Duration::from_secs(86_400);
/// How likely a sector that was being written when power failed holds noise afterwards.
const GARBAGE: f64 = 0.25;

/// A server of the world, from outside.
struct Server {
    disk: SimDisk,
    clock: SimClock,
    lives: u64,
    /// It has lost its disk once, and knows of no first voters.
    emptied: Rc<Cell<bool>>,
    /// Shut while it is paused.
    gate: Gate,
    snapshot_every: SnapshotEvery,
    /// It has stopped by itself because its disk failed.
    stopped: Rc<Cell<bool>>,
    /// The calls of its disk that had failed before its present life.
    spoiled_before: u64,
}

/// The world.
pub(super) struct Full<'a> {
    seed: u64,
    sim: turmoil::Sim<'a>,
    servers: BTreeMap<u64, Server>,
    link_faults: LinkFaults,
    segment_bytes: u64,
    believed_lies: u64,
    /// Damage is kept within what a server claims to survive: see docs/faults.md. Always, but for a test of that.
    pub(super) keeps_to_the_atlas: bool,
}

fn name(id: u64) -> String {
    format!("n{id}")
}

impl<'a> Full<'a> {
    pub(super) fn new(scenario: &'a Scenario, watch: &Watch, books: &Books) -> Full<'a> {
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
            .simulation_duration(NEVER)
            .build();
        let link_faults = LinkFaults::new();
        let servers: BTreeMap<u64, Server> = (1..=scenario.servers)
            .map(|id| {
                let sector = usize::try_from(*sector_bytes).expect("checked: at most 4096");
                let disk = SimDisk::new(scenario.seed, id, sector);
                let (least, most) = *sync_us;
                disk.set_faults(|faults| {
                    faults.sync_delay = Duration::from_micros(least)..=Duration::from_micros(most);
                });
                let rate = scenario.settings.clock_ppm[id as usize - 1];
                let gate = Gate::default();
                let clock = SimClock::new(epoch_of(scenario.seed, id, 0), rate).behind(&gate);
                (
                    id,
                    Server {
                        disk,
                        clock,
                        lives: 1,
                        emptied: Rc::default(),
                        gate,
                        snapshot_every: scenario.settings.snapshot_every.into(),
                        stopped: Rc::default(),
                        spoiled_before: 0,
                    },
                )
            })
            .collect();
        for (id, server) in &servers {
            add_server(&mut sim, scenario, *id, server, &link_faults, watch);
        }
        sim.client(CALLERS, callers(scenario, &link_faults, books));
        Full {
            seed: scenario.seed,
            sim,
            servers,
            link_faults,
            segment_bytes: scenario.settings.segment_bytes,
            believed_lies: 0,
            keeps_to_the_atlas: true,
        }
    }
}

impl Full<'_> {
    /// The servers' disks.
    pub(super) fn disks(&self) -> BTreeMap<u64, SimDisk> {
        let disk = |(id, server): (&u64, &Server)| (*id, server.disk.clone());
        self.servers.iter().map(disk).collect()
    }
}

impl World for Full<'_> {
    fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    fn step(&mut self, _: Duration) -> Result<(), String> {
        let stepped = self.sim.step();
        stepped.map_or_else(|error| Err(format!("a task failed: {error}")), |_| Ok(()))
    }

    fn slow_disk(&mut self, id: u64, slower_ms: Option<(u64, u64)>) {
        let disk = &self.servers[&id].disk;
        disk.set_faults(|faults| faults.sync_slower = slower_ms.map(millis));
    }

    fn snapshot_every(&mut self, id: u64, entries: u64) {
        self.servers[&id].snapshot_every.set(entries);
    }

    fn set_link(&mut self, from: u64, to: u64, fault: LinkFault) {
        self.link_faults.set(&name(from), &name(to), fault);
    }

    fn crash(&mut self, id: u64, unsynced: Unsynced) {
        // Drawn by the moment, not by the fault's number: removing another fault changes nothing.
        let at_ms = u64::try_from(self.sim.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut draw = Stream::derive(self.seed, "crash", at_ms << 8 | id);
        let server = self
            .servers
            .get_mut(&id)
            .expect("a server of this scenario");
        // The atlas of faults: a disk that has lied keeps its power until it has made its word good. Nobody claims to
        // survive more.
        let mode = if self.keeps_to_the_atlas && server.disk.has_lied() {
            CrashMode::KeepAll
        } else {
            crash_mode(unsynced)
        };
        server.disk.crash(&mut draw, mode);
        self.link_faults.set_down(&name(id), true);
        self.sim.crash(name(id));
    }

    fn empty(&mut self, id: u64) {
        if let Some(server) = self.servers.get(&id) {
            server.disk.set_faults(|faults| faults.traps.clear());
            server.disk.empty();
            server.emptied.set(true);
        }
    }

    fn restart(&mut self, id: u64) {
        let server = self
            .servers
            .get_mut(&id)
            .expect("a server of this scenario");
        if server.disk.has_lost_writes() && reads_well(&server.disk, self.segment_bytes) {
            server.disk.forget_lost_writes();
            self.believed_lies += 1;
        }
        let epoch = epoch_of(self.seed, id, server.lives);
        server.lives += 1;
        server.clock.restart(self.sim.elapsed(), epoch);
        self.link_faults.set_down(&name(id), false);
        server.stopped.set(false);
        server.spoiled_before = server.disk.stats().spoiled;
        self.sim.bounce(name(id));
    }

    fn pause(&mut self, id: u64) {
        self.servers[&id].gate.shut();
    }

    fn resume(&mut self, id: u64) {
        self.servers[&id].gate.open();
    }

    fn jump(&mut self, id: u64, by: Duration) {
        let now = self.sim.elapsed();
        self.servers[&id].clock.jump_forward(now, by);
    }

    fn break_disk(&mut self, id: u64, trap: Trap) {
        self.servers[&id].disk.set_trap(trap);
    }

    fn rot(&mut self, id: u64) {
        let at_ms = u64::try_from(self.sim.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut draw = Stream::derive(self.seed, "rot", at_ms << 8 | id);
        let server = &self.servers[&id];
        // No server can tell a second bit from a torn tail if the first took what would have told it.
        if server.disk.is_rotten() || server.disk.has_lied() {
            return;
        }
        let files: Vec<(String, u64)> = server
            .disk
            .durable_image()
            .into_iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(name, bytes)| (name, bytes.len() as u64))
            .collect();
        let Some((file, len)) = draw.choose(&files).cloned() else {
            return;
        };
        let (offset, mask) = (draw.below(len), 1 << draw.below(8));
        let turned = server.disk.rot(&file, offset, mask);
        assert!(turned, "a byte of what is durable");
    }

    fn lie(&mut self, id: u64, about: DiskLie, skip: u64) {
        let disk = &self.servers[&id].disk;
        if disk.is_rotten() || disk.has_lied() {
            return;
        }
        let traps: &[(DiskCall, u64, Failure)] = match about {
            DiskLie::Syncs => &[
                (DiskCall::Sync, u64::MAX, Failure::Lost),
                (DiskCall::SyncDir, u64::MAX, Failure::Lost),
            ],
            DiskLie::LostWrite => &[(DiskCall::Write, 1, Failure::Lost)],
            DiskLie::MisdirectedWrite { by } => &[(DiskCall::Write, 1, Failure::Misdirected(by))],
        };
        for (call, times, failure) in traps.iter().copied() {
            disk.set_trap(Trap {
                call,
                file: String::new(),
                skip,
                times,
                failure,
            });
        }
    }

    fn reset(&mut self, one: u64, other: u64) {
        self.link_faults.reset(&name(one), &name(other));
    }

    fn coverage(&self) -> Coverage {
        let disks = self.servers.values().map(|server| server.disk.stats());
        let links = self.link_faults.counts();
        let mut coverage = Coverage {
            believed_lies: self.believed_lies,
            ..Coverage::default()
        };
        for link in links.values() {
            coverage.narrowed += link.narrowed;
            coverage.cut_off += link.blocked;
            coverage.lost += link.dropped;
            coverage.repeated += link.duplicated;
            coverage.delayed += link.delayed;
        }
        for disk in disks {
            coverage.lost_writes += disk.lost_writes;
            coverage.misdirected_writes += disk.misdirected_writes;
            coverage.lost_syncs += disk.lost_syncs;
            coverage.slow_syncs += disk.slow_syncs;
            for call in DiskCall::ALL {
                *coverage.of_call(call) += disk.failed_calls[call as usize];
            }
            for errno in Errno::ALL {
                *coverage.of_errno(errno) += disk.failed_by[errno as usize];
            }
        }
        coverage
    }

    fn mend_disk(&mut self, id: u64) -> bool {
        let server = &self.servers[&id];
        server.disk.set_faults(|faults| faults.traps.clear());
        server.disk.heal();
        server.disk.come_true();
        // One that is paused has not noticed yet.
        server.stopped.get() || server.disk.stats().spoiled > server.spoiled_before
    }
}

/// Whether a server would take what is on this disk for a whole log: asked of a copy.
fn reads_well(disk: &SimDisk, segment_bytes: u64) -> bool {
    let copy = SimDisk::from_image(disk.cached_image(), 0, 0, 512);
    Wal::open(Arc::new(copy.mount()), WalOptions { segment_bytes }).is_ok()
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
    let settings = &scenario.settings;
    let (least, most) = settings.election_ms;
    let mut config = ServerConfig::joining(NodeId(id), &address(id));
    config.election_timeout = (Duration::from_millis(least), Duration::from_millis(most));
    config.heartbeat = Duration::from_millis(settings.heartbeat_ms);
    config.wal = WalOptions {
        segment_bytes: settings.segment_bytes,
    };
    config.log_driver = LogDriver::Inline;
    config.core = core_config(scenario, NodeId(id));
    // Who is to be added later hears of the others from whoever adds it, and they of it from the operator.
    let voters = config.core.voters.iter();
    config.core.addresses = voters.map(|id| (*id, address(id.0))).collect();
    config.snapshot_every = server.snapshot_every.clone();

    let seed = scenario.seed;
    let (disk, clock, watch) = (server.disk.clone(), server.clock.clone(), watch.clone());
    let network = SimNetwork::new(
        seed,
        &name(id),
        link_faults.clone(),
        is_link_between_servers,
    )
    .behind(&server.gate);
    let lives = Cell::new(0);
    let emptied = Rc::clone(&server.emptied);
    let stopped = Rc::clone(&server.stopped);
    sim.host(name(id), move || {
        let life = lives.replace(lives.get() + 1);
        let seams = Seams {
            tasks: Tasks::Local,
            clock: Arc::new(clock.clone()),
            disk: Arc::new(disk.mount()),
            network: Arc::new(network.clone()),
        };
        let random = Box::new(Stream::derive(seed, "server", id << 32 | life));
        let (mut config, watch) = (config.clone(), watch.clone());
        let (disk, stopped) = (disk.clone(), Rc::clone(&stopped));
        if emptied.get() {
            config.core.voters.clear();
        }
        async move {
            let observer = Arc::new(watch.clone());
            let shutdown = std::future::pending();
            let spoiled_before = disk.stats().spoiled;
            let ended = server::run(config, seams, random, observer, shutdown).await;
            let disk_failed =
                disk.stats().spoiled > spoiled_before || disk.is_rotten() || disk.has_lied();
            if ended.is_err() && disk_failed {
                stopped.set(true);
                watch.lock().judge.stopped(NodeId(id));
            } else {
                // Nobody has asked it to.
                let why =
                    ended.map_or_else(|error| error.to_string(), |_| "all is well".to_owned());
                let what = format!("n{id} stopped by itself: {why}");
                watch.lock().judge.rule(now_ns(), "Availability", what);
            }
            Ok(())
        }
    });
}

/// All that call servers, each a task.
fn callers(
    scenario: &Scenario,
    link_faults: &LinkFaults,
    books: &Books,
) -> impl Future<Output = turmoil::Result> + use<> {
    let clients = 0..scenario.workload.clients;
    let actors: Vec<Actor> = clients
        .map(|number| actor(scenario, number, link_faults, books))
        .collect();
    let operator = operator(scenario, link_faults);
    async move {
        // Not `tokio::spawn`: see `plumb_raft::seams::Tasks`. A task's panic is kept as any other's.
        for actor in actors {
            tokio::task::spawn_local(actor.run());
        }
        if let Some(operator) = operator {
            tokio::task::spawn_local(operator.run());
        }
        std::future::pending().await
    }
}

/// Carries out what the schedule asks an operator to do, if anything.
fn operator(scenario: &Scenario, link_faults: &LinkFaults) -> Option<Operator> {
    let tasks = tasks(scenario);
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

fn actor(scenario: &Scenario, number: u64, link_faults: &LinkFaults, books: &Books) -> Actor {
    let host = format!("c{number}");
    let seams = client_seams(scenario, &host, u64::MAX - 1 - number, link_faults);
    Actor {
        scenario: Scenario {
            faults: Vec::new(),
            ..scenario.clone()
        },
        book: Book::new(scenario, number, books.clone()),
        servers: servers_of(scenario),
        seams,
        draw_server: Stream::derive(scenario.seed, "client.server", number),
        read_mode: read_mode(scenario),
        until: Duration::from_millis(scenario.clients_until_ms),
    }
}
