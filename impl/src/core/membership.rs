//! Membership (§6, dissertation §4): which one is in force, and how it is changed. A change of voters
//! goes through a joint phase, in which old and new voters must both agree; the leader leaves it by
//! itself. The membership in force is the latest in the log, committed or not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::effects::{Answer, Refusal, RequestId, Write};
use super::node::{Node, Outbox, Role};
use super::progress::Progress;
use crate::types::{Entry, LogIndex, Membership, NodeId, Payload};

/// How many entries a server may lack when it becomes a voter.
const MAX_LAG: u64 = 64;

/// A change that somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// Who shall vote; as before if `None`.
    pub voters: Option<BTreeSet<NodeId>>,
    /// Who shall receive the log without a vote; those who vote are left out.
    pub learners: BTreeSet<NodeId>,
    /// Where servers listen of which the cluster has not been told, or that have moved.
    pub addresses: BTreeMap<NodeId, String>,
}

/// The memberships that a log speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Memberships {
    /// Before all of `later`: as of the latest snapshot, or what the cluster began with.
    base: (LogIndex, Arc<Membership>),
    /// In the order of the log.
    later: Vec<(LogIndex, Arc<Membership>)>,
}

impl Memberships {
    /// A membership as of this entry.
    #[must_use]
    pub fn starting_from(index: LogIndex, membership: Arc<Membership>) -> Memberships {
        Memberships {
            base: (index, membership),
            later: Vec::new(),
        }
    }

    /// The one in force and its entry; zero if no entry says it.
    #[must_use]
    pub fn in_force(&self) -> &(LogIndex, Arc<Membership>) {
        self.later.last().unwrap_or(&self.base)
    }

    /// The one in force before the last change, if that is not compacted away.
    #[must_use]
    pub fn before_last(&self) -> Option<&Membership> {
        let before = self.later.len().checked_sub(1)?;
        let before = before.checked_sub(1).map(|at| &self.later[at]);
        Some(&before.unwrap_or(&self.base).1)
    }

    /// The one that was in force at an entry, which is not before the base.
    #[must_use]
    pub fn at(&self, index: LogIndex) -> &Arc<Membership> {
        let later = self.later.iter().rev().find(|(at, _)| *at <= index);
        &later.unwrap_or(&self.base).1
    }

    /// All that are known, each with its entry, in the order of the log.
    pub fn all(&self) -> impl Iterator<Item = &(LogIndex, Arc<Membership>)> {
        std::iter::once(&self.base).chain(&self.later)
    }

    /// Entries were appended: what they say is in force at once.
    pub fn append(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Payload::Membership(membership) = &entry.payload {
                self.later.push((entry.index, membership.clone()));
            }
        }
    }

    /// Entries from here on were cut: what they said never was.
    pub fn truncate(&mut self, from: LogIndex) {
        self.later.retain(|(index, _)| *index < from);
    }

    /// A snapshot stands for everything up to here.
    pub fn compact(&mut self, to: LogIndex) {
        let kept = self.later.partition_point(|(index, _)| *index <= to);
        if let Some(last) = self.later.drain(..kept).next_back() {
            self.base = last;
        }
    }
}

impl Node {
    /// Somebody wants another membership. One change at a time, and none before this leader knows
    /// what is committed (the bug of the first single-server algorithm).
    pub(super) fn change_membership(&mut self, id: RequestId, change: Change, out: &mut Outbox) {
        match self.next_membership(change) {
            Err(why) => out.answer(id, Answer::Refused(why)),
            Ok(membership) => {
                let index = self.log.last_index().next();
                let term = self.current_term();
                out.answer(id, Answer::Appended { index, term });
                self.append_as_leader([Payload::Membership(membership.into())], out);
                self.broadcast(out);
            }
        }
    }

    /// What a change leads to at first, if it can be made now.
    fn next_membership(&self, change: Change) -> Result<Membership, Refusal> {
        let Role::Leader(leadership) = &self.role else {
            return Err(Refusal::NotLeader(self.leader()));
        };
        if leadership.transfer.is_some() {
            return Err(Refusal::HandingOver);
        }
        let (index, now) = self.memberships.in_force();
        if !self.has_committed_in_term() || *index > self.commit_index || now.is_joint() {
            return Err(Refusal::ChangeUnderWay);
        }
        let voters = change.voters.unwrap_or_else(|| now.voters.clone());
        if voters.is_empty() {
            return Err(Refusal::NoVoters);
        }
        // Learners first: a voter that lacks the log would hold up the commits it is needed for.
        let caught_up = |id: &NodeId| {
            now.voters.contains(id)
                || leadership.progress.get(id).is_some_and(|progress| {
                    progress.match_index > LogIndex::ZERO
                        && progress.match_index.0 + MAX_LAG >= self.log.last_index().0
                })
        };
        if !voters.iter().all(caught_up) {
            return Err(Refusal::NotCaughtUp);
        }
        let outgoing = if voters == now.voters {
            BTreeSet::new()
        } else {
            now.voters.clone()
        };
        let learners = change.learners.difference(&voters).copied().collect();
        Ok(Membership {
            voters,
            outgoing,
            learners,
            addresses: now.addresses.clone(),
        }
        .with_addresses(&change.addresses))
    }

    /// A leader's list of followers becomes that of the membership in force. Who leaves still hears of
    /// it, so that it does not stand for elections for want of a leader.
    pub(super) fn follow_membership(&mut self) {
        let (index, membership) = self.memberships.in_force();
        let last = self.log.last_index();
        let me = self.config.id;
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        for (id, progress) in &mut leadership.progress {
            if !membership.is_member(*id) {
                progress.leaving.get_or_insert(*index);
            }
        }
        let known = |id: &NodeId| {
            let progress = leadership.progress.get(id);
            progress.is_some_and(|progress| progress.leaving.is_none())
        };
        // This comes with every append, and most often there is nobody new: a list that may name one twice is free then.
        let sets = [
            &membership.voters,
            &membership.outgoing,
            &membership.learners,
        ];
        let new: Vec<NodeId> = sets
            .into_iter()
            .flatten()
            .copied()
            .filter(|id| *id != me && !known(id))
            .collect();
        if new.is_empty() {
            return;
        }
        // What a server answered as an earlier member, before it was removed and perhaps emptied,
        // must not count: only rounds from now on do.
        leadership.reads.start_round();
        for id in new {
            let mut progress = Progress::new(last);
            progress.since = leadership.reads.round();
            leadership.progress.insert(id, progress);
        }
    }

    /// Something was committed: a leader leaves the joint phase once it is, and its office once it is
    /// no member any more.
    pub(super) fn complete_change(&mut self, out: &mut Outbox) {
        if !matches!(self.role, Role::Leader(_)) || !self.has_committed_in_term() {
            return;
        }
        let (index, membership) = self.memberships.in_force();
        if *index > self.commit_index {
            return;
        }
        if membership.is_joint() {
            let next = membership.after_joint();
            self.append_as_leader([Payload::Membership(next.into())], out);
            self.broadcast(out);
        } else if !membership.is_voter(self.config.id) {
            // They must learn of the commit that this server can't tell them later.
            self.broadcast(out);
            self.leader_is_fresh = false;
            self.become_follower(None, out);
        }
    }

    /// Whether this server may stand for election: as a voter, or as one until its removal is
    /// committed, since the others may need what only its log holds (dissertation §4.2.2).
    pub(super) fn may_stand(&self) -> bool {
        let (index, membership) = self.memberships.in_force();
        let me = self.config.id;
        let was_voter = |before: &Membership| before.is_voter(me);
        membership.is_voter(me)
            || (*index > self.commit_index && self.memberships.before_last().is_some_and(was_voter))
    }

    /// Cuts the log, and takes back what the cut entries said about membership.
    pub(super) fn truncate(&mut self, from: LogIndex, out: &mut Outbox) {
        self.log.truncate(from);
        self.memberships.truncate(from);
        out.write(Write::Truncate(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Term;

    fn voters(ids: &[u64]) -> Arc<Membership> {
        Membership::of_voters(ids.iter().copied().map(NodeId).collect()).into()
    }

    fn entry(index: u64, ids: &[u64]) -> Entry {
        Entry {
            index: LogIndex(index),
            term: Term(1),
            payload: Payload::Membership(voters(ids)),
        }
    }

    #[test]
    fn the_latest_in_the_log_is_in_force_and_a_cut_takes_it_back() {
        let mut memberships = Memberships::starting_from(LogIndex(0), voters(&[1]));
        memberships.append(&[entry(3, &[1, 2]), entry(7, &[1, 2, 3])]);
        assert_eq!(memberships.in_force(), &(LogIndex(7), voters(&[1, 2, 3])));
        assert_eq!(memberships.at(LogIndex(6)), &voters(&[1, 2]));
        assert_eq!(memberships.at(LogIndex(2)), &voters(&[1]));
        memberships.truncate(LogIndex(7));
        assert_eq!(memberships.in_force(), &(LogIndex(3), voters(&[1, 2])));
        memberships.compact(LogIndex(5));
        memberships.truncate(LogIndex(6));
        assert_eq!(memberships.in_force(), &(LogIndex(3), voters(&[1, 2])));
    }
}
