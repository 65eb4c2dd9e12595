//! Behaviour of the core in a world of a few lines: messages wait in a pile and are delivered,
//! repeated or lost at will; batches become durable when told to; a crash keeps only those.

mod election;
mod interleavings;
mod membership;
mod reads;
mod replication;
mod snapshots;
mod transfer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

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
