//! Rules on what leaves a server: what a message promises is on the disk (Figure 2), and an answer to a
//! read sees all that was committed when it was asked for (§8).

use plumb_raft::core::{
    Answer, AppendOutcome, Envelope, InstallOutcome, Message, Node, ReadMode, RequestId, RoleKind,
};
use plumb_raft::types::{NodeId, Term};

use super::elections::decide;
use super::judge::{Asked, Judge, Patience};

/// Terms and servers of which is kept who followed when; more than are ever of interest at once.
const FOLLOWERS_KEPT: usize = 256;

/// At which step of the run each server last followed the leader of a term, the latest terms last: a step that follows is
/// nearly always one of those.
#[derive(Debug, Default)]
pub(super) struct Followed(Vec<((Term, NodeId), u64)>);

impl Followed {
    fn note(&mut self, term: Term, id: NodeId, step: u64) {
        let last = self.0.iter().rposition(|(of, _)| *of <= (term, id));
        match last {
            Some(place) if self.0[place].0 == (term, id) => self.0[place].1 = step,
            last => {
                let place = last.map_or(0, |before| before + 1);
                self.0.insert(place, ((term, id), step));
                if self.0.len() > FOLLOWERS_KEPT {
                    self.0.remove(0);
                }
            }
        }
    }

    fn at(&self, term: Term, id: NodeId) -> Option<u64> {
        let place = self.0.binary_search_by_key(&(term, id), |(of, _)| *of);
        Some(self.0[place.ok()?].1)
    }
}

impl Judge {
    /// What a message promises must be durable when it leaves.
    pub(super) fn promise(&mut self, at_ns: u64, envelope: &Envelope) {
        let Envelope { from, to, message } = envelope;
        let Some(server) = self.servers.get(*from) else {
            return;
        };
        if matches!(message, Message::TimeoutNow { .. }) {
            self.handed_over.insert(message.term());
        }
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

    /// A server has taken something from the leader of its term.
    pub(super) fn note_follower(&mut self, id: NodeId, term: Term) {
        self.followed.note(term, id, self.coverage.steps);
    }

    /// A leader that serves a read without a lease knows that a deciding majority followed it after the read
    /// was asked for (§8; dissertation §6.4).
    fn leadership_was_confirmed(&mut self, at_ns: u64, node: &Node, asked: Asked) {
        if node.role_kind() != RoleKind::Leader || asked.mode == ReadMode::Lease {
            return;
        }
        let (id, term) = (node.id(), node.current_term());
        let Some(membership) = self.server(id).memberships.in_force().cloned() else {
            return;
        };
        let followed = |other: NodeId| {
            let last = self.followed.at(term, other);
            other == id || last.is_some_and(|step| step > asked.step)
        };
        if !decide(&membership, followed) {
            let what = format!(
                "{id}, leading term {term}, serves a read for which no majority confirmed it"
            );
            self.rule(at_ns, "Reads Are Confirmed", what);
        }
    }

    /// While a leader counts on its lease nobody else is elected, nor could anybody be: those who would not
    /// refuse another election are no deciding majority, and no successor was told to stand (dissertation
    /// §6.4.1).
    fn lease_is_exclusive(&mut self, at_ns: u64, node: &Node) {
        let (id, term) = (node.id(), node.current_term());
        if let Some((later, leader)) = self.leaders.last_key_value().filter(|(of, _)| **of > term) {
            let what = format!(
                "{id} serves a read by its lease of term {term}, and {leader} leads term {later}"
            );
            self.rule(at_ns, "A Lease Is Exclusive", what);
        }
        let Some(membership) = self.server(id).memberships.in_force().cloned() else {
            return;
        };
        if decide(&membership, |voter| voter == id) {
            // A majority by itself: its round was over as it began, and needs no lease.
            return;
        }
        if self.handed_over.contains(&term) {
            let what = format!(
                "{id} serves a read by its lease of term {term}, and told a successor to stand"
            );
            self.rule(at_ns, "A Lease Is Exclusive", what);
        }
        let would_elect = |other: NodeId| {
            let patient_with = self.servers.get(other).map(|server| server.patient_with);
            let patient = match patient_with.unwrap_or_default() {
                Patience::Nobody => false,
                Patience::Anybody => true,
                Patience::Leader(leader) => leader == id,
            };
            other != id && !patient
        };
        if decide(&membership, would_elect) {
            let what = format!(
                "{id} serves a read by its lease of term {term}, and a majority would elect another"
            );
            self.rule(at_ns, "A Lease Is Exclusive", what);
        }
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, at_ns: u64, node: &Node, request: RequestId, answer: Answer) {
        let id = node.id();
        let asked = self.server(id).reads.remove(&request);
        match answer {
            Answer::ReadAt(index) => {
                self.coverage.reads += 1;
                if let Some(asked) = asked {
                    let at_once = asked.step == self.coverage.steps;
                    let by_lease = asked.mode == ReadMode::Lease && at_once;
                    let leads = node.role_kind() == RoleKind::Leader;
                    self.coverage.lease_reads += u64::from(by_lease);
                    if by_lease && leads {
                        self.lease_is_exclusive(at_ns, node);
                    }
                    self.coverage.follower_reads += u64::from(!leads);
                }
                let committed = self.committed.len() as u64;
                if index.0 > committed {
                    let what = format!("{id} reads at {index}, and only {committed} are committed");
                    self.rule(at_ns, "Read Index", what);
                }
                if let Some(asked) = asked {
                    self.leadership_was_confirmed(at_ns, node, asked);
                }
                if let Some(asked) = asked.filter(|asked| index.0 < asked.committed) {
                    let what = format!(
                        "{id} serves a read as of entry {index}; {} were committed when it was asked",
                        asked.committed
                    );
                    self.rule(at_ns, "Reads See What Was Committed", what);
                }
            }
            Answer::HandedOver => self.coverage.transfers += 1,
            Answer::Refused(_) => self.coverage.refusals += 1,
            Answer::Appended { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sim::seams::random::Stream;

    #[test]
    fn followers_are_kept_as_a_map_of_the_latest_terms_would_keep_them() {
        let (mut followed, mut map) = (Followed::default(), BTreeMap::new());
        let mut draw = Stream::derive(1, "followers", 0);
        for step in 0..5_000 {
            // Terms rise, and late messages are of some terms ago.
            let term = Term(step / 20 + 30 - draw.below(30));
            let id = NodeId(1 + draw.below(5));
            followed.note(term, id, step);
            map.insert((term, id), step);
            if map.len() > FOLLOWERS_KEPT {
                map.pop_first();
            }
            let (term, id) = (Term(step / 20 + draw.below(40)), NodeId(1 + draw.below(5)));
            assert_eq!(followed.at(term, id), map.get(&(term, id)).copied());
        }
        assert_eq!(followed.0.len(), FOLLOWERS_KEPT);
        assert!(followed.0.iter().map(|(of, _)| of).eq(map.keys()));
    }
}
