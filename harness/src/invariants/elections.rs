//! Rules on terms, votes and leaders (§5.2, §5.4.1).

use plumb_raft::core::{Node, RoleKind};
use plumb_raft::types::{LogIndex, Membership, NodeId, Payload, Term};

use super::disk::mark;
use super::judge::{Before, Cause, Judge};

/// Whether these servers decide: the judge's own arithmetic (§6).
pub(crate) fn decide(membership: &Membership, yes: impl Fn(NodeId) -> bool) -> bool {
    let sets = [&membership.voters, &membership.outgoing];
    let majority = |set: &&std::collections::BTreeSet<NodeId>| {
        set.is_empty() || 2 * set.iter().filter(|id| yes(**id)).count() > set.len()
    };
    !membership.voters.is_empty() && sets.iter().all(majority)
}

impl Judge {
    /// Terms never fall, and rise only for a reason; a vote lasts as long as its term, and is given to
    /// who is up to date; who hears its leader is not talked out of it.
    pub(super) fn term_and_vote(&mut self, at_ns: u64, node: &Node, before: &Before, now: &Before) {
        let id = node.id();
        if now.role == RoleKind::PreCandidate && before.role != RoleKind::PreCandidate {
            self.coverage.pre_votes += 1;
        }
        if now.role == RoleKind::Candidate && now.term > before.term {
            self.coverage.elections += 1;
        }
        let stands = |role| matches!(role, RoleKind::PreCandidate | RoleKind::Candidate);
        let begins = stands(now.role) && (!stands(before.role) || now.term > before.term);
        if begins
            && !self
                .server(id)
                .memberships
                .may_name_voter(id, before.commit)
        {
            let what = format!("{id} stands for election, and no membership says that it votes");
            self.rule(at_ns, "Only Voters Stand", what);
        }
        if now.term < before.term {
            let what = format!("{id} went back to term {}", now.term);
            self.rule(at_ns, "Term Monotonicity", what);
        }
        if now.term > before.term {
            let stands = matches!(now.role, RoleKind::Candidate | RoleKind::Leader);
            let told = match before.cause {
                Cause::Inside | Cause::PreVote => None,
                Cause::VoteAsked { term, .. }
                | Cause::FromLeader { term }
                | Cause::Message { term, .. } => Some(term),
            };
            let adopted = told == Some(now.term) && now.role == RoleKind::Follower;
            if !stands && !adopted {
                let what = format!("{id} is in term {} and nobody told it so", now.term);
                self.rule(at_ns, "Terms Have A Cause", what);
            }
        } else if before.voted_for.is_some() && now.voted_for != before.voted_for {
            let what = format!("{id} changed its vote in term {}", now.term);
            self.rule(at_ns, "One Vote A Term", what);
        }
        if let Cause::VoteAsked {
            from,
            term,
            last,
            transfer,
        } = before.cause
        {
            let new = now.term > before.term || before.voted_for.is_none();
            if new && now.voted_for == Some(from) && now.term == term {
                let own = self.server(id).image.last();
                if last < own {
                    let what = format!(
                        "{id}, whose last entry is {} of term {}, votes for {from}, whose is {} of \
                         term {}",
                        own.1, own.0, last.1, last.0
                    );
                    self.rule(at_ns, "Votes For Up-To-Date Logs", what);
                }
            }
            if !transfer && now.term > before.term {
                self.stickiness(at_ns, id, from, before);
            }
        }
        if let Cause::FromLeader { term } = before.cause
            && term == now.term
        {
            self.server(id).heard_leader = Some((term, at_ns));
        }
    }

    /// §6, dissertation §4.2.3: no vote is given, and no term adopted for one, within the least election
    /// timeout of hearing the leader.
    fn stickiness(&mut self, at_ns: u64, id: NodeId, candidate: NodeId, before: &Before) {
        let Some(sticks_for_ns) = self.sticks_for_ns else {
            return;
        };
        let follows = before.role == RoleKind::Follower && before.leader.is_some();
        if let Some((term, heard_ns)) = self.server(id).heard_leader
            && follows
            && term == before.term
            && at_ns.saturating_sub(heard_ns) < sticks_for_ns
        {
            let ms = (at_ns - heard_ns) / 1_000_000;
            let what = format!(
                "{id} heard the leader of term {term} {ms} ms ago and takes up {candidate}'s election"
            );
            self.rule(at_ns, "Leader Stickiness", what);
        }
    }

    /// Election Safety and Leader Completeness at an election, with the votes that carry it; Leader
    /// Append-Only during a reign.
    pub(super) fn leadership(&mut self, at_ns: u64, node: &Node, before: &Before, now: &Before) {
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
        if led && before.term == now.term {
            self.one_change_at_a_time(at_ns, node, before.last.0);
            let (index, term) = before.last;
            if now.last.0 < index || node.log().term_at(index) != Some(term) {
                let what = format!("{id}, leading term {}, lost its entry {index}", now.term);
                self.rule(at_ns, "Leader Append-Only", what);
            }
            return;
        }
        self.coverage.leaders += 1;
        self.server(id).matched.clear();
        if let Some(other) = self.leaders.insert(now.term, id) {
            let what = format!("{other} and {id} both lead term {}", now.term);
            self.rule(at_ns, "Election Safety", what);
        }
        self.votes_carry(at_ns, node, now.term);
        if now.last.1 != now.term {
            let what = format!(
                "{id} begins to lead term {} without an entry of it",
                now.term
            );
            self.rule(at_ns, "A Leader Begins With An Entry", what);
        }
        let log = node.log();
        let base = log.base().0.0;
        // Of higher-numbered terms only: one whose votes come late may be elected after the next.
        let earlier = self.committed_in.iter().map(|term| *term < now.term);
        let mut committed = (1..).zip(&self.committed).zip(earlier);
        let missing = committed.find(|((index, committed), earlier)| {
            *earlier
                && *index > base
                && log
                    .get(LogIndex(*index))
                    .is_none_or(|entry| mark(entry) != **committed)
        });
        if let Some(((index, _), _)) = missing {
            let what = format!(
                "{id}, elected in term {}, lacks committed entry {index}",
                now.term
            );
            self.rule(at_ns, "Leader Completeness", what);
        }
    }

    /// The votes for a leader are on the disks of deciding majorities. Who has gone on to a later term
    /// may have voted for it.
    fn votes_carry(&mut self, at_ns: u64, node: &Node, term: Term) {
        let id = node.id();
        // Of the entries before the first of its own reign, which may be a membership.
        let memberships = &self.server(id).memberships;
        let Some(membership) = memberships.in_force().cloned() else {
            return;
        };
        let voted = |voter: NodeId| {
            self.servers.get(voter).is_some_and(|server| {
                let durable = server.disk.durable.hard_state;
                durable.current_term > term
                    || (durable.current_term == term && durable.voted_for == Some(id))
            })
        };
        if !decide(&membership, voted) {
            let votes: Vec<String> = self
                .servers
                .ids()
                .filter(|voter| voted(*voter))
                .map(|voter| voter.to_string())
                .collect();
            let what = format!(
                "{id} leads term {term} with the votes of {}, which are no majority",
                votes.join(" ")
            );
            self.rule(at_ns, "Elected By A Majority", what);
        }
    }

    /// §6: a leader appends a membership only once the one before is committed.
    fn one_change_at_a_time(&mut self, at_ns: u64, node: &Node, last: LogIndex) {
        let log = node.log();
        let says =
            |entry: &&plumb_raft::types::Entry| matches!(entry.payload, Payload::Membership(_));
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
}
