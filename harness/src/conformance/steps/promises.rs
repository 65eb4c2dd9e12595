//! Messages that wait for the disk: what a server owes is known when it makes the promise, and compared when it
//! leaves. They leave in the order in which they were made.

use std::collections::VecDeque;

use plumb_model::relation::Position;
use plumb_raft::core::{AppendOutcome, Envelope, InstallOutcome, Message};

/// What a server owes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// An answer to a pre-vote that was asked in a term.
    WouldVote {
        term: u64,
        asked_in: u64,
        granted: bool,
    },
    /// An answer to a request for a vote.
    Vote { term: u64, granted: bool },
    /// An answer to entries.
    Appended {
        term: u64,
        outcome: AppendOutcome,
        round: u64,
    },
    /// An answer to a snapshot, or a piece of it.
    Installed {
        term: u64,
        index: u64,
        outcome: InstallOutcome,
        round: u64,
    },
    /// A question whether it would be voted for, with its log's last entry.
    Asks { term: u64, last: (u64, u64) },
    /// A request for a vote, with its log's last entry.
    Stands {
        term: u64,
        last: (u64, u64),
        transfer: bool,
    },
}

impl Due {
    pub(super) fn would_vote(term: u64, asked_in: u64, granted: bool) -> Due {
        Due::WouldVote {
            term,
            asked_in,
            granted,
        }
    }

    pub(super) fn vote(term: u64, granted: bool) -> Due {
        Due::Vote { term, granted }
    }

    pub(super) fn appended(term: u64, outcome: AppendOutcome, round: u64) -> Due {
        Due::Appended {
            term,
            outcome,
            round,
        }
    }

    pub(super) fn installed(term: u64, index: u64, outcome: InstallOutcome, round: u64) -> Due {
        Due::Installed {
            term,
            index,
            outcome,
            round,
        }
    }

    /// The same once it is known whether a snapshot was installed, or was here already.
    pub(super) fn as_of(self, is: Position) -> Due {
        match self {
            Due::Installed {
                term,
                index,
                outcome: InstallOutcome::Received(_),
                round,
            } if is.commit >= index => {
                Due::installed(term, index, InstallOutcome::Installed, round)
            }
            due => due,
        }
    }

    /// A message as what was owed, if it is of those that wait for the disk.
    fn of(message: &Message) -> Option<Due> {
        Some(match message {
            Message::PreVoteReply {
                term,
                asked_in,
                granted,
            } => Due::would_vote(term.0, asked_in.0, *granted),
            Message::RequestVoteReply { term, granted } => Due::vote(term.0, *granted),
            Message::AppendEntriesReply {
                term,
                outcome,
                round,
            } => Due::appended(term.0, *outcome, round.0),
            Message::InstallSnapshotReply {
                term,
                last_index,
                outcome,
                round,
            } => Due::installed(term.0, last_index.0, *outcome, round.0),
            Message::PreVote {
                term,
                last_log_index,
                last_log_term,
            } => Due::Asks {
                term: term.0,
                last: (last_log_index.0, last_log_term.0),
            },
            Message::RequestVote {
                term,
                last_log_index,
                last_log_term,
                transfer,
            } => Due::Stands {
                term: term.0,
                last: (last_log_index.0, last_log_term.0),
                transfer: *transfer,
            },
            Message::AppendEntries { .. }
            | Message::InstallSnapshot { .. }
            | Message::TimeoutNow { .. }
            | Message::ReadIndex { .. }
            | Message::ReadIndexReply { .. } => return None,
        })
    }

    /// Whether what was said is what was owed. Where a log conflicts, and how much of a snapshot is here, are hints.
    fn is_met_by(self, said: Due) -> bool {
        match (self, said) {
            (
                Due::Appended {
                    term,
                    outcome: AppendOutcome::Conflict { rejected, .. },
                    round,
                },
                Due::Appended {
                    term: t,
                    outcome: AppendOutcome::Conflict { rejected: r, .. },
                    round: n,
                },
            ) => (term, rejected, round) == (t, r, n),
            (
                Due::Installed {
                    term,
                    index,
                    outcome: InstallOutcome::Received(most),
                    round,
                },
                Due::Installed {
                    term: t,
                    index: i,
                    outcome: InstallOutcome::Received(bytes),
                    round: n,
                },
            ) => (term, index, round) == (t, i, n) && bytes <= most,
            (due, said) => due == said,
        }
    }
}

/// What a server owes, oldest first.
#[derive(Debug, Default)]
pub(super) struct Promises {
    owed: VecDeque<(u64, Due)>,
}

impl Promises {
    pub(super) fn owe(&mut self, to: u64, due: Due) {
        self.owed.push_back((to, due));
    }

    /// How a message differs from the one that is due.
    pub(super) fn leaves(&mut self, envelope: &Envelope) -> Option<String> {
        let said = Due::of(&envelope.message)?;
        let (from, to) = (envelope.from, envelope.to);
        match self.owed.pop_front() {
            Some((whom, due)) if whom == to.0 && due.is_met_by(said) => None,
            Some((whom, due)) => Some(format!(
                "{from} says {said:?} to {to}, and the specification {due:?} to n{whom}"
            )),
            None => Some(format!(
                "{from} says {said:?} to {to}, and the specification nothing"
            )),
        }
    }
}
