//! Behaviour of the core in a world of a few lines: messages wait in a pile and are delivered,
//! repeated or lost at will; batches become durable when told to; a crash keeps only those.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::types::{Entry, LogIndex, Membership, NodeId, Payload, Term};

struct Server {
    node: Node,
    disk: Remembered,
    under_way: VecDeque<Batch>,
    applied: Vec<Entry>,
}

struct World {
    servers: Vec<Server>,
    pile: Vec<Envelope>,
    answers: BTreeMap<RequestId, Vec<Answer>>,
    leaders: BTreeMap<Term, NodeId>,
    committed: Vec<Entry>,
    next_request: u64,
    switches: Switches,
    /// The first servers, with which the cluster begins.
    first_voters: u64,
}

/// Which of the refinements of elections are on.
#[derive(Clone, Copy, Debug)]
struct Switches {
    pre_vote: bool,
    check_quorum: bool,
    stickiness: bool,
}

const ALL_ON: Switches = Switches {
    pre_vote: true,
    check_quorum: true,
    stickiness: true,
};

/// Figure 2 and no more.
const ALL_OFF: Switches = Switches {
    pre_vote: false,
    check_quorum: false,
    stickiness: false,
};

fn config(id: NodeId, first_voters: u64, switches: Switches) -> CoreConfig {
    CoreConfig {
        max_entries_per_append: 2,
        max_in_flight_entries: 3,
        retained_entries: 1,
        snapshot_chunk_bytes: 16,
        pre_vote: switches.pre_vote,
        check_quorum: switches.check_quorum,
        stickiness: switches.stickiness,
        ..CoreConfig::new(
            id,
            (1..=first_voters)
                .filter(|_| id.0 <= first_voters)
                .map(NodeId)
                .collect::<BTreeSet<_>>(),
        )
    }
}

impl World {
    fn new(n: u64) -> World {
        World::with(n, ALL_ON)
    }

    fn with(n: u64, switches: Switches) -> World {
        World::beginning_with(n, n, switches)
    }

    /// Of `n` servers, the first ones are voters, and the others wait to be added.
    fn beginning_with(first_voters: u64, n: u64, switches: Switches) -> World {
        let servers = (1..=n)
            .map(|i| Server {
                node: {
                    let config = config(NodeId(i), first_voters, switches);
                    Node::recover(config, Remembered::default()).0
                },
                disk: Remembered::default(),
                under_way: VecDeque::new(),
                applied: Vec::new(),
            })
            .collect();
        World {
            servers,
            pile: Vec::new(),
            answers: BTreeMap::new(),
            leaders: BTreeMap::new(),
            committed: Vec::new(),
            next_request: 0,
            switches,
            first_voters,
        }
    }

    fn at(&mut self, id: u64) -> &mut Server {
        &mut self.servers[id as usize - 1]
    }

    fn step(&mut self, id: u64, input: Input) {
        let server = &mut self.servers[id as usize - 1];
        let effects = server.node.step(input);
        for envelope in &effects.send {
            check_promise(envelope, &server.disk);
        }
        server.under_way.extend(effects.persist);
        if let Some(snapshot) = effects.restore {
            server.applied = decode(&snapshot);
        }
        for entry in effects.apply {
            assert_eq!(
                entry.index.0,
                server.applied.len() as u64 + 1,
                "applied in order, once"
            );
            server.applied.push(entry.clone());
            match self.committed.get(entry.index.0 as usize - 1) {
                Some(committed) => assert_eq!(*committed, entry, "State Machine Safety"),
                None => self.committed.push(entry),
            }
        }
        self.pile.extend(effects.send);
        for (request, answer) in effects.answers {
            self.answers.entry(request).or_default().push(answer);
        }
        let node = &self.servers[id as usize - 1].node;
        if node.role_kind() == RoleKind::Leader {
            let leader = *self.leaders.entry(node.current_term()).or_insert(node.id());
            assert_eq!(
                leader,
                node.id(),
                "Election Safety in term {}",
                node.current_term()
            );
        }
    }

    /// Makes the oldest batch under way durable and says so.
    fn persist(&mut self, id: u64) -> bool {
        let server = self.at(id);
        let Some(batch) = server.under_way.pop_front() else {
            return false;
        };
        for write in batch.writes {
            match write {
                Write::HardState(hard_state) => server.disk.hard_state = hard_state,
                Write::Truncate(from) => server.disk.entries.retain(|entry| entry.index < from),
                Write::Append(entries) => server.disk.entries.extend(entries),
                Write::Snapshot { snapshot, base } => {
                    server.disk.snapshot = Some(snapshot);
                    server.disk.base = base;
                    server.disk.entries.retain(|entry| entry.index > base.0);
                }
            }
        }
        self.step(id, Input::Persisted(batch.seq));
        true
    }

    fn crash(&mut self, id: u64) {
        let config = config(NodeId(id), self.first_voters, self.switches);
        let server = self.at(id);
        let (node, effects) = Node::recover(config, server.disk.clone());
        server.node = node;
        server.under_way.clear();
        server.applied = effects.restore.as_ref().map(decode).unwrap_or_default();
    }

    fn propose(&mut self, id: u64, command: &'static str) -> RequestId {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        self.step(
            id,
            Input::Propose(vec![(request, Bytes::from_static(command.as_bytes()))]),
        );
        request
    }

    fn change(&mut self, id: u64, voters: Option<&[u64]>, learners: &[u64]) -> RequestId {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        let change = Change {
            voters: voters.map(ids),
            learners: ids(learners),
            ..Change::default()
        };
        self.step(id, Input::ChangeMembership(request, change));
        request
    }

    fn transfer(&mut self, id: u64, to: u64) -> RequestId {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        self.step(id, Input::Transfer(request, NodeId(to)));
        request
    }

    fn read(&mut self, id: u64) -> RequestId {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        self.step(id, Input::Read(request, ReadMode::Leader));
        request
    }

    /// The state machine, which is all that was applied, is written down.
    fn take_snapshot(&mut self, id: u64) {
        let server = self.at(id);
        let Some(index) = server.applied.last().map(|entry| entry.index) else {
            return;
        };
        let data = postcard::to_stdvec(&server.applied).expect("plain data");
        let data = Bytes::from(data);
        self.step(id, Input::SnapshotTaken { index, data });
    }

    /// Delivers everything between these servers and syncs every disk until nothing is left;
    /// messages from or to others are lost.
    fn settle(&mut self, connected: &[u64]) {
        for _ in 0..10_000 {
            let persisted = connected.iter().filter(|id| self.persist(**id)).count();
            if self.pile.is_empty() && persisted == 0 {
                return;
            }
            for envelope in std::mem::take(&mut self.pile) {
                if [envelope.from, envelope.to]
                    .iter()
                    .all(|id| connected.contains(&id.0))
                {
                    self.step(envelope.to.0, Input::Receive(envelope));
                }
            }
        }
        panic!("the cluster does not settle");
    }

    /// No leader has been heard for a while.
    fn forget_leaders(&mut self, ids: &[u64]) {
        for id in ids {
            self.step(*id, Input::TimerFired(Timer::Stickiness));
        }
    }

    fn elect(&mut self, id: u64, connected: &[u64]) {
        self.forget_leaders(connected);
        self.step(id, Input::TimerFired(Timer::Election));
        self.settle(connected);
        assert_eq!(self.at(id).node.role_kind(), RoleKind::Leader);
    }

    /// Elects a leader none of whose messages as a leader arrive.
    fn elect_and_isolate(&mut self, id: u64, connected: &[u64]) {
        self.forget_leaders(connected);
        self.step(id, Input::TimerFired(Timer::Election));
        for _ in 0..10 {
            for peer in connected {
                while self.persist(*peer) {}
            }
            for envelope in std::mem::take(&mut self.pile) {
                let delivered = [envelope.from, envelope.to]
                    .iter()
                    .all(|i| connected.contains(&i.0));
                if delivered && self.at(id).node.role_kind() != RoleKind::Leader {
                    self.step(envelope.to.0, Input::Receive(envelope));
                }
            }
            if self.at(id).node.role_kind() == RoleKind::Leader {
                self.pile.clear();
                return;
            }
        }
        panic!("n{id} is not elected");
    }

    fn commands(&mut self, id: u64) -> Vec<Bytes> {
        let applied = self.at(id).applied.iter();
        applied
            .filter_map(|entry| match &entry.payload {
                Payload::Command(command) => Some(command.clone()),
                Payload::Noop | Payload::Membership(_) => None,
            })
            .collect()
    }
}

fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn decode(snapshot: &Snapshot) -> Vec<Entry> {
    postcard::from_bytes(&snapshot.data).expect("it was written by this world")
}

/// What a message promises must be durable when it leaves (Figure 2, "persistent state").
fn check_promise(envelope: &Envelope, disk: &Remembered) {
    let hard_state = disk.hard_state;
    let last = disk.base.0.0 + disk.entries.len() as u64;
    let term = envelope.message.term();
    match &envelope.message {
        Message::RequestVote { .. } => {
            assert!(term < hard_state.current_term || hard_state.voted_for == Some(envelope.from));
        }
        Message::RequestVoteReply { granted: true, .. } => {
            assert!(term < hard_state.current_term || hard_state.voted_for == Some(envelope.to));
        }
        Message::AppendEntriesReply {
            outcome: AppendOutcome::Matched(index),
            ..
        }
        | Message::InstallSnapshotReply {
            outcome: InstallOutcome::Installed,
            last_index: index,
            ..
        } => {
            assert!(term < hard_state.current_term || index.0 <= last);
        }
        _ => {}
    }
    assert!(
        term <= hard_state.current_term,
        "{envelope:?} leaves before its term is durable"
    );
}

#[test]
fn three_servers_elect_a_leader_and_commit() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    w.propose(1, "a");
    w.settle(&[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    for id in 1..=3 {
        assert_eq!(w.commands(id), ["a"]);
    }
}

#[test]
fn a_single_server_leads_alone_once_its_vote_is_durable() {
    let mut w = World::new(1);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Candidate);
    w.settle(&[1]);
    w.propose(1, "a");
    assert!(w.commands(1).is_empty(), "not yet durable");
    let read = w.read(1);
    w.settle(&[1]);
    assert_eq!(w.commands(1), ["a"]);
    assert_eq!(w.answers[&read], [Answer::ReadAt(LogIndex(1))]);
}

#[test]
fn a_vote_leaves_only_once_it_is_durable() {
    let mut w = World::with(3, ALL_OFF);
    w.step(1, Input::TimerFired(Timer::Election));
    assert!(
        w.pile.is_empty(),
        "a candidate asks once its own vote is durable"
    );
    w.persist(1);
    let request = w.pile.remove(0);
    w.pile.clear();
    w.step(2, Input::Receive(request));
    assert!(w.pile.is_empty(), "the voter's promise waits for its disk");
    w.persist(2);
    assert!(matches!(
        w.pile[0].message,
        Message::RequestVoteReply {
            term: Term(1),
            granted: true
        }
    ));
}

#[test]
fn a_split_vote_is_resolved_in_a_later_term() {
    let mut w = World::with(4, ALL_OFF);
    w.step(1, Input::TimerFired(Timer::Election));
    w.step(2, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3, 4]);
    let leader_of_term_1 = w.leaders.get(&Term(1)).copied();
    w.step(3, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3, 4]);
    assert!(leader_of_term_1.is_none() || leader_of_term_1 != Some(NodeId(3)));
    assert_eq!(w.at(3).node.role_kind(), RoleKind::Leader);
}

#[test]
fn a_server_with_a_stale_log_is_not_elected() {
    let mut w = World::with(3, ALL_OFF);
    w.elect(1, &[1, 2]);
    w.propose(1, "a");
    w.settle(&[1, 2]);
    w.step(3, Input::TimerFired(Timer::Election));
    w.step(3, Input::TimerFired(Timer::Election));
    w.settle(&[2, 3]);
    assert_eq!(w.at(3).node.role_kind(), RoleKind::Candidate, "§5.4.1");
    w.elect(2, &[2, 3]);
    assert_eq!(w.at(3).node.log().last_index(), LogIndex(3));
}

#[test]
fn figure_8_an_older_entry_is_not_committed_by_counting() {
    let mut w = World::with(5, ALL_OFF);
    w.elect(1, &[1, 2, 3, 4, 5]);
    // (a) S1 leads and replicates index 2 to S2 only.
    w.propose(1, "a");
    w.settle(&[1, 2]);
    // (b) S5 is elected by S3 and S4, takes another entry at index 2, alone, and crashes.
    w.elect_and_isolate(5, &[3, 4, 5]);
    w.persist(5);
    w.crash(5);
    // (c) S1 leads again, and its old entry reaches a majority; its new one does not.
    w.crash(1);
    w.step(1, Input::TimerFired(Timer::Election));
    w.elect_and_isolate(1, &[1, 2, 3]);
    let term = w.at(1).node.current_term();
    for id in [2, 3] {
        let outcome = AppendOutcome::Matched(LogIndex(2));
        let message = Message::AppendEntriesReply {
            term,
            outcome,
            round: Round(0),
        };
        w.step(
            1,
            Input::Receive(Envelope {
                from: NodeId(id),
                to: NodeId(1),
                message,
            }),
        );
    }
    assert_eq!(w.at(1).node.log().term_at(LogIndex(2)), Some(Term(1)));
    assert_eq!(
        w.at(1).node.commit_index(),
        LogIndex(0),
        "a quorum holds 2, of an older term"
    );
}

#[test]
fn a_diverged_log_is_repaired_a_term_at_a_time() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    for command in ["x", "y", "z"] {
        w.propose(1, command);
    }
    w.pile.clear();
    w.settle(&[1]);
    w.elect(2, &[2, 3]);
    for command in ["a", "b", "c", "d", "e"] {
        w.propose(2, command);
        w.settle(&[2, 3]);
    }
    w.step(2, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    w.step(2, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(1), ["a", "b", "c", "d", "e"]);
    assert_eq!(w.servers[0].node.log(), w.servers[1].node.log());
    let (log, entries) = (
        w.at(1).node.log().entries().to_vec(),
        w.at(1).disk.entries.clone(),
    );
    assert_eq!(log, entries, "the disk followed the truncation");
}

#[test]
fn a_deposed_leader_serves_no_read() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    let read = w.read(1);
    let late_answers = std::mem::take(&mut w.pile);
    w.elect(2, &[2, 3]);
    w.propose(2, "a");
    w.settle(&[2, 3]);
    let second = w.read(1);
    for envelope in late_answers {
        if envelope.to == NodeId(2) {
            w.step(2, Input::Receive(envelope));
        }
    }
    w.settle(&[1, 2, 3]);
    for id in [read, second] {
        assert_eq!(w.answers[&id], [Answer::Refused(Refusal::LostLeadership)]);
    }
}

/// Found in simulation by messages that stalled for two elections.
#[test]
fn an_answer_to_what_a_leader_sent_in_an_earlier_term_confirms_no_read() {
    let mut w = World::with(3, ALL_OFF);
    w.elect(1, &[1, 2, 3]);
    for _ in 0..3 {
        w.read(1);
        w.settle(&[1, 2, 3]);
    }
    w.read(1);
    let stalled = std::mem::take(&mut w.pile);
    w.elect(2, &[1, 2, 3]);
    w.elect(1, &[1, 2, 3]);
    let read = w.read(1);
    w.pile.clear();
    for envelope in stalled.into_iter().filter(|e| e.to == NodeId(2)) {
        w.step(2, Input::Receive(envelope));
    }
    w.persist(2);
    let answers = std::mem::take(&mut w.pile);
    assert!(!answers.is_empty(), "it refuses what is stale");
    for envelope in answers {
        w.step(1, Input::Receive(envelope));
    }
    assert_eq!(w.answers.get(&read), None);
}

#[test]
fn reads_that_arrive_together_share_a_round() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    let first = w.read(1);
    let sent = w.pile.len();
    let rest = [w.read(1), w.read(1), w.read(1)];
    assert_eq!(
        w.pile.len(),
        sent,
        "one round is under way, the others wait for the next"
    );
    w.settle(&[1, 2, 3]);
    for id in [first, rest[0], rest[1], rest[2]] {
        assert_eq!(w.answers[&id], [Answer::ReadAt(LogIndex(1))]);
    }
}

#[test]
fn a_server_that_was_cut_off_does_not_depose_the_leader() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    for _ in 0..5 {
        w.step(3, Input::TimerFired(Timer::Election));
        w.settle(&[3]);
    }
    assert_eq!(
        w.at(3).node.current_term(),
        Term(1),
        "it asked before it stood"
    );
    w.step(3, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Leader);
    assert_eq!(
        w.at(3).node.role_kind(),
        RoleKind::PreCandidate,
        "nobody would vote"
    );
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(3).node.leader(), Some(NodeId(1)));
}

#[test]
fn a_pre_vote_changes_nothing_where_it_arrives() {
    let mut w = World::new(3);
    w.forget_leaders(&[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Election));
    let question = w.pile.iter().find(|e| e.to == NodeId(2)).cloned();
    let question = question.expect("every peer is asked");
    assert!(matches!(question.message, Message::PreVote { .. }));
    let before = w.at(2).node.clone();
    w.step(2, Input::Receive(question));
    assert_eq!(w.at(2).node, before);
}

#[test]
fn a_vote_is_refused_while_a_leader_is_alive_and_its_term_is_not_adopted() {
    let switches = Switches {
        pre_vote: false,
        ..ALL_ON
    };
    let mut w = World::with(3, switches);
    w.elect(1, &[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2]);
    w.step(3, Input::TimerFired(Timer::Election));
    w.persist(3);
    for envelope in std::mem::take(&mut w.pile) {
        w.step(envelope.to.0, Input::Receive(envelope));
    }
    for id in [1, 2] {
        assert_eq!(w.at(id).node.current_term(), Term(1));
    }
    w.crash(2);
    w.step(3, Input::TimerFired(Timer::Election));
    w.persist(3);
    for envelope in std::mem::take(&mut w.pile) {
        w.step(envelope.to.0, Input::Receive(envelope));
    }
    assert_eq!(
        w.at(2).node.current_term(),
        Term(1),
        "a restart does not forget the promise"
    );
}

#[test]
fn a_leader_without_a_quorum_steps_down_after_an_election_timeout() {
    let mut w = World::new(5);
    w.elect(1, &[1, 2, 3, 4, 5]);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Leader, "all were heard");
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2]);
    let read = w.read(1);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Follower);
    assert_eq!(w.answers[&read], [Answer::Refused(Refusal::LostLeadership)]);
}

#[test]
fn a_leader_takes_no_more_than_may_be_uncommitted_and_again_once_it_commits() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    w.at(1).node.config.max_uncommitted_bytes = 5;
    let first = w.propose(1, "a command larger than all that");
    assert!(matches!(w.answers[&first][..], [Answer::Appended { .. }]));
    let second = w.propose(1, "b");
    assert_eq!(w.answers[&second], [Answer::Refused(Refusal::Overloaded)]);
    w.settle(&[1, 2, 3]);
    let third = w.propose(1, "b");
    assert!(matches!(w.answers[&third][..], [Answer::Appended { .. }]));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(1), ["a command larger than all that", "b"]);
}

#[test]
fn no_more_bytes_are_under_way_to_a_follower_than_its_window_holds() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    w.settle(&[1, 2, 3]);
    w.at(1).node.config.max_in_flight_bytes = 3;
    for command in ["large command", "b", "c", "d"] {
        w.propose(1, command);
    }
    let sent = |w: &World| -> usize {
        let to_2 = w.pile.iter().filter(|envelope| envelope.to == NodeId(2));
        to_2.map(|envelope| match &envelope.message {
            Message::AppendEntries { entries, .. } => entries.len(),
            _ => 0,
        })
        .sum()
    };
    assert_eq!(
        sent(&w),
        1,
        "the first goes whatever its size, and fills the window"
    );
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    assert_eq!(sent(&w), 1, "a heartbeat is no way around it");
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(1), ["large command", "b", "c", "d"]);
}

#[test]
fn a_leader_hands_over_to_a_server_that_it_has_brought_up_to_date() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    for command in ["a", "b", "c", "d"] {
        w.propose(1, command);
        w.settle(&[1, 2]);
    }
    let transfer = w.transfer(1, 3);
    let refused = w.propose(1, "late");
    assert_eq!(w.answers[&refused], [Answer::Refused(Refusal::HandingOver)]);
    // n2 hears its leader still: only the leader's word makes it vote.
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(3).node.role_kind(), RoleKind::Leader);
    assert_eq!(w.answers[&transfer], [Answer::HandedOver]);
    assert_eq!(w.commands(3), ["a", "b", "c", "d"]);
}

#[test]
fn a_transfer_that_fails_is_given_up_after_an_election_timeout() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    let transfer = w.transfer(1, 3);
    w.settle(&[1, 2]);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(
        w.answers[&transfer],
        [Answer::Refused(Refusal::TransferTimedOut)]
    );
    let request = w.propose(1, "a");
    assert!(matches!(w.answers[&request][..], [Answer::Appended { .. }]));
    let stranger = w.transfer(1, 9);
    assert_eq!(
        w.answers[&stranger],
        [Answer::Refused(Refusal::NoSuchVoter)]
    );
}

/// n1 leads, and has compacted away what n3 lacks.
fn world_with_a_lagging_follower() -> World {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    for command in ["a", "b", "c", "d", "e"] {
        w.propose(1, command);
        w.settle(&[1, 2]);
    }
    w.take_snapshot(1);
    w.settle(&[1, 2]);
    assert_eq!(
        w.at(1).node.log().first_index(),
        LogIndex(6),
        "one entry is retained"
    );
    w
}

#[test]
fn a_follower_that_lacks_compacted_entries_gets_a_snapshot_and_then_entries() {
    let mut w = world_with_a_lagging_follower();
    w.propose(1, "f");
    w.settle(&[1, 2]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(3), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(w.at(3).node.snapshot_index(), LogIndex(6));
    w.crash(3);
    assert_eq!(
        w.commands(3),
        ["a", "b", "c", "d", "e"],
        "the snapshot was durable"
    );
    assert_eq!(w.at(3).node.log().last_index(), LogIndex(7));
}

#[test]
fn a_follower_that_lags_less_than_the_retained_entries_is_spared_a_snapshot() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    w.propose(1, "a");
    w.settle(&[1, 2, 3]);
    w.propose(1, "b");
    w.settle(&[1, 2]);
    w.take_snapshot(1);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(3), ["a", "b"]);
    assert_eq!(w.at(3).node.snapshot_index(), LogIndex(0));
}

#[test]
fn a_snapshot_replaces_a_log_that_conflicts_with_it() {
    let mut w = World::new(3);
    w.elect(3, &[1, 2, 3]);
    for command in ["x", "y", "z"] {
        w.propose(3, command);
    }
    w.pile.clear();
    w.settle(&[3]);
    w.elect(1, &[1, 2]);
    for command in ["a", "b", "c", "d", "e"] {
        w.propose(1, command);
        w.settle(&[1, 2]);
    }
    w.take_snapshot(1);
    for _ in 0..2 {
        w.step(1, Input::TimerFired(Timer::Heartbeat));
        w.settle(&[1, 2, 3]);
    }
    assert_eq!(w.commands(3), ["a", "b", "c", "d", "e"]);
    w.crash(3);
    assert_eq!(w.at(3).node.log().base(), w.at(3).disk.base);
    assert_eq!(
        w.at(3).node.log().last_term(),
        Term(2),
        "nothing of term 1 is left"
    );
}

#[test]
fn an_installed_snapshot_is_acknowledged_only_once_it_is_durable() {
    let mut w = world_with_a_lagging_follower();
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    for _ in 0..200 {
        for envelope in std::mem::take(&mut w.pile) {
            w.step(envelope.to.0, Input::Receive(envelope));
        }
    }
    assert_eq!(w.at(3).node.snapshot_index(), LogIndex(6));
    let installed = |w: &World| {
        w.servers[0].node.commit_index() >= LogIndex(6)
            && matches!(w.servers[0].node.role(), Role::Leader(leadership)
                if leadership.progress[&NodeId(3)].match_index >= LogIndex(6))
    };
    assert!(!installed(&w), "its disk has not said so");
    w.settle(&[1, 2, 3]);
    assert!(installed(&w));
}

#[test]
fn a_server_joins_as_a_learner_and_votes_after_a_joint_phase() {
    let mut w = World::beginning_with(1, 3, ALL_ON);
    w.elect(1, &[1]);
    for command in ["a", "b"] {
        w.propose(1, command);
    }
    w.settle(&[1]);
    let early = w.change(1, Some(&[1, 2, 3]), &[]);
    assert_eq!(w.answers[&early], [Answer::Refused(Refusal::NotCaughtUp)]);
    w.change(1, None, &[2, 3]);
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(1).node.membership().learners, ids(&[2, 3]));
    w.step(2, Input::TimerFired(Timer::Election));
    assert_eq!(
        w.at(2).node.role_kind(),
        RoleKind::Follower,
        "a learner does not stand"
    );
    w.change(1, Some(&[1, 2, 3]), &[]);
    let joint = w.at(1).node.membership().clone();
    assert_eq!((joint.outgoing, joint.voters), (ids(&[1]), ids(&[1, 2, 3])));
    w.settle(&[1, 2, 3]);
    let done = Membership::of_voters(ids(&[1, 2, 3]));
    for id in 1..=3 {
        assert_eq!(w.at(id).node.membership(), &done);
    }
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(3), ["a", "b"]);
    w.elect(3, &[2, 3]);
}

#[test]
fn the_joint_phase_takes_a_majority_of_the_old_and_one_of_the_new() {
    let mut w = World::beginning_with(3, 5, ALL_OFF);
    w.elect(1, &[1, 2, 3]);
    w.change(1, None, &[4, 5]);
    w.settle(&[1, 2, 3, 4, 5]);
    w.change(1, Some(&[1, 4, 5]), &[]);
    let index = w.at(1).node.log().last_index();
    w.settle(&[1, 4, 5]);
    assert!(
        w.at(1).node.commit_index() < index,
        "all of the new, one of the old"
    );
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert!(
        w.at(1).node.membership().outgoing.is_empty(),
        "both, over time: the phase is left"
    );
}

#[test]
fn one_change_at_a_time_and_none_before_the_first_commit_of_the_term() {
    let mut w = World::beginning_with(3, 4, ALL_OFF);
    w.elect_and_isolate(1, &[1, 2, 3]);
    let early = w.change(1, None, &[4]);
    assert_eq!(
        w.answers[&early],
        [Answer::Refused(Refusal::ChangeUnderWay)]
    );
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    let first = w.change(1, None, &[4]);
    assert!(matches!(w.answers[&first][..], [Answer::Appended { .. }]));
    let second = w.change(1, Some(&[1, 2]), &[]);
    assert_eq!(
        w.answers[&second],
        [Answer::Refused(Refusal::ChangeUnderWay)]
    );
    let nobody = w.change(1, Some(&[]), &[]);
    assert_eq!(
        w.answers[&nobody],
        [Answer::Refused(Refusal::ChangeUnderWay)]
    );
    w.settle(&[1, 2, 3]);
    let nobody = w.change(1, Some(&[]), &[]);
    assert_eq!(w.answers[&nobody], [Answer::Refused(Refusal::NoVoters)]);
}

#[test]
fn a_leader_that_is_removed_leads_until_the_commit_and_then_steps_down() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    w.change(1, Some(&[2, 3]), &[]);
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Follower);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(
        w.at(1).node.role_kind(),
        RoleKind::Follower,
        "it stands no more"
    );
    w.elect(2, &[2, 3]);
    w.propose(2, "a");
    w.settle(&[2, 3]);
    assert_eq!(w.commands(2), ["a"]);
}

/// Dissertation §4.2.2: n2 is all that is left of the voters and lacks the entry that says so; n1 and
/// n3 have it and would not vote for n2. One of them must lead once more.
#[test]
fn a_removed_server_may_still_lead_until_its_removal_is_committed() {
    let mut w = World::with(3, ALL_OFF);
    w.elect(1, &[1, 2, 3]);
    w.change(1, Some(&[2]), &[]);
    let joint = w.at(1).node.log().last_index();
    for _ in 0..20 {
        for id in 1..=3 {
            while w.persist(id) {}
        }
        for envelope in std::mem::take(&mut w.pile) {
            let held = w.at(2).node.log().last_index() >= joint;
            let lost = envelope.to == NodeId(2) && held;
            if !lost {
                w.step(envelope.to.0, Input::Receive(envelope));
            }
        }
    }
    assert_eq!(w.at(3).node.membership(), &Membership::of_voters(ids(&[2])));
    assert!(w.at(2).node.membership().is_joint());
    w.crash(1);
    w.step(2, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3]);
    assert_eq!(
        w.at(2).node.role_kind(),
        RoleKind::Candidate,
        "nobody votes for it"
    );
    w.step(3, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(2).node.membership(), &Membership::of_voters(ids(&[2])));
    assert_eq!(
        w.at(3).node.role_kind(),
        RoleKind::Follower,
        "its work is done"
    );
    w.elect(2, &[2]);
}

#[test]
fn a_membership_that_is_cut_from_the_log_never_was() {
    let mut w = World::beginning_with(3, 4, ALL_OFF);
    w.elect(1, &[1, 2, 3]);
    w.change(1, None, &[4]);
    w.pile.clear();
    w.settle(&[1]);
    assert_eq!(
        w.at(1).node.membership().learners,
        ids(&[4]),
        "in force at once"
    );
    w.elect(2, &[2, 3]);
    w.step(2, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(
        w.at(1).node.membership(),
        &Membership::of_voters(ids(&[1, 2, 3]))
    );
}

#[test]
fn membership_comes_back_from_snapshot_and_log_not_from_the_configuration() {
    let mut w = World::beginning_with(1, 2, ALL_OFF);
    w.elect(1, &[1]);
    w.change(1, None, &[2]);
    w.settle(&[1, 2]);
    w.take_snapshot(1);
    w.change(1, Some(&[1, 2]), &[]);
    w.settle(&[1, 2]);
    w.first_voters = 2;
    w.crash(1);
    w.crash(2);
    for id in [1, 2] {
        assert_eq!(w.at(id).node.membership().voters, ids(&[1, 2]));
    }
    w.take_snapshot(1);
    w.settle(&[1]);
    w.crash(1);
    assert_eq!(w.at(1).node.membership().learners, BTreeSet::new());
}

/// The bug that `drmingdrmer/raft-rejoin-bug` lists: n3 acknowledges entries, is removed, loses them
/// and is added again in the same term, and its old answer arrives.
#[test]
fn an_answer_from_an_earlier_membership_of_a_server_does_not_count() {
    let mut w = World::beginning_with(1, 3, ALL_OFF);
    w.elect(1, &[1]);
    w.change(1, None, &[2, 3]);
    w.settle(&[1, 2, 3]);
    w.propose(1, "a");
    let to_n3 = w.pile.iter().find(|envelope| envelope.to == NodeId(3));
    let to_n3 = to_n3.cloned().expect("a leader replicates at once");
    w.step(3, Input::Receive(to_n3));
    w.persist(3);
    let late = w.pile.pop().expect("n3 has answered");
    assert!(matches!(
        late.message,
        Message::AppendEntriesReply {
            outcome: AppendOutcome::Matched(LogIndex(3)),
            ..
        }
    ));
    w.settle(&[1, 2]);
    w.change(1, None, &[2]);
    w.settle(&[1, 2]);
    w.step(1, Input::TimerFired(Timer::Election));
    w.change(1, None, &[2, 3]);
    w.pile.clear();
    let matched = |w: &World| match w.servers[0].node.role() {
        Role::Leader(leadership) => leadership.progress[&NodeId(3)].match_index,
        other => panic!("{other:?}"),
    };
    w.step(1, Input::Receive(late));
    assert_eq!(matched(&w), LogIndex(0), "it may have lost what it had");
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert!(matched(&w) > LogIndex(0));
}

#[derive(Clone, Debug)]
enum Act {
    Deliver(usize),
    Repeat(usize),
    Lose(usize),
    Persist(u64),
    Election(u64),
    Heartbeat(u64),
    Change(u64, u64, u64),
    Stickiness(u64),
    Transfer(u64, u64),
    Propose(u64),
    Snapshot(u64),
    Read(u64),
    Crash(u64),
}

fn act(n: u64) -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => any::<usize>().prop_map(Act::Deliver),
        2 => any::<usize>().prop_map(Act::Repeat),
        1 => any::<usize>().prop_map(Act::Lose),
        10 => (1..=n).prop_map(Act::Persist),
        2 => (1..=n).prop_map(Act::Election),
        2 => (1..=n).prop_map(Act::Heartbeat),
        1 => (1..=n, 1..32u64, 0..32u64).prop_map(|(id, v, l)| Act::Change(id, v, l)),
        4 => (1..=n).prop_map(Act::Stickiness),
        1 => (1..=n, 1..=n).prop_map(|(id, to)| Act::Transfer(id, to)),
        3 => (1..=n).prop_map(Act::Propose),
        1 => (1..=n).prop_map(Act::Snapshot),
        1 => (1..=n).prop_map(Act::Read),
        1 => (1..=n).prop_map(Act::Crash),
    ]
}

fn run(world: &mut World, acts: Vec<Act>) {
    for act in acts {
        let size = world.pile.len();
        match act {
            Act::Deliver(i) if size > 0 => {
                let envelope = world.pile.swap_remove(i % size);
                world.step(envelope.to.0, Input::Receive(envelope));
            }
            Act::Repeat(i) if size > 0 => {
                let envelope = world.pile[i % size].clone();
                world.step(envelope.to.0, Input::Receive(envelope));
            }
            Act::Lose(i) if size > 0 => drop(world.pile.swap_remove(i % size)),
            Act::Deliver(_) | Act::Repeat(_) | Act::Lose(_) => {}
            Act::Persist(id) => drop(world.persist(id)),
            Act::Election(id) => world.step(id, Input::TimerFired(Timer::Election)),
            Act::Heartbeat(id) => world.step(id, Input::TimerFired(Timer::Heartbeat)),
            Act::Change(id, voters, learners) => {
                let n = world.servers.len() as u64;
                let of = |bits: u64| -> Vec<u64> {
                    (1..=n).filter(|id| bits >> (id - 1) & 1 == 1).collect()
                };
                // Half of the wishes are for learners only, as promotions need them.
                let voters = of(voters);
                let voters = (learners % 2 == 0).then_some(&voters[..]);
                world.change(id, voters, &of(learners));
            }
            Act::Stickiness(id) => world.step(id, Input::TimerFired(Timer::Stickiness)),
            Act::Transfer(id, to) => drop(world.transfer(id, to)),
            Act::Propose(id) => drop(world.propose(id, "c")),
            Act::Snapshot(id) => world.take_snapshot(id),
            Act::Read(id) => drop(world.read(id)),
            Act::Crash(id) => world.crash(id),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Safety is checked at every step of `World`; afterwards the cluster must be able to go on.
    #[test]
    fn any_interleaving_keeps_the_invariants_and_heals(
        n in prop_oneof![Just(3u64), Just(5u64)],
        acts in proptest::collection::vec(act(3), 0..400),
        (pre_vote, check_quorum, stickiness) in any::<(bool, bool, bool)>(),
    ) {
        let switches = Switches { pre_vote, check_quorum, stickiness };
        let mut world = World::with(n, switches);
        run(&mut world, acts);
        let all: Vec<u64> = (1..=n).collect();
        world.settle(&all);
        let mut leader = None;
        for _ in 0..5 {
            // Terms meet; leaders that nobody follows find out; transfers that failed are given up.
            for id in &all {
                world.step(*id, Input::TimerFired(Timer::Heartbeat));
                if world.at(*id).node.role_kind() == RoleKind::Leader {
                    world.step(*id, Input::TimerFired(Timer::Election));
                }
            }
            world.settle(&all);
            let leads = |id: &u64| world.servers[*id as usize - 1].node.role_kind() == RoleKind::Leader;
            leader = all.iter().copied().find(leads);
            if leader.is_some() {
                break;
            }
            // Whoever has the most complete log can win.
            let voter = |id: &u64| world.servers[*id as usize - 1].node.may_stand();
            let best = all.iter().copied().filter(voter).max_by_key(|id| {
                let log = world.servers[*id as usize - 1].node.log();
                (log.last_term(), log.last_index(), *id)
            }).unwrap();
            world.forget_leaders(&all);
            world.step(best, Input::TimerFired(Timer::Election));
            world.settle(&all);
        }
        prop_assert!(leader.is_some(), "nobody leads");
        let best = leader.unwrap_or_default();
        world.propose(best, "last");
        world.settle(&all);
        world.step(best, Input::TimerFired(Timer::Heartbeat));
        world.settle(&all);
        world.step(best, Input::TimerFired(Timer::Heartbeat));
        world.settle(&all);
        for NodeId(id) in world.at(best).node.membership().members() {
            prop_assert_eq!(world.commands(id).last().cloned(), Some(Bytes::from_static(b"last")));
        }
    }
}
