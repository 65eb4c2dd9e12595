//! Changes of the membership.

use std::collections::BTreeSet;
use std::sync::Arc;

use plumb_raft::core::{Batch, Effects, Input, Node, PersistSeq, Remembered, Timer, Write};
use plumb_raft::types::{Entry, HardState, LogIndex, Membership, NodeId, Payload, Term};

use super::cluster::Cluster;

const IDLE: Input = Input::TimerFired(Timer::Stickiness);

fn of_voters(voters: &[u64]) -> Membership {
    Membership::of_voters(voters.iter().copied().map(NodeId).collect::<BTreeSet<_>>())
}

/// An entry that says who takes part.
fn says(membership: Membership, index: u64, term: u64) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        payload: Payload::Membership(Arc::new(membership)),
    }
}

/// A leader appends a membership, as far as the judge is shown.
fn appends(cluster: &mut Cluster, id: u64, next: Membership) {
    let node = cluster.node(id);
    let entry = says(next, node.log().last_index().0 + 1, node.current_term().0);
    cluster.act_with(id, IDLE, |effects| {
        effects.persist = Some(Batch {
            seq: PersistSeq(100),
            writes: vec![Write::Append(vec![entry])],
        });
    });
}

fn with_learner() -> Membership {
    Membership {
        learners: BTreeSet::from([NodeId(4)]),
        ..of_voters(&[1, 2, 3])
    }
}

#[test]
fn a_change_begins_once_the_one_before_is_committed() {
    let story = |commits: bool| {
        let mut cluster = Cluster::of(3);
        cluster.stand(1);
        for id in [2, 3] {
            for envelope in cluster.take_mail(id) {
                cluster.act(id, Input::Receive(envelope));
            }
        }
        for envelope in cluster.take_mail(1) {
            cluster.act(1, Input::Receive(envelope));
        }
        if commits {
            cluster.deliver();
        }
        appends(&mut cluster, 1, with_learner());
        cluster
    };
    story(true).holds();
    let words = "n1 begins a change at 2 before the one before it is committed";
    story(false).breaks("One Change At A Time", words);
}

#[test]
fn a_change_begins_once_something_of_the_term_is_committed() {
    let story = |commits: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.stand(2);
        for to in [3, 2] {
            for envelope in cluster.take_mail(to) {
                cluster.act(to, Input::Receive(envelope));
            }
        }
        if commits {
            cluster.deliver();
        }
        appends(&mut cluster, 2, with_learner());
        cluster
    };
    story(true).holds();
    let words = "n2 begins a change at 3 before anything of its own term is committed";
    story(false).breaks("One Change At A Time", words);
}

#[test]
fn voters_do_not_change_without_a_say_of_the_old_ones() {
    let story = |next: Membership| {
        let mut cluster = Cluster::led_by_n1(3);
        appends(&mut cluster, 1, next);
        cluster
    };
    let joint = Membership {
        outgoing: of_voters(&[1, 2, 3]).voters,
        ..of_voters(&[3, 4])
    };
    story(joint).holds();
    let words = "n1 changes the voters at 2 to {NodeId(3), NodeId(4)}, and no old ones have a say";
    story(of_voters(&[3, 4])).breaks("Joint Consensus", words);
}

/// Leads term 2 with these memberships in its log, which nobody has told it to be committed.
fn leads_with(memberships: &[Membership]) -> Node {
    let entries: Vec<Entry> = (1..)
        .zip(memberships)
        .map(|(index, membership)| says(membership.clone(), index, 1))
        .collect();
    let found = Remembered {
        hard_state: HardState {
            current_term: Term(1),
            voted_for: None,
        },
        entries,
        ..Remembered::default()
    };
    let alone = Cluster::of(1);
    let (mut node, _) = Node::recover(alone.node(1).config().clone(), found);
    let effects = node.step(Input::TimerFired(Timer::Election));
    let written = effects.persist.expect("a vote").seq;
    node.step(Input::Persisted(written));
    node
}

#[test]
fn a_leader_has_no_two_changes_that_are_not_committed() {
    let (one, two) = (
        of_voters(&[1]),
        Membership {
            learners: BTreeSet::from([NodeId(4)]),
            ..of_voters(&[1])
        },
    );
    let story = |memberships: &[Membership]| {
        let mut cluster = Cluster::of(1);
        let (before, now) = (leads_with(&[]), leads_with(memberships));
        assert_eq!(before.current_term(), now.current_term());
        cluster.judge.before_step(&before, &IDLE);
        cluster.judge.after_step(1, &now, &Effects::default());
        cluster
    };
    let words = "n1 changes the membership at 2 twice";
    story(&[one.clone(), two]).breaks("One Change At A Time", words);
    // A change and no other: what breaks first is that it lost the entry that it began with.
    story(&[one]).breaks("Leader Append-Only", "lost its entry 1");
}
