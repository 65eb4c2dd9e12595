//! The rules over numbers without bounds, one server at a time: what a step of a real server is held to.
//!
//! [`crate::rules`] packs terms, indexes and logs into a few bits, for the sake of exploring; a real server's do
//! not fit. Here the same rules take any numbers and a log that is only asked about, never copied.
//! `tests/relation.rs` holds the two to each other, in both directions, at every step of a scope.

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

/// The part of a server that is numbers (Figure 2, "State").
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
}

/// An AppendEntries as the follower sees it.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// `prevLogIndex`.
    pub prev_index: u64,
    /// `prevLogTerm`.
    pub prev_term: u64,
    /// The terms of the entries.
    pub entries: &'a [u64],
    /// `leaderCommit`.
    pub commit: u64,
}

/// §5.2: a server that hears of no leader raises its term, votes for itself and stands for election.
#[must_use]
pub fn timeout(before: Position, me: u64) -> Position {
    Position {
        term: before.term + 1,
        vote: Some(me),
        standing: Standing::Candidate,
        ..before
    }
}

/// A candidate or a leader may give up within its term (dissertation §6.2, §9.6): it does less than a crash does,
/// which forgets the commit index too.
#[must_use]
pub fn step_down(before: Position) -> Position {
    Position {
        standing: Standing::Follower,
        ..before
    }
}

/// §5.1: a server that sees a higher term adopts it, and becomes a follower without a vote in it. A term that is
/// not higher changes nothing.
#[must_use]
pub fn adopt_term(before: Position, term: u64) -> Position {
    if term <= before.term {
        return before;
    }
    Position {
        term,
        vote: None,
        standing: Standing::Follower,
        ..before
    }
}

/// §5.2, §5.4.1: a server gives its vote to the first candidate of its term whose log is at least as up to date as
/// its own: the later last term, or the same and no shorter. `None` if it does not.
#[must_use]
pub fn request_vote(
    before: Position,
    log: &impl Entries,
    candidate: u64,
    term: u64,
    (last_term, last_index): (u64, u64),
) -> Option<Position> {
    let (own_index, own_term) = log.last();
    let free = before.vote.is_none() || before.vote == Some(candidate);
    let up_to_date = (last_term, last_index) >= (own_term, own_index);
    (term == before.term && free && up_to_date).then_some(Position {
        vote: Some(candidate),
        ..before
    })
}

/// §5.2: a candidate that has a majority leads.
#[must_use]
pub fn become_leader(before: Position) -> Option<Position> {
    (before.standing == Standing::Candidate).then_some(Position {
        standing: Standing::Leader,
        ..before
    })
}

/// §5.3: a leader appends entries of its term to its log.
#[must_use]
pub fn client_request(before: Position, log: &impl Entries, count: usize) -> Option<Change> {
    let leads = before.standing == Standing::Leader;
    let first = log.last().0 + 1;
    leads.then(|| Change::From(first, vec![before.term; count]))
}

/// §5.3: a follower, or a candidate that thereby is one again, takes entries from the leader of its term: if its
/// log holds the entry before them, it deletes what conflicts and all behind it, appends what is new, and learns
/// what is committed, as far as the message vouches for its log. `None` if the log does not fit.
#[must_use]
pub fn append_entries(
    before: Position,
    log: &impl Entries,
    append: Append<'_>,
) -> (Position, Option<Change>) {
    let position = Position {
        standing: match before.standing {
            Standing::Leader => Standing::Leader,
            Standing::Candidate | Standing::Follower => Standing::Follower,
        },
        ..before
    };
    let same = |index, term| log.is_compacted(index) || log.term_at(index) == Some(term);
    let Append {
        prev_index,
        prev_term,
        entries,
        commit,
    } = append;
    if prev_index > 0 && !same(prev_index, prev_term) {
        return (position, None);
    }
    let last_new = prev_index + entries.len() as u64;
    let conflict = (prev_index + 1..)
        .zip(entries)
        .position(|(index, term)| !same(index, *term));
    let change = conflict.map_or(Change::Kept, |at| {
        Change::From(prev_index + 1 + at as u64, entries[at..].to_vec())
    });
    let commit = before.commit.max(commit.min(last_new));
    (Position { commit, ..position }, Some(change))
}

/// §5.3, §5.4.2: a leader commits up to an index that a majority holds if the entry there is of its own term;
/// those before it are then committed too. `None` if it may not.
#[must_use]
pub fn advance_commit(before: Position, log: &impl Entries, index: u64) -> Option<Position> {
    let own_term = log.term_at(index) == Some(before.term);
    let leads = before.standing == Standing::Leader;
    (leads && own_term && index > before.commit).then_some(Position {
        commit: index,
        ..before
    })
}
