//! Compaction and InstallSnapshot (§7): when a snapshot replaces entries, here and at a follower.

use bytes::Bytes;

use super::effects::Write;
use super::membership::Memberships;
use super::message::{InstallOutcome, Message, Round};
use super::node::{Node, Outbox, Role};
use super::progress::Progress;
use super::snapshot::{Chunk, Receiving, Sending, Snapshot};
use crate::types::{LogIndex, NodeId, Term};

impl Node {
    /// The state machine was written down: entries that it covers may go, except some for followers
    /// that lag a little.
    pub(super) fn snapshot_taken(&mut self, index: LogIndex, data: Bytes, out: &mut Outbox) {
        assert!(
            index <= self.handed_out,
            "a snapshot holds only what was committed"
        );
        if index <= self.snapshot_index() {
            return; // One that was received meanwhile reaches further.
        }
        let term = self.log.term_at(index);
        let term = term.expect("entries behind the last snapshot are in the log");
        let membership = self.memberships.at(index).clone();
        let snapshot = Snapshot::new(index, term, membership, data);
        let to = LogIndex(index.0.saturating_sub(self.config.retained_entries));
        self.log.compact(to);
        self.save_snapshot(snapshot, out);
    }

    fn save_snapshot(&mut self, snapshot: Snapshot, out: &mut Outbox) {
        let base = self.log.base();
        assert!(
            base.0 <= snapshot.last_index,
            "nothing is dropped that no snapshot stands for"
        );
        self.memberships.compact(snapshot.last_index);
        self.snapshot = Some(snapshot.clone());
        out.write(Write::Snapshot { snapshot, base });
    }

    /// The piece of a snapshot that is due, to a follower that lacks what is compacted away.
    pub(super) fn send_snapshot(&mut self, peer: NodeId, out: &mut Outbox) {
        let term = self.current_term();
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        let Some(progress) = leadership.progress.get_mut(&peer) else {
            return;
        };
        let latest = || {
            let snapshot = self.snapshot.clone();
            Sending::new(snapshot.expect("a snapshot stands for what is compacted away"))
        };
        let sending = progress.sending.get_or_insert_with(latest);
        let message = Message::InstallSnapshot {
            term,
            chunk: Box::new(sending.chunk(self.config.snapshot_chunk_bytes)),
            round: leadership.reads.round(),
        };
        out.send_now(self.config.id, peer, message);
    }

    /// InstallSnapshot RPC, receiver.
    pub(super) fn install_snapshot(
        &mut self,
        leader: NodeId,
        term: Term,
        chunk: &Chunk,
        out: &mut Outbox,
    ) -> InstallOutcome {
        if term < self.current_term() {
            return InstallOutcome::Stale;
        }
        self.follow(leader, out);
        if chunk.last_index <= self.commit_index {
            // Leader Completeness: our committed entries are the leader's.
            self.receiving = None;
            return InstallOutcome::Installed;
        }
        let receiving = self.receiving.take().filter(|it| it.is_of(chunk));
        let mut receiving = receiving.unwrap_or_else(|| Receiving::of(chunk));
        receiving.take(chunk);
        if !receiving.is_complete() {
            let received = receiving.received();
            self.receiving = Some(receiving);
            return InstallOutcome::Received(received);
        }
        match receiving.finish() {
            None => InstallOutcome::Received(0),
            Some(snapshot) => {
                self.install(snapshot, out);
                InstallOutcome::Installed
            }
        }
    }

    fn install(&mut self, snapshot: Snapshot, out: &mut Outbox) {
        let last = (snapshot.last_index, snapshot.last_term);
        assert!(
            last.0 > self.commit_index,
            "a snapshot never takes a state machine back"
        );
        if self.log.term_at(last.0) == Some(last.1) {
            // §7: what follows the snapshot's last entry in our log stays.
            self.log.compact(last.0);
        } else {
            // §7: otherwise all of the log is in conflict with it, or before it. What is before it goes with
            // the snapshot's own write: we may have acknowledged it, and it may be committed, whatever we know
            // of that since we started; cut first, it would be missing if a crash let only the cut through.
            // What is behind a conflict nobody can have committed.
            if self.log.last_index() > last.0 {
                out.write(Write::Truncate(last.0.next()));
            }
            self.log.reset(last);
            self.memberships = Memberships::starting_from(last.0, snapshot.membership.clone());
        }
        self.commit_index = last.0;
        self.handed_out = last.0;
        out.restore(snapshot.clone());
        self.save_snapshot(snapshot, out);
    }

    /// An answer to our InstallSnapshot.
    pub(super) fn install_snapshot_reply(
        &mut self,
        follower: NodeId,
        term: Term,
        (last_index, outcome): (LogIndex, InstallOutcome),
        round: Round,
        out: &mut Outbox,
    ) {
        // As with AppendEntries: what we sent in an earlier term is no round of this one.
        if term != self.current_term() || outcome == InstallOutcome::Stale {
            return;
        }
        let Some(progress) = self.heard_from(follower, round) else {
            return;
        };
        let goes_on = match outcome {
            InstallOutcome::Received(bytes) => progress
                .sending
                .as_mut()
                .is_some_and(|sending| sending.resume_at(last_index, bytes)),
            InstallOutcome::Installed => {
                installed(progress, last_index);
                true
            }
            InstallOutcome::Stale => false,
        };
        self.advance_commit(out);
        self.confirm_reads(out);
        if goes_on {
            self.send_append(follower, out);
        }
        self.continue_transfer(follower, out);
    }
}

fn installed(progress: &mut Progress, last_index: LogIndex) {
    progress.match_index = progress.match_index.max(last_index);
    progress.next_index = progress.next_index.max(last_index.next());
    if progress
        .sending
        .as_ref()
        .is_some_and(|sending| sending.last_index() <= last_index)
    {
        progress.sending = None;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;

    use super::*;
    use crate::core::message::Envelope;
    use crate::core::snapshot::Remembered;
    use crate::core::{CoreConfig, Input};
    use crate::types::{Entry, HardState, Membership, Payload};

    fn entry(index: u64) -> Entry {
        Entry {
            index: LogIndex(index),
            term: Term(1),
            payload: Payload::Noop,
        }
    }

    fn snapshot(index: u64, term: u64) -> Snapshot {
        let voters: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
        let membership = Membership::of_voters(voters).into();
        Snapshot::new(
            LogIndex(index),
            Term(term),
            membership,
            Bytes::from_static(b"state"),
        )
    }

    #[test]
    fn a_crash_within_an_install_leaves_a_server_that_can_start() {
        // An earlier snapshot covers entry 2, which is still here; entry 3 may be committed; entries from 5 on are
        // in conflict.
        let mut disk = Remembered {
            hard_state: HardState {
                current_term: Term(1),
                voted_for: None,
            },
            snapshot: Some(snapshot(2, 1)),
            base: (LogIndex(1), Term(1)),
            entries: (2..=7).map(entry).collect(),
        };
        let config = CoreConfig::new(NodeId(1), (1..=3).map(NodeId).collect());
        let (mut node, _) = Node::recover(config.clone(), disk.clone());
        let message = Message::InstallSnapshot {
            term: Term(2),
            chunk: Box::new(Sending::new(snapshot(5, 2)).chunk(100)),
            round: Round::default(),
        };
        let effects = node.step(Input::Receive(Envelope {
            from: NodeId(2),
            to: NodeId(1),
            message,
        }));
        assert_eq!(node.commit_index(), LogIndex(5));
        let writes = effects.persist.expect("it installs").writes;
        let [
            Write::HardState(_),
            Write::Truncate(from),
            Write::Snapshot { .. },
        ] = writes[..]
        else {
            panic!("{writes:?}");
        };
        disk.entries.truncate((from.0 - 2) as usize);
        let (recovered, _) = Node::recover(config, disk);
        assert_eq!(recovered.log().last_index(), LogIndex(5));
    }
}
