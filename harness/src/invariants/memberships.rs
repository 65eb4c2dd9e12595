//! Rules on changes of the membership (§6; dissertation §4.1 and the bug of the single-server algorithm,
//! Ongaro 2015).

use plumb_raft::core::{Node, RoleKind};
use plumb_raft::types::{Entry, LogIndex, Membership, Payload};

use super::judge::Judge;

impl Judge {
    /// Keeps in mind who was ever named a voter.
    pub(super) fn note_voters(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Payload::Membership(membership) = &entry.payload {
                let voters = membership.voters.union(&membership.outgoing);
                self.voters_ever.extend(voters);
            }
        }
    }

    /// A leader begins a change once it knows the one before to be committed, and each step of it is one
    /// of joint consensus.
    pub(super) fn membership_changes(&mut self, at_ns: u64, node: &Node, entries: &[Entry]) {
        if node.role_kind() != RoleKind::Leader {
            return;
        }
        let memberships = &self.server(node.id()).memberships;
        let mut before = memberships.in_force().cloned();
        let mut since = memberships.in_force_since();
        for entry in entries {
            let Payload::Membership(next) = &entry.payload else {
                continue;
            };
            // The first of all only writes down what the servers were started with.
            if let Some(before) = before {
                if let Some(why) = untimely(node, since) {
                    let what = format!("{} begins a change at {} {why}", node.id(), entry.index);
                    self.rule(at_ns, "One Change At A Time", what);
                }
                if !follows(&before, next) {
                    let what = format!(
                        "{} changes the voters at {} to {:?}, and no old ones have a say",
                        node.id(),
                        entry.index,
                        next.voters
                    );
                    self.rule(at_ns, "Joint Consensus", what);
                }
            }
            before = Some(next.clone());
            since = entry.index;
        }
    }
}

/// Why it is too early for a leader to begin a change, if it is.
fn untimely(node: &Node, since: LogIndex) -> Option<&'static str> {
    if since > node.commit_index() {
        return Some("before the one before it is committed");
    }
    let own_term = node.log().term_at(node.commit_index()) == Some(node.current_term());
    (!own_term).then_some("before anything of its own term is committed")
}

/// Whether old and new voters have a say in every step from one membership to the next.
fn follows(before: &Membership, next: &Membership) -> bool {
    match (before.is_joint(), next.is_joint()) {
        (true, _) => *next == before.after_joint(),
        (false, true) => next.outgoing == before.voters,
        (false, false) => next.voters == before.voters,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use plumb_raft::types::NodeId;

    use super::*;

    #[test]
    fn voters_change_by_way_of_a_joint_phase_only() {
        let set = |ids: &[u64]| -> BTreeSet<NodeId> { ids.iter().copied().map(NodeId).collect() };
        let old = Membership::of_voters(set(&[1, 2, 3]));
        let new = Membership::of_voters(set(&[3, 4]));
        let joint = Membership {
            outgoing: old.voters.clone(),
            ..new.clone()
        };
        let with_learner = Membership {
            learners: set(&[4]),
            ..old.clone()
        };
        assert!(follows(&old, &with_learner));
        assert!(follows(&old, &joint) && follows(&joint, &new));
        assert!(!follows(&old, &new) && !follows(&joint, &old));
        let of_others = Membership {
            outgoing: set(&[1, 2]),
            ..new
        };
        assert!(!follows(&old, &of_others));
    }
}
