//! The event loop: one input at a time into the core, its effects out into the world.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::connections::{ClientCall, Responder};
use super::observer::Observer;
use super::timers::Timers;
use super::{ServerError, StorageError};
use crate::core::{
    Answer, Change, Effects, Envelope, Input, Node, PersistSeq, Refusal, RequestId, Snapshot,
};
use crate::kv::{Command, KvStore};
use crate::net::PeerLink;
use crate::net::protocol::{MAX_COMMAND_BYTES, RequestBody, ResponseBody};
use crate::storage::LogWriter;
use crate::types::{Entry, LogIndex, NodeId, Term};

/// How many client calls are taken into the core at once.
const CALLS_PER_STEP: usize = 64;
/// How many calls may be unanswered; more are told that we are busy.
const MAX_UNANSWERED: usize = 16_384;

/// What the core has been asked and has not answered.
enum Asked {
    Command(Responder),
    Read(Responder, String),
    Transfer(Responder),
    Change(Responder),
}

impl Asked {
    fn name(&self) -> &'static str {
        match self {
            Asked::Command(_) => "command",
            Asked::Read(..) => "read",
            Asked::Transfer(_) => "transfer",
            Asked::Change(_) => "change",
        }
    }
}

pub(super) struct Runtime {
    node: Node,
    store: KvStore,
    writer: LogWriter,
    links: BTreeMap<NodeId, PeerLink>,
    timers: Timers,
    observer: Arc<dyn Observer>,
    snapshot_every: u64,
    last_request: u64,
    asked: BTreeMap<RequestId, Asked>,
    /// Commands in the log, by place; the term tells whether it is still the same entry.
    appended: BTreeMap<LogIndex, (Term, Responder)>,
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
        node: Node,
        writer: LogWriter,
        links: BTreeMap<NodeId, PeerLink>,
        timers: Timers,
        observer: Arc<dyn Observer>,
        snapshot_every: u64,
    ) -> Runtime {
        Runtime {
            node,
            store: KvStore::default(),
            writer,
            links,
            timers,
            observer,
            snapshot_every,
            last_request: 0,
            asked: BTreeMap::new(),
            appended: BTreeMap::new(),
            persisted: PersistSeq(0),
        }
    }

    pub(super) async fn run(
        mut self,
        started: Effects,
        mut from_peers: mpsc::Receiver<Envelope>,
        mut from_clients: mpsc::Receiver<ClientCall>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let mut shutdown = pin!(shutdown);
        self.carry_out(started);
        loop {
            // First, so that no flood of messages can starve the timers.
            while let Some(timer) = self.timers.take_due() {
                self.step(Input::TimerFired(timer));
            }
            let event = tokio::select! {
                biased;
                () = &mut shutdown => Event::Shutdown,
                durable = self.writer.durable(self.persisted) => Event::Durable(durable),
                Some(envelope) = from_peers.recv() => Event::Peer(envelope),
                Some(call) = from_clients.recv() => Event::Client(call),
                () = self.timers.sleep() => Event::Timer,
            };
            match event {
                Event::Shutdown => {
                    self.writer.close();
                    return Ok(());
                }
                Event::Durable(seq) => {
                    self.persisted = seq?;
                    self.step(Input::Persisted(self.persisted));
                }
                Event::Peer(envelope) => self.step(Input::Receive(envelope)),
                Event::Client(call) => {
                    let mut calls = vec![call];
                    while calls.len() < CALLS_PER_STEP {
                        let Ok(call) = from_clients.try_recv() else {
                            break;
                        };
                        calls.push(call);
                    }
                    self.take_calls(calls);
                }
                Event::Timer => {}
            }
            self.take_snapshot();
        }
    }

    fn step(&mut self, input: Input) {
        self.observer.before_step(&self.node, &input);
        let effects = self.node.step(input);
        self.observer.after_step(&self.node, &effects);
        self.carry_out(effects);
    }

    /// Writes the state machine down if it is time.
    fn take_snapshot(&mut self) {
        let applied = self.store.applied();
        let since = applied.0 - self.node.snapshot_index().0;
        if self.snapshot_every > 0 && since >= self.snapshot_every {
            let data = self.store.encode();
            self.step(Input::SnapshotTaken {
                index: applied,
                data,
            });
        }
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        self.store = KvStore::decode(&snapshot.data)
            .expect("a snapshot with a right checksum holds a store of this version");
        assert_eq!(
            self.store.applied(),
            snapshot.last_index,
            "a snapshot is of the state machine after its last entry"
        );
        // Whether what these clients asked for took effect is in the snapshot, and not to be told
        // from it: no answer leaves them in doubt, as they must be.
        self.appended
            .retain(|index, _| *index > snapshot.last_index);
    }

    fn carry_out(&mut self, effects: Effects) {
        if let Some(batch) = effects.persist {
            self.writer.submit(batch);
        }
        for envelope in effects.send {
            if let Some(link) = self.links.get(&envelope.to) {
                link.send(envelope);
            }
        }
        for timer in effects.timers {
            self.timers.set(timer);
        }
        // A command's place must be known before its entry is applied; a read is served after.
        let mut reads = Vec::new();
        for (id, answer) in effects.answers {
            let asked = self
                .asked
                .remove(&id)
                .expect("the core answers each request once");
            match (asked, answer) {
                (
                    Asked::Command(responder) | Asked::Change(responder),
                    Answer::Appended { index, term },
                ) => {
                    self.appended.insert(index, (term, responder));
                }
                (Asked::Read(responder, key), Answer::ReadAt(index)) => {
                    reads.push((responder, key, index));
                }
                (Asked::Transfer(responder), Answer::HandedOver) => {
                    responder.respond(ResponseBody::Done);
                }
                (
                    Asked::Command(responder)
                    | Asked::Read(responder, _)
                    | Asked::Transfer(responder)
                    | Asked::Change(responder),
                    Answer::Refused(why),
                ) => responder.respond(self.refused(why)),
                (asked, answer) => unreachable!("{answer:?} answers no {}", asked.name()),
            }
        }
        if let Some(snapshot) = &effects.restore {
            self.restore(snapshot);
        }
        for entry in &effects.apply {
            self.apply(entry);
        }
        for (responder, key, index) in reads {
            assert!(
                self.store.applied() >= index,
                "a read is served from what it must see"
            );
            responder.respond(ResponseBody::Value(self.store.get(&key).cloned()));
        }
    }

    fn refused(&self, why: Refusal) -> ResponseBody {
        match why {
            Refusal::NotLeader(leader) => ResponseBody::NotLeader(leader),
            Refusal::LostLeadership => ResponseBody::NotLeader(self.node.leader()),
            Refusal::HandingOver => ResponseBody::Busy,
            Refusal::ChangeUnderWay => ResponseBody::Refused(
                "another change is under way, or this leader is new: try again".to_owned(),
            ),
            Refusal::NotCaughtUp => ResponseBody::Refused(
                "a new voter must be a learner first, and nearly up to date: try again".to_owned(),
            ),
            Refusal::NoVoters => ResponseBody::Refused("nobody would vote".to_owned()),
            Refusal::NoSuchVoter => ResponseBody::Refused("no such voter".to_owned()),
            Refusal::TransferTimedOut => {
                ResponseBody::Refused("the other server did not take over in time".to_owned())
            }
        }
    }

    fn apply(&mut self, entry: &Entry) {
        let reply = self.store.apply(entry);
        let Some((term, responder)) = self.appended.remove(&entry.index) else {
            return;
        };
        match reply {
            Some(reply) if term == entry.term => responder.respond(ResponseBody::Applied(reply)),
            None if term == entry.term => responder.respond(ResponseBody::Done),
            // Another leader's entry took the place: what was asked for here can never commit.
            _ => responder.respond(ResponseBody::NotLeader(self.node.leader())),
        }
    }

    fn take_calls(&mut self, calls: Vec<ClientCall>) {
        let mut proposals = Vec::new();
        let mut reads = Vec::new();
        let mut transfers = Vec::new();
        let mut changes = Vec::new();
        for ClientCall { body, responder } in calls {
            if self.asked.len() + self.appended.len() >= MAX_UNANSWERED {
                responder.respond(ResponseBody::Busy);
                continue;
            }
            self.last_request += 1;
            let id = RequestId(self.last_request);
            let command = match body {
                RequestBody::OpenSession => Command::OpenSession,
                RequestBody::Execute {
                    session,
                    sequence,
                    operation,
                } => Command::Execute {
                    session,
                    sequence,
                    operation,
                },
                RequestBody::Transfer { to } => {
                    self.asked.insert(id, Asked::Transfer(responder));
                    transfers.push((id, to));
                    continue;
                }
                RequestBody::ChangeMembership { voters, learners } => {
                    self.asked.insert(id, Asked::Change(responder));
                    changes.push((id, Change { voters, learners }));
                    continue;
                }
                RequestBody::Read { key } => {
                    self.asked.insert(id, Asked::Read(responder, key));
                    reads.push(id);
                    continue;
                }
            };
            let command = command.encode();
            if command.len() > MAX_COMMAND_BYTES {
                responder.respond(ResponseBody::TooLarge);
                continue;
            }
            self.asked.insert(id, Asked::Command(responder));
            proposals.push((id, command));
        }
        if !proposals.is_empty() {
            self.step(Input::Propose(proposals));
        }
        for id in reads {
            self.step(Input::Read(id));
        }
        for (id, to) in transfers {
            self.step(Input::Transfer(id, to));
        }
        for (id, change) in changes {
            self.step(Input::ChangeMembership(id, change));
        }
    }
}
