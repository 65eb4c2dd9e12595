//! raft-rs 0.7, which goes on while its disk works (`advance_append_async`).

use std::collections::VecDeque;

use plumb_harness::sim::peer::{Image, Metrics};
use plumb_raft::core::RoleKind;
use protobuf::Message as _;
use raft::eraftpb::{Message, MessageType, Snapshot};
use raft::{
    Config, Error, GetEntriesContext, INVALID_ID, RaftState, RawNode, SnapshotStatus, StateRole,
    Storage, StorageError,
};

use crate::driver::{Core, Event, Outbox, Setup};
use crate::log::{Log, Write};

impl Storage for Log {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(
            self.hard_state.clone(),
            self.members.clone(),
        ))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<raft::eraftpb::Entry>> {
        if low <= self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        let mut entries = self.range(low, high);
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let lacking = if index < self.base.0 {
            StorageError::Compacted
        } else {
            StorageError::Unavailable
        };
        self.term_at(index).ok_or(Error::Store(lacking))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(Log::last_index(self))
    }

    fn snapshot(&self, request_index: u64, _: u64) -> raft::Result<Snapshot> {
        if self.snapshot.get_metadata().get_index() < request_index {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(self.snapshot.clone())
    }
}

/// The node, and what must not be sent before the disk has what it promises.
pub struct Node {
    raw: RawNode<Log>,
    /// Of each sync: its number, raft-rs's number, and what to send then.
    syncs: VecDeque<(u64, u64, Vec<Message>)>,
    /// The sync of a snapshot that was received: raft-rs takes nothing for applied before it is durable.
    installing: Option<u64>,
    /// Our draws of the election timeout are below this.
    election_below: usize,
}

impl Node {
    /// Whether a snapshot is on its way to the disk. Until it is there, raft-rs must not stand for election: it would
    /// look for changes of membership among entries that it has not applied, and that the log has no more. TiKV does
    /// not let it tick meanwhile, either.
    fn is_installing(&self) -> bool {
        self.installing.is_some()
    }

    fn post(message: Message, out: &mut impl Outbox<Node>) {
        let is_snapshot = message.get_msg_type() == MessageType::MsgSnapshot;
        out.send(message.get_to(), message, is_snapshot);
    }
}

impl Core for Node {
    type Message = Message;
    type Disk = Log;

    fn new(setup: &Setup, mut disk: Log) -> Node {
        let (least, most) = setup.election_ticks;
        let config = Config {
            id: setup.id,
            election_tick: least,
            min_election_tick: least,
            // So wide that a draw of its own is known by being none of ours.
            max_election_tick: usize::MAX,
            heartbeat_tick: setup.heartbeat_ticks,
            applied: disk.snapshot.get_metadata().get_index(),
            max_size_per_msg: setup.max_size_per_msg,
            max_inflight_msgs: setup.max_inflight_msgs,
            check_quorum: setup.check_quorum,
            pre_vote: setup.pre_vote,
            ..Config::default()
        };
        disk.members.set_voters(setup.members.clone());
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&config, disk, &logger)
            .expect("the settings are within raft-rs's bounds, as scenarios are checked");
        Node {
            raw,
            syncs: VecDeque::new(),
            installing: None,
            election_below: most,
        }
    }

    fn size_of(message: &Message) -> usize {
        message.compute_size() as usize
    }

    fn snapshot(&self) -> Option<(u64, Vec<u8>)> {
        let snapshot = &self.raw.store().snapshot;
        let index = snapshot.get_metadata().get_index();
        (index > 0).then(|| (index, snapshot.get_data().to_vec()))
    }

    fn is_blocked(&self) -> bool {
        false
    }

    fn tick(&mut self) {
        if !self.is_installing() {
            self.raw.tick();
        }
    }

    fn step(&mut self, message: Message) {
        let calls_election = message.get_msg_type() == MessageType::MsgTimeoutNow;
        if !(calls_election && self.is_installing()) {
            // What it refuses is a message that it has no use for.
            let _ = self.raw.step(message);
        }
    }

    fn propose(&mut self, context: Vec<u8>, data: Vec<u8>) -> bool {
        self.raw.propose(context, data).is_ok()
    }

    fn read_index(&mut self, context: Vec<u8>) {
        self.raw.read_index(context);
    }

    fn transfer_leader(&mut self, to: u64) {
        self.raw.transfer_leader(to);
    }

    fn snapshot_arrived(&mut self, at: u64) {
        self.raw.report_snapshot(at, SnapshotStatus::Finish);
    }

    fn compact(&mut self, index: u64, data: Vec<u8>, retained: u64, out: &mut impl Outbox<Node>) {
        let log = self.raw.mut_store();
        let mut snapshot = Snapshot::default();
        let term = log
            .term_at(index)
            .expect("what was just applied is in the log");
        let metadata = snapshot.mut_metadata();
        metadata.set_index(index);
        metadata.set_term(term);
        metadata.set_conf_state(log.members.clone());
        snapshot.set_data(data.into());
        let up_to = index.saturating_sub(retained);
        let write = Write::Compact { snapshot, up_to };
        log.apply(write.clone());
        out.write(write);
    }

    fn synced(&mut self, seq: u64, out: &mut impl Outbox<Node>) {
        while let Some((_, number, messages)) = self.syncs.pop_front_if(|(sync, ..)| *sync <= seq) {
            self.raw.on_persist_ready(number);
            for message in messages {
                Node::post(message, out);
            }
        }
        if self.installing.take_if(|sync| *sync <= seq).is_some() {
            self.raw.advance_apply();
        }
    }

    fn pump(&mut self, out: &mut impl Outbox<Node>, events: &mut Vec<Event>) {
        while self.raw.has_ready() {
            let mut ready = self.raw.ready();
            for message in ready.take_messages() {
                Node::post(message, out);
            }
            let snapshot = Some(ready.snapshot().clone());
            let snapshot = snapshot.filter(|snapshot| snapshot.get_metadata().get_index() > 0);
            if let Some(snapshot) = &snapshot {
                events.push(Event::Restored {
                    index: snapshot.get_metadata().get_index(),
                    data: snapshot.get_data().to_vec(),
                });
            }
            let installs = snapshot.is_some();
            let write = Write::Ready {
                snapshot,
                entries: ready.take_entries(),
                hard_state: ready.hs().cloned(),
            };
            self.raw.mut_store().apply(write.clone());
            out.write(write);
            for mut entry in ready.take_committed_entries() {
                events.push(Event::Committed {
                    index: entry.get_index(),
                    term: entry.get_term(),
                    context: entry.take_context().to_vec(),
                    data: entry.take_data().to_vec(),
                });
            }
            for read in ready.take_read_states() {
                events.push(Event::Read {
                    index: read.index,
                    context: read.request_ctx,
                });
            }
            let promises = ready.take_persisted_messages();
            let seq = out.sync();
            self.syncs.push_back((seq, ready.number(), promises));
            self.raw.advance_append_async(ready);
            if installs {
                self.installing = Some(seq);
            }
            if self.installing.is_none() {
                self.raw.advance_apply();
            }
        }
    }

    fn leader(&self) -> Option<u64> {
        let leader = self.raw.raft.leader_id;
        (leader != INVALID_ID).then_some(leader)
    }

    fn leads(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    fn metrics(&self) -> Metrics {
        let raft = &self.raw.raft;
        Metrics {
            role: match raft.state {
                StateRole::Follower => RoleKind::Follower,
                StateRole::PreCandidate => RoleKind::PreCandidate,
                StateRole::Candidate => RoleKind::Candidate,
                StateRole::Leader => RoleKind::Leader,
            },
            term: raft.term,
            voted_for: (raft.vote != INVALID_ID).then_some(raft.vote),
            commit_index: raft.raft_log.committed,
            last_index: raft.raft_log.last_index(),
            snapshot_index: raft.store().snapshot.get_metadata().get_index(),
        }
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        self.raw
            .raft
            .raft_log
            .term(index)
            .ok()
            .filter(|term| *term > 0)
    }

    fn redraw(&mut self, draw: impl FnOnce() -> usize) {
        let raft = &mut self.raw.raft;
        if raft.randomized_election_timeout() >= self.election_below {
            raft.set_randomized_election_timeout(draw());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forgets all but how many syncs it was asked for.
    struct Bin(u64);

    impl Outbox<Node> for Bin {
        fn write(&mut self, _: Write) {}

        fn sync(&mut self) -> u64 {
            self.0 += 1;
            self.0
        }

        fn send(&mut self, _: u64, _: Message, _: bool) {}
    }

    fn node() -> Node {
        let setup = Setup {
            id: 1,
            members: vec![1, 2, 3],
            election_ticks: (10, 20),
            heartbeat_ticks: 2,
            max_size_per_msg: 1_000,
            max_inflight_msgs: 10,
            check_quorum: false,
            pre_vote: false,
        };
        Node::new(&setup, Log::default())
    }

    fn from_2(kind: MessageType, term: u64) -> Message {
        let mut message = Message::default();
        message.set_msg_type(kind);
        (message.from, message.to, message.term) = (2, 1, term);
        message
    }

    /// So many ticks pass: how many timeouts were drawn.
    fn tick(node: &mut Node, ticks: u64) -> u64 {
        let mut draws = 0;
        for _ in 0..ticks {
            node.tick();
            node.redraw(|| {
                draws += 1;
                15
            });
        }
        draws
    }

    #[test]
    fn a_timeout_is_drawn_when_raft_rs_draws_one_and_no_more_often() {
        let mut node = node();
        node.redraw(|| 15);
        node.step(from_2(MessageType::MsgHeartbeat, 4));
        assert_eq!(tick(&mut node, 1), 1, "a new term");
        for _ in 0..3 {
            node.step(from_2(MessageType::MsgHeartbeat, 4));
            assert_eq!(tick(&mut node, 10), 0, "a leader lives");
        }
        assert_eq!(node.metrics().role, RoleKind::Follower);
        // Nobody is heard of: it stands for election.
        assert_eq!(tick(&mut node, 5), 1);
        assert_eq!(node.metrics().role, RoleKind::Candidate);
    }

    #[test]
    fn it_stands_for_no_election_while_a_snapshot_is_on_its_way_to_the_disk() {
        let (mut node, mut bin) = (node(), Bin(0));
        let mut message = from_2(MessageType::MsgSnapshot, 4);
        let metadata = message.mut_snapshot().mut_metadata();
        metadata.set_index(9);
        metadata.set_term(3);
        metadata.mut_conf_state().set_voters(vec![1, 2, 3]);
        node.step(message);
        node.pump(&mut bin, &mut Vec::new());
        node.step(from_2(MessageType::MsgTimeoutNow, 4));
        tick(&mut node, 40);
        assert_eq!(node.metrics().role, RoleKind::Follower);
        node.synced(bin.0, &mut bin);
        tick(&mut node, 40);
        assert_eq!(node.metrics().role, RoleKind::Candidate);
    }
}
