//! The bare tier's world: replicas (the shipped core, state machine and session table) on a queue of
//! events, with a disk of batches and a network of messages. No tokio, no framing, no log code: those are
//! the full tier's. What it gives up in reach it makes up in seeds.

mod caller;
mod client;
mod disk;
mod guest;
mod network;
mod operator;
mod queue;
mod server;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use plumb_raft::net::protocol::RequestBody;
use plumb_raft::server::Picture;

use super::course::World;
use super::seams::disk::Trap;
use super::seams::network::LinkFault;
use super::seams::random::Stream;
use super::watch::Watch;
use crate::invariants::Coverage;
use crate::scenario::{DiskLie, Scenario, Unsynced, millis};
use crate::workload::Books;
use client::Client;
pub(crate) use disk::apply_write;
pub(super) use guest::Guest;
use network::Network;
use operator::Operator;
use queue::{Event, Queue};
use server::Server;

pub use caller::Ticket;
pub(super) use queue::Addressed;

/// How many events happen before the course asks whether a property broke.
const EVENTS_PER_STEP: u32 = 32;

/// A server with its disk and its lives, as the world knows it.
pub(super) trait Host {
    /// What it sends to others.
    type Message: Addressed + Clone + std::fmt::Debug;

    /// Starts with what its disk remembers.
    fn start(&mut self, queue: &mut Queue<Self::Message>, network: &mut Network<Self::Message>);
    /// Loses its memory, and of its disk what `unsynced` says.
    fn crash(&mut self, unsynced: Unsynced, draw: &mut Stream);
    /// What its disk holds is gone, and it knows of no first voters.
    fn empty(&mut self);
    /// A message arrives.
    fn receive(
        &mut self,
        message: Self::Message,
        queue: &mut Queue<Self::Message>,
        network: &mut Network<Self::Message>,
    );
    /// Fires what is due.
    fn wake(&mut self, queue: &mut Queue<Self::Message>, network: &mut Network<Self::Message>);
    /// The disk has finished a sync, unless it was in an earlier life.
    fn synced(
        &mut self,
        life: u64,
        queue: &mut Queue<Self::Message>,
        network: &mut Network<Self::Message>,
    );
    /// Its state machine, as it was a while ago, is written down, unless that was in an earlier life.
    fn developed(
        &mut self,
        life: u64,
        picture: &Picture,
        queue: &mut Queue<Self::Message>,
        network: &mut Network<Self::Message>,
    );
    /// A client calls.
    fn call(
        &mut self,
        ticket: Ticket,
        body: RequestBody,
        queue: &mut Queue<Self::Message>,
        network: &mut Network<Self::Message>,
    );
    /// Syncs that its disk begins from now on take so much longer, or none.
    fn slow_disk(&mut self, slower: Option<RangeInclusive<Duration>>);
    /// How many syncs began while it was slow.
    fn slow_syncs(&self) -> u64;
    /// It takes a snapshot whenever it has applied so many entries.
    fn snapshot_every(&mut self, entries: u64);
    /// Its clock jumps forward, and what its timers wait for with it.
    fn jump(&mut self, by_ns: u64, queue: &mut Queue<Self::Message>);
}

/// The world.
pub(super) struct Bare<S: Host = Server> {
    seed: u64,
    queue: Queue<S::Message>,
    /// What observers take for the time, in nanoseconds.
    seen_now: Arc<AtomicU64>,
    network: Network<S::Message>,
    /// Server n1 comes first.
    servers: Vec<S>,
    clients: Vec<Client>,
    operator: Operator,
    /// What waits for each server that is paused.
    frozen: BTreeMap<usize, Vec<Event<S::Message>>>,
    /// A fault has met the event that it waits for.
    struck: Arc<AtomicBool>,
    /// A server could not start: its panic is kept, and the world is not used any more.
    broken: bool,
}

impl<S: Host> Bare<S> {
    pub(super) fn new(
        scenario: &Scenario,
        seen_now: Arc<AtomicU64>,
        watch: &Watch,
        books: &Books,
        server: impl Fn(u64) -> S,
    ) -> Bare<S> {
        let mut world = Bare {
            seed: scenario.seed,
            queue: Queue::default(),
            seen_now,
            network: Network::new(scenario),
            servers: (1..=scenario.servers).map(server).collect(),
            clients: (0..scenario.workload.clients)
                .map(|number| Client::new(scenario, number, books))
                .collect(),
            operator: Operator::new(scenario),
            frozen: BTreeMap::new(),
            struck: watch.lock().anchors.signal(),
            broken: false,
        };
        for place in 0..world.servers.len() {
            world.start(place);
        }
        for client in &mut world.clients {
            client.start(&mut world.queue);
        }
        world.operator.start(&mut world.queue);
        world
    }

    /// A server starts. Its panic is a finding like any other's.
    fn start(&mut self, place: usize) {
        let server = &mut self.servers[place];
        let started = catch_unwind(AssertUnwindSafe(|| {
            server.start(&mut self.queue, &mut self.network);
        }));
        self.broken |= started.is_err();
    }

    fn happen(&mut self, event: Event<S::Message>) {
        if !self.frozen.is_empty()
            && let Some(server) = event.server()
            && let Some(waiting) = self.frozen.get_mut(&server)
        {
            waiting.push(event);
            return;
        }
        let (queue, network) = (&mut self.queue, &mut self.network);
        match event {
            Event::Deliver(envelope) => {
                if let Some(envelope) = network.deliver(envelope, queue.now_ns()) {
                    let to = envelope.to() as usize - 1;
                    self.servers[to].receive(envelope, queue, network);
                }
            }
            Event::Wake { server } => self.servers[server].wake(queue, network),
            Event::Synced { server, life } => self.servers[server].synced(life, queue, network),
            Event::Developed {
                server,
                life,
                picture,
            } => self.servers[server].developed(life, &picture, queue, network),
            Event::Call {
                server,
                ticket,
                body,
            } => self.servers[server].call(ticket, *body, queue, network),
            Event::Answer { ticket, body } => match ticket.caller {
                Ticket::OPERATOR => self
                    .operator
                    .answer(ticket, body.map(|b| *b), queue, network),
                client => self.clients[client].answer(ticket, body.map(|b| *b), queue, network),
            },
            Event::Patience { caller, number } => match caller {
                Ticket::OPERATOR => self.operator.wake(number, queue, network),
                client => self.clients[client].wake(number, queue, network),
            },
            Event::Death { client, operation } => self.clients[client].die(operation, queue),
        }
    }
}

impl Bare {
    /// A world of the shipped replicas.
    pub(super) fn of_replicas(
        scenario: &Scenario,
        seen_now: Arc<AtomicU64>,
        watch: &Watch,
        books: &Books,
    ) -> Bare {
        Bare::new(scenario, seen_now, watch, books, |id| {
            Server::new(scenario, id, watch)
        })
    }
}

impl<S: Host> World for Bare<S> {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.queue.now_ns())
    }

    fn step(&mut self, to: Duration) -> Result<(), String> {
        let to_ns = u64::try_from(to.as_nanos()).unwrap_or(u64::MAX);
        if self.broken {
            return Err("a replica panicked as it started".to_owned());
        }
        // An assertion of the core is a finding. The world is not used after one.
        catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..EVENTS_PER_STEP {
                let Some(event) = self.queue.pop(to_ns) else {
                    return;
                };
                self.seen_now.store(self.queue.now_ns(), Ordering::Relaxed);
                self.happen(event);
                if self.struck.load(Ordering::Relaxed) {
                    return;
                }
            }
        }))
        .map_err(|_| "a replica panicked".to_owned())
    }

    fn slow_disk(&mut self, id: u64, slower_ms: Option<(u64, u64)>) {
        self.servers[id as usize - 1].slow_disk(slower_ms.map(millis));
    }

    fn snapshot_every(&mut self, id: u64, entries: u64) {
        self.servers[id as usize - 1].snapshot_every(entries);
    }

    fn set_link(&mut self, from: u64, to: u64, fault: LinkFault) {
        self.network.set(from, to, fault, &mut self.queue);
    }

    fn crash(&mut self, id: u64, unsynced: Unsynced) {
        // Drawn by the moment, not by the fault's number: removing another fault changes nothing.
        let at_ms = self.queue.now_ns() / 1_000_000;
        let mut draw = Stream::derive(self.seed, "crash", at_ms << 8 | id);
        self.servers[id as usize - 1].crash(unsynced, &mut draw);
    }

    fn empty(&mut self, id: u64) {
        self.servers[id as usize - 1].empty();
    }

    fn restart(&mut self, id: u64) {
        self.seen_now.store(self.queue.now_ns(), Ordering::Relaxed);
        self.start(id as usize - 1);
    }

    fn pause(&mut self, id: u64) {
        self.frozen.entry(id as usize - 1).or_default();
    }

    fn resume(&mut self, id: u64) {
        for event in self.frozen.remove(&(id as usize - 1)).into_iter().flatten() {
            self.queue.after(0, event);
        }
    }

    fn jump(&mut self, id: u64, by: Duration) {
        let by_ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.servers[id as usize - 1].jump(by_ns, &mut self.queue);
    }

    fn break_disk(&mut self, _: u64, _: Trap) {
        unreachable!("a checked scenario of this tier breaks no disk");
    }

    fn rot(&mut self, _: u64) {
        unreachable!("a checked scenario of this tier breaks no disk");
    }

    fn lie(&mut self, _: u64, _: DiskLie, _: u64) {
        unreachable!("a checked scenario of this tier breaks no disk");
    }

    fn reset(&mut self, one: u64, other: u64) {
        self.network.reset(one, other);
    }

    fn coverage(&self) -> Coverage {
        Coverage {
            slow_syncs: self.servers.iter().map(S::slow_syncs).sum(),
            ..self.network.seen.clone()
        }
    }

    fn mend_disk(&mut self, _: u64) -> bool {
        false
    }
}
