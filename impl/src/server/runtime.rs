//! The event loop: what has come in goes into the replica, then its work out into the world.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::yield_now;

use super::connections::{ClientCall, Responder};
use super::replica::Replica;
use super::timers::Timers;
use super::{ServerError, StorageError};
use crate::core::{Envelope, Input, PersistSeq};
use crate::net::PeerLink;
use crate::seams::Clock;
use crate::storage::LogWriter;
use crate::types::NodeId;

/// How many client calls are taken into the core at once.
const CALLS_PER_STEP: usize = 256;
/// How many messages are taken in before anything that follows from them is carried out.
const MESSAGES_PER_TURN: usize = 64;

pub(super) struct Runtime {
    replica: Replica<Responder>,
    writer: LogWriter,
    links: BTreeMap<NodeId, PeerLink>,
    timers: Timers,
    clock: Arc<dyn Clock>,
    persisted: PersistSeq,
}

enum Event {
    Shutdown,
    Durable(Result<PersistSeq, StorageError>),
    Peer(Envelope),
    Client(ClientCall),
    Timer,
}

impl Runtime {
    pub(super) fn new(
        replica: Replica<Responder>,
        writer: LogWriter,
        links: BTreeMap<NodeId, PeerLink>,
        timers: Timers,
        clock: Arc<dyn Clock>,
    ) -> Runtime {
        Runtime {
            replica,
            writer,
            links,
            timers,
            clock,
            persisted: PersistSeq(0),
        }
    }

    pub(super) async fn run(
        mut self,
        mut from_peers: mpsc::Receiver<Envelope>,
        mut from_clients: mpsc::Receiver<ClientCall>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let mut shutdown = pin!(shutdown);
        self.carry_out();
        loop {
            // First, so that no flood of messages can starve the timers.
            while let Some(timer) = self.timers.take_due() {
                self.replica.set_now(self.clock.now());
                self.replica.step(Input::TimerFired(timer));
                self.carry_out();
            }
            let event = tokio::select! {
                biased;
                () = &mut shutdown => Event::Shutdown,
                durable = self.writer.durable(self.persisted) => Event::Durable(durable),
                Some(envelope) = from_peers.recv() => Event::Peer(envelope),
                Some(call) = from_clients.recv() => Event::Client(call),
                () = self.timers.sleep() => Event::Timer,
            };
            self.replica.set_now(self.clock.now());
            match event {
                Event::Shutdown => {
                    self.writer.close();
                    return Ok(());
                }
                Event::Durable(seq) => {
                    self.persisted = seq?;
                    self.replica.step(Input::Persisted(self.persisted));
                }
                Event::Peer(envelope) => {
                    self.replica.step(Input::Receive(envelope));
                    for _ in 1..MESSAGES_PER_TURN {
                        let Ok(envelope) = from_peers.try_recv() else {
                            break;
                        };
                        self.replica.step(Input::Receive(envelope));
                    }
                }
                Event::Client(call) => {
                    // Others may have been about to hand theirs over: together they take one record of
                    // the log, one sync and one message to each follower.
                    yield_now().await;
                    let mut calls = vec![call];
                    while calls.len() < CALLS_PER_STEP {
                        let Ok(call) = from_clients.try_recv() else {
                            break;
                        };
                        calls.push(call);
                    }
                    self.replica
                        .call(calls.into_iter().map(ClientCall::into_parts));
                }
                Event::Timer => {}
            }
            self.replica.take_snapshot();
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        let work = self.replica.take_work();
        for batch in work.persist {
            self.writer.submit(batch);
        }
        for envelope in work.send {
            if let Some(link) = self.links.get(&envelope.to) {
                link.send(envelope);
            }
        }
        for timer in work.timers {
            self.timers.set(timer);
        }
        for (responder, body) in work.responses {
            responder.respond(body);
        }
    }
}
