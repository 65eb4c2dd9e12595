//! Reads by a round (dissertation §6.4).

use super::*;

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
