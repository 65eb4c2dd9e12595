//! The judge: sees every step of every server and rules on it at once.

use std::collections::{BTreeMap, BTreeSet};

use plumb_raft::core::{
    Answer, AppendOutcome, Effects, Envelope, Input, InstallOutcome, Message, Node, RoleKind,
    Snapshot, Write,
};
use plumb_raft::storage::RecoveryReport;
use plumb_raft::types::{Entry, LogIndex, Membership, NodeId, Payload, Term};
use serde::Serialize;

use super::coverage::Coverage;
use super::disk::{Disk, Image, Mark, mark};

/// A property that was seen broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
struct Server {
    disk: Disk,
    /// The server as it was before the step under way.
    before: Option<Before>,
    applied: LogIndex,
}

#[derive(Clone, Copy, Debug)]
struct Before {
    term: Term,
    role: RoleKind,
    commit: LogIndex,
    last: (LogIndex, Term),
}

impl Before {
    fn of(node: &Node) -> Before {
        Before {
            term: node.current_term(),
            role: node.role_kind(),
            commit: node.commit_index(),
            last: (node.log().last_index(), node.log().last_term()),
        }
    }
}

/// All that is known of a run.
#[derive(Debug, Default)]
pub struct Judge {
    servers: BTreeMap<NodeId, Server>,
    leaders: BTreeMap<Term, NodeId>,
    /// Every entry that ever stood in a log: what came before it, and what it was.
    seen: BTreeMap<(LogIndex, Term), (Option<Term>, Mark)>,
    /// Committed entries from index one, as marks.
    committed: Vec<Mark>,
    /// The checksums of snapshots, by their last entry.
    snapshots: BTreeMap<LogIndex, u32>,
    /// The latest that is committed.
    membership: Membership,
    last_commit_ns: u64,
    coverage: Coverage,
    violation: Option<Violation>,
}

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

    /// Who takes part by what is committed: voters, old ones too in a joint phase, and learners.
    #[must_use]
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.membership.members()
    }

    /// How many entries are committed, and how many each server has applied.
    #[must_use]
    pub fn progress(&self) -> (u64, BTreeMap<NodeId, u64>) {
        let applied = self
            .servers
            .iter()
            .map(|(id, server)| (*id, server.applied.0))
            .collect();
        (self.committed.len() as u64, applied)
    }

    /// Rules that a property is broken; the first ruling stands.
    pub fn rule(&mut self, at_ns: u64, property: &str, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| Violation {
            property: property.to_owned(),
            what: what.into(),
            at_ns,
        });
    }

    /// A server has restarted.
    pub fn recovered(&mut self, at_ns: u64, node: &Node, report: &RecoveryReport) {
        let found = Image::of(node);
        self.coverage.recoveries += u64::from(found != Image::default());
        self.coverage.torn_tails += u64::from(report.torn_bytes() > 0);
        let server = self.servers.entry(node.id()).or_default();
        server.before = None;
        server.applied = node.snapshot_index();
        if let Err(what) = server.disk.recover(found) {
            self.rule(at_ns, "Durability", format!("{} {what}", node.id()));
        }
    }

    /// A server is about to take an input.
    pub fn before_step(&mut self, node: &Node, input: &Input) {
        self.coverage.steps += 1;
        let server = self.servers.entry(node.id()).or_default();
        server.before = Some(Before::of(node));
        if let Input::Persisted(seq) = input {
            server.disk.complete(*seq);
        }
    }

    /// A server has taken an input.
    pub fn after_step(&mut self, at_ns: u64, node: &Node, effects: &Effects) {
        let id = node.id();
        let now = Before::of(node);
        let Some(before) = self.servers.entry(id).or_default().before else {
            return;
        };
        if now.term < before.term {
            self.rule(
                at_ns,
                "Term Monotonicity",
                format!("{id} went back to term {}", now.term),
            );
        }
        if now.commit < before.commit {
            self.rule(
                at_ns,
                "Commit Monotonicity",
                format!("{id} went back to {}", now.commit),
            );
        }
        if now.role == RoleKind::PreCandidate && before.role != RoleKind::PreCandidate {
            self.coverage.pre_votes += 1;
        }
        if now.role == RoleKind::Candidate && now.term > before.term {
            self.coverage.elections += 1;
        }
        self.leadership(at_ns, node, before, now);
        if let Some(batch) = &effects.persist {
            for write in &batch.writes {
                match write {
                    Write::Append(entries) => self.log_matching(at_ns, node, entries),
                    Write::Snapshot { snapshot, .. } => {
                        self.coverage.snapshots += 1;
                        self.snapshot_safety(at_ns, node, snapshot);
                    }
                    Write::Truncate(_) => self.coverage.truncations += 1,
                    Write::HardState(_) => {}
                }
            }
            self.servers.entry(id).or_default().disk.begin(batch);
        }
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
        for (_, answer) in &effects.answers {
            match answer {
                Answer::ReadAt(index) => {
                    self.coverage.reads += 1;
                    if index.0 > self.committed.len() as u64 {
                        self.rule(at_ns, "Read Index", format!("{id} reads at {index}"));
                    }
                }
                Answer::HandedOver => self.coverage.transfers += 1,
                Answer::Refused(_) => self.coverage.refusals += 1,
                Answer::Appended { .. } => {}
            }
        }
    }

    /// Election Safety, Leader Completeness at an election; Leader Append-Only during a reign.
    fn leadership(&mut self, at_ns: u64, node: &Node, before: Before, now: Before) {
        let id = node.id();
        let led = before.role == RoleKind::Leader;
        if led && now.role != RoleKind::Leader {
            self.coverage.step_downs += 1;
            // Deposed by nobody: it has missed its quorum.
            self.coverage.quorums_missed += u64::from(before.term == now.term);
        }
        if now.role != RoleKind::Leader {
            return;
        }
        let reigning = led && before.term == now.term;
        if reigning {
            self.one_change_at_a_time(at_ns, node, before.last.0);
            let (index, term) = before.last;
            if now.last.0 < index || node.log().term_at(index) != Some(term) {
                let what = format!("{id}, leading term {}, lost its entry {index}", now.term);
                self.rule(at_ns, "Leader Append-Only", what);
            }
            return;
        }
        self.coverage.leaders += 1;
        if let Some(other) = self.leaders.insert(now.term, id) {
            let what = format!("{other} and {id} both lead term {}", now.term);
            self.rule(at_ns, "Election Safety", what);
        }
        let log = node.log();
        let base = log.base().0.0;
        let missing = (1..).zip(&self.committed).find(|(index, committed)| {
            *index > base
                && log
                    .get(LogIndex(*index))
                    .is_none_or(|entry| mark(entry) != **committed)
        });
        if let Some((index, _)) = missing {
            let what = format!(
                "{id}, elected in term {}, lacks committed entry {index}",
                now.term
            );
            self.rule(at_ns, "Leader Completeness", what);
        }
    }

    /// §6: a leader appends a membership only once the one before is committed.
    fn one_change_at_a_time(&mut self, at_ns: u64, node: &Node, last: LogIndex) {
        let log = node.log();
        let says = |entry: &&Entry| matches!(entry.payload, Payload::Membership(_));
        let new = log.range(last.next(), log.last_index()).iter().find(says);
        let uncommitted = log.range(node.commit_index().next(), log.last_index());
        if let Some(new) = new
            && uncommitted.iter().filter(says).count() > 1
        {
            let what = format!(
                "{} changes the membership at {} twice",
                node.id(),
                new.index
            );
            self.rule(at_ns, "One Change At A Time", what);
        }
    }

    /// Two entries with the same index and term are the same and follow entries of the same term;
    /// by induction, so does all before them.
    fn log_matching(&mut self, at_ns: u64, node: &Node, entries: &[Entry]) {
        for entry in entries {
            let prev = node.log().term_at(entry.index.prev());
            let is = (prev, mark(entry));
            let was = *self.seen.entry((entry.index, entry.term)).or_insert(is);
            if was != is {
                let what = format!(
                    "{} has another entry {} of term {} than a server had before",
                    node.id(),
                    entry.index,
                    entry.term
                );
                self.rule(at_ns, "Log Matching", what);
            }
        }
    }

    /// What a message promises must be durable (Figure 2) when it leaves.
    fn promise(&mut self, at_ns: u64, envelope: &Envelope) {
        let Envelope { from, to, message } = envelope;
        let Some(server) = self.servers.get(from) else {
            return;
        };
        let disk = &server.disk.durable;
        let durable = disk.hard_state;
        let term = message.term();
        let current = term == durable.current_term;
        let kept = match message {
            Message::RequestVote { .. } => !current || durable.voted_for == Some(*from),
            Message::RequestVoteReply { granted: true, .. } => {
                !current || durable.voted_for == Some(*to)
            }
            Message::AppendEntriesReply {
                outcome: AppendOutcome::Matched(index),
                ..
            }
            | Message::InstallSnapshotReply {
                outcome: InstallOutcome::Installed,
                last_index: index,
                ..
            } => !current || disk.holds(*index),
            _ => true,
        };
        if !kept || term > durable.current_term {
            let what = format!("{from} promises {to} what its disk does not hold: {message:?}");
            self.rule(at_ns, "Promises Are Durable", what);
        }
    }

    /// A snapshot stands for committed entries only, and is the same on every server that takes it
    /// at that place.
    fn snapshot_safety(&mut self, at_ns: u64, node: &Node, snapshot: &Snapshot) {
        let (id, index) = (node.id(), snapshot.last_index);
        let committed = self.committed.get(index.prev().0 as usize);
        if committed.is_none_or(|(term, _)| *term != snapshot.last_term) {
            let what = format!("{id} has a snapshot at {index} of what is not committed");
            self.rule(at_ns, "Snapshot Safety", what);
        }
        let first = *self.snapshots.entry(index).or_insert(snapshot.checksum);
        if first != snapshot.checksum {
            let what = format!("{id} has another snapshot at {index} than a server had before");
            self.rule(at_ns, "Snapshot Safety", what);
        }
    }

    /// A server's state machine was replaced by a snapshot.
    fn restored(&mut self, at_ns: u64, node: &Node, snapshot: &Snapshot) {
        let server = self.servers.entry(node.id()).or_default();
        let back = snapshot.last_index < server.applied;
        server.applied = snapshot.last_index;
        if back {
            let what = format!("{} goes back to {}", node.id(), snapshot.last_index);
            self.rule(at_ns, "State Machine Safety", what);
        }
    }

    /// No two servers apply different entries at the same index.
    fn state_machine_safety(&mut self, at_ns: u64, node: &Node, entry: &Entry) {
        let server = self.servers.entry(node.id()).or_default();
        let in_order = entry.index == server.applied.next();
        server.applied = entry.index;
        if !in_order {
            let what = format!("{} applies entry {} out of order", node.id(), entry.index);
            self.rule(at_ns, "State Machine Safety", what);
            return;
        }
        match self.committed.get(entry.index.prev().0 as usize) {
            None => {
                self.committed.push(mark(entry));
                self.last_commit_ns = at_ns;
                self.coverage.commits += 1;
                if let Payload::Membership(membership) = &entry.payload {
                    self.coverage.joint_phases += u64::from(membership.is_joint());
                    self.coverage.memberships += 1;
                    self.membership = membership.clone();
                }
                let inherited = entry.term < node.current_term();
                self.coverage.inherited_commits += u64::from(inherited);
            }
            Some(committed) if *committed != mark(entry) => {
                let what = format!(
                    "{} applies another entry {} (term {}) than a server did before (term {})",
                    node.id(),
                    entry.index,
                    entry.term,
                    committed.0
                );
                self.rule(at_ns, "State Machine Safety", what);
            }
            Some(_) => {}
        }
    }
}
