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
        // What was applied anywhere is committed; an entry below its snapshot cannot be looked at. Of higher-numbered
        // terms only: one whose votes come late may be elected after the next.
        let lacks = (now.snapshot_index + 1..=self.committed.len() as u64).find(|index| {
            let place = *index as usize - 1;
            let earlier = self.committed_in[place] < Term(now.term);
            earlier && term_at(*index) != Some(self.committed[place].0.0)
        });
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

    /// A guest, which has come to a term by now, has applied an entry.
    pub(crate) fn guest_applied(
        &mut self,
        at_ns: u64,
        (id, term): (NodeId, Term),
        index: u64,
        entry: (Term, u64),
    ) {
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
                self.committed_in.push(term);
                self.coverage.commits += 1;
                let last_led = self.leaders.last_key_value().map(|(term, _)| *term);
                self.coverage.inherited_commits += u64::from(last_led > Some(entry.0));
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

    /// A guest, which leads or doesn't, has sent messages, and told clients that they were served or refused.
    pub(crate) fn guest_answered(
        &mut self,
        at_ns: u64,
        leads: bool,
        sent: u64,
        [reads, changes, refused]: [u64; 3],
    ) {
        self.coverage.steps += 1;
        self.coverage.messages += sent;
        self.coverage.reads += reads;
        self.coverage.follower_reads += if leads { 0 } else { reads };
        self.coverage.refusals += refused;
        if leads {
            self.last_led_ns = at_ns;
        }
        if changes > 0 {
            self.last_commit_ns = at_ns;
        }
        self.bursts(at_ns, sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLLOWER: Metrics = Metrics {
        role: RoleKind::Follower,
        term: 4,
        voted_for: Some(2),
        commit_index: 2,
        last_index: 3,
        snapshot_index: 0,
    };
    const LEADER: Metrics = Metrics {
        role: RoleKind::Leader,
        voted_for: Some(1),
        ..FOLLOWER
    };

    fn judge() -> Judge {
        let mut judge = Judge::default();
        judge.guests(3);
        judge
    }

    fn broken(judge: &Judge) -> Option<&str> {
        judge
            .violation()
            .map(|violation| violation.property.as_str())
    }

    /// What is said when a guest was one thing and is another.
    fn said_of(before: Metrics, now: Metrics) -> Option<String> {
        let mut judge = judge();
        judge.guest_changed(1, NodeId(1), &before, &now, |_| Some(1));
        broken(&judge).map(str::to_owned)
    }

    /// A judge that saw n2 apply two entries of term 1.
    fn after_two_entries() -> Judge {
        let mut judge = judge();
        for index in [1, 2] {
            judge.guest_applied(index, (NodeId(2), Term(1)), index, (Term(1), digest(b"x")));
        }
        assert_eq!(broken(&judge), None);
        judge
    }

    #[test]
    fn an_ordinary_step_breaks_nothing() {
        let later = Metrics {
            term: 5,
            voted_for: Some(3),
            commit_index: 3,
            ..FOLLOWER
        };
        assert_eq!(said_of(FOLLOWER, later), None);
        assert_eq!(said_of(FOLLOWER, FOLLOWER), None);
    }

    #[test]
    fn a_term_that_goes_back_is_ruled_on() {
        let earlier = Metrics {
            term: 3,
            ..FOLLOWER
        };
        let said = said_of(FOLLOWER, earlier);
        assert_eq!(said.as_deref(), Some("Term Monotonicity"));
    }

    #[test]
    fn a_commit_index_that_goes_back_is_ruled_on() {
        let less = Metrics {
            commit_index: 1,
            ..FOLLOWER
        };
        let said = said_of(FOLLOWER, less);
        assert_eq!(said.as_deref(), Some("Commit Monotonicity"));
    }

    #[test]
    fn a_second_vote_in_a_term_is_ruled_on_and_so_is_one_that_is_forgotten() {
        for voted_for in [Some(3), None] {
            let other = Metrics {
                voted_for,
                ..FOLLOWER
            };
            let said = said_of(FOLLOWER, other);
            assert_eq!(said.as_deref(), Some("One Vote A Term"));
        }
    }

    #[test]
    fn a_second_leader_of_a_term_is_ruled_on() {
        let mut judge = judge();
        let before = Metrics {
            role: RoleKind::Candidate,
            ..LEADER
        };
        judge.guest_changed(1, NodeId(1), &before, &LEADER, |_| Some(1));
        assert_eq!(broken(&judge), None);
        judge.guest_changed(2, NodeId(2), &before, &LEADER, |_| Some(1));
        assert_eq!(broken(&judge), Some("Election Safety"));
    }

    #[test]
    fn a_leader_that_lacks_what_was_applied_is_ruled_on() {
        let before = Metrics {
            role: RoleKind::Candidate,
            ..LEADER
        };
        let lead = |term_at: fn(u64) -> Option<u64>| {
            let mut judge = after_two_entries();
            judge.guest_changed(3, NodeId(1), &before, &LEADER, term_at);
            broken(&judge).map(str::to_owned)
        };
        assert_eq!(lead(|_| Some(1)), None);
        let other_term = lead(|index| Some(if index == 2 { 3 } else { 1 }));
        assert_eq!(other_term.as_deref(), Some("Leader Completeness"));
        // It shows nothing of its log, and is not judged by it.
        assert_eq!(lead(|_| None), None);
        let mut judge = after_two_entries();
        let short = Metrics {
            last_index: 1,
            ..LEADER
        };
        let log = |index| (index == 1).then_some(1);
        judge.guest_changed(3, NodeId(1), &before, &short, log);
        assert_eq!(broken(&judge), Some("Leader Completeness"));
    }

    #[test]
    fn a_leader_whose_votes_came_late_may_lack_what_a_later_term_has_committed() {
        let lead_without = |committed_in| {
            let mut judge = judge();
            let entry = (Term(1), digest(b"x"));
            judge.guest_applied(1, (NodeId(2), Term(committed_in)), 1, entry);
            let before = Metrics {
                role: RoleKind::Candidate,
                ..LEADER
            };
            judge.guest_changed(2, NodeId(1), &before, &LEADER, |_| Some(3));
            broken(&judge).map(str::to_owned)
        };
        assert_eq!(lead_without(3).as_deref(), Some("Leader Completeness"));
        assert_eq!(lead_without(LEADER.term), None);
        assert_eq!(lead_without(5), None);
    }

    #[test]
    fn an_entry_that_is_applied_out_of_order_is_ruled_on() {
        let mut judge = after_two_entries();
        judge.guest_applied(3, (NodeId(1), Term(4)), 2, (Term(1), digest(b"x")));
        assert_eq!(broken(&judge), Some("Applied In Order"));
    }

    #[test]
    fn servers_that_apply_different_entries_are_ruled_on() {
        for entry in [(Term(1), digest(b"y")), (Term(2), digest(b"x"))] {
            let mut judge = after_two_entries();
            judge.guest_applied(3, (NodeId(1), Term(4)), 1, entry);
            assert_eq!(broken(&judge), Some("State Machine Safety"));
        }
        let mut judge = after_two_entries();
        judge.guest_started(NodeId(2), true);
        judge.guest_applied(3, (NodeId(2), Term(4)), 1, (Term(1), digest(b"x")));
        assert_eq!(broken(&judge), None, "a restart applies again");
    }

    #[test]
    fn a_snapshot_of_what_nobody_applied_is_ruled_on() {
        let mut judge = after_two_entries();
        judge.guest_restored(3, NodeId(1), 2, true);
        assert_eq!(broken(&judge), None);
        judge.guest_restored(4, NodeId(1), 3, true);
        assert_eq!(broken(&judge), Some("State Machine Safety"));
    }

    #[test]
    fn reads_by_followers_and_commits_of_earlier_terms_are_counted() {
        let mut judge = judge();
        judge.guest_answered(1, true, 0, [5, 0, 0]);
        judge.guest_answered(2, false, 0, [2, 0, 0]);
        judge.guest_applied(3, (NodeId(2), Term(4)), 1, (Term(4), digest(b"x")));
        let before = Metrics {
            role: RoleKind::Candidate,
            ..LEADER
        };
        judge.guest_changed(4, NodeId(1), &before, &LEADER, |_| Some(4));
        judge.guest_applied(5, (NodeId(2), Term(4)), 2, (Term(3), digest(b"x")));
        judge.guest_applied(6, (NodeId(2), Term(4)), 3, (Term(4), digest(b"x")));
        let coverage = judge.coverage();
        assert_eq!((coverage.reads, coverage.follower_reads), (7, 2));
        assert_eq!((coverage.commits, coverage.inherited_commits), (3, 1));
    }

    #[test]
    fn a_flood_of_messages_is_ruled_on() {
        let mut judge = judge();
        judge.guest_answered(1, true, 10, [0; 3]);
        assert_eq!(broken(&judge), None);
        judge.guest_answered(2, true, 1_000_000, [0; 3]);
        assert_eq!(broken(&judge), Some("Bounded Traffic"));
    }
}
