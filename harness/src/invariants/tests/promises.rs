//! What leaves a server.

use plumb_raft::core::{
    Answer, AppendOutcome, Input, InstallOutcome, Message, ReadMode, Round, Timer,
};
use plumb_raft::types::{LogIndex, NodeId, Term};

use super::cluster::{Cluster, letter};

const IDLE: Input = Input::TimerFired(Timer::Stickiness);

/// A server that voted for n1 in term 1 and has one entry sends n3 or n1 this.
fn sends(to: u64, message: Message) -> Cluster {
    let mut cluster = Cluster::led_by_n1(3);
    let Input::Receive(envelope) = letter(2, to, message) else {
        unreachable!("a letter is received");
    };
    cluster.act_with(2, IDLE, |effects| effects.send.push(envelope));
    cluster
}

fn vote_request(term: u64) -> Message {
    Message::RequestVote {
        term: Term(term),
        last_log_index: LogIndex(1),
        last_log_term: Term(1),
        transfer: false,
    }
}

fn matched(index: u64) -> Message {
    Message::AppendEntriesReply {
        term: Term(1),
        outcome: AppendOutcome::Matched(LogIndex(index)),
        round: Round(0),
    }
}

fn installed(index: u64) -> Message {
    Message::InstallSnapshotReply {
        term: Term(1),
        last_index: LogIndex(index),
        outcome: InstallOutcome::Installed,
        round: Round(0),
    }
}

#[test]
fn what_a_message_promises_is_on_the_disk() {
    let granted = Message::RequestVoteReply {
        term: Term(1),
        granted: true,
    };
    sends(1, granted.clone()).holds();
    sends(1, matched(1)).holds();
    sends(1, installed(1)).holds();
    let promised = [
        (3, granted),
        (1, matched(2)),
        (1, installed(2)),
        (3, vote_request(1)),
        // No vote of its own, but a term that its disk does not know.
        (3, vote_request(2)),
    ];
    for (to, message) in promised {
        let words = format!("n2 promises n{to} what its disk does not hold: {message:?}");
        sends(to, message).breaks("Promises Are Durable", &words);
    }
}

/// n1 or n2 says at once that a read may be served as of an entry.
fn serves(cluster: &mut Cluster, id: u64, mode: ReadMode, index: u64) {
    let (request, read) = cluster.read(mode);
    cluster.act_with(id, read, |effects| {
        effects.answers = vec![(request, Answer::ReadAt(LogIndex(index)))];
    });
}

#[test]
fn a_read_is_not_served_before_a_majority_confirmed_its_leader() {
    let mut cluster = Cluster::led_by_n1(3);
    let (_, read) = cluster.read(ReadMode::Leader);
    cluster.act(1, read);
    cluster.deliver();
    assert_eq!(cluster.judge.coverage().reads, 1);
    cluster.holds();
    serves(&mut cluster, 1, ReadMode::Leader, 1);
    let words = "n1, leading term 1, serves a read for which no majority confirmed it";
    cluster.breaks("Reads Are Confirmed", words);
}

#[test]
fn a_read_is_served_as_of_what_is_committed_and_of_all_that_was() {
    let story = |index: u64| {
        let mut cluster = Cluster::led_by_n1(3);
        serves(&mut cluster, 2, ReadMode::Anywhere, index);
        cluster
    };
    story(1).holds();
    story(2).breaks("Read Index", "n2 reads at 2, and only 1 are committed");
    let words = "n2 serves a read as of entry 0; 1 were committed when it was asked";
    story(0).breaks("Reads See What Was Committed", words);
}

/// n1 leads, and who has heard it sticks to it, or not.
fn leased(sticks: bool) -> Cluster {
    let mut cluster = Cluster::with(3, |config| {
        config.stickiness = sticks;
        config.check_quorum = true;
    });
    for id in 1..=3 {
        cluster.act(id, IDLE);
    }
    cluster.elect(1);
    cluster.heartbeat(1);
    cluster
}

#[test]
fn while_a_lease_is_counted_on_no_majority_would_elect_another() {
    let story = |sticks: bool| {
        let mut cluster = leased(sticks);
        serves(&mut cluster, 1, ReadMode::Lease, 1);
        cluster
    };
    story(true).holds();
    let words = "n1 serves a read by its lease of term 1, and a majority would elect another";
    story(false).breaks("A Lease Is Exclusive", words);
}

#[test]
fn while_a_lease_is_counted_on_nobody_leads_a_later_term() {
    let mut cluster = leased(true);
    for id in [2, 3] {
        cluster.act(id, IDLE);
    }
    cluster.stand(2);
    cluster.take_mail(1);
    cluster.deliver_among(&[2, 3]);
    cluster.holds();
    serves(&mut cluster, 1, ReadMode::Lease, 1);
    let words = "n1 serves a read by its lease of term 1, and n2 leads term 2";
    cluster.breaks("A Lease Is Exclusive", words);
}

#[test]
fn whoever_told_a_successor_to_stand_has_no_lease() {
    let mut cluster = leased(true);
    let request = cluster.request();
    cluster.act(1, Input::Transfer(request, NodeId(2)));
    let told = |message: &Message| matches!(message, Message::TimeoutNow { .. });
    let mail = cluster.take_mail(2);
    assert!(mail.iter().any(|envelope| told(&envelope.message)));
    cluster.holds();
    serves(&mut cluster, 1, ReadMode::Lease, 1);
    let words = "n1 serves a read by its lease of term 1, and told a successor to stand";
    cluster.breaks("A Lease Is Exclusive", words);
}
