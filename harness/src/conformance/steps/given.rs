//! What a step is given, and what may come of it: the rules that an input lets a server take, each with where it
//! leads, and what it lets the server count.

use plumb_model::relation::{
    Append, Change, Entries, Position, Read, VoteAsked, adopt_term, append_entries, ask_pre_vote,
    ask_read, become_leader, client_request, compact, counts_acknowledgement, counts_confirmation,
    counts_grant, counts_pre_vote, handle_heartbeat, install_snapshot, is_deaf_to, lose_patience,
    may_stand, may_win, pre_vote, request_vote, step_down, timeout, timeout_now,
};
use plumb_raft::core::{
    AppendOutcome, Envelope, Input, InstallOutcome, Message, ReadMode, RequestId, Timer,
};
use plumb_raft::types::LogIndex;

use super::promises::Due;
use super::seen::{Asked, RoleName, Seen};

/// A rule that may be taken, and what comes of it.
#[derive(Debug)]
pub(super) struct Allowed {
    /// Its name, with where it comes from.
    pub(super) rule: &'static str,
    pub(super) position: Position,
    pub(super) change: Change,
    /// The snapshot that it brings or makes, by index and term.
    pub(super) snapshot: Option<(u64, u64)>,
    /// The entry that it appends names a membership.
    pub(super) names_membership: bool,
}

/// What a step was given, as far as a divergence tells of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heading {
    pub(super) what: &'static str,
    pub(super) from: Option<u64>,
    pub(super) term: Option<u64>,
    pub(super) numbers: [(&'static str, u64); 4],
}

/// All that an input allows.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) heading: Heading,
    pub(super) allowed: Vec<Allowed>,
    /// Where adopting the input's term takes the server.
    pub(super) adopted: Option<Position>,
    /// A vote, or an answer to a pre-vote, that counts.
    pub(super) vote: Option<u64>,
    /// The server may count itself among those who would vote for it.
    pub(super) asks: bool,
    /// Up to here a follower holds the log.
    pub(super) matched: Option<(u64, u64)>,
    /// Up to this round a follower has answered.
    pub(super) answered: Option<(u64, u64)>,
    /// A read that is asked for, and what it needs, if it can be taken now.
    pub(super) read: Option<(Asked, Option<Read>)>,
    /// The read may be served by a lease.
    pub(super) by_lease: bool,
    /// A read of this server's own that its leader may be asked about.
    pub(super) may_ask: Option<u64>,
    /// The index of a read of this server's own.
    pub(super) promised: Option<(u64, u64)>,
    /// The candidacy that may come of it is one by transfer.
    pub(super) transfer: bool,
    /// Commands that were proposed.
    pub(super) proposed: usize,
    /// Messages that are due, by the specification.
    pub(super) due: Option<(u64, Due)>,
}

impl Given {
    /// Begins anew, and reuses what was allotted.
    pub(super) fn clear(&mut self) {
        let mut allowed = std::mem::take(&mut self.allowed);
        allowed.clear();
        *self = Given {
            allowed,
            ..Given::default()
        };
    }

    fn allow(&mut self, rule: &'static str, position: Position) {
        self.allow_with(rule, position, Change::Kept);
    }

    fn allow_with(&mut self, rule: &'static str, position: Position, change: Change) {
        self.allowed.push(Allowed {
            rule,
            position,
            change,
            snapshot: None,
            names_membership: false,
        });
    }

    fn head(&mut self, what: &'static str, numbers: &[(&'static str, u64)]) {
        self.heading.what = what;
        for (place, number) in self.heading.numbers.iter_mut().zip(numbers) {
            *place = *number;
        }
    }

    /// What an input allows a server.
    pub(super) fn read(&mut self, before: &Seen, log: &impl Entries, input: &Input) {
        self.clear();
        let was = before.position();
        match input {
            Input::Receive(envelope) => self.receives(before, was, log, envelope),
            Input::TimerFired(Timer::Election) => {
                self.head("the election timer", &[]);
                self.election_timeout(before, was);
            }
            Input::TimerFired(Timer::Stickiness) => {
                self.head("the stickiness timer", &[]);
                self.allow("time passes (dissertation §4.2.3)", lose_patience(was));
            }
            Input::TimerFired(Timer::Heartbeat) => {
                self.head("the heartbeat timer", &[]);
                self.allow("nothing", was);
            }
            Input::Propose(requests) => {
                self.head("commands", &[("count", requests.len() as u64)]);
                self.proposed = requests.len();
                // A leader may refuse some of what comes at once, as too much waits already.
                for taken in (1..=requests.len()).rev() {
                    if let Some(change) = client_request(was, log, taken) {
                        self.allow_with("ClientRequest (§5.3)", was, change);
                    }
                }
                self.allow("nothing", was);
            }
            Input::ChangeMembership(..) => {
                self.head("a change of membership", &[]);
                if let Some(change) = client_request(was, log, 1) {
                    self.allow_with("ChangeConfiguration (§6)", was, change);
                    self.allowed[0].names_membership = true;
                }
                self.allow("nothing", was);
            }
            Input::Read(RequestId(request), mode) => {
                self.head("a read", &[("request", *request)]);
                let asker = Asked {
                    server: None,
                    request: *request,
                };
                self.read = before.leads().then(|| (asker, ask_read(was, log)));
                self.by_lease = *mode == ReadMode::Lease;
                self.may_ask = (*mode == ReadMode::Anywhere).then_some(*request);
                self.allow("nothing", was);
            }
            Input::Transfer(_, target) => {
                self.head("a transfer", &[("to", target.0)]);
                self.allow("nothing", was);
            }
            Input::SnapshotTaken { index, .. } => {
                self.head("a snapshot of its own", &[("index", index.0)]);
                match compact(was, index.0) {
                    Some(position) => {
                        self.allow("Compact (§7)", position);
                        let term = log.term_at(index.0).unwrap_or(0);
                        self.allowed[0].snapshot = Some((index.0, term));
                    }
                    None => self.allow("nothing", was),
                }
            }
            Input::Persisted(seq) => {
                self.head("durable", &[("batch", seq.0)]);
                self.may_lead(before, was, log);
                self.allow("nothing", was);
            }
        }
    }

    fn election_timeout(&mut self, before: &Seen, was: Position) {
        if before.leads() {
            self.allow("StepDown (dissertation §6.2)", step_down(was));
            self.allow("nothing", was);
            return;
        }
        let waits = lose_patience(was);
        let Some((_, in_force)) = before.in_force() else {
            return self.allow("nothing", waits);
        };
        if may_stand(&in_force, before.outgoing().as_ref(), before.id) && ask_pre_vote(waits) {
            self.asks = true;
            self.allow("AskPreVote (dissertation §9.6)", step_down(waits));
            let alone = may_win(&in_force, |id| id == before.id);
            if let Some(stands) = timeout(waits, before.id)
                && (alone || !before.settings.pre_vote)
            {
                self.allow("Timeout (§5.2)", stands);
            }
        } else {
            self.allow("nothing, as it is no voter (§6)", waits);
        }
    }

    /// A candidate may have its majority now; it begins with an entry of its term (§8).
    fn may_lead(&mut self, before: &Seen, at: Position, log: &impl Entries) {
        let Some((_, in_force)) = before.in_force() else {
            return;
        };
        // Its own vote counts once it is durable, which the step may tell: `judge` looks.
        let voted =
            |id: u64| before.votes.contains(&id) || self.vote == Some(id) || id == before.id;
        let Some(is) = become_leader(at, &in_force, voted) else {
            return;
        };
        if let Some(change) = client_request(is, log, 1) {
            self.allow_with("BecomeLeader (§5.2, §8)", is, change);
        }
    }

    fn receives(&mut self, before: &Seen, was: Position, log: &impl Entries, envelope: &Envelope) {
        let (from, message) = (envelope.from.0, &envelope.message);
        let term = message.term().0;
        self.heading.from = Some(from);
        self.heading.term = Some(term);
        if from == before.id {
            self.head("a message from itself", &[]);
            return self.allow("nothing", was);
        }
        let at = match message {
            // §9.6: a question about the next term takes nobody there.
            Message::PreVote { .. } => was,
            Message::RequestVote { transfer, .. }
                if is_deaf_to(was, *transfer)
                    || (before.leads() && before.patient && !transfer) =>
            {
                self.head("RequestVote", &[]);
                return self.allow("nothing, as it hears its leader (dissertation §4.2.3)", was);
            }
            _ => adopt_term(was, term),
        };
        self.adopted = Some(at);
        let adopted = "AdoptTerm (§5.1)";
        match message {
            Message::PreVote {
                last_log_index,
                last_log_term,
                ..
            } => {
                self.head(
                    "PreVote",
                    &[("last", last_log_index.0), ("its term", last_log_term.0)],
                );
                let last = (last_log_term.0, last_log_index.0);
                let granted = pre_vote(at, log, term, last);
                self.due = Some((from, Due::would_vote(at.term, term, granted)));
                self.allow("HandlePreVote (dissertation §9.6)", at);
            }
            Message::PreVoteReply {
                asked_in, granted, ..
            } => {
                self.head(
                    "PreVoteReply",
                    &[("asked in", asked_in.0), ("granted", (*granted).into())],
                );
                self.allow(adopted, at);
                let asks = before.role == RoleName::PreCandidate && at == was;
                if *granted && asks && counts_pre_vote(at, asked_in.0) {
                    self.vote = Some(from);
                    self.may_stand_by_votes(before, at);
                }
            }
            Message::RequestVote {
                last_log_index,
                last_log_term,
                transfer,
                ..
            } => {
                self.head(
                    "RequestVote",
                    &[("last", last_log_index.0), ("its term", last_log_term.0)],
                );
                let asked = VoteAsked {
                    candidate: from,
                    term,
                    last: (last_log_term.0, last_log_index.0),
                    transfer: *transfer,
                };
                let voted = request_vote(at, log, asked);
                self.due = Some((from, Due::vote(at.term, voted.is_some())));
                self.allow("HandleRequestVote (§5.2, §5.4.1)", voted.unwrap_or(at));
            }
            Message::RequestVoteReply { granted, .. } => {
                self.head("RequestVoteReply", &[("granted", (*granted).into())]);
                self.allow(adopted, at);
                if *granted && counts_grant(at, term) {
                    self.vote = Some(from);
                    self.may_lead(before, at, log);
                }
            }
            Message::AppendEntries {
                prev_log_index,
                prev_log_term,
                entries,
                leader_commit,
                round,
                ..
            } => {
                self.head(
                    "AppendEntries",
                    &[
                        ("prev", prev_log_index.0),
                        ("its term", prev_log_term.0),
                        ("entries", entries.len() as u64),
                        ("commit", leader_commit.0),
                    ],
                );
                let rule = "HandleAppendEntries (§5.3)";
                if term < at.term {
                    let stale = AppendOutcome::Stale;
                    self.due = Some((from, Due::appended(at.term, stale, round.0)));
                    return self.allow(rule, at);
                }
                let terms: Vec<u64> = entries.iter().map(|entry| entry.term.0).collect();
                let append = Append {
                    prev_index: prev_log_index.0,
                    prev_term: prev_log_term.0,
                    entries: &terms,
                    commit: leader_commit.0,
                };
                let hears = handle_heartbeat(at, before.settings.stickiness);
                let (is, change) = append_entries(hears, log, append);
                let outcome = match change {
                    Some(_) => AppendOutcome::Matched(LogIndex(append.last_new())),
                    None => AppendOutcome::Conflict {
                        rejected: *prev_log_index,
                        conflict_term: None,
                        first_index: LogIndex::ZERO,
                    },
                };
                self.due = Some((from, Due::appended(at.term, outcome, round.0)));
                self.allow_with(rule, is, change.unwrap_or(Change::Kept));
            }
            Message::AppendEntriesReply { outcome, round, .. } => {
                self.head("AppendEntriesReply", &[("round", round.0)]);
                self.allow(adopted, at);
                if let AppendOutcome::Matched(index) = outcome
                    && counts_acknowledgement(at, term)
                {
                    self.matched = Some((from, index.0));
                    self.heading.numbers[1] = ("matched", index.0);
                }
                // What was refused for its term's sake confirms nothing.
                if *outcome != AppendOutcome::Stale && counts_confirmation(at, term) {
                    self.answered = Some((from, round.0));
                }
            }
            Message::InstallSnapshot { chunk, round, .. } => {
                let (index, its_term) = (chunk.last_index.0, chunk.last_term.0);
                let ends = chunk.offset.saturating_add(chunk.bytes.len() as u64);
                self.head(
                    "InstallSnapshot",
                    &[
                        ("last", index),
                        ("its term", its_term),
                        ("up to byte", ends),
                        ("of", chunk.total),
                    ],
                );
                let rule = "HandleInstallSnapshot (§7)";
                if term < at.term {
                    let stale = InstallOutcome::Stale;
                    self.due = Some((from, Due::installed(at.term, index, stale, round.0)));
                    return self.allow(rule, at);
                }
                let hears = handle_heartbeat(at, before.settings.stickiness);
                let Some(installed) = install_snapshot(hears, log, (index, its_term)) else {
                    return;
                };
                let known = installed.position.commit == at.commit;
                if known || ends >= chunk.total {
                    self.allow_with(rule, installed.position, installed.change);
                    let brought = (!known).then_some((index, its_term));
                    self.allowed[0].snapshot = brought;
                }
                if !known {
                    self.allow("a piece of a snapshot (§7)", hears);
                }
                // Which of the two it was shows in the step.
                let outcome = InstallOutcome::Received(chunk.total);
                self.due = Some((from, Due::installed(at.term, index, outcome, round.0)));
            }
            Message::InstallSnapshotReply {
                last_index,
                outcome,
                round,
                ..
            } => {
                self.head(
                    "InstallSnapshotReply",
                    &[("last", last_index.0), ("round", round.0)],
                );
                self.allow(adopted, at);
                if *outcome == InstallOutcome::Installed && counts_acknowledgement(at, term) {
                    self.matched = Some((from, last_index.0));
                }
                if *outcome != InstallOutcome::Stale && counts_confirmation(at, term) {
                    self.answered = Some((from, round.0));
                }
            }
            Message::TimeoutNow { .. } => {
                self.head("TimeoutNow", &[]);
                self.allow(adopted, at);
                let voter = before
                    .in_force()
                    .is_some_and(|(_, it)| may_stand(&it, before.outgoing().as_ref(), before.id));
                if let Some(stands) = timeout_now(at, before.id, term)
                    && voter
                {
                    self.transfer = true;
                    self.allow("HandleTimeoutNow (dissertation §3.10)", stands);
                }
            }
            Message::ReadIndex { request, .. } => {
                self.head("ReadIndex", &[("request", request.0)]);
                self.allow(adopted, at);
                if term == at.term && before.leads() && at == was {
                    let asker = Asked {
                        server: Some(from),
                        request: request.0,
                    };
                    self.read = Some((asker, ask_read(at, log)));
                }
            }
            Message::ReadIndexReply { request, index, .. } => {
                self.head("ReadIndexReply", &[("request", request.0)]);
                self.allow(adopted, at);
                if let Some(index) = index
                    && before.asked.contains(&request.0)
                {
                    self.promised = Some((request.0, index.0));
                    self.heading.numbers[1] = ("index", index.0);
                }
            }
        }
    }

    fn may_stand_by_votes(&mut self, before: &Seen, at: Position) {
        let wins = before.in_force().is_some_and(|(_, in_force)| {
            may_win(&in_force, |id| {
                before.votes.contains(&id) || self.vote == Some(id)
            })
        });
        if let Some(stands) = timeout(at, before.id)
            && wins
        {
            self.allow("Timeout (§5.2, dissertation §9.6)", stands);
        }
    }
}
