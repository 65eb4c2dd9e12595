//! One server with its disk and its state machine, and what it does when something happens to it. Nothing here
//! knows of other servers: so a step is worked out once and remembered.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use plumb_raft::core::{
    Answer, AppendOutcome, Effects, Envelope, Input, InstallOutcome, Message, Node, PersistSeq,
    Remembered, RequestId, RoleKind, Timer, Write,
};
use plumb_raft::types::{Entry, HardState, LogIndex, Membership, NodeId, Payload, Term};

use super::properties::{Breach, Property};
use super::scope::{Scope, Start};
use crate::conformance::steps::Conformance;
use crate::sim::bare::apply_write;

/// Bytes of the state machine that stand for one entry.
pub(super) const ENTRY_BYTES: usize = 4;

/// A server as a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Local {
    pub(super) node: Node,
    /// What is durable.
    pub(super) disk: Remembered,
    /// Batches that were written and not synced, oldest first.
    pub(super) unsynced: VecDeque<Vec<Write>>,
    /// Every entry applied, [`ENTRY_BYTES`] each: a state machine that forgets nothing.
    pub(super) machine: Vec<u8>,
}

/// What can happen to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Choice {
    /// The message of this number arrives.
    Receive(u32),
    /// A timer fires.
    Fires(Timer),
    /// A client proposes command number this.
    Propose(u8),
    /// A client asks for read number this.
    Read(u8),
    /// Somebody asks for the scope's membership change number this.
    Change(u8),
    /// Somebody wants it to hand over to this server.
    Transfer(u8),
    /// Its state machine is written down.
    Snapshot,
    /// The oldest unsynced batch becomes durable, and it hears of it.
    Sync,
    /// It crashes and starts again; this many of its unsynced writes had reached the disk.
    Crash(u8),
}

/// Something that may happen in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Claim {
    /// A candidate becomes leader.
    Elected,
    /// A leader commits.
    Committed,
    /// A follower cuts entries that conflict.
    Truncated,
    /// A crash loses what was written and not synced.
    LostWrites,
    /// A server restarts with entries.
    RecoveredLog,
    /// A snapshot is taken.
    SnapshotTaken,
    /// A snapshot from the leader is installed.
    SnapshotInstalled,
    /// A membership with two majorities is in force.
    Joint,
    /// It is left again.
    JointLeft,
    /// A read is answered.
    ReadServed,
    /// A leader hands over.
    HandedOver,
    /// A leader steps down for want of a quorum.
    SteppedDown,
    /// A vote is refused, or a pre-vote, for the log's sake or the leader's.
    VoteRefused,
}

impl Claim {
    /// All of them.
    pub const ALL: [Claim; 13] = [
        Claim::Elected,
        Claim::Committed,
        Claim::Truncated,
        Claim::LostWrites,
        Claim::RecoveredLog,
        Claim::SnapshotTaken,
        Claim::SnapshotInstalled,
        Claim::Joint,
        Claim::JointLeft,
        Claim::ReadServed,
        Claim::HandedOver,
        Claim::SteppedDown,
        Claim::VoteRefused,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Claim::Elected => "a leader is elected",
            Claim::Committed => "an entry commits",
            Claim::Truncated => "a follower cuts a conflicting entry",
            Claim::LostWrites => "a crash loses what was not synced",
            Claim::RecoveredLog => "a server restarts with a log",
            Claim::SnapshotTaken => "a snapshot is taken",
            Claim::SnapshotInstalled => "a leader's snapshot is installed",
            Claim::Joint => "a joint membership is in force",
            Claim::JointLeft => "a joint membership is left",
            Claim::ReadServed => "a read is answered",
            Claim::HandedOver => "a leader hands over",
            Claim::SteppedDown => "a leader steps down for want of a quorum",
            Claim::VoteRefused => "a vote is refused",
        }
    }

    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What a server did.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) after: Local,
    pub(super) sent: Vec<Envelope>,
    /// What it answered to clients.
    pub(super) answers: Vec<(RequestId, Answer)>,
    /// What it committed as a leader, each with the membership by which it did: the one in force before.
    pub(super) commits: Vec<(Membership, LogIndex)>,
    /// A property that broke within this server.
    pub(super) breach: Option<Breach>,
    /// Claims shown, a bit each.
    pub(super) claims: u32,
}

/// The requests of a kind have numbers from here on: no number is used twice.
pub(super) const READS: u64 = 100;
const CHANGES: u64 = 200;
const TRANSFERS: u64 = 300;

impl Local {
    /// A server that starts as its scope says.
    pub(super) fn new(scope: &Scope, id: NodeId) -> Local {
        let disk = match scope.start {
            Start::Fresh | Start::Led => Remembered::default(),
            Start::Logs(term, logs) => remembered(scope, term, logs[(id.0 - 1) as usize]),
        };
        let (node, _) = Node::recover(scope.config(id), disk.clone());
        let mut local = Local {
            node,
            disk,
            unsynced: VecDeque::new(),
            machine: Vec::new(),
        };
        local.normalize(scope);
        local
    }

    /// What the choice comes to; `message` is the one that a `Receive` names. `None` if nothing comes of
    /// it: it was refused, or leads out of the scope.
    pub(super) fn take(
        &self,
        scope: &Scope,
        choice: Choice,
        at_once: bool,
        message: Option<&Envelope>,
    ) -> Option<Done> {
        let mut done = Done {
            after: self.clone(),
            sent: Vec::new(),
            answers: Vec::new(),
            commits: Vec::new(),
            breach: None,
            claims: 0,
        };
        let caught = crate::sim::panics::Caught::here();
        let end = catch_unwind(AssertUnwindSafe(|| {
            done.carry_out(scope, choice, message);
            if at_once {
                while !done.after.unsynced.is_empty() {
                    done.carry_out(scope, Choice::Sync, None);
                }
            }
        }));
        if end.is_err() {
            let said = caught.take().join("; ");
            done.breach = Some(Breach::of(Property::NoPanic, said));
            return Some(done);
        }
        drop(caught);
        done.after.normalize(scope);
        if done.after.node.current_term().0 > u64::from(scope.max_term) || done.was_refused(choice)
        {
            return None;
        }
        done.claim(self, choice);
        if done.breach.is_none() {
            done.breach = self.breach(choice, &done.after);
        }
        Some(done)
    }

    /// Takes out what a server never acts on within the scope.
    fn normalize(&mut self, scope: &Scope) {
        self.node.canonicalize();
        if !scope.stickiness {
            self.node.step(Input::TimerFired(Timer::Stickiness));
        }
    }

    /// Writes that a crash may lose.
    pub(super) fn unsynced_writes(&self) -> usize {
        self.unsynced.iter().map(Vec::len).sum()
    }

    pub(super) fn leads(&self) -> bool {
        self.node.role_kind() == RoleKind::Leader
    }

    /// The last entry on its disk.
    pub(super) fn durable_last(&self) -> LogIndex {
        LogIndex(self.disk.base.0.0 + self.disk.entries.len() as u64)
    }

    /// Whether its disk holds this entry, or a snapshot that stands for it.
    pub(super) fn holds_durably(&self, entry: &Entry) -> bool {
        let base = self.disk.base.0;
        entry.index <= base
            || self
                .disk
                .entries
                .get((entry.index.0 - base.0 - 1) as usize)
                .is_some_and(|found| found.term == entry.term)
    }

    /// What a step of this server alone breaks.
    pub(super) fn breach(&self, choice: Choice, after: &Local) -> Option<Breach> {
        let (was, is) = (&self.node, &after.node);
        let id = is.id();
        if matches!(choice, Choice::Crash(_)) {
            return None;
        }
        if is.current_term() < was.current_term() || is.commit_index() < was.commit_index() {
            return Some(Breach::of(
                Property::ProgressOnlyGrows,
                format!(
                    "{id} goes back from term {} commit {} to term {} commit {}",
                    was.current_term(),
                    was.commit_index(),
                    is.current_term(),
                    is.commit_index()
                ),
            ));
        }
        if after.disk.hard_state.current_term < self.disk.hard_state.current_term {
            return Some(Breach::of(
                Property::ProgressOnlyGrows,
                format!("the term on the disk of {id} falls"),
            ));
        }
        let stands = |node: &Node| {
            matches!(
                node.role_kind(),
                RoleKind::PreCandidate | RoleKind::Candidate
            )
        };
        if stands(is)
            && !stands(was)
            && !is.membership().is_voter(id)
            && is.membership_index() <= is.commit_index()
        {
            return Some(Breach::of(
                Property::OnlyVotersStand,
                format!("{id} stands for election and has no vote"),
            ));
        }
        let led = |node: &Node| node.role_kind() == RoleKind::Leader;
        if led(was) && led(is) && was.current_term() == is.current_term() {
            let kept = was.log().entries().iter().all(|entry| {
                entry.index <= is.log().base().0 || is.log().get(entry.index) == Some(entry)
            });
            if !kept {
                return Some(Breach::of(
                    Property::LeaderAppendOnly,
                    format!("{id} leads and changes what its log held"),
                ));
            }
        }
        let uncommitted = is
            .log()
            .range(is.commit_index().next(), is.log().last_index())
            .iter()
            .filter(|entry| matches!(entry.payload, Payload::Membership(_)))
            .filter(|entry| entry.term == is.current_term());
        if led(is) && uncommitted.count() > 1 {
            return Some(Breach::of(
                Property::OneChangeAtATime,
                format!("{id} has two membership changes of its own under way"),
            ));
        }
        None
    }
}

impl Done {
    fn carry_out(&mut self, scope: &Scope, choice: Choice, message: Option<&Envelope>) {
        let input = match choice {
            Choice::Receive(_) => Input::Receive(
                message
                    .expect("whoever says that a message arrives has it")
                    .clone(),
            ),
            Choice::Fires(timer) => Input::TimerFired(timer),
            Choice::Propose(number) => {
                let command = Bytes::copy_from_slice(&[number]);
                Input::Propose(vec![(RequestId(u64::from(number)), command)])
            }
            Choice::Read(number) => {
                Input::Read(RequestId(READS + u64::from(number)), scope.read_mode.into())
            }
            Choice::Change(number) => Input::ChangeMembership(
                RequestId(CHANGES + u64::from(number)),
                scope.change(usize::from(number)),
            ),
            Choice::Transfer(target) => Input::Transfer(
                RequestId(TRANSFERS + u64::from(target)),
                NodeId(u64::from(target)),
            ),
            Choice::Snapshot => Input::SnapshotTaken {
                index: LogIndex((self.after.machine.len() / ENTRY_BYTES) as u64),
                data: Bytes::copy_from_slice(&self.after.machine),
            },
            Choice::Sync => {
                let batch = self.after.unsynced.pop_front();
                for write in batch.expect("a sync is of something written") {
                    apply_write(&mut self.after.disk, write);
                }
                let last = self.after.node.durability().last_seq().0;
                Input::Persisted(PersistSeq(last - self.after.unsynced.len() as u64))
            }
            Choice::Crash(kept) => {
                self.crash(scope, usize::from(kept));
                return;
            }
        };
        let node = &mut self.after.node;
        let (commit, membership) = (node.commit_index(), node.membership().clone());
        let leads = node.role_kind() == RoleKind::Leader;
        let mut conformance = Conformance::default();
        conformance.before_step(node, &input);
        let effects = node.step(input);
        if let Some(what) = conformance.after_step(node, &effects) {
            self.breach = Some(Breach::of(Property::Conformance, what.to_string()));
        }
        if leads && node.commit_index() > commit {
            self.commits.push((membership, node.commit_index()));
        }
        self.absorb(effects);
    }

    fn crash(&mut self, scope: &Scope, kept: usize) {
        let local = &mut self.after;
        let writes = std::mem::take(&mut local.unsynced).into_iter().flatten();
        for write in writes.take(kept) {
            apply_write(&mut local.disk, write);
        }
        local.machine.clear();
        let (node, effects) = Node::recover(scope.config(local.node.id()), local.disk.clone());
        local.node = node;
        self.absorb(effects);
    }

    fn absorb(&mut self, effects: Effects) {
        let local = &mut self.after;
        if let Some(batch) = effects.persist {
            local.unsynced.push_back(batch.writes);
        }
        if let Some(snapshot) = effects.restore {
            if snapshot.last_index.0 < (local.machine.len() / ENTRY_BYTES) as u64 {
                self.breach = Some(Breach::of(
                    Property::StateMachineSafety,
                    format!(
                        "{} takes its state machine back to {}",
                        local.node.id(),
                        snapshot.last_index
                    ),
                ));
            }
            local.machine = snapshot.data.to_vec();
            if local.machine.len() != snapshot.last_index.0 as usize * ENTRY_BYTES {
                self.breach = Some(Breach::of(
                    Property::SnapshotsAreTrue,
                    format!(
                        "{} restores {} entries for a snapshot at {}",
                        local.node.id(),
                        local.machine.len() / ENTRY_BYTES,
                        snapshot.last_index
                    ),
                ));
            }
        }
        for entry in &effects.apply {
            let next = (local.machine.len() / ENTRY_BYTES) as u64 + 1;
            if entry.index.0 != next {
                self.breach = Some(Breach::of(
                    Property::StateMachineSafety,
                    format!(
                        "{} applies entry {} where {next} is due",
                        local.node.id(),
                        entry.index
                    ),
                ));
            }
            local.machine.extend(digest(entry));
        }
        for envelope in effects.send {
            if let Some(reason) = unkept(local, &envelope) {
                self.breach = Some(Breach::of(Property::PromisesAreDurable, reason));
            }
            self.sent.push(envelope);
        }
        self.answers.extend(effects.answers);
    }

    /// Whether a request was turned down at once.
    fn was_refused(&self, choice: Choice) -> bool {
        matches!(
            choice,
            Choice::Propose(_) | Choice::Read(_) | Choice::Change(_) | Choice::Transfer(_)
        ) && matches!(self.answers.first(), Some((_, Answer::Refused(_))))
    }

    fn claim(&mut self, before: &Local, choice: Choice) {
        let (was, is) = (&before.node, &self.after.node);
        let crashed = matches!(choice, Choice::Crash(_));
        let leads = |node: &Node| node.role_kind() == RoleKind::Leader;
        let cut = !crashed
            && was.log().entries().iter().any(|entry| {
                entry.index > is.log().base().0 && is.log().term_at(entry.index) != Some(entry.term)
            });
        let refused = self.sent.iter().any(|envelope| {
            matches!(
                envelope.message,
                Message::RequestVoteReply { granted: false, .. }
                    | Message::PreVoteReply { granted: false, .. }
            )
        });
        let answered = |kind: fn(&Answer) -> bool| self.answers.iter().any(|(_, a)| kind(a));
        let installed = self.sent.iter().any(|envelope| {
            matches!(
                envelope.message,
                Message::InstallSnapshotReply {
                    outcome: InstallOutcome::Installed,
                    ..
                }
            )
        });
        let shown = [
            (Claim::Elected, !leads(was) && leads(is)),
            (
                Claim::Committed,
                leads(was) && leads(is) && is.commit_index() > was.commit_index(),
            ),
            (Claim::Truncated, cut),
            (
                Claim::LostWrites,
                matches!(choice, Choice::Crash(kept) if usize::from(kept) < before.unsynced_writes()),
            ),
            (
                Claim::RecoveredLog,
                crashed && !self.after.disk.entries.is_empty(),
            ),
            (Claim::SnapshotTaken, choice == Choice::Snapshot),
            (Claim::SnapshotInstalled, installed),
            (
                Claim::Joint,
                !was.membership().is_joint() && is.membership().is_joint(),
            ),
            (
                Claim::JointLeft,
                !crashed && was.membership().is_joint() && !is.membership().is_joint(),
            ),
            (
                Claim::ReadServed,
                answered(|answer| matches!(answer, Answer::ReadAt(_))),
            ),
            (
                Claim::HandedOver,
                answered(|answer| matches!(answer, Answer::HandedOver)),
            ),
            (
                Claim::SteppedDown,
                matches!(choice, Choice::Fires(Timer::Election)) && leads(was) && !leads(is),
            ),
            (Claim::VoteRefused, refused),
        ];
        for (claim, shown) in shown {
            if shown {
                self.claims |= claim.bit();
            }
        }
    }
}

/// A disk with entries of these terms; the first says who takes part.
fn remembered(scope: &Scope, term: u64, terms: &[u64]) -> Remembered {
    let voters: BTreeSet<NodeId> = (1..=u64::from(scope.voters)).map(NodeId).collect();
    let entries = (1..).zip(terms).map(|(index, term)| Entry {
        index: LogIndex(index),
        term: Term(*term),
        payload: if index == 1 {
            Payload::Membership(Membership::of_voters(voters.clone()).into())
        } else {
            Payload::Noop
        },
    });
    Remembered {
        hard_state: HardState {
            current_term: Term(term),
            voted_for: None,
        },
        entries: entries.collect(),
        ..Remembered::default()
    }
}

/// What an entry is to the state machine: its term and a digest of what it carries.
pub(super) fn digest(entry: &Entry) -> [u8; ENTRY_BYTES] {
    let mut hasher = DefaultHasher::new();
    entry.payload.hash(&mut hasher);
    let sum = hasher.finish();
    [
        entry.term.0 as u8,
        sum as u8,
        (sum >> 8) as u8,
        (sum >> 16) as u8,
    ]
}

/// What a message tells others that is not on the sender's disk.
pub(super) fn unkept(local: &Local, Envelope { from, to, message }: &Envelope) -> Option<String> {
    let durable = local.disk.hard_state;
    if durable.current_term < message.term() {
        return Some(format!(
            "{from} tells {to} of term {}, and its disk says {}",
            message.term(),
            durable.current_term
        ));
    }
    match message {
        Message::RequestVoteReply {
            term,
            granted: true,
        } if durable.current_term == *term && durable.voted_for != Some(*to) => Some(format!(
            "{from} votes for {to} in term {term}, and its disk does not say so"
        )),
        Message::RequestVote { term, .. }
            if durable.current_term == *term && durable.voted_for != Some(*from) =>
        {
            Some(format!(
                "{from} stands in term {term}, and its disk lacks its own vote"
            ))
        }
        Message::AppendEntriesReply {
            outcome: AppendOutcome::Matched(index),
            ..
        } if *index > local.durable_last() => Some(format!(
            "{from} acknowledges entries up to {index}, and its disk ends at {}",
            local.durable_last()
        )),
        Message::InstallSnapshotReply {
            outcome: InstallOutcome::Installed,
            last_index,
            ..
        } if *last_index > local.durable_last() => Some(format!(
            "{from} has installed a snapshot at {last_index}, and its disk ends at {}",
            local.durable_last()
        )),
        _ => None,
    }
}
