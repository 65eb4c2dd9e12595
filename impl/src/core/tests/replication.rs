//! Logs, commits and windows (§5.3, §5.4.2).

use super::*;

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
