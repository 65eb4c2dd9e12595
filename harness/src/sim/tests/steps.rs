//! Steps that no rule on servers minds, and that the specification does not know.

use std::collections::BTreeSet;

use plumb_raft::core::{CoreConfig, Effects, Input, Message, Node, Remembered, Timer};
use plumb_raft::kv::{Command, KvStore, Reply, SessionId};
use plumb_raft::server::Observer;
use plumb_raft::storage::RecoveryReport;
use plumb_raft::types::{Entry, LogIndex, NodeId, Payload, Term};

use crate::sim::RunOptions;
use crate::sim::watch::Watch;

fn watch() -> Watch {
    Watch::of_events(RunOptions::default()).0
}

fn property(watch: &Watch) -> Option<String> {
    let watched = watch.lock();
    watched.judge.violation().map(|it| it.property.clone())
}

/// A server that starts with nothing, in a cluster of three.
fn started(watch: &Watch) -> Node {
    let voters: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
    let config = CoreConfig::new(NodeId(1), voters);
    let node = Node::recover(config, Remembered::default()).0;
    watch.recovered(&node, &RecoveryReport::default());
    node
}

fn step(watch: &Watch, node: &mut Node, input: Input, twist: impl FnOnce(&mut Effects)) {
    watch.before_step(node, &input);
    let mut effects = node.step(input);
    twist(&mut effects);
    watch.after_step(node, &effects);
}

/// It looks for votes; what it asks for is what it is made to ask.
fn looks_for_votes(twist: impl FnOnce(&mut Effects)) -> Option<String> {
    let watch = watch();
    let mut node = started(&watch);
    step(
        &watch,
        &mut node,
        Input::TimerFired(Timer::Stickiness),
        |_| {},
    );
    step(&watch, &mut node, Input::TimerFired(Timer::Election), twist);
    property(&watch)
}

#[test]
fn a_message_that_the_specification_does_not_know_is_no_step() {
    assert_eq!(looks_for_votes(|_| {}), None);
    let boasts = |effects: &mut Effects| {
        for envelope in &mut effects.send {
            if let Message::PreVote { last_log_index, .. } = &mut envelope.message {
                *last_log_index = LogIndex(9);
            }
        }
    };
    assert_eq!(looks_for_votes(boasts).as_deref(), Some("Conformance"));
}

/// A client asks for a session.
fn opens(index: u64) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(1),
        payload: Payload::Command(Command::OpenSession.encode()),
    }
}

#[test]
fn a_session_is_told_its_name_and_no_other() {
    let story = |says: fn(Reply) -> Reply| {
        let watch = watch();
        started(&watch);
        let (mut store, entry) = (KvStore::default(), opens(1));
        watch.before_apply(NodeId(1), &store, &entry);
        let reply = store.apply(&entry).map(says);
        watch.after_apply(NodeId(1), &store, &entry, reply.as_ref());
        property(&watch)
    };
    assert_eq!(story(|reply| reply), None);
    let other = story(|_| Reply::SessionOpened(SessionId(9)));
    assert_eq!(other.as_deref(), Some("Conformance"));
}

#[test]
fn a_snapshot_without_its_sessions_is_none_of_what_was_applied() {
    let story = |forgets: bool| {
        let watch = watch();
        started(&watch);
        let (mut store, entry) = (KvStore::default(), opens(1));
        watch.before_apply(NodeId(1), &store, &entry);
        let reply = store.apply(&entry);
        watch.after_apply(NodeId(1), &store, &entry, reply.as_ref());
        if forgets {
            store = KvStore::default();
            store.apply(&Entry {
                payload: Payload::Noop,
                ..opens(1)
            });
        }
        watch.restored(NodeId(2), &store);
        property(&watch)
    };
    assert_eq!(story(false), None);
    assert_eq!(story(true).as_deref(), Some("Conformance"));
}

#[test]
fn a_server_starts_as_a_follower() {
    let watch = watch();
    let mut node = started(&watch);
    assert_eq!(property(&watch), None);
    node.step(Input::TimerFired(Timer::Stickiness));
    node.step(Input::TimerFired(Timer::Election));
    watch.recovered(&node, &RecoveryReport::default());
    assert_eq!(property(&watch).as_deref(), Some("Conformance"));
}
