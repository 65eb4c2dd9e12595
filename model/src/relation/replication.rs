//! Log replication and commitment (§5.3, §5.4.2).

use super::membership::{Configuration, decides};
use super::{Change, Entries, Position, Standing};

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

impl Append<'_> {
    /// The last index that it vouches for.
    #[must_use]
    pub fn last_new(&self) -> u64 {
        self.prev_index.saturating_add(self.entries.len() as u64)
    }
}

/// §5.3: a leader appends entries of its term to its log. A request that was made before is appended again (§8).
#[must_use]
pub fn client_request(before: Position, log: &impl Entries, count: usize) -> Option<Change> {
    let first = log.last().0.saturating_add(1);
    before
        .leads()
        .then(|| Change::From(first, vec![before.term; count]))
}

/// §5.3: whether a leader may send this: entries of its log behind what it has discarded, and no more than it has
/// committed.
#[must_use]
pub fn send_append_entries(before: Position, log: &impl Entries, append: Append<'_>) -> bool {
    let has = |index, term| log.term_at(index) == Some(term);
    let prev = append.prev_index;
    before.leads()
        && (has(prev, append.prev_term) || (prev, append.prev_term) == (0, 0))
        && (prev.saturating_add(1)..)
            .zip(append.entries)
            .all(|(index, term)| has(index, *term))
        && append.commit <= before.commit
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
    let conflict = (prev_index.saturating_add(1)..)
        .zip(entries)
        .position(|(index, term)| !same(index, *term));
    let change = conflict.map_or(Change::Kept, |at| {
        Change::From(prev_index + 1 + at as u64, entries[at..].to_vec())
    });
    let commit = before.commit.max(commit.min(append.last_new()));
    (Position { commit, ..position }, Some(change))
}

/// §5.3: whether a leader counts an acknowledgement that was given in this term.
#[must_use]
pub fn counts_acknowledgement(before: Position, term: u64) -> bool {
    before.leads() && term == before.term
}

/// §5.3, §5.4.2: a leader commits up to an index that a majority holds if the entry there is of its own term;
/// those before it are then committed too. `None` if it may not.
#[must_use]
pub fn advance_commit(
    before: Position,
    log: &impl Entries,
    index: u64,
    in_force: &impl Configuration,
    holds: impl Fn(u64) -> bool,
) -> Option<Position> {
    let own_term = log.term_at(index) == Some(before.term);
    (before.leads() && own_term && index > before.commit && decides(in_force, holds)).then_some(
        Position {
            commit: index,
            ..before
        },
    )
}
