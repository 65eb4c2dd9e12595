//! Each property is seen to break where it is broken: by states and steps made by hand, since the core makes none.

use bytes::Bytes;
use plumb_raft::core::{Envelope, Input, Message, Node, Timer};
use plumb_raft::types::{LogIndex, Membership, NodeId, Payload, Term};

use super::ghost::Ghost;
use super::local::{Choice, Local, digest, unkept};
use super::properties::Property;
use super::scope::{SCOPES, Scope, Start, scope};
use super::world::World;

const fn logs(term: u64, logs: &'static [&'static [u64]]) -> Scope {
    Scope {
        start: Start::Logs(term, logs),
        max_term: 9,
        ..SCOPES[0]
    }
}

fn local(scope: &Scope, id: u64) -> Local {
    Local::new(scope, NodeId(id))
}

/// The same server with another entry at this place.
fn rewritten(scope: &Scope, id: u64, index: usize) -> Local {
    let mut local = local(scope, id);
    local.disk.entries[index - 1].payload = Payload::Command(Bytes::from_static(b"other"));
    local.node = Node::recover(scope.config(NodeId(id)), local.disk.clone()).0;
    local
}

fn world(scope: &Scope, locals: [Local; 2]) -> (World, Vec<u32>) {
    let mut world = World::new(*scope);
    let state = locals.map(|local| world.locals.number(local)).to_vec();
    (world, state)
}

#[test]
fn two_leaders_of_a_term_and_two_entries_at_a_place_are_seen() {
    let mut ghost = Ghost::default();
    assert_eq!(ghost.elect(2, 1), None);
    assert_eq!(ghost.elect(2, 1), None, "the same one again");
    assert_eq!(ghost.elect(3, 2), None);
    assert_eq!(ghost.elect(2, 2), Some(1));
    assert!(ghost.agrees(b"aaaabbbb", 1));
    assert!(ghost.agrees(b"aaaa", 1), "another lags");
    assert!(!ghost.agrees(b"aaaacccc", 1));
}

#[test]
fn a_promise_that_is_not_on_the_disk_is_seen() {
    let scope = logs(1, &[&[1], &[1]]);
    let mut voter = local(&scope, 1);
    let says = |message| Envelope {
        from: NodeId(1),
        to: NodeId(2),
        message,
    };
    let vote = |term| {
        says(Message::RequestVoteReply {
            term: Term(term),
            granted: true,
        })
    };
    assert!(
        unkept(&voter, &vote(1)).is_some(),
        "it has voted for nobody"
    );
    assert!(unkept(&voter, &vote(2)).is_some(), "nor heard of that term");
    voter.disk.hard_state.voted_for = Some(NodeId(2));
    assert_eq!(unkept(&voter, &vote(1)), None);
    let matched = |index| {
        says(Message::AppendEntriesReply {
            term: Term(1),
            outcome: plumb_raft::core::AppendOutcome::Matched(LogIndex(index)),
            round: plumb_raft::core::Round(0),
        })
    };
    assert_eq!(unkept(&voter, &matched(1)), None);
    assert!(unkept(&voter, &matched(2)).is_some());
}

#[test]
fn logs_that_part_and_meet_again_are_seen() {
    let scope = logs(2, &[&[1, 1, 2], &[1, 1, 2]]);
    let (world_of_equals, state) = world(&scope, [local(&scope, 1), local(&scope, 2)]);
    assert_eq!(world_of_equals.logs_match(&state, 0), None);
    let (world, state) = world(&scope, [local(&scope, 1), rewritten(&scope, 2, 2)]);
    let breach = world.logs_match(&state, 0).expect("entry 2 differs");
    assert_eq!(breach.property, Property::LogMatching);
}

#[test]
fn a_commit_that_no_quorum_holds_is_seen_and_a_leader_that_lacks_one() {
    let scope = logs(2, &[&[1, 2], &[1]]);
    let (world, state) = world(&scope, [local(&scope, 1), local(&scope, 2)]);
    let both = Membership::of_voters([NodeId(1), NodeId(2)].into());
    let one = Membership::of_voters([NodeId(1)].into());
    let broken = world.commit_is_durable(&state, 0, &both, LogIndex(2));
    assert_eq!(
        broken.map(|breach| breach.property),
        Some(Property::CommitsAreDurable)
    );
    assert_eq!(world.commit_is_durable(&state, 0, &both, LogIndex(1)), None);
    assert_eq!(world.commit_is_durable(&state, 0, &one, LogIndex(2)), None);
    let (has, lacks) = (world.local(&state, 0), world.local(&state, 1));
    let mut ghost = Ghost::default();
    let entries = has.node.log().entries().iter().flat_map(digest);
    assert!(ghost.agrees(&entries.collect::<Vec<u8>>(), 1));
    assert_eq!(super::world::lacks(has, &ghost), None);
    assert_eq!(super::world::lacks(lacks, &ghost), Some(2));
    ghost.committed_in = vec![1, 2];
    assert_eq!(
        super::world::lacks(lacks, &ghost),
        None,
        "a leader of term 2 that was elected late need not have what another committed in it"
    );
}

#[test]
fn a_server_that_forgets_stands_without_a_vote_or_panics_is_seen() {
    let scope = logs(2, &[&[1], &[1]]);
    let before = local(&scope, 1);
    let mut older = local(&logs(1, &[&[1], &[1]]), 1);
    older.node.step(Input::TimerFired(Timer::Heartbeat));
    let breach = before.breach(Choice::Sync, &older);
    assert_eq!(
        breach.map(|breach| breach.property),
        Some(Property::ProgressOnlyGrows)
    );
    let growth = scope_named("growth");
    let outsider = local(&growth, 3);
    let done = outsider.take(&growth, Choice::Fires(Timer::Election), true, None);
    assert!(
        done.is_none_or(|done| done.breach.is_none()),
        "it does not stand"
    );
    let stray = Envelope {
        from: NodeId(1),
        to: NodeId(1),
        message: Message::AppendEntries {
            term: Term(2),
            prev_log_index: LogIndex(0),
            prev_log_term: Term(0),
            entries: Vec::new(),
            leader_commit: LogIndex(0),
            round: plumb_raft::core::Round(0),
        },
    };
    let from = |leader| Envelope {
        from: NodeId(leader),
        to: NodeId(1),
        ..stray.clone()
    };
    let mut follower = local(&logs(2, &[&[1], &[1]]), 1);
    follower.node.step(Input::Receive(from(2)));
    let done = follower.take(&scope, Choice::Receive(0), true, Some(&from(3)));
    let breach = done.and_then(|done| done.breach).expect("two leaders");
    assert_eq!(breach.property, Property::NoPanic);
    assert!(breach.reason.contains("two leaders"), "{}", breach.reason);
}

#[test]
fn a_read_behind_what_was_committed_is_seen() {
    let ghost = Ghost {
        reads: vec![(1, 2)],
        ..Ghost::default()
    };
    let broken = ghost.reads_behind(&[(1, 1)]);
    assert_eq!(broken, Some((1, 2)));
    assert_eq!(ghost.reads_behind(&[(1, 2)]), None);
}

fn scope_named(name: &str) -> Scope {
    *scope(name).expect("the scope exists")
}
