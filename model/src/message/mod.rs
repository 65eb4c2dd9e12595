//! The messages: those of Figure 2, then those of the optional parts.

mod packing;
mod wording;

use crate::log::{Entry, Index, Term};
use crate::server::ServerId;
pub(crate) use packing::Kind;
pub use packing::Packed;

/// A message on the network.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// A candidate asks every other server for its vote (§5.2).
    RequestVote {
        /// The candidate's term.
        term: Term,
        /// Who asks.
        candidate: ServerId,
        /// Index of the candidate's last entry.
        last_index: Index,
        /// Term of the candidate's last entry.
        last_term: Term,
        /// Its leader told it to stand (dissertation §3.10).
        transfer: bool,
    },
    /// A server gives its vote. (A refusal changes nothing but the term of its receiver, which
    /// hears of that term from the request that brought it about: it is left out.)
    Grant {
        /// The term of the vote.
        term: Term,
        /// Who votes.
        voter: ServerId,
        /// Who gets the vote.
        candidate: ServerId,
    },
    /// A leader sends one entry or none, and how far it has committed, to every other server
    /// (§5.3).
    AppendEntries {
        /// The leader's term.
        term: Term,
        /// Who sends.
        leader: ServerId,
        /// The index before the entry.
        prev_index: Index,
        /// The term of the leader's entry at `prev_index`.
        prev_term: Term,
        /// The entry that follows, if any.
        entry: Option<Entry>,
        /// `leaderCommit`.
        commit: Index,
    },
    /// A follower holds the leader's log up to an index, durably.
    Ack {
        /// The leader's term.
        term: Term,
        /// Who acknowledges.
        follower: ServerId,
        /// To whom.
        leader: ServerId,
        /// Up to which index.
        matched: Index,
    },
    /// A leader begins a round: who answers knows of no later leader (dissertation §6.4).
    Heartbeat {
        /// The leader's term.
        term: Term,
        /// Who sends.
        leader: ServerId,
        /// The round, counted from 1 in each term.
        round: u8,
    },
    /// A server answers a round.
    HeartbeatAck {
        /// The leader's term.
        term: Term,
        /// Who answers.
        follower: ServerId,
        /// To whom.
        leader: ServerId,
        /// The round.
        round: u8,
    },
    /// A leader sends its snapshot to every other server (§7).
    InstallSnapshot {
        /// The leader's term.
        term: Term,
        /// Who sends.
        leader: ServerId,
        /// The last index that the snapshot stands for.
        last_index: Index,
        /// The term of the entry there.
        last_term: Term,
    },
    /// A server asks all others whether they would vote for it in its next term (dissertation §9.6).
    PreVote {
        /// The term that it asks in: one below the one that it asks about.
        term: Term,
        /// Who asks.
        candidate: ServerId,
        /// Index of its last entry.
        last_index: Index,
        /// Term of its last entry.
        last_term: Term,
    },
    /// A server would vote for another (dissertation §9.6).
    PreVoteGrant {
        /// The term that was asked in.
        term: Term,
        /// Who would vote.
        voter: ServerId,
        /// For whom.
        candidate: ServerId,
    },
    /// A leader tells a server to stand for election at once (dissertation §3.10).
    TimeoutNow {
        /// The leader's term.
        term: Term,
        /// Who tells.
        leader: ServerId,
        /// Who is to stand.
        to: ServerId,
    },
}
