//! A wrong step, fed by hand, for every rule: each kind of divergence fires. A step of the core is taken as it is,
//! which conforms, and then again with something changed that a bug would change.

mod elections;
mod leaders;
mod sessions;
mod snapshots;

use std::time::Duration;

use plumb_raft::core::{
    AppendOutcome, CoreConfig, Envelope, Message, PersistSeq, Remembered, Round, Timer,
};
use plumb_raft::types::{Entry, HardState, LogIndex, Payload, Term};

use super::*;
use crate::conformance::trace::Runs;

const LEASE: Duration = Duration::from_millis(100);

fn config() -> CoreConfig {
    CoreConfig {
        stickiness: false,
        pre_vote: false,
        retained_entries: 0,
        ..CoreConfig::new(NodeId(1), (1..=3).map(NodeId).collect())
    }
}

fn entries(first: u64, terms: &[u64]) -> Vec<Entry> {
    let entries = (first..).zip(terms).map(|(index, term)| Entry {
        index: LogIndex(index),
        term: Term(*term),
        payload: Payload::Noop,
    });
    entries.collect()
}

fn node_with(config: CoreConfig, term: u64, vote: Option<u64>, terms: &[u64]) -> Node {
    let remembered = Remembered {
        hard_state: HardState {
            current_term: Term(term),
            voted_for: vote.map(NodeId),
        },
        entries: entries(1, terms),
        ..Remembered::default()
    };
    Node::recover(config, remembered).0
}

fn node(term: u64, vote: Option<u64>, terms: &[u64]) -> Node {
    node_with(config(), term, vote, terms)
}

fn from(sender: u64, message: Message) -> Input {
    Input::Receive(Envelope {
        from: NodeId(sender),
        to: NodeId(1),
        message,
    })
}

fn vote_asked(candidate: u64, last: (u64, u64)) -> Input {
    let (last_log_term, last_log_index) = (Term(last.0), LogIndex(last.1));
    from(
        candidate,
        Message::RequestVote {
            term: Term(2),
            last_log_index,
            last_log_term,
            transfer: false,
        },
    )
}

fn vote_given(voter: u64, term: u64, granted: bool) -> Input {
    let term = Term(term);
    from(voter, Message::RequestVoteReply { term, granted })
}

fn append(prev: (u64, u64), terms: &[u64], commit: u64) -> Input {
    from(
        2,
        Message::AppendEntries {
            term: Term(2),
            prev_log_index: LogIndex(prev.0),
            prev_log_term: Term(prev.1),
            entries: entries(prev.0 + 1, terms),
            leader_commit: LogIndex(commit),
            round: Round(1),
        },
    )
}

fn appended(follower: u64, index: u64, round: u64) -> Input {
    from(
        follower,
        Message::AppendEntriesReply {
            term: Term(2),
            outcome: AppendOutcome::Matched(LogIndex(index)),
            round: Round(round),
        },
    )
}

const ELECTION: Input = Input::TimerFired(Timer::Election);
const HEARTBEAT: Input = Input::TimerFired(Timer::Heartbeat);

/// Everything that was written is durable.
fn persisted(node: &Node) -> Input {
    Input::Persisted(PersistSeq(node.durability().last_seq().0))
}

/// A leader of term 2 with these entries and one of its own, none of them known to be committed.
fn elected_with(config: CoreConfig, terms: &[u64]) -> Node {
    let mut leader = node_with(config, 1, None, terms);
    leader.step(ELECTION);
    leader.step(persisted(&leader));
    leader.step(vote_given(2, 2, true));
    leader.step(persisted(&leader));
    assert!(Seen::of(&leader).leads());
    leader
}

/// The same, and its own entry is committed.
fn leader_with(config: CoreConfig, terms: &[u64]) -> Node {
    let mut leader = elected_with(config, terms);
    let last = leader.log().last_index().0;
    leader.step(appended(2, last, 0));
    assert_eq!(leader.commit_index().0, last);
    leader
}

fn leader() -> Node {
    leader_with(config(), &[1])
}

fn log_of(node: &Node) -> Runs {
    Runs::of(node.log())
}

/// What is said of a server that was given `input` and did what `done` leads to.
fn said(mut node: Node, input: &Input, done: Input) -> Option<String> {
    let mut conformance = Conformance::default();
    conformance.recovered(&node);
    conformance.before_step(&node, input);
    let effects = node.step(done);
    let differs = conformance.after_step(&node, &effects);
    differs.map(|it| it.to_string())
}

/// What is said of a step with something changed in what came of it. Unchanged, it conforms.
fn edited(node: Node, input: &Input, edit: impl FnOnce(&mut Seen, &mut Effects)) -> Option<String> {
    edited_at(node, Duration::ZERO, input, edit)
}

fn edited_at(
    mut node: Node,
    now: Duration,
    input: &Input,
    edit: impl FnOnce(&mut Seen, &mut Effects),
) -> Option<String> {
    let (before, log_before) = (Seen::of(&node), log_of(&node));
    let mut effects = node.step_at(now, input.clone());
    let (mut after, log) = (Seen::of(&node), log_of(&node));
    let judge = |after: &Seen, effects: &Effects| {
        let mut conformance = Conformance::default();
        conformance.step((&before, &log_before), input, effects, (after, &log))
    };
    let as_it_is = judge(&after, &effects);
    assert!(as_it_is.is_none(), "{}", as_it_is.expect("just seen"));
    edit(&mut after, &mut effects);
    judge(&after, &effects).map(|it| it.to_string())
}

/// Both sides and the rule are told.
#[track_caller]
fn tells(said: Option<String>, parts: &[&str]) {
    let said = said.expect("it diverges");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}
