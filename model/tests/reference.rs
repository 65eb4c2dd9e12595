//! The packed, reduced model against a literal one: Figure 2 taken down with plain collections,
//! with votes received and match indexes counted one message at a time, batches, leader commits as
//! they are, replies that wait for the disk, and no message ever dropped. On scopes small enough
//! for it, both reach exactly the same servers.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::Hash;

use plumb_model::{Ablations, Bounds, Features, Raft, Reductions, Role, State};
use stateright::Model;

type Log = Vec<(u8, u8)>;

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Msg {
    RequestVote {
        term: u8,
        from: usize,
        last: (u8, usize),
    },
    Vote {
        term: u8,
        from: usize,
        to: usize,
    },
    Append {
        term: u8,
        from: usize,
        prev: usize,
        prev_term: u8,
        entries: Log,
        commit: usize,
    },
    Reply {
        term: u8,
        from: usize,
        to: usize,
        matched: usize,
    },
}

impl Msg {
    fn term(&self) -> u8 {
        match self {
            Msg::RequestVote { term, .. }
            | Msg::Vote { term, .. }
            | Msg::Append { term, .. }
            | Msg::Reply { term, .. } => *term,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Disk {
    term: u8,
    vote: Option<usize>,
    log: Log,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Node {
    now: Disk,
    disk: Disk,
    role: u8,
    commit: usize,
    votes: BTreeSet<usize>,
    matched: BTreeMap<usize, usize>,
    /// Replies that wait for the disk.
    waiting: BTreeSet<Msg>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    nodes: Vec<Node>,
    net: BTreeSet<Msg>,
    requests: u8,
    crashes: u8,
}

const FOLLOWER: u8 = 0;
const CANDIDATE: u8 = 1;
const LEADER: u8 = 2;

fn last(log: &Log) -> (u8, usize) {
    (log.last().map_or(0, |e| e.0), log.len())
}

/// Every world that one step leads to.
fn successors(world: &World, b: &Bounds, modest: bool) -> Vec<World> {
    let mut out = Vec::new();
    let majority = world.nodes.len() / 2 + 1;
    for i in 0..world.nodes.len() {
        let node = &world.nodes[i];
        let mut step = |change: &dyn Fn(&mut World)| {
            let mut next = world.clone();
            change(&mut next);
            send_all(&mut next, i, modest);
            if next != *world {
                out.push(next);
            }
        };
        if node.role != LEADER && node.now.term < b.max_term {
            step(&|w| {
                let n = &mut w.nodes[i];
                n.now.term += 1;
                n.now.vote = Some(i);
                n.role = CANDIDATE;
                n.votes.clear();
                let (term, last) = (n.now.term, last(&n.now.log));
                n.waiting = BTreeSet::from([
                    Msg::RequestVote {
                        term,
                        from: i,
                        last,
                    },
                    Msg::Vote {
                        term,
                        from: i,
                        to: i,
                    },
                ]);
            });
        }
        if node.role == CANDIDATE && node.votes.len() >= majority {
            step(&|w| {
                w.nodes[i].role = LEADER;
                w.nodes[i].matched.clear();
            });
        }
        if node.role == LEADER {
            if node.now.log.len() < usize::from(b.max_log) && world.requests < b.requests {
                step(&|w| {
                    w.requests += 1;
                    let entry = (w.nodes[i].now.term, w.requests);
                    w.nodes[i].now.log.push(entry);
                });
            }
            for index in node.commit + 1..=node.now.log.len() {
                let own_copy = node.disk.term == node.now.term
                    && node.disk.log.len() >= index
                    && node.disk.log[..index] == node.now.log[..index];
                let copies = node.matched.values().filter(|&&m| m >= index).count();
                let own_term = node.now.log[index - 1].0 == node.now.term;
                if own_term && copies + usize::from(own_copy) >= majority {
                    step(&|w| w.nodes[i].commit = index);
                }
            }
        }
        if node.now != node.disk || !node.waiting.is_empty() {
            step(&|w| {
                let n = &mut w.nodes[i];
                n.disk = n.now.clone();
                let waiting = std::mem::take(&mut n.waiting);
                w.net.extend(waiting);
            });
        }
        if world.crashes < b.crashes {
            step(&|w| {
                let disk = w.nodes[i].disk.clone();
                let restarted = Node {
                    now: disk.clone(),
                    disk,
                    ..Node::default()
                };
                if restarted != w.nodes[i] {
                    w.nodes[i] = restarted;
                    w.crashes += 1;
                }
            });
        }
        for message in &world.net {
            step(&|w| receive(w, i, message));
        }
    }
    out
}

/// A leader sends every batch of its log with its commit index; a modest one also with any lower
/// commit index. (That sending at once loses nothing is tested on the packed model below: to try
/// it here would mean every subset of these messages.)
fn send_all(w: &mut World, i: usize, modest: bool) {
    let n = &w.nodes[i];
    if n.role != LEADER {
        return;
    }
    let (term, least) = (n.now.term, if modest { 0 } else { n.commit });
    for prev in 0..=n.now.log.len() {
        for end in prev..=n.now.log.len() {
            for commit in least..=n.commit {
                let prev_term = if prev == 0 { 0 } else { n.now.log[prev - 1].0 };
                let entries = n.now.log[prev..end].to_vec();
                w.net.insert(Msg::Append {
                    term,
                    from: i,
                    prev,
                    prev_term,
                    entries,
                    commit,
                });
            }
        }
    }
}

fn receive(w: &mut World, i: usize, message: &Msg) {
    let n = &mut w.nodes[i];
    if message.term() > n.now.term {
        // §5.1, as a step of its own: the message may be received again.
        n.now.term = message.term();
        n.now.vote = None;
        n.role = FOLLOWER;
        n.votes.clear();
        n.matched.clear();
        n.waiting.clear();
        return;
    }
    if message.term() < n.now.term {
        return;
    }
    match message.clone() {
        Msg::RequestVote {
            term,
            from,
            last: theirs,
        } => {
            if from != i && n.now.vote.is_none() && theirs >= last(&n.now.log) {
                n.now.vote = Some(from);
                n.waiting.insert(Msg::Vote {
                    term,
                    from: i,
                    to: from,
                });
            }
        }
        Msg::Vote { from, to, .. } => {
            if to == i && n.role == CANDIDATE {
                n.votes.insert(from);
            }
        }
        Msg::Append {
            term,
            from,
            prev,
            prev_term,
            entries,
            commit,
        } => {
            if from == i {
                return;
            }
            if n.role == CANDIDATE {
                n.role = FOLLOWER;
                n.votes.clear();
            }
            let log = &mut n.now.log;
            if prev > 0 && log.get(prev - 1).is_none_or(|e| e.0 != prev_term) {
                return;
            }
            for (k, entry) in entries.iter().enumerate() {
                if log.get(prev + k).is_some_and(|e| e.0 != entry.0) {
                    log.truncate(prev + k);
                }
                if log.len() == prev + k {
                    log.push(*entry);
                }
            }
            let matched = prev + entries.len();
            n.commit = n.commit.max(commit.min(matched));
            let reply = Msg::Reply {
                term,
                from: i,
                to: from,
                matched,
            };
            // A duplicate is acknowledged anew; the set of messages has it already.
            if matched > 0 && !w.net.contains(&reply) {
                w.nodes[i].waiting.insert(reply);
            }
        }
        Msg::Reply {
            from, to, matched, ..
        } => {
            if to == i && n.role == LEADER {
                let known = n.matched.entry(from).or_default();
                *known = (*known).max(matched);
            }
        }
    }
}

/// What both models have of a server: role, commit index, and term, vote and log twice.
type Server = (u8, usize, [(u8, Option<usize>, Log); 2]);

fn literal_servers(b: &Bounds, modest: bool) -> HashSet<Vec<Server>> {
    let nodes = vec![Node::default(); usize::from(b.servers)];
    let first = World {
        nodes,
        net: BTreeSet::new(),
        requests: 0,
        crashes: 0,
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut queue = VecDeque::from([first]);
    let mut servers = HashSet::new();
    while let Some(world) = queue.pop_front() {
        let disk = |d: &Disk| (d.term, d.vote, d.log.clone());
        let project = |n: &Node| (n.role, n.commit, [disk(&n.now), disk(&n.disk)]);
        servers.insert(world.nodes.iter().map(project).collect());
        for next in successors(&world, b, modest) {
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    servers
}

fn packed_servers(b: &Bounds, reductions: Reductions, with_disk: bool) -> HashSet<Vec<Server>> {
    packed(b, reductions, |state| project(state, with_disk))
}

/// What `of` makes of every state that is reached.
fn packed<T: Eq + Hash>(
    b: &Bounds,
    reductions: Reductions,
    of: impl Fn(&State) -> T,
) -> HashSet<T> {
    let raft = Raft::new(*b, Ablations::NONE)
        .expect("bounds that fit")
        .with_reductions(reductions);
    let mut seen = HashSet::from([raft.initial()]);
    let mut queue = VecDeque::from([raft.initial()]);
    let mut servers = HashSet::new();
    while let Some(state) = queue.pop_front() {
        servers.insert(of(&state));
        for next in raft.next_states(&state) {
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    servers
}

fn project(state: &State, with_disk: bool) -> Vec<Server> {
    let log = |log: plumb_model::Log| log.entries().map(|e| (e.term, e.value)).collect::<Log>();
    let vote = |id: Option<plumb_model::ServerId>| id.map(plumb_model::ServerId::at);
    let server = |s: &plumb_model::Server| {
        let role = match s.role() {
            Role::Follower => FOLLOWER,
            Role::Candidate => CANDIDATE,
            Role::Leader => LEADER,
        };
        let now = (s.term(), vote(s.vote()), log(s.log()));
        let disk = (
            s.durable_term(),
            vote(s.durable_vote()),
            log(s.durable_log()),
        );
        (
            role,
            usize::from(s.commit()),
            [now, if with_disk { disk } else { Default::default() }],
        )
    };
    state.servers().iter().map(server).collect()
}

const LAZY_DISK: Reductions = Reductions {
    eager_persist: false,
    ..Reductions::ALL
};

#[test]
fn the_packed_model_reaches_exactly_the_servers_of_a_literal_one() {
    let scopes = [
        Bounds::plain(2, 1, 1, 1, 2),
        Bounds::plain(2, 1, 2, 2, 1),
        Bounds::plain(2, 2, 0, 0, 1),
        Bounds::plain(2, 2, 1, 1, 1),
        Bounds::plain(2, 2, 2, 2, 1),
        Bounds::plain(3, 1, 1, 0, 0),
        Bounds::plain(3, 1, 1, 1, 0),
    ];
    for b in scopes {
        let packed = packed_servers(&b, LAZY_DISK, true);
        // Nothing that Figure 2 allows is missed.
        let literal = literal_servers(&b, false);
        assert_eq!(literal.difference(&packed).count(), 0, "missed in {b}");
        // What is added is that a leader may send a lower commit index than its own.
        assert!(
            literal_servers(&b, true) == packed,
            "not the servers of a modest leader in {b}"
        );
    }
}

#[test]
fn reductions_lose_no_server_state() {
    let none = Reductions::NONE;
    let one_by_one = [
        Reductions {
            eager_send: true,
            ..none
        },
        Reductions {
            forget: true,
            ..none
        },
        LAZY_DISK,
    ];
    for b in [Bounds::plain(2, 2, 2, 2, 1), Bounds::plain(3, 1, 1, 1, 0)] {
        let full = packed_servers(&b, none, true);
        for reductions in one_by_one {
            assert!(
                packed_servers(&b, reductions, true) == full,
                "{reductions:?} in {b}"
            );
        }
        let volatile = packed_servers(&b, none, false);
        assert!(
            packed_servers(&b, Reductions::ALL, false) == volatile,
            "eager disk in {b}"
        );
    }
}

/// What is forgotten of the optional parts' messages changes nothing that a server ever holds.
#[test]
fn forgetting_loses_no_server_state_of_the_optional_parts() {
    let reads = Features {
        rounds: 2,
        reads: 2,
        check_quorum: true,
        ..Features::NONE
    };
    let asking = Features {
        pre_vote: true,
        retries: 1,
        ..Features::NONE
    };
    let snapshots = Features {
        snapshots: true,
        ..Features::NONE
    };
    let remember = Reductions {
        forget: false,
        ..Reductions::ALL
    };
    for b in [
        Bounds::plain(2, 2, 2, 2, 0).with(reads),
        Bounds::plain(3, 1, 1, 1, 0).with(reads),
        Bounds::plain(2, 2, 2, 2, 1).with(snapshots),
        Bounds::plain(3, 2, 1, 1, 0).with(snapshots),
        Bounds::plain(2, 3, 2, 1, 0).with(asking),
        Bounds::plain(3, 1, 1, 1, 0).with(asking),
    ] {
        let whole = |state: &State| state.servers().to_vec();
        let (all, kept) = (
            packed(&b, remember, whole),
            packed(&b, Reductions::ALL, whole),
        );
        assert!(all == kept, "{} and {} in {b}", all.len(), kept.len());
    }
}

/// Where time passes, what is forgotten could have made servers patient, no more.
#[test]
fn forgetting_loses_no_election_where_servers_are_patient() {
    let leases = Features {
        rounds: 2,
        patience: 1,
        transfer: true,
        ..Features::NONE
    };
    let remember = Reductions {
        forget: false,
        ..Reductions::ALL
    };
    for b in [
        Bounds::plain(2, 2, 1, 1, 0).with(leases),
        Bounds::plain(2, 3, 1, 1, 0).with(leases),
    ] {
        let plain = |state: &State| project(state, false);
        let (all, kept) = (
            packed(&b, remember, plain),
            packed(&b, Reductions::ALL, plain),
        );
        assert!(all == kept, "{} and {} in {b}", all.len(), kept.len());
    }
}
