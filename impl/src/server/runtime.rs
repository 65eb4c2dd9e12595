//! The event loop: what has come in goes into the replica, then its work out into the world.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::connections::{ClientCall, FromPeer, Responder};
use super::links::Links;
use super::pictures::Pictures;
use super::replica::{Developed, Replica};
use super::timers::Timers;
use super::{ServerError, StorageError};
use crate::core::{Input, PersistSeq};
use crate::net::protocol::MAX_COMMAND_BYTES;
use crate::seams::Clock;
use crate::storage::{LogWriter, MAX_RECORD_BYTES};

/// How long a leader that is to stop waits for another to take over.
const FAREWELL: Duration = Duration::from_secs(1);

/// How many client calls are taken into the core at once.
const CALLS_PER_STEP: usize = 256;
/// How many messages are taken in before anything that follows from them is carried out.
const MESSAGES_PER_TURN: usize = 64;

/// No more are once they carry so many bytes.
const BYTES_PER_STEP: usize = 8 << 20;

// What one step appends is one record of the log, and must fit into it.
const _: () = assert!(2 * (BYTES_PER_STEP + MAX_COMMAND_BYTES) <= MAX_RECORD_BYTES);

pub(super) struct Runtime {
    replica: Replica<Responder>,
    writer: LogWriter,
    links: Links,
    timers: Timers,
    pictures: Pictures,
    clock: Arc<dyn Clock>,
    persisted: PersistSeq,
    log_is_full: bool,
}

enum Event {
    Shutdown,
    Durable(Result<PersistSeq, StorageError>),
    Peer(FromPeer),
    Client(ClientCall),
    Developed(Result<Developed, StorageError>),
    Timer,
}

impl Runtime {
    pub(super) fn new(
        replica: Replica<Responder>,
        writer: LogWriter,
        links: Links,
        timers: Timers,
        pictures: Pictures,
        clock: Arc<dyn Clock>,
    ) -> Runtime {
        Runtime {
            replica,
            writer,
            links,
            timers,
            pictures,
            clock,
            persisted: PersistSeq(0),
            log_is_full: false,
        }
    }

    pub(super) async fn run(
        mut self,
        mut from_peers: mpsc::Receiver<FromPeer>,
        mut from_clients: mpsc::Receiver<ClientCall>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let mut shutdown = pin!(shutdown);
        // Until when it waits for somebody to take over from it.
        let mut leaves_by = None;
        self.carry_out();
        loop {
            if leaves_by.is_some_and(|by| !self.replica.leads() || self.clock.now() >= by) {
                self.writer.close();
                self.writer.drained().await?;
                return Ok(());
            }
            // First, so that no flood of messages can starve the timers.
            while let Some(timer) = self.timers.take_due() {
                self.replica.set_now(self.clock.now());
                self.replica.step(Input::TimerFired(timer));
                self.carry_out();
            }
            let event = tokio::select! {
                biased;
                () = &mut shutdown, if leaves_by.is_none() => Event::Shutdown,
                durable = self.writer.durable(self.persisted) => Event::Durable(durable),
                // Before messages and calls: these may never end, and the log grows until a snapshot is there.
                developed = self.pictures.next() => Event::Developed(developed),
                Some(come) = from_peers.recv() => Event::Peer(come),
                // What the log can't keep up with waits at the sockets.
                Some(call) = from_clients.recv(), if !self.log_is_full => Event::Client(call),
                () = self.timers.sleep() => Event::Timer,
            };
            self.replica.set_now(self.clock.now());
            match event {
                Event::Shutdown => {
                    let now = self.clock.now();
                    let patience = if self.replica.hand_over() {
                        FAREWELL
                    } else {
                        Duration::ZERO
                    };
                    leaves_by = Some(now + patience);
                }
                Event::Durable(seq) => {
                    self.persisted = seq?;
                    self.replica.step(Input::Persisted(self.persisted));
                }
                Event::Peer(come) => {
                    self.take_in(come);
                    for _ in 1..MESSAGES_PER_TURN {
                        let Ok(come) = from_peers.try_recv() else {
                            break;
                        };
                        self.take_in(come);
                    }
                }
                Event::Client(call) => {
                    // Others may have been about to hand theirs over: together they take one record of
                    // the log, one sync and one message to each follower.
                    self.clock.give_way().await;
                    let mut bytes = call.body.bytes();
                    let mut calls = vec![call];
                    while calls.len() < CALLS_PER_STEP && bytes < BYTES_PER_STEP {
                        let Ok(call) = from_clients.try_recv() else {
                            break;
                        };
                        bytes += call.body.bytes();
                        calls.push(call);
                    }
                    // After the last was taken: a lease that held before a read was asked for proves nothing.
                    self.replica.set_now(self.clock.now());
                    self.replica
                        .call(calls.into_iter().map(ClientCall::into_parts));
                }
                Event::Developed(picture) => self.replica.developed(picture?),
                Event::Timer => {}
            }
            if let Some(picture) = self.replica.take_picture() {
                self.pictures.develop(picture);
            }
            self.carry_out();
        }
    }

    fn take_in(&mut self, come: FromPeer) {
        match come {
            FromPeer::Message(envelope) => self.replica.step(Input::Receive(envelope)),
            FromPeer::Greeting(peer, addr) => self.links.greet(peer, addr),
        }
    }

    fn carry_out(&mut self) {
        let work = self.replica.take_work();
        for batch in work.persist {
            self.writer.submit(batch);
        }
        self.links.follow(self.replica.node().membership());
        for envelope in work.send {
            self.links.send(envelope);
        }
        for timer in work.timers {
            self.timers.set(timer);
        }
        for (responder, body) in work.responses {
            responder.respond(body);
        }
        let backlog = self.writer.backlog();
        self.log_is_full = backlog.full;
        self.replica.tell_load(backlog.batches);
    }
}
