//! Changes of membership (§6).

use super::*;

#[test]
fn a_server_joins_as_a_learner_and_votes_after_a_joint_phase() {
    let mut w = World::beginning_with(1, 3, ALL_ON);
    w.elect(1, &[1]);
    for command in ["a", "b"] {
        w.propose(1, command);
    }
    w.settle(&[1]);
    let early = w.change(1, Some(&[1, 2, 3]), &[]);
    assert_eq!(w.answers[&early], [Answer::Refused(Refusal::NotCaughtUp)]);
    w.change(1, None, &[2, 3]);
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(1).node.membership().learners, ids(&[2, 3]));
    w.step(2, Input::TimerFired(Timer::Election));
    assert_eq!(
        w.at(2).node.role_kind(),
        RoleKind::Follower,
        "a learner does not stand"
    );
    w.change(1, Some(&[1, 2, 3]), &[]);
    let joint = w.at(1).node.membership().clone();
    assert_eq!((joint.outgoing, joint.voters), (ids(&[1]), ids(&[1, 2, 3])));
    w.settle(&[1, 2, 3]);
    let done = Membership::of_voters(ids(&[1, 2, 3]));
    for id in 1..=3 {
        assert_eq!(w.at(id).node.membership(), &done);
    }
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(3), ["a", "b"]);
    w.elect(3, &[2, 3]);
}

#[test]
fn the_joint_phase_takes_a_majority_of_the_old_and_one_of_the_new() {
    let mut w = World::beginning_with(3, 5, ALL_OFF);
    w.elect(1, &[1, 2, 3]);
    w.change(1, None, &[4, 5]);
    w.settle(&[1, 2, 3, 4, 5]);
    w.change(1, Some(&[1, 4, 5]), &[]);
    let index = w.at(1).node.log().last_index();
    w.settle(&[1, 4, 5]);
    assert!(
        w.at(1).node.commit_index() < index,
        "all of the new, one of the old"
    );
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert!(
        w.at(1).node.membership().outgoing.is_empty(),
        "both, over time: the phase is left"
    );
}

#[test]
fn one_change_at_a_time_and_none_before_the_first_commit_of_the_term() {
    let mut w = World::beginning_with(3, 4, ALL_OFF);
    w.elect_and_isolate(1, &[1, 2, 3]);
    let early = w.change(1, None, &[4]);
    assert_eq!(
        w.answers[&early],
        [Answer::Refused(Refusal::ChangeUnderWay)]
    );
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    let first = w.change(1, None, &[4]);
    assert!(matches!(w.answers[&first][..], [Answer::Appended { .. }]));
    let second = w.change(1, Some(&[1, 2]), &[]);
    assert_eq!(
        w.answers[&second],
        [Answer::Refused(Refusal::ChangeUnderWay)]
    );
    let nobody = w.change(1, Some(&[]), &[]);
    assert_eq!(
        w.answers[&nobody],
        [Answer::Refused(Refusal::ChangeUnderWay)]
    );
    w.settle(&[1, 2, 3]);
    let nobody = w.change(1, Some(&[]), &[]);
    assert_eq!(w.answers[&nobody], [Answer::Refused(Refusal::NoVoters)]);
}

#[test]
fn a_leader_that_is_removed_leads_until_the_commit_and_then_steps_down() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    w.change(1, Some(&[2, 3]), &[]);
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Follower);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(
        w.at(1).node.role_kind(),
        RoleKind::Follower,
        "it stands no more"
    );
    w.elect(2, &[2, 3]);
    w.propose(2, "a");
    w.settle(&[2, 3]);
    assert_eq!(w.commands(2), ["a"]);
}

/// Dissertation §4.2.2: n2 is all that is left of the voters and lacks the entry that says so; n1 and
/// n3 have it and would not vote for n2. One of them must lead once more.
#[test]
fn a_removed_server_may_still_lead_until_its_removal_is_committed() {
    let mut w = World::with(3, ALL_OFF);
    w.elect(1, &[1, 2, 3]);
    w.change(1, Some(&[2]), &[]);
    let joint = w.at(1).node.log().last_index();
    for _ in 0..20 {
        for id in 1..=3 {
            while w.persist(id) {}
        }
        for envelope in std::mem::take(&mut w.pile) {
            let held = w.at(2).node.log().last_index() >= joint;
            let lost = envelope.to == NodeId(2) && held;
            if !lost {
                w.step(envelope.to.0, Input::Receive(envelope));
            }
        }
    }
    assert_eq!(w.at(3).node.membership(), &Membership::of_voters(ids(&[2])));
    assert!(w.at(2).node.membership().is_joint());
    w.crash(1);
    w.step(2, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3]);
    assert_eq!(
        w.at(2).node.role_kind(),
        RoleKind::Candidate,
        "nobody votes for it"
    );
    w.step(3, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(2).node.membership(), &Membership::of_voters(ids(&[2])));
    assert_eq!(
        w.at(3).node.role_kind(),
        RoleKind::Follower,
        "its work is done"
    );
    w.elect(2, &[2]);
}

#[test]
fn a_membership_that_is_cut_from_the_log_never_was() {
    let mut w = World::beginning_with(3, 4, ALL_OFF);
    w.elect(1, &[1, 2, 3]);
    w.change(1, None, &[4]);
    w.pile.clear();
    w.settle(&[1]);
    assert_eq!(
        w.at(1).node.membership().learners,
        ids(&[4]),
        "in force at once"
    );
    w.elect(2, &[2, 3]);
    w.step(2, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(
        w.at(1).node.membership(),
        &Membership::of_voters(ids(&[1, 2, 3]))
    );
}

#[test]
fn membership_comes_back_from_snapshot_and_log_not_from_the_configuration() {
    let mut w = World::beginning_with(1, 2, ALL_OFF);
    w.elect(1, &[1]);
    w.change(1, None, &[2]);
    w.settle(&[1, 2]);
    w.take_snapshot(1);
    w.change(1, Some(&[1, 2]), &[]);
    w.settle(&[1, 2]);
    w.first_voters = 2;
    w.crash(1);
    w.crash(2);
    for id in [1, 2] {
        assert_eq!(w.at(id).node.membership().voters, ids(&[1, 2]));
    }
    w.take_snapshot(1);
    w.settle(&[1]);
    w.crash(1);
    assert_eq!(w.at(1).node.membership().learners, BTreeSet::new());
}

/// The bug that `drmingdrmer/raft-rejoin-bug` lists: n3 acknowledges entries, is removed, loses them
/// and is added again in the same term, and its old answer arrives.
#[test]
fn an_answer_from_an_earlier_membership_of_a_server_does_not_count() {
    let mut w = World::beginning_with(1, 3, ALL_OFF);
    w.elect(1, &[1]);
    w.change(1, None, &[2, 3]);
    w.settle(&[1, 2, 3]);
    w.propose(1, "a");
    let to_n3 = w.pile.iter().find(|envelope| envelope.to == NodeId(3));
    let to_n3 = to_n3.cloned().expect("a leader replicates at once");
    w.step(3, Input::Receive(to_n3));
    w.persist(3);
    let late = w.pile.pop().expect("n3 has answered");
    assert!(matches!(
        late.message,
        Message::AppendEntriesReply {
            outcome: AppendOutcome::Matched(LogIndex(3)),
            ..
        }
    ));
    w.settle(&[1, 2]);
    w.change(1, None, &[2]);
    w.settle(&[1, 2]);
    w.step(1, Input::TimerFired(Timer::Election));
    w.change(1, None, &[2, 3]);
    w.pile.clear();
    let matched = |w: &World| match w.servers[0].node.role() {
        Role::Leader(leadership) => leadership.progress[&NodeId(3)].match_index,
        other => panic!("{other:?}"),
    };
    w.step(1, Input::Receive(late));
    assert_eq!(matched(&w), LogIndex(0), "it may have lost what it had");
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert!(matched(&w) > LogIndex(0));
}
