//! Snapshots, and what a server finds after a crash.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use plumb_raft::core::{Batch, Input, Node, PersistSeq, Remembered, Snapshot, Timer, Write};
use plumb_raft::storage::RecoveryReport;
use plumb_raft::types::{HardState, LogIndex, Membership, NodeId, Term};

use super::cluster::Cluster;

const IDLE: Input = Input::TimerFired(Timer::Stickiness);

/// A server's state machine is written down after its first entry.
fn taken(data: &'static [u8]) -> Input {
    Input::SnapshotTaken {
        index: LogIndex(1),
        data: Bytes::from_static(data),
    }
}

#[test]
fn snapshots_at_one_place_are_the_same() {
    let story = |second: &'static [u8]| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.act(1, taken(b"state"));
        cluster.act(2, taken(second));
        cluster
    };
    story(b"state").holds();
    let words = "n2 has another snapshot at 1 than a server had before";
    story(b"other").breaks("Snapshot Safety", words);
}

#[test]
fn a_snapshot_is_of_what_is_committed_and_of_the_membership_then() {
    let story = |index: u64, term: u64, voters: u64| {
        let mut cluster = Cluster::led_by_n1(3);
        let voters: BTreeSet<NodeId> = (1..=voters).map(NodeId).collect();
        let snapshot = Snapshot::new(
            LogIndex(index),
            Term(term),
            Arc::new(Membership::of_voters(voters)),
            Bytes::from_static(b"state"),
        );
        let base = (LogIndex(0), Term(0));
        cluster.act_with(2, IDLE, |effects| {
            effects.persist = Some(Batch {
                seq: PersistSeq(100),
                writes: vec![Write::Snapshot { snapshot, base }],
            });
        });
        cluster
    };
    story(1, 1, 3).holds();
    let words = "n2 has a snapshot at 2 of what is not committed";
    story(2, 1, 3).breaks("Snapshot Safety", words);
    let words = "n2 has a snapshot at 1 of what is not committed";
    story(1, 2, 3).breaks("Snapshot Safety", words);
    let words = "n2 has a snapshot at 1 with another membership than was in force";
    story(1, 1, 4).breaks("Snapshot Safety", words);
}

#[test]
fn a_snapshot_does_not_take_a_state_machine_back() {
    let story = |index: u64| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.commit(1, "x");
        cluster.act(1, taken(b"state"));
        let mut snapshot = cluster.node(1).snapshot().expect("just taken").clone();
        snapshot.last_index = LogIndex(index);
        cluster.act_with(2, IDLE, |effects| effects.restore = Some(snapshot));
        cluster
    };
    story(2).holds();
    story(1).breaks("State Machine Safety", "n2 goes back to 1");
}

/// So many commands, each committed and applied some milliseconds after the one before; with the first nine and the first
/// entry of its term, a server that takes a snapshot every ten entries is due for one.
fn commits(cluster: &mut Cluster, commands: u64, apart_ms: u64) {
    for _ in 0..commands {
        cluster.pass_ms(apart_ms);
        cluster.commit(1, "x");
    }
}

#[test]
fn a_snapshot_that_is_due_is_not_long_in_coming() {
    let story = |every: u64, commands: u64, apart_ms: u64| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.judge.expect_snapshots(every);
        commits(&mut cluster, commands, apart_ms);
        cluster
    };
    story(0, 200, 1).holds();
    story(10, 9 + 49, 1).holds();
    // However many it applies at once, as after a pause.
    story(10, 200, 0).holds();
    let words = "n1 has applied 60 entries since its last snapshot, and is to take one every 10";
    story(10, 9 + 50, 1).breaks("Snapshots Are Taken", words);
}

#[test]
fn a_snapshot_taken_and_another_setting_begin_the_count_anew() {
    let story = |begin_anew: fn(&mut Cluster, u64)| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.judge.expect_snapshots(10);
        commits(&mut cluster, 9 + 49, 1);
        (1..=3).for_each(|id| begin_anew(&mut cluster, id));
        commits(&mut cluster, 20, 1);
        cluster
    };
    let takes = |cluster: &mut Cluster, id| {
        let (index, data) = (LogIndex(40), Bytes::from_static(b"state"));
        cluster.act(id, Input::SnapshotTaken { index, data });
    };
    story(takes).holds();
    let sets = |cluster: &mut Cluster, id| cluster.judge.storms(NodeId(id), Some(100));
    story(sets).holds();
    let words = "n1 has applied 60 entries since its last snapshot";
    story(|_, _| {}).breaks("Snapshots Are Taken", words);
}

#[test]
fn in_a_storm_of_snapshots_they_are_due_as_it_says() {
    let story = |passes: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.judge.storms(NodeId(2), Some(10));
        if passes {
            cluster.judge.storms(NodeId(2), None);
        }
        commits(&mut cluster, 9 + 50, 1);
        cluster
    };
    story(true).holds();
    let words = "n2 has applied 60 entries since its last snapshot, and is to take one every 10";
    story(false).breaks("Snapshots Are Taken", words);
}

#[test]
fn what_was_said_to_be_durable_is_there_after_a_crash() {
    let story = |voted_for: Option<NodeId>, entries: usize| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.commit(1, "x");
        let node = cluster.node(2).clone();
        let mut found = Remembered {
            hard_state: HardState {
                voted_for,
                ..node.hard_state()
            },
            entries: node.log().entries().to_vec(),
            ..Remembered::default()
        };
        found.entries.truncate(entries);
        let (node, _) = Node::recover(node.config().clone(), found);
        let report = RecoveryReport::default();
        cluster.judge.recovered(cluster.at_ns(), &node, &report);
        cluster
    };
    story(Some(NodeId(1)), 2).holds();
    let words = "n2 restarted with term 1, vote n1, 1 entries; durable were term 1, vote n1, 2";
    story(Some(NodeId(1)), 1).breaks("Durability", words);
    story(None, 2).breaks(
        "Durability",
        "vote none, 2 entries; durable were term 1, vote n1",
    );
}

#[test]
fn of_what_was_under_way_a_crash_may_leave_any_first_part() {
    let story = |complete: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.propose(1, "x");
        let before = cluster.node(2).clone();
        let envelope = cluster.take_mail(2).remove(0);
        cluster.begin(2, Input::Receive(envelope));
        if complete {
            cluster.sync(2);
        }
        let found = Remembered {
            hard_state: before.hard_state(),
            entries: before.log().entries().to_vec(),
            ..Remembered::default()
        };
        let (node, _) = Node::recover(before.config().clone(), found);
        let report = RecoveryReport::default();
        cluster.judge.recovered(cluster.at_ns(), &node, &report);
        cluster
    };
    story(false).holds();
    story(true).breaks(
        "Durability",
        "1 entries; durable were term 1, vote n1, 2 entries",
    );
}
