//! What is sent and done without end.

use bytes::Bytes;
use plumb_raft::core::{CoreConfig, Envelope, Input, Message, Timer};
use plumb_raft::types::{Entry, LogIndex, Payload, Term};

use super::cluster::Cluster;

#[test]
fn messages_that_breed_messages_are_no_traffic() {
    let story = |apart_ms: u64| {
        let mut cluster = Cluster::led_by_n1(3);
        for _ in 0..2 {
            cluster.act_with(1, Input::TimerFired(Timer::Heartbeat), |effects| {
                let one = effects.send[0].clone();
                effects.send = vec![one; 3_000];
            });
            cluster.pass_ms(apart_ms);
        }
        cluster
    };
    story(1).holds();
    let words = "more than 5000 messages are sent within a millisecond";
    story(0).breaks("Bounded Traffic", words);
}

#[test]
fn a_server_that_goes_round_and_round_is_no_work() {
    let story = |steps: u64, apart_ms: u64| {
        let mut cluster = Cluster::led_by_n1(3);
        for _ in 0..steps {
            cluster.act(2, Input::TimerFired(Timer::Heartbeat));
            cluster.pass_ms(apart_ms);
        }
        cluster
    };
    story(20_001, 1).holds();
    let words = "more than 20000 steps are taken within a millisecond";
    story(20_001, 0).breaks("Bounded Work", words);
}

/// A cluster of these settings that n1 leads, or one that was told so and knows of no bounds.
fn led_within(set: fn(&mut CoreConfig), boundless: bool) -> Cluster {
    let mut cluster = Cluster::with(3, set);
    if boundless {
        for id in 1..=3 {
            cluster.swap(id, &Cluster::of(3));
        }
    }
    cluster.elect(1);
    cluster.heartbeat(1);
    cluster
}

/// Commands are proposed, and nobody answers the leader.
fn proposes(set: fn(&mut CoreConfig), boundless: bool, commands: &[&'static str]) -> Cluster {
    let mut cluster = led_within(set, boundless);
    for command in commands {
        cluster.propose(1, command);
    }
    cluster
}

#[test]
fn no_more_entries_are_under_way_to_a_follower_than_is_set() {
    let set: fn(&mut CoreConfig) = |config| config.max_in_flight_entries = 2;
    proposes(set, false, &["x"; 3]).holds();
    proposes(set, true, &["x"; 2]).holds();
    let words = "n1 has 3 entries under way to n2";
    proposes(set, true, &["x"; 3]).breaks("Bounded Windows", words);
}

#[test]
fn no_more_bytes_are_under_way_to_a_follower_than_is_set() {
    let set: fn(&mut CoreConfig) = |config| config.max_in_flight_bytes = 3;
    proposes(set, false, &["xx"; 3]).holds();
    // The last may go beyond.
    proposes(set, true, &["xx"; 2]).holds();
    let words = "n1 has 4 bytes under way to n2, and sends it another entry";
    proposes(set, true, &["xx"; 3]).breaks("Bounded Windows", words);
}

#[test]
fn a_message_is_no_larger_than_is_set() {
    let story = |entries: usize, set: fn(&mut CoreConfig)| {
        let mut cluster = led_within(set, false);
        cluster.propose(1, "xx");
        cluster.propose(1, "xx");
        cluster.act_with(1, Input::TimerFired(Timer::Heartbeat), |effects| {
            let log = effects.send[0].clone();
            effects.send = vec![with_entries(log, entries)];
        });
        cluster
    };
    story(1, |config| config.max_entries_per_append = 1).holds();
    // One alone may be of any size.
    story(1, |config| config.max_bytes_per_append = 1).holds();
    let words = "n1 sends n2 2 entries of 4 bytes at once";
    let few: fn(&mut CoreConfig) = |config| config.max_entries_per_append = 1;
    story(2, few).breaks("Bounded Windows", words);
    let small: fn(&mut CoreConfig) = |config| config.max_bytes_per_append = 3;
    story(2, small).breaks("Bounded Windows", words);
}

/// The message with so many entries of two bytes, from the second on.
fn with_entries(mut envelope: Envelope, entries: usize) -> Envelope {
    if let Message::AppendEntries { entries: sent, .. } = &mut envelope.message {
        let entry = |index| Entry {
            index: LogIndex(index),
            term: Term(1),
            payload: Payload::Command(Bytes::from_static(b"xx")),
        };
        *sent = (2..).take(entries).map(entry).collect();
    }
    envelope
}

#[test]
fn a_leader_takes_no_more_than_it_may_hold_uncommitted() {
    let set: fn(&mut CoreConfig) = |config| config.max_uncommitted_bytes = 3;
    proposes(set, false, &["xx"; 3]).holds();
    proposes(set, true, &["larger than that"]).holds();
    let words = "n1 has taken 4 bytes that are not committed";
    proposes(set, true, &["xx"; 2]).breaks("Bounded Log", words);
}

#[test]
fn behind_a_snapshot_no_more_stays_than_is_set() {
    let story = |boundless: bool| {
        let mut cluster = led_within(|config| config.retained_entries = 1, boundless);
        cluster.commit(1, "x");
        let (index, data) = (LogIndex(2), Bytes::from_static(b"state"));
        cluster.act(1, Input::SnapshotTaken { index, data });
        cluster
    };
    story(false).holds();
    let words = "n1 keeps 2 entries behind its snapshot at 2";
    story(true).breaks("Bounded Log", words);
}
