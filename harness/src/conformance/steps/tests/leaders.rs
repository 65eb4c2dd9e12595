//! What a leader commits, sends, reads, changes and hands over.

use plumb_raft::core::{Answer, Change, ReadMode, RequestId, Write};

use super::*;

const READ: RequestId = RequestId(7);

fn read(mode: ReadMode) -> Input {
    Input::Read(READ, mode)
}

fn served(effects: &mut Effects, index: u64) {
    effects
        .answers
        .push((READ, Answer::ReadAt(LogIndex(index))));
}

fn leasing() -> CoreConfig {
    CoreConfig {
        stickiness: true,
        lease: LEASE,
        ..config()
    }
}

#[test]
fn a_read_before_a_majority_has_answered_its_round_diverges() {
    let asked = edited(leader(), &read(ReadMode::Leader), |_, effects| {
        served(effects, 2);
    });
    tells(
        asked,
        &["read 7 is served at 2", "ServeRead (dissertation §6.4)"],
    );
    let mut waits = leader();
    waits.step(read(ReadMode::Leader));
    let earlier = edited(waits.clone(), &appended(2, 2, 0), |_, effects| {
        served(effects, 2);
    });
    tells(earlier, &["ServeRead"]);
    // A round that was answered, at an index from before the read.
    let stale = edited(waits, &appended(2, 2, 1), |_, effects| {
        effects.answers[0].1 = Answer::ReadAt(LogIndex(1));
    });
    tells(stale, &["read 7 is served at 1"]);
}

#[test]
fn an_answer_that_was_not_given_in_this_term_confirms_no_round() {
    let mut waits = leader();
    waits.step(read(ReadMode::Leader));
    let refusal = from(
        2,
        Message::AppendEntriesReply {
            term: Term(2),
            outcome: AppendOutcome::Stale,
            round: Round(1),
        },
    );
    let counted = edited(waits, &refusal, |after, _| {
        let office = after.office.as_mut().expect("it leads");
        office.followers[0].answered = 1;
    });
    tells(counted, &["counts an answer of n2 to round 1"]);
}

#[test]
fn a_read_of_a_leader_that_does_not_know_what_is_committed_diverges() {
    let early = edited(
        elected_with(config(), &[1]),
        &read(ReadMode::Leader),
        |after, _| {
            let office = after.office.as_mut().expect("it leads");
            let asker = office.uncommitted.remove(0);
            let (index, round) = (0, 1);
            office.waiting.push(seen::Waiting {
                asker,
                index,
                round,
            });
        },
    );
    tells(early, &["AskRead (dissertation §6.4) says None"]);
}

#[test]
fn a_follower_s_read_needs_its_leader_s_word_and_what_that_asks_for() {
    let mut follower = node(2, None, &[1]);
    follower.step(append((1, 1), &[], 0));
    let unasked = edited(follower.clone(), &read(ReadMode::Anywhere), |_, effects| {
        served(effects, 0);
    });
    tells(unasked, &["read 7 is served at 0"]);
    follower.step(read(ReadMode::Anywhere));
    let word = from(
        2,
        Message::ReadIndexReply {
            term: Term(2),
            request: READ,
            index: Some(LogIndex(1)),
        },
    );
    // Entry 1 is not committed here yet.
    let early = edited(follower, &word, |_, effects| served(effects, 1));
    tells(early, &["read 7 is served at 1"]);
}

/// A leader whose round of time 10 ms a majority has answered.
fn leased() -> Node {
    let mut leader = leader_with(leasing(), &[1]);
    leader.step_at(Duration::from_millis(10), HEARTBEAT);
    leader.step_at(Duration::from_millis(30), appended(2, 2, 1));
    leader
}

#[test]
fn a_read_by_a_lease_that_is_over_diverges() {
    let at = Duration::from_millis(109);
    let within = edited_at(leased(), at, &read(ReadMode::Lease), |_, _| {});
    assert_eq!(within, None);
    let over = edited_at(leased(), at, &read(ReadMode::Lease), |after, _| {
        after.now_ns += 1_000_000;
    });
    tells(over, &["read 7 is served at 2"]);
}

#[test]
fn a_lease_counted_from_the_answer_or_kept_through_a_transfer_diverges() {
    let mut leader = leader_with(leasing(), &[1]);
    leader.step_at(Duration::from_millis(10), HEARTBEAT);
    let at = Duration::from_millis(30);
    let late = edited_at(leader, at, &appended(2, 2, 1), |after, _| {
        let office = after.office.as_mut().expect("it leads");
        office.lease = Some(30_000_000);
    });
    tells(late, &["ConfirmLease (dissertation §6.4.1) gives no lease"]);
    let transfer = Input::Transfer(READ, NodeId(2));
    let kept = edited_at(leased(), at, &transfer, |after, _| {
        after.office.as_mut().expect("it leads").told = false;
    });
    tells(kept, &["that another was told to stand is false, not true"]);
}

#[test]
fn somebody_who_is_told_to_stand_and_is_no_successor_diverges() {
    let transfer = Input::Transfer(READ, NodeId(2));
    let other = edited(leader(), &transfer, |_, effects| {
        let told = effects.send.last_mut().expect("it tells the successor");
        told.to = NodeId(3);
    });
    tells(other, &["n3 is told to stand, and no successor"]);
}

#[test]
fn a_commit_without_a_majority_or_of_an_earlier_term_diverges() {
    let mut leader = leader();
    leader.step(Input::Propose(vec![(READ, bytes::Bytes::new())]));
    let alone = edited(leader.clone(), &persisted(&leader), |after, effects| {
        after.commit = 3;
        effects.apply = entries(3, &[2]);
    });
    tells(alone, &["AdvanceCommit (§5.3, §5.4.2) does not reach 3"]);
    let earlier = edited(
        elected_with(config(), &[1]),
        &appended(2, 1, 0),
        |after, effects| {
            after.commit = 1;
            effects.apply = entries(1, &[1]);
        },
    );
    tells(earlier, &["AdvanceCommit (§5.3, §5.4.2) does not reach 1"]);
}

#[test]
fn an_acknowledgement_that_was_not_given_is_not_counted() {
    let more = edited(
        elected_with(config(), &[1, 1, 1]),
        &appended(2, 1, 0),
        |after, _| {
            after.office.as_mut().expect("it leads").followers[0].matched = 2;
        },
    );
    tells(more, &["counts n2 as having entries up to 2"]);
}

#[test]
fn entries_that_the_log_does_not_have_and_commits_that_are_not_are_not_sent() {
    let edits: [fn(&mut Message); 3] = [
        |message| {
            if let Message::AppendEntries { prev_log_term, .. } = message {
                *prev_log_term = Term(9);
            }
        },
        |message| {
            if let Message::AppendEntries { leader_commit, .. } = message {
                *leader_commit = LogIndex(9);
            }
        },
        |message| {
            if let Message::AppendEntries { round, .. } = message {
                *round = Round(9);
            }
        },
    ];
    for edit in edits {
        let sent = edited(leader(), &HEARTBEAT, |_, effects| {
            edit(&mut effects.send[0].message);
        });
        tells(sent, &["SendAppendEntries (§5.3) does not send"]);
    }
}

fn change(voters: &[u64]) -> Input {
    let voters = voters.iter().copied().map(NodeId).collect();
    let change = Change {
        voters: Some(voters),
        ..Change::default()
    };
    Input::ChangeMembership(READ, change)
}

#[test]
fn a_change_that_skips_the_joint_phase_or_comes_before_the_last_is_committed_diverges() {
    let skips = edited(leader(), &change(&[1]), |after, effects| {
        let (_, named) = after.memberships.last_mut().expect("there is one");
        std::sync::Arc::make_mut(named).outgoing.clear();
        let batch = effects.persist.as_mut().expect("it appends");
        let Some(Write::Append(entries)) = batch.writes.last_mut() else {
            unreachable!("it appends an entry");
        };
        entries[0].payload = Payload::Membership(named.clone());
    });
    tells(skips, &["ChangeConfiguration (§6) does not allow"]);
    let (mut early, next) = (elected_with(config(), &[1]), change(&[1, 2]));
    let taken = leader().step(next.clone());
    assert!(
        taken.persist.is_some(),
        "a leader that knows what is committed takes it"
    );
    let refused = early.step(next.clone());
    let mut conformance = Conformance::default();
    let early = elected_with(config(), &[1]);
    conformance.before_step(&early, &next);
    assert!(refused.persist.is_none());
    let what = conformance.after_step(&early, &taken);
    tells(what.map(|it| it.to_string()), &["ChangeConfiguration (§6)"]);
}

#[test]
fn a_joint_phase_that_the_old_voters_have_not_left_goes_on() {
    let mut joint = leader();
    joint.step(change(&[1]));
    let all = persisted(&joint);
    // New voters alone: n1 itself.
    let left = edited(joint, &all, |after, effects| {
        after.commit = 3;
        effects.apply = entries(3, &[2]);
    });
    tells(left, &["AdvanceCommit (§5.3, §5.4.2) does not reach 3"]);
}

#[test]
fn a_leader_that_steps_down_without_a_reason_diverges() {
    let down = edited(leader(), &HEARTBEAT, |after, _| {
        (after.role, after.office) = (RoleName::Follower, None);
    });
    tells(
        down,
        &["LeaveOffice (§6) is for a leader whose removal is committed"],
    );
}
