//! The RPCs of Figure 2 as one-way messages.

use serde::{Deserialize, Serialize};

use super::effects::RequestId;
use super::snapshot::Chunk;
use crate::types::{Entry, LogIndex, NodeId, Term};

/// Numbers the rounds in which a leader confirms that it still leads (§8, dissertation §6.4).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Round(pub u64);

/// A message between servers; every one carries its sender's term (§5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// Would you vote for me in the term after mine? Changes nothing where it arrives
    /// (dissertation §9.6).
    PreVote {
        /// The asker's term.
        term: Term,
        /// Index of its last entry.
        last_log_index: LogIndex,
        /// Term of its last entry.
        last_log_term: Term,
    },
    /// The answer to `PreVote`.
    PreVoteReply {
        /// The answerer's term.
        term: Term,
        /// The asker's term when it asked: tells a late answer from a new one.
        asked_in: Term,
        /// Whether a vote would be given.
        granted: bool,
    },
    /// A candidate asks for a vote (§5.2, §5.4.1).
    RequestVote {
        /// The candidate's term.
        term: Term,
        /// Index of the candidate's last entry.
        last_log_index: LogIndex,
        /// Term of the candidate's last entry.
        last_log_term: Term,
        /// The leader itself asked for this election: that it is alive is no reason to refuse.
        transfer: bool,
    },
    /// The answer to `RequestVote`.
    RequestVoteReply {
        /// The voter's term.
        term: Term,
        /// Whether the vote was given.
        granted: bool,
    },
    /// A leader replicates entries; empty as a heartbeat (§5.3).
    AppendEntries {
        /// The leader's term.
        term: Term,
        /// Index of the entry just before `entries`.
        prev_log_index: LogIndex,
        /// Term of that entry.
        prev_log_term: Term,
        /// The entries, contiguous from `prev_log_index + 1`.
        entries: Vec<Entry>,
        /// The leader's commit index.
        leader_commit: LogIndex,
        /// The leader's latest confirmation round.
        round: Round,
    },
    /// The answer to `AppendEntries`.
    AppendEntriesReply {
        /// The follower's term.
        term: Term,
        /// What became of it.
        outcome: AppendOutcome,
        /// The round of the request this answers.
        round: Round,
    },
    /// A leader sends a piece of its snapshot (§7, Figure 13).
    InstallSnapshot {
        /// The leader's term.
        term: Term,
        /// The piece.
        chunk: Box<Chunk>,
        /// The leader's latest confirmation round.
        round: Round,
    },
    /// The answer to `InstallSnapshot`.
    InstallSnapshotReply {
        /// The follower's term.
        term: Term,
        /// The snapshot's last entry.
        last_index: LogIndex,
        /// What became of it.
        outcome: InstallOutcome,
        /// The round of the request this answers.
        round: Round,
    },
    /// A server that serves a read itself asks its leader for the index (dissertation §6.4).
    ReadIndex {
        /// The asker's term.
        term: Term,
        /// The asker's name for the read; never used twice, in another life neither.
        request: RequestId,
    },
    /// The answer to `ReadIndex`.
    ReadIndexReply {
        /// The answerer's term.
        term: Term,
        /// Which read.
        request: RequestId,
        /// It may be served once so much is applied; `None` if the answerer does not lead.
        index: Option<LogIndex>,
    },
    /// The leader hands over: stand for election at once (dissertation §3.10).
    TimeoutNow {
        /// The leader's term.
        term: Term,
    },
}

/// What became of an `InstallSnapshot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InstallOutcome {
    /// This many bytes of it are here; the next piece begins there.
    Received(u64),
    /// The follower's log equals the leader's up to the snapshot's last entry, durably.
    Installed,
    /// The request's term was stale; nothing was looked at.
    Stale,
}

/// What became of an `AppendEntries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The follower's log equals the leader's up to here, durably.
    Matched(LogIndex),
    /// The entry at `prev_log_index` was missing or of another term (§5.3, conflict back-off).
    Conflict {
        /// The `prev_log_index` that was refused: tells a late answer from a new one.
        rejected: LogIndex,
        /// The follower's term at that index, if it has an entry there.
        conflict_term: Option<Term>,
        /// The first index of that term in the follower's log, or the index behind its last entry.
        first_index: LogIndex,
    },
    /// The request's term was stale; nothing was looked at.
    Stale,
}

impl Message {
    /// The sender's term.
    #[must_use]
    pub fn term(&self) -> Term {
        match self {
            Message::PreVote { term, .. }
            | Message::PreVoteReply { term, .. }
            | Message::TimeoutNow { term }
            | Message::ReadIndex { term, .. }
            | Message::ReadIndexReply { term, .. }
            | Message::RequestVote { term, .. }
            | Message::RequestVoteReply { term, .. }
            | Message::InstallSnapshot { term, .. }
            | Message::InstallSnapshotReply { term, .. }
            | Message::AppendEntries { term, .. }
            | Message::AppendEntriesReply { term, .. } => *term,
        }
    }
}

/// A message with its two ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Envelope {
    /// Who sent it.
    pub from: NodeId,
    /// Whom it is for.
    pub to: NodeId,
    /// What it says.
    pub message: Message,
}
