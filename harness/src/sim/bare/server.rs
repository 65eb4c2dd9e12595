//! A server: a replica with its timers on a clock that drifts, its disk, and its lives.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use plumb_raft::core::{CoreConfig, Envelope, Input, Node, PersistSeq, Remembered, Timer};
use plumb_raft::net::protocol::RequestBody;
use plumb_raft::server::{Observer, Picture, Replica, SnapshotEvery, Work};
use plumb_raft::storage::RecoveryReport;
use plumb_raft::types::NodeId;

use super::Host;
use super::caller::Ticket;
use super::disk::{Batch, Disk};
use super::network::Network;
use super::queue::{Event, Queue};
use crate::scenario::{Scenario, Unsynced};
use crate::sim::cluster::core_config;
use crate::sim::seams::random::Stream;
use crate::sim::watch::Watch;

/// How long a server takes to write its state machine down.
const DEVELOPING_NS: u64 = 5_000_000;

/// How many timers a server has.
const TIMERS: usize = 3;

/// When each timer fires next, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Timers {
    election: Option<u64>,
    heartbeat: Option<u64>,
    stickiness: Option<u64>,
}

/// One server.
pub(in crate::sim) struct Server {
    seed: u64,
    /// Its place among all.
    place: usize,
    config: CoreConfig,
    snapshot_every: SnapshotEvery,
    /// `None` while it is down.
    replica: Option<Replica<Ticket>>,
    /// Empty, with the room for what the replica asks for next.
    work: Work<Ticket>,
    disk: Disk<Remembered>,
    timers: Timers,
    /// When it is going to look at its timers next: always by the earliest of them.
    wakes_ns: Option<u64>,
    life: u64,
    timeouts: Stream,
    /// Parts per million by which its clock is fast.
    ppm: i64,
    /// Where its clock started.
    epoch_ns: u64,
    election_us: (u64, u64),
    heartbeat_us: u64,
    watch: Watch,
}

impl Server {
    pub(super) fn new(scenario: &Scenario, id: u64, watch: &Watch) -> Server {
        let settings = &scenario.settings;
        let place = id as usize - 1;
        Server {
            seed: scenario.seed,
            place,
            config: core_config(scenario, NodeId(id)),
            snapshot_every: settings.snapshot_every.into(),
            replica: None,
            work: Work::default(),
            disk: Disk::new(scenario.seed, id, settings.sync_us),
            timers: Timers::default(),
            wakes_ns: None,
            life: 0,
            timeouts: Stream::derive(scenario.seed, "server", id << 32),
            ppm: i64::from(settings.clock_ppm[place]),
            epoch_ns: 0,
            election_us: (settings.election_ms.0 * 1000, settings.election_ms.1 * 1000),
            heartbeat_us: settings.heartbeat_ms * 1000,
            watch: watch.clone(),
        }
    }
}

impl Host for Server {
    type Message = Envelope;

    fn start(&mut self, queue: &mut Queue, network: &mut Network) {
        self.life += 1;
        let id = self.config.id.0;
        self.timeouts = Stream::derive(self.seed, "server", id << 32 | self.life);
        let (node, started) = Node::recover(self.config.clone(), self.disk.remembered());
        self.watch.recovered(&node, &RecoveryReport::default());
        let observer = Arc::new(self.watch.clone());
        let first_request = self.timeouts.next_u64() >> 1;
        self.replica = Some(Replica::new(
            node,
            started,
            observer,
            self.snapshot_every.clone(),
            first_request,
        ));
        self.epoch_ns = self.timeouts.below(3_600_000_000_000);
        self.carry_out(queue, network);
    }

    fn crash(&mut self, unsynced: Unsynced, draw: &mut Stream) {
        self.replica = None;
        self.timers = Timers::default();
        self.disk.crash(unsynced, draw);
    }

    fn empty(&mut self) {
        self.disk.empty();
        self.config.voters.clear();
    }

    fn receive(&mut self, envelope: Envelope, queue: &mut Queue, network: &mut Network) {
        self.step(Input::Receive(envelope), queue, network);
    }

    fn wake(&mut self, queue: &mut Queue, network: &mut Network) {
        let now_ns = queue.now_ns();
        if self.wakes_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.wakes_ns = None;
        }
        // Each at most once: one that is due again at once has an event of its own, or no judge would ever get a word in.
        for _ in 0..TIMERS {
            let Some(timer) = self.take_due(now_ns) else {
                break;
            };
            self.step(Input::TimerFired(timer), queue, network);
        }
        self.plan_to_wake(queue);
    }

    fn synced(&mut self, life: u64, queue: &mut Queue, network: &mut Network) {
        if life == self.life && self.replica.is_some() {
            let seq = PersistSeq(self.disk.end());
            self.step(Input::Persisted(seq), queue, network);
        }
    }

    fn developed(
        &mut self,
        life: u64,
        picture: &Picture,
        queue: &mut Queue,
        network: &mut Network,
    ) {
        let now = self.now(queue);
        if let Some(replica) = self.replica.as_mut().filter(|_| life == self.life) {
            replica.set_now(now);
            replica.developed(picture.develop());
            self.carry_out(queue, network);
        }
    }

    fn call(
        &mut self,
        ticket: Ticket,
        body: RequestBody,
        queue: &mut Queue,
        network: &mut Network,
    ) {
        let now = self.now(queue);
        match &mut self.replica {
            Some(replica) => {
                replica.set_now(now);
                replica.call([(body, ticket)]);
                self.carry_out(queue, network);
            }
            None => {
                let way_ns = network.caller_way_ns();
                queue.after(way_ns, Event::Answer { ticket, body: None });
            }
        }
    }

    fn slow_disk(&mut self, slower: Option<RangeInclusive<Duration>>) {
        self.disk.slow_down(slower);
    }

    fn slow_syncs(&self) -> u64 {
        self.disk.slow_syncs
    }

    fn snapshot_every(&mut self, entries: u64) {
        self.snapshot_every.set(entries);
    }

    fn jump(&mut self, by_ns: u64, queue: &mut Queue) {
        self.epoch_ns += by_ns;
        let sooner_ns = by_ns * 1_000_000 / (1_000_000 + self.ppm) as u64;
        let Timers {
            election,
            heartbeat,
            stickiness,
        } = &mut self.timers;
        for due_ns in [election, heartbeat, stickiness].into_iter().flatten() {
            *due_ns = due_ns.saturating_sub(sooner_ns);
        }
        self.plan_to_wake(queue);
    }
}

impl Server {
    fn step(&mut self, input: Input, queue: &mut Queue, network: &mut Network) {
        let now = self.now(queue);
        let Some(replica) = &mut self.replica else {
            return;
        };
        replica.set_now(now);
        replica.step(input);
        self.carry_out(queue, network);
    }

    fn carry_out(&mut self, queue: &mut Queue, network: &mut Network) {
        let Some(replica) = &mut self.replica else {
            return;
        };
        if let Some(picture) = replica.take_picture() {
            let event = Event::Developed {
                server: self.place,
                life: self.life,
                picture: Box::new(picture),
            };
            queue.after(DEVELOPING_NS, event);
        }
        let work = &mut self.work;
        replica.swap_work(work);
        // In most steps one of the three is there, and to find that a list is empty costs less than to drain it.
        if !work.persist.is_empty() {
            for batch in work.persist.drain(..) {
                self.disk.submit(Batch {
                    seq: batch.seq.0,
                    writes: batch.writes,
                });
            }
        }
        if let Some(delay) = self.disk.begin() {
            let (server, life) = (self.place, self.life);
            let delay_ns = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
            queue.after(delay_ns, Event::Synced { server, life });
        }
        if !work.send.is_empty() {
            for envelope in std::mem::take(&mut work.send) {
                network.send(envelope, queue);
            }
        }
        if !work.responses.is_empty() {
            for (ticket, body) in work.responses.drain(..) {
                let way_ns = network.caller_way_ns();
                let body = Some(Box::new(body));
                queue.after(way_ns, Event::Answer { ticket, body });
            }
        }
        for number in 0..self.work.timers.len() {
            self.set(self.work.timers[number], queue.now_ns());
        }
        self.work.timers.clear();
        self.plan_to_wake(queue);
    }

    /// The time by its own clock, whose reading means nothing outside of a life.
    fn now(&self, queue: &Queue) -> Duration {
        // In two parts, so that nothing overflows, and nothing is lost: whole milliseconds come out even.
        let (ms, rest_ns) = (queue.now_ns() / 1_000_000, queue.now_ns() % 1_000_000);
        let rate = (1_000_000 + self.ppm) as u64;
        Duration::from_nanos(self.epoch_ns + ms * rate + rest_ns * rate / 1_000_000)
    }

    fn set(&mut self, timer: Timer, now_ns: u64) {
        let (least, most) = self.election_us;
        let (which, us) = match timer {
            Timer::Election => {
                let spread = self.timeouts.below((most - least).max(1));
                (&mut self.timers.election, least + spread)
            }
            Timer::Heartbeat => (&mut self.timers.heartbeat, self.heartbeat_us),
            Timer::Stickiness => (&mut self.timers.stickiness, least),
        };
        // So long by its own clock, which is so much too fast.
        let ns = (us * 1_000) as i64 * 1_000_000 / (1_000_000 + self.ppm);
        *which = Some(now_ns + ns as u64);
    }

    fn take_due(&mut self, now_ns: u64) -> Option<Timer> {
        let due = |at: &mut Option<u64>| at.take_if(|at| *at <= now_ns).is_some();
        if due(&mut self.timers.heartbeat) {
            Some(Timer::Heartbeat)
        } else if due(&mut self.timers.stickiness) {
            Some(Timer::Stickiness)
        } else if due(&mut self.timers.election) {
            Some(Timer::Election)
        } else {
            None
        }
    }

    fn plan_to_wake(&mut self, queue: &mut Queue) {
        let Timers {
            election,
            heartbeat,
            stickiness,
        } = self.timers;
        let Some(due_ns) = [election, heartbeat, stickiness]
            .into_iter()
            .flatten()
            .min()
        else {
            return;
        };
        if self.wakes_ns.is_none_or(|at_ns| due_ns < at_ns) {
            self.wakes_ns = Some(due_ns);
            let server = self.place;
            queue.at(due_ns, Event::Wake { server });
        }
    }
}
