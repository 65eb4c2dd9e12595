//! A replica: core and state machine, and which client waits for which answer. What a server does and
//! in which order is decided here and in the core, without clock, disk or network: the runtime carries
//! it out on tokio, and a simulation without one may do the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::observer::{Load, Observer};
use super::snapshot_every::SnapshotEvery;
use crate::core::effects::add;
use crate::core::{
    Answer, Batch, Change, Effects, Envelope, Input, Node, Progress, Refusal, RequestId, Role,
    Snapshot, Timer,
};
use crate::kv::{Command, KvStore};
use crate::net::protocol::{MAX_COMMAND_BYTES, RequestBody, ResponseBody, Status};
use crate::types::{Entry, LogIndex, NodeId, Term};

/// How many calls may be unanswered; more are told that we are busy.
const MAX_UNANSWERED: usize = 16_384;

/// What the core has been asked and has not answered; `W` is the way back to who asked.
enum Asked<W> {
    Command(W),
    Read(W, String),
    Transfer(W),
    Change(W),
    /// This server wants to go.
    Farewell,
}

impl<W> Asked<W> {
    fn name(&self) -> &'static str {
        match self {
            Asked::Command(_) => "command",
            Asked::Read(..) => "read",
            Asked::Transfer(_) => "transfer",
            Asked::Change(_) => "change",
            Asked::Farewell => "farewell",
        }
    }
}

/// What is to be done for a replica, each list in order.
#[derive(Debug)]
pub struct Work<W> {
    /// Make these durable, then say so with [`Input::Persisted`].
    pub persist: Vec<Batch>,
    /// Send these.
    pub send: Vec<Envelope>,
    /// Start or restart these timers.
    pub timers: Vec<Timer>,
    /// Tell clients.
    pub responses: Vec<(W, ResponseBody)>,
}

impl<W> Default for Work<W> {
    fn default() -> Work<W> {
        Work {
            persist: Vec::new(),
            send: Vec::new(),
            timers: Vec::new(),
            responses: Vec::new(),
        }
    }
}

/// A server without a world around it. `W` is the way back to a client: a call is answered by handing
/// it out again, at most once.
pub struct Replica<W> {
    node: Node,
    store: KvStore,
    observer: Arc<dyn Observer>,
    snapshot_every: SnapshotEvery,
    last_request: u64,
    /// The time by the server's own clock.
    now: Duration,
    asked: BTreeMap<RequestId, Asked<W>>,
    /// Commands in the log, by place; the term tells whether it is still the same entry.
    appended: BTreeMap<LogIndex, (Term, W)>,
    /// A picture is being written down.
    developing: bool,
    work: Work<W>,
}

/// The state machine as it was after an entry. It shares what has not changed since with the state machine
/// itself, which goes on meanwhile.
#[derive(Debug)]
pub struct Picture {
    store: KvStore,
    last: (LogIndex, Term),
}

/// A picture in bytes.
#[derive(Debug)]
pub struct Developed {
    last: (LogIndex, Term),
    data: Bytes,
}

impl Developed {
    /// The last entry that it stands for, and its term.
    pub(super) fn last(&self) -> (LogIndex, Term) {
        self.last
    }

    /// The state machine's bytes.
    pub(super) fn data(&self) -> &Bytes {
        &self.data
    }
}

impl Picture {
    /// Writes it down, which takes as long as the state machine is large.
    #[must_use]
    pub fn develop(&self) -> Developed {
        Developed {
            last: self.last,
            data: self.store.encode(),
        }
    }
}

impl<W> Replica<W> {
    /// A replica around a core that has recovered; `started` is what its start asks for. It writes its
    /// state machine down whenever `snapshot_every` entries were applied, never if that is zero. Requests
    /// are numbered from `first_request` on: some number that no earlier life has come near, so that no
    /// answer to one of those is taken for an answer to one of these.
    #[must_use]
    pub fn new(
        node: Node,
        started: Effects,
        observer: Arc<dyn Observer>,
        snapshot_every: SnapshotEvery,
        first_request: u64,
    ) -> Replica<W> {
        let mut replica = Replica {
            node,
            store: KvStore::default(),
            observer,
            snapshot_every,
            last_request: first_request,
            now: Duration::ZERO,
            asked: BTreeMap::new(),
            appended: BTreeMap::new(),
            developing: false,
            work: Work::default(),
        };
        replica.carry_out(started);
        replica
    }

    /// The time by the server's own clock, as of whatever happens next: only leases rest on it.
    pub fn set_now(&mut self, now: Duration) {
        self.now = now;
    }

    /// The core.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Tells the observer what waits, so many batches on their way to the disk among it.
    pub(super) fn tell_load(&self, backlog_batches: usize) {
        self.observer.load(&Load {
            unanswered: self.asked.len() + self.appended.len(),
            backlog_batches,
        });
    }

    /// What is to be done since this was last asked.
    pub fn take_work(&mut self) -> Work<W> {
        std::mem::take(&mut self.work)
    }

    /// The same, in exchange for a list that is empty, whose room is used again: for whoever asks often.
    pub fn swap_work(&mut self, empty: &mut Work<W>) {
        std::mem::swap(&mut self.work, empty);
    }

    /// Takes an input: a message, a timer, a batch that is durable.
    pub fn step(&mut self, input: Input) {
        self.observer.before_step(&self.node, &input);
        let effects = self.node.step_at(self.now, input);
        self.observer.after_step(&self.node, &effects);
        self.carry_out(effects);
    }

    /// Has a leader hand over to the voter that has most of its log, before it goes. False if there is
    /// nothing to hand over, or nobody to hand over to.
    pub fn hand_over(&mut self) -> bool {
        let Role::Leader(leadership) = self.node.role() else {
            return false;
        };
        let voters = &self.node.membership().voters;
        let others = leadership
            .progress
            .iter()
            .filter(|(id, _)| voters.contains(id));
        let heir = others.max_by_key(|(_, progress)| progress.match_index);
        let Some(heir) = heir.map(|(id, _)| *id) else {
            return false;
        };
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.asked.insert(id, Asked::Farewell);
        self.step(Input::Transfer(id, heir));
        true
    }

    /// Whether it leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        matches!(self.node.role(), Role::Leader(_))
    }

    /// A picture of the state machine if it is time for a snapshot: to be asked for after every event, and
    /// given back to [`Replica::developed`]. Until then there is no other.
    pub fn take_picture(&mut self) -> Option<Picture> {
        let since = self.store.applied().0 - self.node.snapshot_index().0;
        let due = self.snapshot_every.is_due(since) && !self.developing;
        due.then(|| {
            self.developing = true;
            let index = self.store.applied();
            let term = self.node.log().term_at(index);
            let term = term.expect("entries behind the last snapshot are in the log");
            Picture {
                store: self.store.clone(),
                last: (index, term),
            }
        })
    }

    /// A picture is written down: it becomes a snapshot.
    pub fn developed(&mut self, picture: Developed) {
        self.developing = false;
        self.step(Input::SnapshotTaken {
            index: picture.last.0,
            data: picture.data,
        });
    }

    /// How this server sees itself and the cluster.
    #[must_use]
    pub fn status(&self) -> Status {
        let node = &self.node;
        let matched = match node.role() {
            Role::Leader(leadership) => {
                let of = |(id, progress): (&NodeId, &Progress)| (*id, progress.match_index);
                leadership.progress.iter().map(of).collect()
            }
            _ => BTreeMap::new(),
        };
        Status {
            id: node.id(),
            role: node.role_kind().name().to_owned(),
            term: node.current_term(),
            leader: node.leader(),
            first_index: node.log().first_index(),
            last_index: node.log().last_index(),
            commit_index: node.commit_index(),
            applied: self.store.applied(),
            snapshot_index: node.snapshot_index(),
            membership: node.membership().clone(),
            matched,
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
        self.observer.restored(self.node.id(), &self.store);
        // Whether what these clients asked for took effect is in the snapshot, and not to be told
        // from it: no answer leaves them in doubt, as they must be.
        self.appended
            .retain(|index, _| *index > snapshot.last_index);
    }

    fn carry_out(&mut self, effects: Effects) {
        self.work.persist.extend(effects.persist);
        add(&mut self.work.send, effects.send);
        add(&mut self.work.timers, effects.timers);
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
                (Asked::Farewell, _) => {}
                (Asked::Transfer(responder), Answer::HandedOver) => {
                    self.respond(responder, ResponseBody::Done);
                }
                (
                    Asked::Command(responder)
                    | Asked::Read(responder, _)
                    | Asked::Transfer(responder)
                    | Asked::Change(responder),
                    Answer::Refused(why),
                ) => {
                    let body = self.refused(why);
                    self.respond(responder, body);
                }
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
            let value = self.store.get(&key).cloned();
            self.respond(responder, ResponseBody::Value(value));
        }
    }

    fn respond(&mut self, to: W, body: ResponseBody) {
        self.work.responses.push((to, body));
    }

    fn refused(&self, why: Refusal) -> ResponseBody {
        match why {
            Refusal::NotLeader(leader) => ResponseBody::NotLeader(leader),
            Refusal::LostLeadership => ResponseBody::NotLeader(self.node.leader()),
            Refusal::HandingOver | Refusal::Overloaded => ResponseBody::Busy,
            Refusal::ChangeUnderWay => ResponseBody::TooEarly(
                "another change is under way, or this leader is new".to_owned(),
            ),
            Refusal::NotCaughtUp => ResponseBody::TooEarly(
                "a new voter must be a learner first, and nearly up to date".to_owned(),
            ),
            Refusal::NoVoters => ResponseBody::Refused("nobody would vote".to_owned()),
            Refusal::NoSuchVoter => ResponseBody::Refused("no such voter".to_owned()),
            Refusal::TransferTimedOut => {
                ResponseBody::Refused("the other server did not take over in time".to_owned())
            }
        }
    }

    fn apply(&mut self, entry: &Entry) {
        self.observer
            .before_apply(self.node.id(), &self.store, entry);
        let reply = self.store.apply(entry);
        self.observer
            .after_apply(self.node.id(), &self.store, entry, reply.as_ref());
        let Some((term, responder)) = self.appended.remove(&entry.index) else {
            return;
        };
        let body = match reply {
            Some(reply) if term == entry.term => ResponseBody::Applied(reply),
            None if term == entry.term => ResponseBody::Done,
            // Another leader's entry took the place: what was asked for here can never commit.
            _ => ResponseBody::NotLeader(self.node.leader()),
        };
        self.respond(responder, body);
    }

    /// Takes clients' calls, each with the way back to its client.
    pub fn call(&mut self, calls: impl IntoIterator<Item = (RequestBody, W)>) {
        let mut proposals = Vec::new();
        let mut reads = Vec::new();
        let mut transfers = Vec::new();
        let mut changes = Vec::new();
        for (body, responder) in calls {
            if self.asked.len() + self.appended.len() >= MAX_UNANSWERED {
                self.respond(responder, ResponseBody::Busy);
                continue;
            }
            if matches!(body, RequestBody::Status) {
                let status = Box::new(self.status());
                self.respond(responder, ResponseBody::Status(status));
                continue;
            }
            if let RequestBody::ReadStale { key } = body {
                // Asked for by name: whatever is applied here.
                let value = self.store.get(&key).cloned();
                self.respond(responder, ResponseBody::Value(value));
                continue;
            }
            self.last_request += 1;
            let id = RequestId(self.last_request);
            let command = match Command::try_from(body) {
                Ok(command) => command,
                Err(RequestBody::Transfer { to }) => {
                    self.asked.insert(id, Asked::Transfer(responder));
                    transfers.push((id, to));
                    continue;
                }
                Err(RequestBody::ChangeMembership {
                    voters,
                    learners,
                    addresses,
                }) => {
                    self.asked.insert(id, Asked::Change(responder));
                    let change = Change {
                        voters,
                        learners,
                        addresses,
                    };
                    changes.push((id, change));
                    continue;
                }
                Err(RequestBody::Read { key, mode }) => {
                    self.asked.insert(id, Asked::Read(responder, key));
                    reads.push((id, mode));
                    continue;
                }
                Err(_) => unreachable!("answered above, or a command"),
            };
            let command = command.encode();
            if command.len() > MAX_COMMAND_BYTES {
                self.respond(responder, ResponseBody::TooLarge);
                continue;
            }
            self.asked.insert(id, Asked::Command(responder));
            proposals.push((id, command));
        }
        if !proposals.is_empty() {
            self.step(Input::Propose(proposals));
        }
        for (id, mode) in reads {
            self.step(Input::Read(id, mode));
        }
        for (id, to) in transfers {
            self.step(Input::Transfer(id, to));
        }
        for (id, change) in changes {
            self.step(Input::ChangeMembership(id, change));
        }
    }
}
