//! Logs, what is committed, and what is applied.

use bytes::Bytes;
use plumb_raft::core::{
    AppendOutcome, Batch, Envelope, Input, Message, PersistSeq, Progress, Round, Timer, Write,
};
use plumb_raft::types::{LogIndex, NodeId, Payload, Term};

use super::cluster::{Cluster, letter};

const IDLE: Input = Input::TimerFired(Timer::Stickiness);

/// The first entry of a message becomes another of the same place.
fn altered(mut envelope: Envelope) -> Envelope {
    if let Message::AppendEntries { entries, .. } = &mut envelope.message {
        entries[0].payload = Payload::Command(Bytes::from_static(b"y"));
    }
    envelope
}

/// A server's answer that it has all up to an entry.
fn matched(from: u64, to: u64, index: u64) -> Input {
    let message = Message::AppendEntriesReply {
        term: Term(1),
        outcome: AppendOutcome::Matched(LogIndex(index)),
        round: Round(0),
    };
    letter(from, to, message)
}

#[test]
fn entries_of_one_index_and_term_are_the_same() {
    let story = |alters: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.propose(1, "x");
        let envelope = cluster.take_mail(2).remove(0);
        let envelope = if alters { altered(envelope) } else { envelope };
        cluster.act(2, Input::Receive(envelope));
        cluster
    };
    story(false).holds();
    let words = "n2 has another entry 2 of term 1 than a server had before";
    story(true).breaks("Log Matching", words);
}

#[test]
fn what_is_committed_is_not_cut() {
    let story = |commits: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.propose(1, "x");
        if commits {
            cluster.deliver();
        }
        cluster.act_with(1, IDLE, |effects| {
            effects.persist = Some(Batch {
                seq: PersistSeq(100),
                writes: vec![Write::Truncate(LogIndex(2))],
            });
        });
        cluster
    };
    story(false).holds();
    let words = "n1 cuts entry 2, which is committed";
    story(true).breaks("Committed Entries Stay", words);
}

/// A follower that has an entry of term 1, and knows or doesn't that it is committed, leads term 2.
fn inherits(knows: bool) -> Cluster {
    let mut cluster = Cluster::led_by_n1(3);
    cluster.propose(1, "x");
    cluster.deliver();
    if knows {
        cluster.heartbeat(1);
    }
    cluster.stand(2);
    for envelope in cluster.take_mail(3) {
        cluster.act(3, Input::Receive(envelope));
    }
    for envelope in cluster.take_mail(2) {
        cluster.act(2, Input::Receive(envelope));
    }
    cluster.drop_mail();
    cluster
}

#[test]
fn entries_of_earlier_terms_are_not_committed_by_counting() {
    let mut cluster = inherits(false);
    assert_eq!(cluster.node(2).commit_index(), LogIndex(1));
    cluster.heartbeat(2);
    cluster.holds();
    let mut cluster = inherits(false);
    cluster.turn(2, &inherits(true));
    let words = "n2, leading term 2, commits entry 2 of term 1 by counting";
    cluster.breaks("Only Its Own Term's Entries", words);
}

/// Of so many servers n2 gets an entry, and the judge sees it or not; its answer reaches the leader.
fn answered(servers: u64, seen: bool) -> Cluster {
    let mut cluster = Cluster::led_by_n1(servers);
    cluster.propose(1, "x");
    for envelope in cluster.take_mail(2) {
        if seen {
            cluster.act(2, Input::Receive(envelope));
        } else {
            cluster.act_unseen(2, Input::Receive(envelope));
        }
    }
    for envelope in cluster.take_mail(1) {
        cluster.act(1, Input::Receive(envelope));
    }
    cluster
}

#[test]
fn what_is_committed_is_on_the_disks_of_a_majority() {
    answered(3, true).holds();
    let words = "n1 takes entry 2 for committed, which is on the disks of n1: no majority";
    answered(3, false).breaks("Committed By A Majority", words);
}

#[test]
fn what_a_leader_holds_a_follower_to_have_is_on_its_disk() {
    answered(5, true).holds();
    let words = "n1 takes entry 2 of term 1 to be on n2's disk, which it is not";
    answered(5, false).breaks("Matches Are Durable", words);
}

#[test]
fn what_a_leader_knows_of_a_follower_only_grows() {
    let story = |forgets: bool| {
        let mut cluster = Cluster::led_by_n1(5);
        cluster.propose(1, "x");
        let before = cluster.elsewhere();
        cluster.deliver();
        if forgets {
            cluster.swap(1, &before);
        }
        cluster.act(1, matched(2, 1, 1));
        cluster
    };
    story(false).holds();
    let words = "n1 held n2 to have more than the 1 entries that it holds it to have now";
    story(true).breaks("Progress Only Grows", words);
}

#[test]
fn what_a_follower_has_is_not_sent_next() {
    // No answer brings a real leader there.
    let story = |next: u64| {
        let mut cluster = Cluster::led_by_n1(3);
        let progress = Progress {
            match_index: LogIndex(1),
            ..Progress::new(LogIndex(next).prev())
        };
        let node = cluster.node(1).clone();
        cluster.judge.progress_of(1, &node, NodeId(2), &progress);
        cluster
    };
    story(2).holds();
    let words = "n1 would send n2 entry 1, which it has";
    story(1).breaks("Progress Only Grows", words);
}

#[test]
fn entries_are_applied_in_order() {
    let story = |twice: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.propose(1, "x");
        let envelope = cluster.take_mail(2).remove(0);
        cluster.act(2, Input::Receive(envelope));
        let envelope = cluster.take_mail(1).remove(0);
        cluster.act_with(1, Input::Receive(envelope), |effects| {
            if twice {
                effects.apply.push(effects.apply[0].clone());
            }
        });
        cluster
    };
    story(false).holds();
    let words = "n1 applies entry 2 out of order";
    story(true).breaks("State Machine Safety", words);
}

#[test]
fn all_servers_apply_the_same_entries() {
    let story = |alters: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.propose(1, "x");
        cluster.deliver();
        cluster.act(1, Input::TimerFired(Timer::Heartbeat));
        let envelope = cluster.take_mail(2).remove(0);
        cluster.act_with(2, Input::Receive(envelope), |effects| {
            if alters {
                effects.apply[0].payload = Payload::Noop;
            }
        });
        cluster
    };
    story(false).holds();
    let words = "n2 applies another entry 2 (term 1) than a server did before (term 1)";
    story(true).breaks("State Machine Safety", words);
}

#[test]
fn a_commit_index_must_not_fall() {
    let mut cluster = Cluster::led_by_n1(3);
    let before = cluster.elsewhere();
    cluster.commit(1, "x");
    let now = cluster.elsewhere();
    cluster.turn(2, &now);
    cluster.holds();
    cluster.turn(2, &before);
    cluster.breaks("Commit Monotonicity", "n2 went back to 1");
}
