//! Every step of every server must be one that the specification allows (L2): the rules of
//! [`plumb_model::relation`] say what may come of an input, and what came of it is compared with that.
//!
//! The refinement is plain: terms, votes, commit indexes and log terms are the specification's own. A
//! pre-candidate is a follower that has not stood yet. What the specification has no rule for (pre-votes, reads,
//! transfers, snapshots) must leave its variables alone, but for the steps that it does allow: to adopt a term,
//! to stand, to learn what is committed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use plumb_model::relation::{
    Append, Change, Entries, Position, Standing, adopt_term, advance_commit, append_entries,
    become_leader, client_request, request_vote, step_down, timeout,
};
use plumb_raft::core::{
    AppendOutcome, Effects, Envelope, Input, Message, Node, Role, RoleKind, Timer, Write,
};
use plumb_raft::types::{Entry, LogIndex, NodeId, Payload};

use crate::invariants::decide;

/// What may come of the step under way, and what was promised and has not left.
#[derive(Debug, Default)]
struct Server {
    before: Option<Position>,
    last: u64,
    /// The rules that may have been taken, each with what comes of it.
    allowed: Vec<(&'static str, Position, Change)>,
    /// The input may replace the log by a snapshot.
    snapshot: bool,
    /// Replies in the order in which they were made.
    replies: VecDeque<Reply>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Matched(u64),
    Mismatch,
    Stale,
    Vote(bool),
}

/// Holds a run to the specification.
#[derive(Debug, Default)]
pub struct Conformance {
    servers: BTreeMap<NodeId, Server>,
    steps: u64,
    /// Replies are another's business.
    of_steps_alone: bool,
}

/// A log of the core, as the specification asks it.
struct Held<'a>(&'a plumb_raft::core::log::Log);

impl Entries for Held<'_> {
    fn last(&self) -> (u64, u64) {
        (self.0.last_index().0, self.0.last_term().0)
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        self.0.term_at(LogIndex(index)).map(|term| term.0)
    }

    fn is_compacted(&self, index: u64) -> bool {
        index <= self.0.base().0.0
    }
}

fn position(node: &Node) -> Position {
    let hard_state = node.hard_state();
    Position {
        term: hard_state.current_term.0,
        vote: hard_state.voted_for.map(|id| id.0),
        standing: match node.role_kind() {
            RoleKind::Follower | RoleKind::PreCandidate => Standing::Follower,
            RoleKind::Candidate => Standing::Candidate,
            RoleKind::Leader => Standing::Leader,
        },
        commit: node.commit_index().0,
    }
}

impl Conformance {
    /// For single steps out of a run: replies that were made in others are not asked about.
    #[must_use]
    pub fn of_single_steps() -> Conformance {
        Conformance {
            of_steps_alone: true,
            ..Conformance::default()
        }
    }

    /// How many steps were compared.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A server has restarted: what it had promised and not sent is gone.
    pub fn recovered(&mut self, node: &Node) {
        self.servers.insert(node.id(), Server::default());
    }

    /// A server is about to take an input: what may come of it?
    pub fn before_step(&mut self, node: &Node, input: &Input) {
        let server = self.servers.entry(node.id()).or_default();
        let was = position(node);
        server.before = Some(was);
        server.last = node.log().last_index().0;
        server.snapshot = false;
        server.allowed.clear();
        let mut allow = |rule, is, change| server.allowed.push((rule, is, change));
        match input {
            Input::Receive(envelope) if envelope.from == node.id() => {}
            Input::Receive(envelope) => server.receives(node, was, envelope),
            Input::TimerFired(Timer::Election) => {
                allow(
                    "StepDown (dissertation §6.2, §9.6)",
                    step_down(was),
                    Change::Kept,
                );
                if was.standing != Standing::Leader {
                    allow("Timeout (§5.2)", timeout(was, node.id().0), Change::Kept);
                }
            }
            Input::Propose(requests) => {
                // A leader may refuse some of what comes at once, as too much waits already.
                for taken in (1..=requests.len()).rev() {
                    if let Some(change) = client_request(was, &Held(node.log()), taken) {
                        allow("ClientRequest (§5.3)", was, change);
                    }
                }
            }
            Input::ChangeMembership(..) => {
                if let Some(change) = client_request(was, &Held(node.log()), 1) {
                    allow("ChangeMembership (§6)", was, change);
                }
            }
            Input::Persisted(_) => server.may_lead(node, was),
            Input::SnapshotTaken { .. } => server.snapshot = true,
            Input::TimerFired(Timer::Heartbeat | Timer::Stickiness)
            | Input::Read(..)
            | Input::Transfer(..) => {}
        }
        // To do nothing that the specification sees is always allowed, except where a rule must be taken.
        let must = matches!(
            input,
            Input::Receive(Envelope {
                message: Message::AppendEntries { .. } | Message::RequestVote { .. },
                from,
                ..
            }) if *from != node.id()
        );
        if !must {
            server.allowed.push(("nothing", was, Change::Kept));
        }
    }

    /// A server has taken it: says how that differs from all that may come of it.
    pub fn after_step(&mut self, node: &Node, effects: &Effects) -> Option<String> {
        let server = self.servers.get_mut(&node.id())?;
        let was = server.before.take()?;
        self.steps += 1;
        let is = position(node);
        let written = Written::of(effects);
        let fits = |(_, expected, change): &(&str, Position, Change)| {
            server.fits(node, (*expected, change), is, &written)
        };
        if !server.allowed.iter().any(fits) {
            return Some(server.divergence(node, was, is, &written));
        }
        let changed = (was.term, was.vote) != (is.term, is.vote);
        if changed != written.hard_state {
            return Some(format!(
                "{} is in term {} with vote {:?}, was in {} with {:?}, and {} that to its disk",
                node.id(),
                is.term,
                is.vote,
                was.term,
                was.vote,
                if changed { "does not write" } else { "writes" }
            ));
        }
        let replies = if self.of_steps_alone {
            &[]
        } else {
            &effects.send[..]
        };
        replies
            .iter()
            .find_map(|envelope| server.reply_differs(envelope))
    }
}

impl Server {
    fn receives(&mut self, node: &Node, was: Position, envelope: &Envelope) {
        let Envelope { from, message, .. } = envelope;
        let log = Held(node.log());
        let me = node.id().0;
        let term = message.term().0;
        match message {
            Message::PreVote { .. } => return,
            Message::RequestVote {
                transfer: false, ..
            } if node.sticks_to_leader() => {
                self.allowed
                    .push(("stickiness (dissertation §4.2.3)", was, Change::Kept));
                return;
            }
            _ => {}
        }
        let at = adopt_term(was, term);
        let adopted = "AdoptTerm (§5.1)";
        match message {
            Message::RequestVote {
                last_log_index,
                last_log_term,
                ..
            } => {
                let last = (last_log_term.0, last_log_index.0);
                let voted = request_vote(at, &log, from.0, term, last);
                self.replies.push_back(Reply::Vote(voted.is_some()));
                let rule = "HandleRequestVote (§5.2, §5.4.1)";
                self.allowed.push((rule, voted.unwrap_or(at), Change::Kept));
            }
            Message::AppendEntries {
                prev_log_index,
                prev_log_term,
                entries,
                leader_commit,
                ..
            } => {
                let rule = "HandleAppendEntries (§5.3)";
                if term < at.term {
                    self.replies.push_back(Reply::Stale);
                    self.allowed.push((rule, at, Change::Kept));
                    return;
                }
                let terms: Vec<u64> = entries.iter().map(|entry| entry.term.0).collect();
                let append = Append {
                    prev_index: prev_log_index.0,
                    prev_term: prev_log_term.0,
                    entries: &terms,
                    commit: leader_commit.0,
                };
                let (is, change) = append_entries(at, &log, append);
                let last_new = prev_log_index.0 + entries.len() as u64;
                self.replies.push_back(match change {
                    Some(_) => Reply::Matched(last_new),
                    None => Reply::Mismatch,
                });
                self.allowed
                    .push((rule, is, change.unwrap_or(Change::Kept)));
            }
            Message::RequestVoteReply { granted: true, .. } if term == at.term => {
                self.allowed.push((adopted, at, Change::Kept));
                self.may_lead(node, at);
            }
            Message::InstallSnapshot { chunk, .. } if term == at.term => {
                let follows = step_down(at);
                let rule = "InstallSnapshot (§7)";
                self.snapshot = true;
                self.allowed.push((rule, follows, Change::Kept));
                let commit = at.commit.max(chunk.last_index.0);
                let installed = Position { commit, ..follows };
                self.allowed.push((rule, installed, Change::Kept));
            }
            Message::TimeoutNow { .. } if term == at.term => {
                self.allowed.push((adopted, at, Change::Kept));
                self.allowed.push((
                    "Timeout (dissertation §3.10)",
                    timeout(at, me),
                    Change::Kept,
                ));
            }
            Message::PreVoteReply { granted: true, .. } if at == was => {
                let won = matches!(node.role(), Role::PreCandidate { .. });
                if won {
                    self.allowed.push((
                        "Timeout (dissertation §9.6)",
                        timeout(at, me),
                        Change::Kept,
                    ));
                }
            }
            _ => self.allowed.push((adopted, at, Change::Kept)),
        }
        // A higher term is never passed over.
        if at != was {
            self.allowed.retain(|(_, is, _)| is.term >= at.term);
        }
    }

    /// A candidate may have its majority now; it begins with an entry of its term (§8).
    fn may_lead(&mut self, node: &Node, at: Position) {
        let Some(is) = become_leader(at) else { return };
        if let Some(change) = client_request(is, &Held(node.log()), 1) {
            self.allowed.push(("BecomeLeader (§5.2, §8)", is, change));
        }
    }

    /// Whether a server is where this rule takes it. A leader may besides commit, and, once a joint membership is
    /// committed, say what follows it, or step down (§6).
    fn fits(
        &self,
        node: &Node,
        (expected, change): (Position, &Change),
        is: Position,
        written: &Written<'_>,
    ) -> bool {
        let leads = expected.standing == Standing::Leader;
        let mut expected = expected;
        let mut completes = false;
        if leads && is.commit > expected.commit {
            let Some(committed) = advance_commit(expected, &Held(node.log()), is.commit) else {
                return false;
            };
            if is.standing == Standing::Leader && !is_held(node, is.commit) {
                return false;
            }
            expected = committed;
            completes = true;
            if is.standing == Standing::Follower {
                expected.standing = Standing::Follower;
            }
        }
        if expected != is {
            return false;
        }
        if self.snapshot {
            return written.added.is_empty();
        }
        match change {
            Change::Kept => written.says(self.last, self.last + 1, &[], completes),
            Change::From(first, terms) => written.says(self.last, *first, terms, completes),
        }
    }

    /// How a reply differs from the one that was due.
    fn reply_differs(&mut self, Envelope { from, to, message }: &Envelope) -> Option<String> {
        let said = match message {
            Message::AppendEntriesReply { outcome, .. } => match outcome {
                AppendOutcome::Matched(index) => Reply::Matched(index.0),
                AppendOutcome::Conflict { .. } => Reply::Mismatch,
                AppendOutcome::Stale => Reply::Stale,
            },
            Message::RequestVoteReply { granted, .. } => Reply::Vote(*granted),
            _ => return None,
        };
        let due = self.replies.pop_front();
        (due != Some(said)).then(|| {
            format!("{from} answers {to} with {said:?}, and the specification with {due:?}")
        })
    }

    fn divergence(
        &self,
        node: &Node,
        was: Position,
        is: Position,
        written: &Written<'_>,
    ) -> String {
        let mut text = format!(
            "{} goes from {was:?} with {} entries to {is:?}, writing {written:?}; the specification allows",
            node.id(),
            self.last
        );
        // The rule that comes closest first.
        let mut allowed: Vec<_> = self.allowed.iter().collect();
        allowed.sort_by_key(|(_, expected, _)| {
            u32::from(expected.term != is.term)
                + u32::from(expected.vote != is.vote)
                + u32::from(expected.standing != is.standing)
                + u32::from(expected.commit != is.commit)
        });
        for (rule, expected, change) in allowed {
            let _ = write!(text, " [{rule}: {expected:?}, log {change:?}]");
        }
        text
    }
}

/// Whether a deciding majority holds a leader's log up to here, as far as it may know: those that acknowledged
/// it, and itself what is durable.
fn is_held(node: &Node, index: u64) -> bool {
    let Role::Leader(leadership) = node.role() else {
        return false;
    };
    let holds = |id: NodeId| {
        if id == node.id() {
            return node.durability().last_index().0 >= index;
        }
        let progress = leadership.progress.get(&id);
        progress.is_some_and(|progress| progress.match_index.0 >= index)
    };
    // The membership by which it committed is the one in force, or the joint one that it thereby left.
    let before = node
        .log()
        .entries()
        .iter()
        .rev()
        .filter_map(|entry| match &entry.payload {
            Payload::Membership(membership) => Some(membership),
            _ => None,
        });
    decide(node.membership(), holds) || before.take(2).any(|one| decide(one, holds))
}

/// What a step writes to its log and its term and vote.
#[derive(Debug, Default)]
struct Written<'a> {
    hard_state: bool,
    cut: Option<u64>,
    added: Vec<&'a Entry>,
}

impl<'a> Written<'a> {
    fn of(effects: &'a Effects) -> Written<'a> {
        let mut written = Written::default();
        for write in effects.persist.iter().flat_map(|batch| &batch.writes) {
            match write {
                Write::HardState(_) => written.hard_state = true,
                Write::Truncate(from) => written.cut = Some(from.0),
                Write::Append(entries) => written.added.extend(entries),
                Write::Snapshot { .. } => {}
            }
        }
        written
    }

    /// Whether that leaves the log with these terms from an index on, and nothing behind them but, where a change
    /// of membership `completes`, one entry that says so.
    fn says(&self, last: u64, first: u64, terms: &[u64], completes: bool) -> bool {
        let cut = (first <= last && !terms.is_empty()).then_some(first);
        let extra = self.added.len().checked_sub(terms.len());
        let one_more = extra == Some(1)
            && completes
            && matches!(
                self.added.last().map(|entry| &entry.payload),
                Some(Payload::Membership(_))
            );
        let as_said = |(at, (entry, term)): (usize, (&&Entry, &u64))| {
            entry.index.0 == first + at as u64 && entry.term.0 == *term
        };
        self.cut == cut
            && (extra == Some(0) || one_more)
            && self.added.iter().zip(terms).enumerate().all(as_said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_raft::core::{CoreConfig, Remembered, Round};
    use plumb_raft::types::{HardState, Term};

    fn node(term: u64, vote: Option<u64>, terms: &[u64]) -> Node {
        let entries = (1..).zip(terms).map(|(index, term)| Entry {
            index: LogIndex(index),
            term: Term(*term),
            payload: Payload::Noop,
        });
        let remembered = Remembered {
            hard_state: HardState {
                current_term: Term(term),
                voted_for: vote.map(NodeId),
            },
            entries: entries.collect(),
            ..Remembered::default()
        };
        let config = CoreConfig {
            stickiness: false,
            ..CoreConfig::new(NodeId(1), (1..=3).map(NodeId).collect())
        };
        Node::recover(config, remembered).0
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

    fn append(prev: (u64, u64), terms: &[u64], commit: u64) -> Input {
        let entries = (prev.0 + 1..).zip(terms).map(|(index, term)| Entry {
            index: LogIndex(index),
            term: Term(*term),
            payload: Payload::Noop,
        });
        from(
            2,
            Message::AppendEntries {
                term: Term(2),
                prev_log_index: LogIndex(prev.0),
                prev_log_term: Term(prev.1),
                entries: entries.collect(),
                leader_commit: LogIndex(commit),
                round: Round(0),
            },
        )
    }

    /// What is said of a server that was given `input` and did what `done` leads to.
    fn said(mut before: Node, input: &Input, done: Input) -> Option<String> {
        let mut conformance = Conformance::default();
        conformance.before_step(&before, input);
        let effects = before.step(done);
        conformance.after_step(&before, &effects)
    }

    #[test]
    fn what_the_core_does_is_allowed() {
        for input in [
            vote_asked(2, (1, 1)),
            vote_asked(2, (0, 0)),
            append((1, 1), &[2, 2], 9),
            append((3, 2), &[2], 0),
            Input::TimerFired(Timer::Election),
        ] {
            assert_eq!(said(node(1, None, &[1, 1]), &input, input.clone()), None);
        }
    }

    #[test]
    fn a_second_vote_in_a_term_and_one_for_a_shorter_log_diverge() {
        // The server is asked by 3, and votes as though 2 had asked who it voted for.
        let input = vote_asked(3, (1, 2));
        let voted = said(node(2, None, &[1, 1]), &input, vote_asked(2, (1, 2)));
        let voted = voted.expect("it votes for another than who asked");
        assert!(
            voted.contains("HandleRequestVote (§5.2, §5.4.1)"),
            "{voted}"
        );
        let input = vote_asked(2, (1, 1));
        let voted = said(node(2, None, &[1, 1]), &input, vote_asked(2, (1, 2)));
        assert!(voted.is_some(), "the candidate's log is shorter");
    }

    #[test]
    fn a_commit_past_the_message_and_a_cut_without_conflict_diverge() {
        let vouched = append((1, 1), &[1], 1);
        let past = said(node(2, None, &[1, 1]), &vouched, append((1, 1), &[1], 2));
        assert!(past.expect("it commits too much").contains("commit: 2"));
        let heartbeat = append((1, 1), &[], 0);
        let cut = said(node(2, None, &[1, 1]), &heartbeat, append((1, 1), &[2], 0));
        assert!(cut.expect("it cuts its log").contains("cut: Some(2)"));
    }

    #[test]
    fn a_higher_term_that_is_passed_over_and_an_election_without_votes_diverge() {
        let told = append((0, 0), &[], 0);
        let heartbeat = Input::TimerFired(Timer::Heartbeat);
        assert!(said(node(1, None, &[]), &told, heartbeat.clone()).is_some());
        let stands = said(node(1, None, &[]), &heartbeat, told);
        assert!(stands.is_some(), "a term out of nothing");
    }

    #[test]
    fn a_reply_that_claims_more_than_was_taken_diverges() {
        let mut before = node(2, None, &[1, 1]);
        let mut conformance = Conformance::default();
        conformance.before_step(&before, &append((1, 1), &[], 0));
        let effects = before.step(append((2, 1), &[], 0));
        let what = conformance.after_step(&before, &effects);
        let what = what.expect("it acknowledges entry 2 and was asked about entry 1");
        assert!(
            what.contains("Matched(2)") && what.contains("Matched(1)"),
            "{what}"
        );
    }
}
