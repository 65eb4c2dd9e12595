//! Leadership transfer (dissertation §3.10).

use super::*;

#[test]
fn a_leader_hands_over_to_a_server_that_it_has_brought_up_to_date() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    for command in ["a", "b", "c", "d"] {
        w.propose(1, command);
        w.settle(&[1, 2]);
    }
    let transfer = w.transfer(1, 3);
    let refused = w.propose(1, "late");
    assert_eq!(w.answers[&refused], [Answer::Refused(Refusal::HandingOver)]);
    // n2 hears its leader still: only the leader's word makes it vote.
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(3).node.role_kind(), RoleKind::Leader);
    assert_eq!(w.answers[&transfer], [Answer::HandedOver]);
    assert_eq!(w.commands(3), ["a", "b", "c", "d"]);
}

#[test]
fn a_transfer_that_fails_is_given_up_after_an_election_timeout() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    let transfer = w.transfer(1, 3);
    w.settle(&[1, 2]);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(
        w.answers[&transfer],
        [Answer::Refused(Refusal::TransferTimedOut)]
    );
    let request = w.propose(1, "a");
    assert!(matches!(w.answers[&request][..], [Answer::Appended { .. }]));
    let stranger = w.transfer(1, 9);
    assert_eq!(
        w.answers[&stranger],
        [Answer::Refused(Refusal::NoSuchVoter)]
    );
}
