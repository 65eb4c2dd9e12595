//! Votes, pre-votes, terms, patience, and what followers take.

use super::*;

fn pre_vote_asked(term: u64) -> Input {
    from(
        2,
        Message::PreVote {
            term: Term(term),
            last_log_index: LogIndex(9),
            last_log_term: Term(9),
        },
    )
}

fn asking() -> CoreConfig {
    CoreConfig {
        pre_vote: true,
        ..config()
    }
}

fn sticking() -> CoreConfig {
    CoreConfig {
        stickiness: true,
        ..config()
    }
}

#[test]
fn what_the_core_does_is_allowed() {
    for input in [
        vote_asked(2, (1, 1)),
        vote_asked(2, (0, 0)),
        append((1, 1), &[2, 2], 9),
        append((3, 2), &[2], 0),
        pre_vote_asked(1),
        ELECTION,
    ] {
        for config in [config(), asking(), sticking()] {
            let node = node_with(config, 1, None, &[1, 1]);
            assert_eq!(said(node, &input, input.clone()), None);
        }
    }
}

#[test]
fn a_second_vote_in_a_term_and_one_for_a_shorter_log_diverge() {
    // The server is asked by 3, and votes as though 2 had asked who it voted for.
    let input = vote_asked(3, (1, 2));
    let voted = said(node(2, None, &[1, 1]), &input, vote_asked(2, (1, 2)));
    tells(
        voted,
        &["HandleRequestVote (§5.2, §5.4.1)", "the vote is 2, not 3"],
    );
    let input = vote_asked(2, (1, 1));
    let voted = said(node(2, None, &[1, 1]), &input, vote_asked(2, (1, 2)));
    tells(
        voted,
        &[
            "RequestVote of n2 in term 2 (last 1",
            "the vote is 2, not none",
        ],
    );
}

#[test]
fn a_vote_by_a_server_that_hears_its_leader_diverges() {
    let patient = node_with(sticking(), 1, None, &[]);
    let what = edited(patient, &vote_asked(2, (9, 9)), |after, _| {
        (after.term, after.vote) = (2, Some(2));
    });
    tells(what, &["as it hears its leader", "the term is 2, not 1"]);
}

#[test]
fn patience_that_is_lost_and_a_restart_without_it_diverge() {
    let follower = node_with(sticking(), 2, None, &[]);
    let what = edited(follower, &append((0, 0), &[], 0), |after, _| {
        after.patient = false;
    });
    tells(what, &["patience is false, not true"]);
    let mut seen = Seen::of(&node_with(sticking(), 2, None, &[]));
    seen.patient = false;
    let what = Conformance::default()
        .restarted(&seen)
        .expect("it is impatient");
    assert!(what.to_string().contains("CrashAndRestart"), "{what}");
}

#[test]
fn a_commit_past_the_message_and_a_cut_without_conflict_diverge() {
    let vouched = append((1, 1), &[1], 1);
    let past = said(node(2, None, &[1, 1]), &vouched, append((1, 1), &[1], 2));
    tells(
        past,
        &["HandleAppendEntries", "the commit index is 2, not 1"],
    );
    let heartbeat = append((1, 1), &[], 0);
    let cut = said(node(2, None, &[1, 1]), &heartbeat, append((1, 1), &[2], 0));
    tells(cut, &["the log is cut from Some(2) on, not None"]);
}

#[test]
fn a_higher_term_that_is_passed_over_and_a_term_out_of_nothing_diverge() {
    let told = append((0, 0), &[], 0);
    assert!(said(node(1, None, &[]), &told, HEARTBEAT).is_some());
    assert!(said(node(1, None, &[]), &HEARTBEAT, told).is_some());
}

#[test]
fn replies_that_claim_more_than_was_taken_or_of_another_round_diverge() {
    let input = append((1, 1), &[], 0);
    let more = said(node(2, None, &[1, 1]), &input, append((2, 1), &[], 0));
    tells(more, &["Matched(LogIndex(2))", "Matched(LogIndex(1))"]);
    let of_round = |round| {
        let Input::Receive(mut envelope) = append((1, 1), &[], 0) else {
            unreachable!("it is a message");
        };
        if let Message::AppendEntries { round: of, .. } = &mut envelope.message {
            *of = Round(round);
        }
        Input::Receive(envelope)
    };
    let later = said(node(2, None, &[1, 1]), &of_round(1), of_round(2));
    tells(later, &["round: 2", "round: 1"]);
}

#[test]
fn a_pre_vote_that_raises_the_term_or_is_granted_by_a_longer_log_diverges() {
    let raised = edited(node(1, None, &[]), &pre_vote_asked(2), |after, _| {
        after.term = 2;
    });
    tells(raised, &["HandlePreVote", "the term is 2, not 1"]);
    let shorter = from(
        2,
        Message::PreVote {
            term: Term(1),
            last_log_index: LogIndex(1),
            last_log_term: Term(1),
        },
    );
    let granted = said(node(1, None, &[1, 1]), &shorter, pre_vote_asked(1));
    tells(granted, &["granted: true", "granted: false"]);
}

#[test]
fn an_answer_to_an_earlier_pre_vote_and_a_refusal_are_not_counted() {
    let mut asker = node_with(asking(), 1, None, &[]);
    asker.step(ELECTION);
    for (asked_in, granted) in [(0, true), (1, false)] {
        let reply = from(
            2,
            Message::PreVoteReply {
                term: Term(1),
                asked_in: Term(asked_in),
                granted,
            },
        );
        let counted = edited(asker.clone(), &reply, |after, _| after.votes.push(2));
        tells(counted, &["counts the vote of n2"]);
        let stands = edited(asker.clone(), &reply, |after, _| {
            (after.term, after.vote, after.role) = (2, Some(1), RoleName::Candidate);
        });
        tells(stands, &["PreVoteReply of n2", "the term is 2, not 1"]);
    }
}

#[test]
fn a_server_that_stands_without_having_asked_diverges() {
    let asks = node_with(asking(), 1, None, &[]);
    let stands = edited(asks, &ELECTION, |after, _| {
        (after.term, after.vote, after.role) = (2, Some(1), RoleName::Candidate);
    });
    tells(
        stands,
        &["AskPreVote (dissertation §9.6)", "the term is 2, not 1"],
    );
}

#[test]
fn a_refusal_a_vote_of_another_term_and_an_own_vote_that_is_not_durable_are_not_counted() {
    let mut candidate = node(1, None, &[]);
    candidate.step(ELECTION);
    for reply in [vote_given(2, 2, false), vote_given(2, 1, true)] {
        let counted = edited(candidate.clone(), &reply, |after, _| after.votes.push(2));
        tells(
            counted,
            &["counts the vote of n2, which it has not received"],
        );
    }
    let own = edited(candidate.clone(), &HEARTBEAT, |after, _| {
        after.votes.push(1);
    });
    tells(own, &["counts the vote of n1"]);
    // Elected, though its own vote might be lost.
    candidate.step(vote_given(2, 2, true));
    let elected = edited(candidate.clone(), &persisted(&candidate), |after, _| {
        after.durable = (1, None, 0);
    });
    tells(elected, &["it leads without the votes of a majority"]);
}

#[test]
fn told_by_another_term_s_leader_nobody_stands() {
    let follower = node(2, None, &[1]);
    let told = from(2, Message::TimeoutNow { term: Term(1) });
    let stands = edited(follower, &told, |after, _| {
        (after.term, after.vote, after.role) = (3, Some(1), RoleName::Candidate);
    });
    tells(
        stands,
        &["TimeoutNow of n2 in term 1", "the term is 3, not 2"],
    );
}

#[test]
fn a_membership_that_stays_in_force_though_its_entry_is_cut_diverges() {
    let what = edited(
        node(2, None, &[1, 1]),
        &append((1, 1), &[2], 0),
        |after, _| {
            let stays = after.memberships[0].1.clone();
            after.memberships.push((2, stays));
        },
    );
    tells(what, &["the membership in force is Some((2"]);
}

#[test]
fn a_term_that_is_not_written_and_an_entry_that_is_applied_twice_diverge() {
    let what = edited(node(1, None, &[]), &append((0, 0), &[], 0), |_, effects| {
        effects.persist = None;
    });
    tells(what, &["term and vote change, and are not written"]);
    let what = edited(
        node(2, None, &[1]),
        &append((1, 1), &[], 1),
        |_, effects| {
            let again = effects.apply[0].clone();
            effects.apply.push(again);
        },
    );
    tells(what, &["entries [1, 1] are applied, and 1 to 1 are due"]);
}
