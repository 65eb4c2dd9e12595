//! The judge: sees every step of every server and rules on it at once. What it rules is in the rooms
//! beside this one; here are its books.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plumb_raft::core::{
    Effects, Input, Message, Node, ReadMode, RequestId, RoleKind, Round, Write,
};
use plumb_raft::storage::RecoveryReport;
use plumb_raft::types::{LogIndex, Membership, NodeId, Term};
use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, Burst};
use super::coverage::Coverage;
use super::disk::{Disk, Image, Mark, Memberships, Noted};
use super::promises::Followed;
use super::properties;
use super::replication::Seen;
use super::roster::Roster;
use super::snapshots::{Due, Owed};
use crate::scenario::Fault;

/// A property that was seen broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The property's name: the failure's signature.
    pub property: String,
    /// What was seen, in words.
    pub what: String,
    /// When, in simulated nanoseconds.
    pub at_ns: u64,
}

/// What the judge knows of one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) disk: Disk,
    /// Its log as it should be in its memory.
    pub(super) image: Image,
    pub(super) memberships: Memberships,
    pub(super) bounds: Option<Bounds>,
    /// The server as it was before the step under way.
    before: Option<Before>,
    pub(super) applied: LogIndex,
    pub(super) owed: Owed,
    /// When it last heard the leader of its present term, in simulated nanoseconds.
    pub(super) heard_leader: Option<(Term, u64)>,
    /// While it leads: what it last held each follower to have.
    pub(super) matched: Roster<(Round, LogIndex)>,
    /// Whom it would not help to depose: nobody, its leader, or one that it has not heard yet (as after a
    /// restart). One that is down will not depose anybody for a while after it is back.
    pub(super) patient_with: Patience,
    /// Reads that it has not answered.
    pub(super) reads: BTreeMap<RequestId, Asked>,
}

/// Whom a server would not help to depose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Patience {
    #[default]
    Nobody,
    Anybody,
    Leader(NodeId),
}

impl Patience {
    fn of(node: &Node) -> Patience {
        match node.leader() {
            _ if !node.sticks_to_leader() => Patience::Nobody,
            Some(leader) => Patience::Leader(leader),
            None => Patience::Anybody,
        }
    }
}

/// A read, when it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// How many entries were committed.
    pub(super) committed: u64,
    pub(super) mode: ReadMode,
    /// Which step of the run it was.
    pub(super) step: u64,
}

/// A server before a step, and what the step was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) term: Term,
    pub(super) voted_for: Option<NodeId>,
    pub(super) role: RoleKind,
    pub(super) leader: Option<NodeId>,
    pub(super) commit: LogIndex,
    pub(super) last: (LogIndex, Term),
    pub(super) cause: Cause,
}

/// What a step was about, as far as rules on it need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No message.
    Inside,
    /// A question that must change nothing.
    PreVote,
    /// A request for a vote, with the candidate's last entry.
    VoteAsked {
        from: NodeId,
        term: Term,
        last: (Term, LogIndex),
        transfer: bool,
    },
    /// From whoever leads the term.
    FromLeader { term: Term },
    /// Another message.
    Message { from: NodeId, term: Term },
}

impl Cause {
    fn of(input: &Input) -> Cause {
        let Input::Receive(envelope) = input else {
            return Cause::Inside;
        };
        let from = envelope.from;
        match &envelope.message {
            Message::PreVote { .. } => Cause::PreVote,
            Message::RequestVote {
                term,
                last_log_index,
                last_log_term,
                transfer,
            } => Cause::VoteAsked {
                from,
                term: *term,
                last: (*last_log_term, *last_log_index),
                transfer: *transfer,
            },
            Message::AppendEntries { term, .. } | Message::InstallSnapshot { term, .. } => {
                Cause::FromLeader { term: *term }
            }
            message => Cause::Message {
                from,
                term: message.term(),
            },
        }
    }
}

impl Before {
    pub(super) fn of(node: &Node, cause: Cause) -> Before {
        Before {
            term: node.current_term(),
            voted_for: node.hard_state().voted_for,
            role: node.role_kind(),
            leader: node.leader(),
            commit: node.commit_index(),
            last: (node.log().last_index(), node.log().last_term()),
            cause,
        }
    }
}

/// All that is known of a run.
#[derive(Debug, Default)]
pub struct Judge {
    pub(super) servers: Roster<Server>,
    pub(super) leaders: BTreeMap<Term, NodeId>,
    /// Every entry that ever stood in a log: what came before it, and what it was.
    pub(super) seen: Seen,
    /// Committed entries from index one, as marks.
    pub(super) committed: Vec<Mark>,
    /// The term of whoever first applied each: it was committed in that one or an earlier.
    pub(super) committed_in: Vec<Term>,
    /// The checksums of snapshots, by their last entry.
    pub(super) snapshots: BTreeMap<LogIndex, u32>,
    /// Those that were committed, by their entries.
    pub(super) memberships: BTreeMap<LogIndex, Arc<Membership>>,
    /// Whom any log ever named a voter.
    pub(super) voters_ever: BTreeSet<NodeId>,
    /// Within this many nanoseconds of hearing its leader no server may be talked out of it; `None` if
    /// the servers are not set so.
    pub(super) sticks_for_ns: Option<u64>,
    pub(super) last_commit_ns: u64,
    pub(super) last_led_ns: u64,
    pub(super) coverage: Coverage,
    /// At which step of the run a server last took something from the leader of a term, being in that term.
    pub(super) followed: Followed,
    /// Terms whose leader told a successor to stand at once.
    pub(super) handed_over: BTreeSet<Term>,
    pub(super) due: Due,
    pub(super) burst: Burst,
    /// Rulings on what clients can't see don't count.
    outside: bool,
    violation: Option<Violation>,
}

/// What is seen without looking into a server.
const SEEN_FROM_OUTSIDE: [&str; 4] = [
    "Linearizability",
    "Exactly Once",
    "Availability",
    "Assertion",
];

impl Judge {
    /// The first violation, if there was one.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// What has happened so far.
    #[must_use]
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Who leads the latest term that had a leader.
    #[must_use]
    pub fn latest_leader(&self) -> Option<NodeId> {
        self.leaders.last_key_value().map(|(_, id)| *id)
    }

    /// When an entry was last found committed that was not known to be, in simulated nanoseconds.
    #[must_use]
    pub fn last_commit_ns(&self) -> u64 {
        self.last_commit_ns
    }

    /// When a server last took a step that led after it, in simulated nanoseconds.
    #[must_use]
    pub fn last_led_ns(&self) -> u64 {
        self.last_led_ns
    }

    /// Who takes part by what is committed: voters, old ones too in a joint phase, and learners.
    #[must_use]
    pub fn members(&self) -> BTreeSet<NodeId> {
        let latest = self.memberships.last_key_value();
        latest.map_or(BTreeSet::new(), |(_, membership)| membership.members())
    }

    /// Whether this server may lose its disk and come back under its name: it is no member by what is
    /// committed, nor by what is in force on any other, nor would it be one again if others crashed now; and
    /// no log has ever named it a voter. One that had voted would, while it reads the log again, stand for
    /// election by a membership of long ago, and Raft promises nothing of voters that forget.
    #[must_use]
    pub fn takes_no_part(&self, outsider: NodeId) -> bool {
        let members = self.members();
        let unaware = |id: NodeId, server: &Server| {
            let without = |membership: &Arc<Membership>| !membership.members().contains(&outsider);
            let in_force = server.memberships.in_force();
            server.disk.is_idle() && in_force.map_or(!members.contains(&id), without)
        };
        let others = self.servers.iter().filter(|(id, _)| *id != outsider);
        !members.is_empty()
            && !self.voters_ever.contains(&outsider)
            && !members.contains(&outsider)
            && others.into_iter().all(|(id, server)| unaware(id, server))
    }

    /// So many servers and clients are there: what may happen in a moment depends on it.
    pub fn expect_traffic(&mut self, servers: u64, clients: u64) {
        self.burst = Burst::expecting(servers, clients);
    }

    /// A fault strikes.
    pub fn note_fault(&mut self, fault: &Fault) {
        self.coverage.aimed_faults += u64::from(fault.when.is_some());
        *self.coverage.of_fault(fault.what.name()) += 1;
    }

    /// A fault has waited for its event in vain.
    pub fn note_given_up(&mut self) {
        self.coverage.given_up_faults += 1;
    }

    /// A server has stopped by itself, as it must when its disk fails.
    pub fn stopped(&mut self, id: NodeId) {
        self.coverage.stops += 1;
        self.went_down(id);
    }

    /// A server has crashed: until it is back it votes for nobody, and then it is patient.
    pub fn went_down(&mut self, id: NodeId) {
        self.server(id).patient_with = Patience::Anybody;
    }

    /// A server has lost its disk and is another one under the same name.
    pub fn emptied(&mut self, id: NodeId) {
        self.coverage.replacements += 1;
        self.servers.remove(id);
    }

    /// How many entries are committed, and how many each server has applied.
    #[must_use]
    pub fn progress(&self) -> (u64, BTreeMap<NodeId, u64>) {
        let applied = self
            .servers
            .iter()
            .map(|(id, server)| (id, server.applied.0))
            .collect();
        (self.committed.len() as u64, applied)
    }

    /// Up to which entry a server has applied.
    #[must_use]
    pub fn applied_by(&self, id: NodeId) -> u64 {
        self.servers.get(id).map_or(0, |server| server.applied.0)
    }

    /// Servers that hear their leader must not be talked out of it for this long (nanoseconds, by the
    /// fastest clock among them).
    pub fn expect_stickiness(&mut self, sticks_for_ns: u64) {
        self.sticks_for_ns = Some(sticks_for_ns);
    }

    /// From now on only what can be seen from outside of the servers is ruled on.
    pub fn look_from_outside(&mut self) {
        self.outside = true;
    }

    /// Rules that a property is broken; the first ruling stands. Hardly ever called, and known to be: the words of
    /// rulings stay out of the way of the steps that break none, which are all but too many for the cache of code.
    #[cold]
    pub fn rule(&mut self, at_ns: u64, property: &str, what: impl Into<String>) {
        debug_assert!(properties::is_known(property), "{property} is on no list");
        if self.outside && !SEEN_FROM_OUTSIDE.contains(&property) {
            return;
        }
        self.violation.get_or_insert_with(|| Violation {
            property: property.to_owned(),
            what: what.into(),
            at_ns,
        });
    }

    pub(super) fn server(&mut self, id: NodeId) -> &mut Server {
        self.servers.of(id)
    }

    /// A server has restarted.
    pub fn recovered(&mut self, at_ns: u64, node: &Node, report: &RecoveryReport) {
        let found = Image::of(node);
        self.coverage.recoveries += u64::from(found != Image::default());
        self.coverage.torn_tails += u64::from(report.torn_bytes() > 0);
        let server = self.servers.of(node.id());
        let recovered = server.disk.recover(found.clone());
        *server = Server {
            disk: std::mem::take(&mut server.disk),
            image: found,
            bounds: Some(Bounds::of(node.config())),
            memberships: Memberships::of(node),
            applied: node.snapshot_index(),
            patient_with: Patience::of(node),
            ..Server::default()
        };
        if let Err(what) = recovered {
            self.rule(at_ns, "Durability", format!("{} {what}", node.id()));
        }
    }

    /// A server is about to take an input.
    pub fn before_step(&mut self, node: &Node, input: &Input) {
        self.coverage.steps += 1;
        let step = self.coverage.steps;
        let committed = self.committed.len() as u64;
        let server = self.server(node.id());
        server.before = Some(Before::of(node, Cause::of(input)));
        match input {
            Input::Persisted(seq) => server.disk.complete(*seq),
            Input::Read(id, mode) => {
                let asked = Asked {
                    committed,
                    mode: *mode,
                    step,
                };
                server.reads.insert(*id, asked);
            }
            _ => {}
        }
    }

    /// A server has taken an input.
    pub fn after_step(&mut self, at_ns: u64, node: &Node, effects: &Effects) {
        let id = node.id();
        let Some(before) = self.server(id).before else {
            return;
        };
        let now = Before::of(node, before.cause);
        self.server(id).patient_with = Patience::of(node);
        if node.role_kind() == RoleKind::Leader {
            self.last_led_ns = at_ns;
        }
        if now.commit < before.commit {
            let what = format!("{id} went back to {}", now.commit);
            self.rule(at_ns, "Commit Monotonicity", what);
        }
        if let Some(batch) = &effects.persist {
            let noted: Vec<Noted> = batch.writes.iter().map(Noted::of).collect();
            for (write, noted) in batch.writes.iter().zip(&noted) {
                self.written(at_ns, node, write, noted);
            }
            self.server(id).disk.begin(batch, noted);
        }
        if before.cause == (Cause::FromLeader { term: now.term }) {
            self.note_follower(id, now.term);
        }
        self.term_and_vote(at_ns, node, &before, &now);
        self.leadership(at_ns, node, &before, &now);
        self.commitment(at_ns, node, &before, &now);
        self.progress_of_followers(at_ns, node, &before, &now);
        self.bursts(at_ns, effects.send.len() as u64);
        self.bounds(at_ns, node, effects);
        for envelope in &effects.send {
            self.coverage.messages += 1;
            self.promise(at_ns, envelope);
        }
        if let Some(snapshot) = &effects.restore {
            self.coverage.installs += 1;
            self.restored(at_ns, node, snapshot);
        }
        for entry in &effects.apply {
            self.state_machine_safety(at_ns, node, entry);
        }
        if !effects.apply.is_empty() {
            self.snapshots_are_taken(at_ns, id);
        }
        for (request, answer) in &effects.answers {
            self.answered(at_ns, node, *request, *answer);
        }
    }

    fn written(&mut self, at_ns: u64, node: &Node, write: &Write, noted: &Noted) {
        match (write, noted) {
            (Write::Append(entries), Noted::Append(marks)) => {
                self.log_matching(at_ns, node, entries, marks);
                self.membership_changes(at_ns, node, entries);
                self.note_voters(entries);
            }
            (Write::Snapshot { snapshot, .. }, _) => {
                self.coverage.snapshots += 1;
                self.coverage.storm_snapshots += u64::from(self.due.storms_at(node.id()));
                self.snapshot_safety(at_ns, node, snapshot);
            }
            (Write::Truncate(from), _) => {
                self.coverage.truncations += 1;
                self.committed_entries_stay(at_ns, node, *from);
            }
            _ => {}
        }
        let server = self.server(node.id());
        server.image.apply(noted);
        server.memberships.apply(write);
    }
}
