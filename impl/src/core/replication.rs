//! Log replication (§5.3) and commitment (§5.4.2).

use bytes::Bytes;

use super::effects::{Answer, Refusal, RequestId, Timer, Write};
use super::message::{AppendOutcome, Message, Round};
use super::node::{Node, Outbox, Role};
use super::progress::Progress;
use super::quorum::reached;
use crate::types::{Entry, LogIndex, NodeId, Payload, Term};

impl Node {
    /// Clients propose commands: a leader appends them and replicates at once.
    pub(super) fn propose(&mut self, requests: Vec<(RequestId, Bytes)>, out: &mut Outbox) {
        if !matches!(self.role, Role::Leader(_)) {
            for (id, _) in requests {
                out.answer(id, Answer::Refused(Refusal::NotLeader(self.leader())));
            }
            return;
        }
        if self.is_handing_over() {
            for (id, _) in requests {
                out.answer(id, Answer::Refused(Refusal::HandingOver));
            }
            return;
        }
        let term = self.current_term();
        let mut index = self.log.last_index();
        let mut uncommitted = self.log.bytes(self.commit_index.next(), index);
        let mut taken = Vec::with_capacity(requests.len());
        for (id, command) in requests {
            let bytes = command.len() as u64;
            if uncommitted > 0 && uncommitted + bytes > self.config.max_uncommitted_bytes {
                out.answer(id, Answer::Refused(Refusal::Overloaded));
                continue;
            }
            uncommitted += bytes;
            index = index.next();
            out.answer(id, Answer::Appended { index, term });
            taken.push(Payload::Command(command));
        }
        self.append_as_leader(taken, out);
        self.replicate(out);
    }

    /// Leader Append-Only: a leader only ever adds to its log.
    pub(super) fn append_as_leader(
        &mut self,
        payloads: impl IntoIterator<Item = Payload>,
        out: &mut Outbox,
    ) {
        let term = self.current_term();
        let first = self.log.last_index().next();
        for payload in payloads {
            self.log.push(Entry {
                index: self.log.last_index().next(),
                term,
                payload,
            });
        }
        let appended = self.log.range(first, self.log.last_index()).to_vec();
        if !appended.is_empty() {
            self.memberships.append(&appended);
            self.follow_membership();
            out.write(Write::Append(appended));
        }
    }

    /// Idle leaders keep their followers (§5.2); lost messages are sent again.
    pub(super) fn heartbeat_timeout(&mut self, out: &mut Outbox) {
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        out.set_timer(Timer::Heartbeat);
        // A lease lives by rounds.
        if leadership.reads.wants_round() || !self.config.lease.is_zero() {
            self.start_round(out);
        } else {
            self.broadcast(out);
        }
    }

    /// Sends to every follower, if only a heartbeat.
    pub(super) fn broadcast(&mut self, out: &mut Outbox) {
        for peer in self.peers() {
            self.send_append(peer, out);
        }
    }

    /// Sends to the followers that lack entries and have room for them.
    fn replicate(&mut self, out: &mut Outbox) {
        for peer in self.peers() {
            if self.lacks_entries(peer) {
                self.send_append(peer, out);
            }
        }
    }

    fn lacks_entries(&self, peer: NodeId) -> bool {
        let Role::Leader(leadership) = &self.role else {
            return false;
        };
        leadership.progress.get(&peer).is_some_and(|progress| {
            // A piece of a snapshot is followed by the next only once it is answered.
            progress.sending.is_none()
                && progress.next_index > self.log.base().0
                && progress.next_index <= self.log.last_index()
                && progress.in_flight() < self.config.max_in_flight_entries
                && self.bytes_in_flight(progress) < self.config.max_in_flight_bytes
        })
    }

    /// How many bytes of entries are under way to a follower.
    fn bytes_in_flight(&self, progress: &Progress) -> u64 {
        let (first, last) = (progress.match_index.next(), progress.next_index.prev());
        self.log.bytes(first, last)
    }

    /// One AppendEntries from the follower's next index; empty where there is nothing to send or
    /// no room for it.
    pub(super) fn send_append(&mut self, peer: NodeId, out: &mut Outbox) {
        let term = self.current_term();
        let bytes_in_flight = match &self.role {
            Role::Leader(leadership) => {
                let progress = leadership.progress.get(&peer);
                progress.map_or(0, |progress| self.bytes_in_flight(progress))
            }
            _ => return,
        };
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        let Some(progress) = leadership.progress.get_mut(&peer) else {
            return;
        };
        if progress.sending.is_some() || progress.next_index <= self.log.base().0 {
            self.send_snapshot(peer, out);
            return;
        }
        let room = self
            .config
            .max_in_flight_entries
            .saturating_sub(progress.in_flight());
        let most = self
            .config
            .max_entries_per_append
            .min(usize::try_from(room).unwrap_or(usize::MAX));
        let room_bytes = self
            .config
            .max_in_flight_bytes
            .saturating_sub(bytes_in_flight);
        let most = if room_bytes == 0 { 0 } else { most };
        let most_bytes = room_bytes.min(self.config.max_bytes_per_append as u64);
        let mut bytes = 0;
        let mut entries: Vec<Entry> = Vec::new();
        for entry in self
            .log
            .range(progress.next_index, self.log.last_index())
            .iter()
            .take(most)
        {
            bytes += entry.payload.len() as u64;
            // The first goes whatever its size, else a large one never would.
            if bytes > most_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        let prev_log_index = progress.next_index.prev();
        let prev_log_term = self
            .log
            .term_at(prev_log_index)
            .expect("next_index never passes the log's end, nor falls below its base here");
        progress.next_index = LogIndex(progress.next_index.0 + entries.len() as u64);
        let message = Message::AppendEntries {
            term,
            prev_log_index,
            prev_log_term,
            entries,
            leader_commit: self.commit_index,
            round: leadership.reads.round(),
        };
        out.send_now(self.config.id, peer, message);
    }

    /// A leader of the present term was heard: whatever else we were, we follow it.
    pub(super) fn follow(&mut self, leader: NodeId, out: &mut Outbox) {
        let term = self.current_term();
        match &self.role {
            Role::Leader(_) => panic!("Election Safety: {leader} leads our own term {term} too"),
            Role::Follower {
                leader: Some(known),
            } => {
                assert_eq!(
                    *known, leader,
                    "Election Safety: term {term} has two leaders"
                );
            }
            Role::Follower { leader: None }
            | Role::PreCandidate { .. }
            | Role::Candidate { .. } => {
                self.become_follower(Some(leader), out);
            }
        }
        self.hear_leader(out);
    }

    /// AppendEntries RPC, receiver.
    pub(super) fn append_entries(
        &mut self,
        leader: NodeId,
        term: Term,
        (prev_log_index, prev_log_term): (LogIndex, Term),
        entries: Vec<Entry>,
        leader_commit: LogIndex,
        out: &mut Outbox,
    ) -> AppendOutcome {
        if term < self.current_term() {
            return AppendOutcome::Stale;
        }
        self.follow(leader, out);
        let last_new = LogIndex(prev_log_index.0 + entries.len() as u64);
        let base = self.log.base();
        let (prev_log_index, prev_log_term, entries) = if prev_log_index < base.0 {
            // What was compacted away is committed, hence the same here and there.
            let skipped = usize::try_from(base.0.0 - prev_log_index.0).unwrap_or(usize::MAX);
            if skipped > entries.len() {
                return AppendOutcome::Matched(last_new);
            }
            (base.0, base.1, entries.into_iter().skip(skipped).collect())
        } else {
            (prev_log_index, prev_log_term, entries)
        };
        match self.log.term_at(prev_log_index) {
            Some(found) if found == prev_log_term => {}
            Some(found) => {
                return AppendOutcome::Conflict {
                    rejected: prev_log_index,
                    conflict_term: Some(found),
                    first_index: self.log.first_index_of_run(prev_log_index),
                };
            }
            None => {
                return AppendOutcome::Conflict {
                    rejected: prev_log_index,
                    conflict_term: None,
                    first_index: self.log.last_index().next(),
                };
            }
        }
        self.append_as_follower(entries, out);
        // Only what this message vouches for: entries behind it may still conflict.
        self.commit_to(leader_commit.min(last_new));
        AppendOutcome::Matched(last_new)
    }

    /// Steps 3 and 4 of the receiver: cut only at a real conflict, add only what is new.
    fn append_as_follower(&mut self, entries: Vec<Entry>, out: &mut Outbox) {
        let log = &self.log;
        let known = entries
            .iter()
            .take_while(|e| log.term_at(e.index) == Some(e.term))
            .count();
        let new: Vec<Entry> = entries.into_iter().skip(known).collect();
        let Some(first) = new.first() else { return };
        if first.index <= self.log.last_index() {
            assert!(
                first.index > self.commit_index,
                "Leader Completeness: the leader lacks our committed entry {}",
                first.index
            );
            self.truncate(first.index, out);
        }
        self.log.extend(new.iter().cloned());
        self.memberships.append(&new);
        out.write(Write::Append(new));
    }

    /// An answer to our AppendEntries.
    pub(super) fn append_entries_reply(
        &mut self,
        follower: NodeId,
        term: Term,
        outcome: AppendOutcome,
        round: Round,
        out: &mut Outbox,
    ) {
        // Rounds are counted anew in each term: a refusal of what we sent when we led an earlier one comes
        // in today's term, and must not pass for an answer to one of today's rounds.
        if term != self.current_term() || outcome == AppendOutcome::Stale {
            return;
        }
        let Some(progress) = heard_from(&mut self.role, follower, round) else {
            return;
        };
        let refused = progress.update(outcome, &self.log);
        assert!(
            progress.match_index <= self.log.last_index(),
            "{follower} acknowledged entries that its leader does not have"
        );
        self.advance_commit(out);
        self.confirm_reads(out);
        if refused || self.lacks_entries(follower) {
            self.send_append(follower, out);
        }
        self.part_with(follower, out);
        self.continue_transfer(follower, out);
    }

    /// A server that was removed, and has the entry that says so, learns that it is committed and is
    /// sent no more.
    fn part_with(&mut self, follower: NodeId, out: &mut Outbox) {
        let Role::Leader(leadership) = &self.role else {
            return;
        };
        let known = |progress: &Progress| {
            progress
                .leaving
                .is_some_and(|index| index <= progress.match_index.min(self.commit_index))
        };
        if leadership.progress.get(&follower).is_some_and(known) {
            self.send_append(follower, out);
            if let Role::Leader(leadership) = &mut self.role {
                leadership.progress.remove(&follower);
            }
        }
    }

    /// A follower has answered in our term, whatever it says.
    pub(super) fn heard_from(&mut self, follower: NodeId, round: Round) -> Option<&mut Progress> {
        heard_from(&mut self.role, follower, round)
    }

    /// A leader commits what a quorum holds durably, if it is of its own term (§5.4.2): its own
    /// copy counts like any other, once it is on its disk.
    pub(super) fn advance_commit(&mut self, out: &mut Outbox) {
        if self.commit_index == self.log.last_index() {
            return;
        }
        let Role::Leader(leadership) = &self.role else {
            return;
        };
        let durable = self.durability.last_index();
        let reached = reached(&self.memberships.in_force().1, |id| {
            leadership
                .progress
                .get(&id)
                .map_or(durable, |progress| progress.match_index)
        });
        let Some(reached) = reached else { return };
        // §5.4.2: an entry of an older term is never committed by counting.
        if reached > self.commit_index && self.log.term_at(reached) == Some(self.current_term()) {
            let first_of_term = !self.has_committed_in_term();
            self.commit_to(reached);
            if first_of_term {
                self.serve_reads_that_waited_for_the_first_commit(out);
            }
            self.complete_change(out);
        }
    }

    fn commit_to(&mut self, index: LogIndex) {
        assert!(
            index <= self.log.last_index(),
            "only what is in the log can be committed"
        );
        self.commit_index = self.commit_index.max(index);
    }
}

fn heard_from(role: &mut Role, follower: NodeId, round: Round) -> Option<&mut Progress> {
    let Role::Leader(leadership) = role else {
        return None;
    };
    let progress = leadership.progress.get_mut(&follower)?;
    if round < progress.since {
        return None;
    }
    progress.heard = true;
    progress.acked_round = progress.acked_round.max(round);
    Some(progress)
}
