//! The rules over numbers without bounds, one server at a time: what a step of a real server is held to.
//!
//! [`crate::rules`] packs terms, indexes and logs into a few bits, for the sake of exploring; a real server's do
//! not fit. Here the same rules, in files of the same names, take any numbers, and a log and a configuration that
//! are only asked about, never copied. `tests/relation` holds the two to each other, in both directions.

mod crash;
mod election;
mod leases;
mod membership;
mod pre_vote;
mod reads;
mod replication;
mod sessions;
mod snapshots;

pub use crash::{Durable, restart};
pub use election::{
    VoteAsked, adopt_term, become_leader, counts_grant, request_vote, step_down, timeout,
};
pub use leases::{
    confirm_lease, is_deaf_to, lease_read, lose_patience, timeout_now, transfer_leadership,
};
pub use membership::{
    Configuration, change_configuration, decides, has_voter, is_joint, leave_office, may_stand,
};
pub use pre_vote::{ask_pre_vote, counts_pre_vote, may_win, pre_vote};
pub use reads::{
    Read, ask_read, begin_round, counts_confirmation, handle_heartbeat, has_committed_in_its_term,
    is_confirmed, serve_read,
};
pub use replication::{
    Append, advance_commit, append_entries, client_request, counts_acknowledgement,
    send_append_entries,
};
pub use sessions::{Request, Session, execute, least_recent, open_session};
pub use snapshots::{Installed, compact, install_snapshot, send_snapshot};

/// What a server takes itself for (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Answers others; asks at most whether it could win.
    Follower,
    /// Wants to lead.
    Candidate,
    /// Leads its term.
    Leader,
}

/// The part of a server that is numbers (Figure 2, "State", with what the optional parts add to it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// `currentTerm`.
    pub term: u64,
    /// `votedFor`.
    pub vote: Option<u64>,
    /// Its role.
    pub standing: Standing,
    /// `commitIndex`.
    pub commit: u64,
    /// The last index that its snapshot stands for (§7); 0 without one.
    pub snapshot: u64,
    /// It has heard a leader within the least election timeout, or may have before it started (dissertation
    /// §4.2.3).
    pub patient: bool,
    /// Of a leader, how many rounds of heartbeats it has begun in its term (dissertation §6.4).
    pub round: u64,
    /// Of a leader, whether it told another to stand in its stead (dissertation §3.10).
    pub told: bool,
    /// Of a leader, when it sent the latest round that is known to give it a lease (dissertation §6.4.1), by its own
    /// clock.
    pub lease: Option<u64>,
}

impl Position {
    /// The same without what only a term's leader has.
    #[must_use]
    pub fn without_office(self) -> Position {
        Position {
            round: 0,
            told: false,
            lease: None,
            ..self
        }
    }

    fn leads(self) -> bool {
        self.standing == Standing::Leader
    }
}

/// A log that can be asked; indexes begin at one.
pub trait Entries {
    /// The index and the term of the last entry; zeros if there is none.
    fn last(&self) -> (u64, u64);

    /// The term of an entry that is there.
    fn term_at(&self, index: u64) -> Option<u64>;

    /// Whether a snapshot stands for this entry: it is committed, hence the same everywhere (§7).
    fn is_compacted(&self, index: u64) -> bool;
}

/// What becomes of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Kept,
    /// From this index on it holds entries of these terms, and nothing behind them.
    From(u64, Vec<u64>),
    /// A snapshot stands for all of it, up to this index (§7).
    Replaced(u64),
}

/// §5.4.1: whether a log that ends in this term and index is at least as up to date as ours.
fn is_up_to_date(log: &impl Entries, (last_term, last_index): (u64, u64)) -> bool {
    let (own_index, own_term) = log.last();
    (last_term, last_index) >= (own_term, own_index)
}
