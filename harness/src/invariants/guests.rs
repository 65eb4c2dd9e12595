//! Rules on guests: servers of other people's Rafts, of which only their metrics are seen and what they
//! apply. Figure 3's properties as far as these show them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use plumb_raft::core::RoleKind;
use plumb_raft::types::{LogIndex, Membership, NodeId, Term};

use super::judge::Judge;
use crate::sim::peer::Metrics;

/// A digest of a command, the same in every process.
pub(crate) fn digest(command: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    command.hash(&mut hasher);
    hasher.finish()
}

impl Judge {
    /// So many guests take part, from the beginning to the end.
    pub fn guests(&mut self, servers: u64) {
        let voters: BTreeSet<NodeId> = (1..=servers).map(NodeId).collect();
        let membership = Membership::of_voters(voters);
        self.memberships.insert(LogIndex(0), membership.into());
    }

    /// A guest has started; what it had applied before, it may apply again.
    pub(crate) fn guest_started(&mut self, id: NodeId, again: bool) {
        self.coverage.recoveries += u64::from(again);
        self.server(id).applied = LogIndex(0);
    }

    /// A guest has taken an input, and was this and is that. `term_at` looks into its log.
    pub(crate) fn guest_changed(
        &mut self,
        at_ns: u64,
        id: NodeId,
        before: &Metrics,
        now: &Metrics,
        term_at: impl Fn(u64) -> Option<u64>,
    ) {
        let became = |role| now.role == role && (before.role != role || before.term != now.term);
        self.coverage.pre_votes += u64::from(became(RoleKind::PreCandidate));
        self.coverage.elections += u64::from(became(RoleKind::Candidate));
        self.coverage.step_downs +=
            u64::from(before.role == RoleKind::Leader && now.role != RoleKind::Leader);
        self.coverage.truncations += u64::from(now.last_index < before.last_index);
        self.coverage.snapshots += u64::from(now.snapshot_index > before.snapshot_index);
        if now.term < before.term {
            let what = format!("{id} went back from term {} to {}", before.term, now.term);
            self.rule(at_ns, "Term Monotonicity", what);
        }
        if now.commit_index < before.commit_index {
            let what = format!("{id} went back to {}", now.commit_index);
            self.rule(at_ns, "Commit Monotonicity", what);
        }
        let another = before.voted_for.is_some() && now.voted_for != before.voted_for;
        if now.term == before.term && another {
            let what = format!("{id} voted for another in term {} than before", now.term);
            self.rule(at_ns, "One Vote A Term", what);
        }
        if became(RoleKind::Leader) {
            self.guest_leads(at_ns, id, now, term_at);
        }
    }

    fn guest_leads(
        &mut self,
        at_ns: u64,
        id: NodeId,
        now: &Metrics,
        term_at: impl Fn(u64) -> Option<u64>,
    ) {
        self.coverage.leaders += 1;
        let leader = *self.leaders.entry(Term(now.term)).or_insert(id);
        if leader != id {
            let what = format!("{leader} and {id} both lead term {}", now.term);
            self.rule(at_ns, "Election Safety", what);
        }
        // What was applied anywhere is committed; an entry below its snapshot cannot be looked at.
        let lacks = (now.snapshot_index + 1..=self.committed.len() as u64)
            .find(|index| term_at(*index) != Some(self.committed[*index as usize - 1].0.0));
        // One that shows nothing of its log is not judged by it.
        if let Some(index) =
            lacks.filter(|_| now.last_index == 0 || term_at(now.last_index).is_some())
        {
            let what = format!(
                "{id} leads term {} without entry {index}, which was applied",
                now.term
            );
            self.rule(at_ns, "Leader Completeness", what);
        }
    }

    /// A guest has applied an entry.
    pub(crate) fn guest_applied(&mut self, at_ns: u64, id: NodeId, index: u64, entry: (Term, u64)) {
        let applied = self.server(id).applied.0;
        if index != applied + 1 {
            let what = format!("{id} applies entry {index} after entry {applied}");
            self.rule(at_ns, "Applied In Order", what);
            return;
        }
        self.server(id).applied = LogIndex(index);
        match self.committed.get(index as usize - 1) {
            None => {
                self.committed.push(entry);
                self.committed_in.push(entry.0);
                self.coverage.commits += 1;
                self.last_commit_ns = at_ns;
            }
            Some(other) if *other != entry => {
                let what = format!(
                    "{id} applies another entry {index}, of term {}, than a server did before it",
                    entry.0
                );
                self.rule(at_ns, "State Machine Safety", what);
            }
            Some(_) => {}
        }
    }

    /// A guest's state machine was replaced by a snapshot's.
    pub(crate) fn guest_restored(&mut self, at_ns: u64, id: NodeId, index: u64, installed: bool) {
        self.coverage.installs += u64::from(installed);
        self.server(id).applied = LogIndex(index);
        if index > self.committed.len() as u64 {
            let what = format!("{id} has a snapshot of entry {index}, which nobody applied");
            self.rule(at_ns, "State Machine Safety", what);
        }
    }

    /// A guest has sent messages, and told clients that they were served or refused.
    pub(crate) fn guest_answered(
        &mut self,
        at_ns: u64,
        sent: u64,
        [reads, changes, refused]: [u64; 3],
    ) {
        self.coverage.steps += 1;
        self.coverage.messages += sent;
        self.coverage.reads += reads;
        self.coverage.refusals += refused;
        if changes > 0 {
            self.last_commit_ns = at_ns;
        }
        self.floods(at_ns, sent);
    }
}
