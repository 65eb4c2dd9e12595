//! Elections (§5.2, §5.4.1), and what is asked before them.

use super::*;

#[test]
fn three_servers_elect_a_leader_and_commit() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    w.propose(1, "a");
    w.settle(&[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    for id in 1..=3 {
        assert_eq!(w.commands(id), ["a"]);
    }
}

#[test]
fn a_single_server_leads_alone_once_its_vote_is_durable() {
    let mut w = World::new(1);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Candidate);
    w.settle(&[1]);
    w.propose(1, "a");
    assert!(w.commands(1).is_empty(), "not yet durable");
    let read = w.read(1);
    w.settle(&[1]);
    assert_eq!(w.commands(1), ["a"]);
    assert_eq!(w.answers[&read], [Answer::ReadAt(LogIndex(1))]);
}

#[test]
fn a_vote_leaves_only_once_it_is_durable() {
    let mut w = World::with(3, ALL_OFF);
    w.step(1, Input::TimerFired(Timer::Election));
    assert!(
        w.pile.is_empty(),
        "a candidate asks once its own vote is durable"
    );
    w.persist(1);
    let request = w.pile.remove(0);
    w.pile.clear();
    w.step(2, Input::Receive(request));
    assert!(w.pile.is_empty(), "the voter's promise waits for its disk");
    w.persist(2);
    assert!(matches!(
        w.pile[0].message,
        Message::RequestVoteReply {
            term: Term(1),
            granted: true
        }
    ));
}

#[test]
fn a_split_vote_is_resolved_in_a_later_term() {
    let mut w = World::with(4, ALL_OFF);
    w.step(1, Input::TimerFired(Timer::Election));
    w.step(2, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3, 4]);
    let leader_of_term_1 = w.leaders.get(&Term(1)).copied();
    w.step(3, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3, 4]);
    assert!(leader_of_term_1.is_none() || leader_of_term_1 != Some(NodeId(3)));
    assert_eq!(w.at(3).node.role_kind(), RoleKind::Leader);
}

#[test]
fn a_server_with_a_stale_log_is_not_elected() {
    let mut w = World::with(3, ALL_OFF);
    w.elect(1, &[1, 2]);
    w.propose(1, "a");
    w.settle(&[1, 2]);
    w.step(3, Input::TimerFired(Timer::Election));
    w.step(3, Input::TimerFired(Timer::Election));
    w.settle(&[2, 3]);
    assert_eq!(w.at(3).node.role_kind(), RoleKind::Candidate, "§5.4.1");
    w.elect(2, &[2, 3]);
    assert_eq!(w.at(3).node.log().last_index(), LogIndex(3));
}

#[test]
fn a_server_that_was_cut_off_does_not_depose_the_leader() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    for _ in 0..5 {
        w.step(3, Input::TimerFired(Timer::Election));
        w.settle(&[3]);
    }
    assert_eq!(
        w.at(3).node.current_term(),
        Term(1),
        "it asked before it stood"
    );
    w.step(3, Input::TimerFired(Timer::Election));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Leader);
    assert_eq!(
        w.at(3).node.role_kind(),
        RoleKind::PreCandidate,
        "nobody would vote"
    );
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.at(3).node.leader(), Some(NodeId(1)));
}

#[test]
fn a_pre_vote_changes_nothing_where_it_arrives() {
    let mut w = World::new(3);
    w.forget_leaders(&[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Election));
    let question = w.pile.iter().find(|e| e.to == NodeId(2)).cloned();
    let question = question.expect("every peer is asked");
    assert!(matches!(question.message, Message::PreVote { .. }));
    let before = w.at(2).node.clone();
    w.step(2, Input::Receive(question));
    assert_eq!(w.at(2).node, before);
}

#[test]
fn a_vote_is_refused_while_a_leader_is_alive_and_its_term_is_not_adopted() {
    let switches = Switches {
        pre_vote: false,
        ..ALL_ON
    };
    let mut w = World::with(3, switches);
    w.elect(1, &[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2]);
    w.step(3, Input::TimerFired(Timer::Election));
    w.persist(3);
    for envelope in std::mem::take(&mut w.pile) {
        w.step(envelope.to.0, Input::Receive(envelope));
    }
    for id in [1, 2] {
        assert_eq!(w.at(id).node.current_term(), Term(1));
    }
    w.crash(2);
    w.step(3, Input::TimerFired(Timer::Election));
    w.persist(3);
    for envelope in std::mem::take(&mut w.pile) {
        w.step(envelope.to.0, Input::Receive(envelope));
    }
    assert_eq!(
        w.at(2).node.current_term(),
        Term(1),
        "a restart does not forget the promise"
    );
}

#[test]
fn a_leader_without_a_quorum_steps_down_after_an_election_timeout() {
    let mut w = World::new(5);
    w.elect(1, &[1, 2, 3, 4, 5]);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Leader, "all were heard");
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2]);
    let read = w.read(1);
    w.step(1, Input::TimerFired(Timer::Election));
    assert_eq!(w.at(1).node.role_kind(), RoleKind::Follower);
    assert_eq!(w.answers[&read], [Answer::Refused(Refusal::LostLeadership)]);
}
