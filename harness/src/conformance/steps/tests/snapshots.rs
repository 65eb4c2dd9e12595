//! Snapshots: taken, sent, installed.

use bytes::Bytes;
use plumb_raft::core::snapshot::Sending;
use plumb_raft::core::{Snapshot, Write};
use plumb_raft::types::Membership;

use super::*;

fn snapshot(index: u64, term: u64) -> Snapshot {
    let voters = (1..=3).map(NodeId).collect();
    Snapshot::new(
        LogIndex(index),
        Term(term),
        Membership::of_voters(voters).into(),
        Bytes::from_static(b"state"),
    )
}

fn sent(index: u64, term: u64) -> Input {
    from(
        2,
        Message::InstallSnapshot {
            term: Term(2),
            chunk: Box::new(Sending::new(snapshot(index, term)).chunk(100)),
            round: Round(1),
        },
    )
}

fn taken(index: u64) -> Input {
    Input::SnapshotTaken {
        index: LogIndex(index),
        data: Bytes::from_static(b"state"),
    }
}

fn written(effects: &mut Effects) -> &mut Snapshot {
    let batch = effects.persist.as_mut().expect("it is written");
    let found = batch.writes.iter_mut().find_map(|write| match write {
        Write::Snapshot { snapshot, .. } => Some(snapshot),
        _ => None,
    });
    found.expect("a snapshot is written")
}

#[test]
fn a_snapshot_of_what_is_not_committed_diverges() {
    let early = edited(elected_with(config(), &[1]), &HEARTBEAT, |after, _| {
        after.snapshot = (1, 1);
    });
    tells(early, &["the snapshot is 1, not 0"]);
    let more = edited(leader(), &taken(1), |after, _| after.snapshot = (2, 2));
    tells(more, &["Compact (§7)", "the snapshot is 2, not 1"]);
}

#[test]
fn a_snapshot_with_another_term_or_membership_diverges() {
    let term = edited(leader(), &taken(1), |_, effects| {
        written(effects).last_term = Term(2);
    });
    tells(term, &["a snapshot at (1, 2) is written, not at (1, 1)"]);
    let membership = edited(leader(), &taken(1), |_, effects| {
        written(effects).membership = Membership::default().into();
    });
    tells(membership, &["has another membership than the log there"]);
}

#[test]
fn a_suffix_that_is_wrongly_kept_or_dropped_diverges() {
    // In conflict with the snapshot, all of the log goes.
    let kept = edited(node(1, None, &[1, 1, 1]), &sent(2, 2), |_, effects| {
        let batch = effects.persist.as_mut().expect("it is written");
        batch
            .writes
            .retain(|write| !matches!(write, Write::Truncate(_)));
    });
    tells(
        kept,
        &[
            "HandleInstallSnapshot (§7)",
            "the log is cut from None on, not Some(3)",
        ],
    );
    // What follows the snapshot's last entry stays.
    let dropped = edited(node(1, None, &[1, 1, 1]), &sent(2, 1), |_, effects| {
        let batch = effects.persist.as_mut().expect("it is written");
        batch.writes.push(Write::Truncate(LogIndex(3)));
    });
    tells(dropped, &["the log is cut from Some(3) on, not None"]);
}

#[test]
fn an_older_snapshot_that_takes_the_state_machine_back_diverges() {
    let mut follower = node(2, None, &[1, 1]);
    follower.step(append((2, 1), &[], 2));
    let back = edited(follower, &sent(1, 1), |after, effects| {
        after.commit = 1;
        effects.restore = Some(snapshot(1, 1));
    });
    tells(back, &["the commit index is 1, not 2"]);
}

#[test]
fn a_snapshot_that_is_not_restored_and_an_answer_before_it_is_whole_diverge() {
    let lost = edited(node(2, None, &[]), &sent(2, 1), |_, effects| {
        effects.restore = None;
    });
    assert!(lost.is_some());
    let Input::Receive(mut piece) = sent(2, 1) else {
        unreachable!("it is a message");
    };
    if let Message::InstallSnapshot { chunk, .. } = &mut piece.message {
        chunk.total = 99;
    }
    let early = said(node(2, None, &[]), &Input::Receive(piece), sent(2, 1));
    tells(
        early,
        &["a piece of a snapshot (§7)", "the commit index is 2, not 0"],
    );
}

#[test]
fn a_snapshot_of_another_term_or_membership_is_not_sent() {
    let mut leader = leader();
    leader.step(taken(2));
    // n3 has acknowledged nothing, and lacks what is discarded.
    let refusal = from(
        3,
        Message::AppendEntriesReply {
            term: Term(2),
            outcome: AppendOutcome::Conflict {
                rejected: LogIndex(1),
                conflict_term: None,
                first_index: LogIndex(1),
            },
            round: Round(0),
        },
    );
    let edits: [fn(&mut plumb_raft::core::Chunk); 2] = [
        |chunk| chunk.last_term = Term(1),
        |chunk| chunk.membership = Membership::default().into(),
    ];
    for edit in edits {
        let wrong = edited(leader.clone(), &refusal, |_, effects| {
            for envelope in &mut effects.send {
                if let Message::InstallSnapshot { chunk, .. } = &mut envelope.message {
                    edit(chunk);
                }
            }
        });
        tells(wrong, &["no snapshot at"]);
    }
}
