//! The server of Figure 2: its state, and the dispatch of inputs to rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::config::CoreConfig;
use super::durability::Durability;
use super::effects::{Answer, Effects, RequestId, Timer, Write, add};
use super::input::Input;
use super::lease::Lease;
use super::log::Log;
use super::membership::Memberships;
use super::message::{Envelope, Message};
use super::progress::Progress;
use super::read_index::Forwarded;
use super::reads::Reads;
use super::snapshot::{Receiving, Remembered, Snapshot};
use super::transfer::Transfer;
use crate::types::{HardState, LogIndex, Membership, NodeId, Term};

/// What a server is at the moment, with what only that role has (§5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Answers others.
    Follower {
        /// Who leads this term, once heard from.
        leader: Option<NodeId>,
    },
    /// Finds out whether it could win an election, still in the old term (dissertation §9.6).
    PreCandidate {
        /// Who would vote for it.
        votes: BTreeSet<NodeId>,
    },
    /// Wants to lead.
    Candidate {
        /// Who voted for it in this term; itself only once that vote is durable.
        votes: BTreeSet<NodeId>,
    },
    /// Leads this term.
    Leader(Box<Leadership>),
}

/// A leader's volatile state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leadership {
    /// Every other voter's progress.
    pub progress: BTreeMap<NodeId, Progress>,
    /// Reads on their way.
    pub reads: Reads,
    /// What it may count on without asking.
    pub lease: Lease,
    /// The server that is to take over, while it is.
    pub transfer: Option<Transfer>,
}

/// A role's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleKind {
    /// See [`Role::Follower`].
    Follower,
    /// See [`Role::PreCandidate`].
    PreCandidate,
    /// See [`Role::Candidate`].
    Candidate,
    /// See [`Role::Leader`].
    Leader,
}

impl RoleKind {
    /// Its name, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RoleKind::Follower => "follower",
            RoleKind::PreCandidate => "pre-candidate",
            RoleKind::Candidate => "candidate",
            RoleKind::Leader => "leader",
        }
    }
}

/// One Raft server without a world around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub(super) config: CoreConfig,
    pub(super) hard_state: HardState,
    pub(super) log: Log,
    pub(super) memberships: Memberships,
    /// The latest snapshot, durable or about to be.
    pub(super) snapshot: Option<Snapshot>,
    /// The snapshot that is coming in.
    pub(super) receiving: Option<Receiving>,
    pub(super) commit_index: LogIndex,
    /// The last entry handed out to be applied.
    pub(super) handed_out: LogIndex,
    pub(super) role: Role,
    /// A leader was heard within the least election timeout, or may have been before a restart.
    pub(super) leader_is_fresh: bool,
    pub(super) durability: Durability,
    /// Reads that the leader was asked about.
    pub(super) forwarded: Forwarded,
    /// The time, for leases only: zero where there are none.
    pub(super) now: Duration,
}

/// What a step gathers before it becomes [`Effects`].
#[derive(Default)]
pub(super) struct Outbox {
    writes: Vec<Write>,
    promises: Vec<Envelope>,
    effects: Effects,
}

impl Outbox {
    /// To be made durable. A later hard state replaces an earlier one of the same step.
    pub(super) fn write(&mut self, write: Write) {
        if let (Some(Write::HardState(last)), Write::HardState(new)) =
            (self.writes.last_mut(), &write)
        {
            *last = *new;
            return;
        }
        self.writes.push(write);
    }

    /// Leaves once everything written so far, in this step and before, is durable.
    pub(super) fn promise(&mut self, from: NodeId, to: NodeId, message: Message) {
        self.promises.push(Envelope { from, to, message });
    }

    /// Leaves at once; only for what promises nothing about this server's disk.
    pub(super) fn send_now(&mut self, from: NodeId, to: NodeId, message: Message) {
        self.effects.send.push(Envelope { from, to, message });
    }

    /// The state machine becomes this.
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        self.effects.restore = Some(snapshot);
    }

    pub(super) fn set_timer(&mut self, timer: Timer) {
        if !self.effects.timers.contains(&timer) {
            self.effects.timers.push(timer);
        }
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        self.effects.answers.push((id, answer));
    }
}

impl Node {
    /// A server as it stands after a start: a follower with what its disk remembers, and the
    /// effects of starting (its timers, and its state machine as of the latest snapshot).
    ///
    /// # Panics
    /// If the recovered log has a gap.
    #[must_use]
    pub fn recover(config: CoreConfig, remembered: Remembered) -> (Node, Effects) {
        assert!(
            config.max_entries_per_append > 0,
            "an append must be able to carry an entry"
        );
        assert!(
            config.snapshot_chunk_bytes > 0,
            "a piece of a snapshot must be able to carry a byte"
        );
        let Remembered {
            hard_state,
            snapshot,
            base,
            entries,
        } = remembered;
        let log = Log::behind(base, entries);
        let applied = snapshot.as_ref().map_or(LogIndex::ZERO, |s| s.last_index);
        assert!(
            base.0 <= applied && applied <= log.last_index(),
            "the snapshot covers what is compacted away, and the log reaches up to it"
        );
        assert!(
            log.last_term() <= hard_state.current_term,
            "an entry from a term never adopted"
        );
        // The configured voters count only where nothing was ever recorded.
        let (since, membership) = match &snapshot {
            Some(snapshot) => (applied, snapshot.membership.clone()),
            None => {
                let voters = Membership::of_voters(config.voters.clone());
                (
                    LogIndex::ZERO,
                    Arc::new(voters.with_addresses(&config.addresses)),
                )
            }
        };
        let mut memberships = Memberships::starting_from(since, membership);
        memberships.append(log.range(applied.next(), log.last_index()));
        let node = Node {
            memberships,
            durability: Durability::recovered(hard_state, log.last_index()),
            config,
            hard_state,
            log,
            snapshot: snapshot.clone(),
            receiving: None,
            commit_index: applied,
            handed_out: applied,
            role: Role::Follower { leader: None },
            // A restart forgets when a leader was last heard, and a promise not to depose it must
            // outlive the restart.
            leader_is_fresh: true,
            forwarded: Forwarded::default(),
            now: Duration::ZERO,
        };
        (
            node,
            Effects {
                timers: vec![Timer::Election, Timer::Stickiness],
                restore: snapshot,
                ..Effects::default()
            },
        )
    }

    /// Lets one thing happen at this time by the server's own clock, which leases rest on.
    pub fn step_at(&mut self, now: Duration, input: Input) -> Effects {
        if !self.config.lease.is_zero() {
            self.now = now;
        }
        self.step(input)
    }

    /// Lets one thing happen and says what follows from it.
    pub fn step(&mut self, input: Input) -> Effects {
        let mut out = Outbox::default();
        match input {
            Input::Receive(envelope) => self.receive(envelope, &mut out),
            Input::TimerFired(Timer::Election) => self.election_timeout(&mut out),
            Input::TimerFired(Timer::Stickiness) => self.leader_is_fresh = false,
            Input::TimerFired(Timer::Heartbeat) => self.heartbeat_timeout(&mut out),
            Input::Propose(requests) => self.propose(requests, &mut out),
            Input::Read(id, mode) => self.read(id, mode, &mut out),
            Input::Transfer(id, target) => self.transfer(id, target, &mut out),
            Input::SnapshotTaken { index, data } => self.snapshot_taken(index, data, &mut out),
            Input::ChangeMembership(id, change) => self.change_membership(id, change, &mut out),
            Input::Persisted(seq) => {
                out.effects.send = self.durability.complete(seq);
                self.count_own_vote(&mut out);
                self.advance_commit(&mut out);
            }
        }
        self.finish(out)
    }

    /// Takes out what only its past explains: for a model checker, to which two servers are the same if they
    /// will do the same. A runtime must not, since it holds the names of batches under way.
    pub fn canonicalize(&mut self) {
        self.durability.canonicalize();
    }

    /// Seals a step: writes become a batch, promises wait for it, committed entries are handed out.
    fn finish(&mut self, mut out: Outbox) -> Effects {
        self.settle_forwarded(&mut out);
        if !out.writes.is_empty() {
            let batch = self
                .durability
                .begin(out.writes, self.hard_state, self.log.last_index());
            out.effects.persist = Some(batch);
        }
        let promises = self.durability.withhold(out.promises);
        add(&mut out.effects.send, promises);
        let first = self.handed_out.next();
        out.effects
            .apply
            .extend_from_slice(self.log.range(first, self.commit_index));
        self.handed_out = self.commit_index;
        out.effects
    }

    fn receive(&mut self, Envelope { from, to, message }: Envelope, out: &mut Outbox) {
        debug_assert_eq!(
            to, self.config.id,
            "the transport delivers to the addressee"
        );
        // Whether the sender takes part is no question (§6): it may know of a membership that we
        // have not heard of yet.
        if from == self.config.id {
            return;
        }
        match &message {
            // A question about the future: whoever asks it may never stand.
            Message::PreVote { .. } => {}
            Message::RequestVote {
                transfer: false, ..
            } if self.sticks_to_leader() => return,
            // Figure 2, "all servers": a higher term in any message makes a follower.
            _ if message.term() > self.current_term() => self.adopt_term(message.term(), out),
            _ => {}
        }
        match message {
            Message::PreVote {
                term,
                last_log_index,
                last_log_term,
            } => {
                self.pre_vote(from, term, (last_log_term, last_log_index), out);
            }
            Message::PreVoteReply {
                asked_in, granted, ..
            } => self.pre_vote_reply(from, asked_in, granted, out),
            Message::TimeoutNow { term } => self.timeout_now(from, term, out),
            Message::ReadIndex { term, request } => self.read_index(from, term, request, out),
            Message::ReadIndexReply { request, index, .. } => {
                self.read_index_reply(request, index, out);
            }
            Message::RequestVote {
                term,
                last_log_index,
                last_log_term,
                transfer: _,
            } => {
                self.request_vote(from, term, last_log_index, last_log_term, out);
            }
            Message::RequestVoteReply { term, granted } => {
                self.request_vote_reply(from, term, granted, out);
            }
            Message::AppendEntries {
                term,
                prev_log_index,
                prev_log_term,
                entries,
                leader_commit,
                round,
            } => {
                let outcome = self.append_entries(
                    from,
                    term,
                    (prev_log_index, prev_log_term),
                    entries,
                    leader_commit,
                    out,
                );
                let term = self.current_term();
                let reply = Message::AppendEntriesReply {
                    term,
                    outcome,
                    round,
                };
                out.promise(self.config.id, from, reply);
            }
            Message::InstallSnapshot { term, chunk, round } => {
                let last_index = chunk.last_index;
                let outcome = self.install_snapshot(from, term, &chunk, out);
                let reply = Message::InstallSnapshotReply {
                    term: self.current_term(),
                    last_index,
                    outcome,
                    round,
                };
                out.promise(self.config.id, from, reply);
            }
            Message::InstallSnapshotReply {
                term,
                last_index,
                outcome,
                round,
            } => {
                self.install_snapshot_reply(from, term, (last_index, outcome), round, out);
            }
            Message::AppendEntriesReply {
                term,
                outcome,
                round,
            } => {
                self.append_entries_reply(from, term, outcome, round, out);
            }
        }
    }

    /// Moves to a later term as a follower without a vote in it.
    pub(super) fn adopt_term(&mut self, term: Term, out: &mut Outbox) {
        assert!(term > self.current_term(), "terms only grow");
        self.hard_state = HardState {
            current_term: term,
            voted_for: None,
        };
        out.write(Write::HardState(self.hard_state));
        self.become_follower(None, out);
    }

    /// Follows within the present term; the vote stays.
    pub(super) fn become_follower(&mut self, leader: Option<NodeId>, out: &mut Outbox) {
        let was = std::mem::replace(&mut self.role, Role::Follower { leader });
        match was {
            Role::Follower { .. } => {}
            Role::PreCandidate { .. } | Role::Candidate { .. } => out.set_timer(Timer::Election),
            Role::Leader(leadership) => {
                if let Some(transfer) = leadership.transfer {
                    out.answer(transfer.request, Answer::HandedOver);
                }
                self.abandon_reads(leadership.reads.abandon(), out);
                out.set_timer(Timer::Election);
            }
        }
    }

    /// This server.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// Who takes part, as far as its log says, committed or not.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.memberships.in_force().1
    }

    /// The entry that says so; zero if none does.
    #[must_use]
    pub fn membership_index(&self) -> LogIndex {
        self.memberships.in_force().0
    }

    /// The memberships that its log speaks of.
    #[must_use]
    pub fn memberships(&self) -> &Memberships {
        &self.memberships
    }

    /// What it was told at its start.
    #[must_use]
    pub fn config(&self) -> &CoreConfig {
        &self.config
    }

    /// Reads that it asked a leader about.
    #[must_use]
    pub fn forwarded(&self) -> &Forwarded {
        &self.forwarded
    }

    /// The time by its own clock at its last step; zero where there are no leases.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The latest term it has seen.
    #[must_use]
    pub fn current_term(&self) -> Term {
        self.hard_state.current_term
    }

    /// Its term and vote, durable or about to be.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// Its role with all that belongs to it.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Its role's name.
    #[must_use]
    pub fn role_kind(&self) -> RoleKind {
        match self.role {
            Role::Follower { .. } => RoleKind::Follower,
            Role::PreCandidate { .. } => RoleKind::PreCandidate,
            Role::Candidate { .. } => RoleKind::Candidate,
            Role::Leader(_) => RoleKind::Leader,
        }
    }

    /// Who leads this term, as far as it knows.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Follower { leader } => *leader,
            Role::PreCandidate { .. } | Role::Candidate { .. } => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The latest snapshot, if there is one; it is on the disk or about to be.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The last entry that the latest snapshot stands for; zero if there is none.
    #[must_use]
    pub fn snapshot_index(&self) -> LogIndex {
        self.snapshot
            .as_ref()
            .map_or(LogIndex::ZERO, |snapshot| snapshot.last_index)
    }

    /// Everything up to here is committed, as far as it knows.
    #[must_use]
    pub fn commit_index(&self) -> LogIndex {
        self.commit_index
    }

    /// What it knows to be durable.
    #[must_use]
    pub fn durability(&self) -> &Durability {
        &self.durability
    }
}
