//! A server in two words: what it holds in memory, and what is on its disk (Figure 2, "State").

use std::fmt;

use serde::Serialize;

use crate::bits::Field;
use crate::extra::Extra;
use crate::log::{Index, Log, Term};

/// A server's number, from 0; printed as `n1`, `n2`, ….
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ServerId(pub u8);

impl ServerId {
    /// Its place in an array of servers.
    #[inline]
    #[must_use]
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0 + 1)
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a server takes itself for (§5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Answers requests of candidates and leaders.
    Follower,
    /// Stands for election.
    Candidate,
    /// Takes client requests and replicates its log.
    Leader,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Follower => "follower",
            Role::Candidate => "candidate",
            Role::Leader => "leader",
        })
    }
}

// The durable word has the same layout as the lower bits of the volatile one, so that persisting
// is a copy and "is there anything to persist" a comparison.
const TERM: Field = Field::new(Log::BITS, 3);
const VOTE: Field = Field::new(Log::BITS + 3, 3);
const BASE: Field = Field::new(Log::BITS + 6, 3);
const DURABLE_BITS: u32 = Log::BITS + 9;
const ROLE: Field = Field::new(DURABLE_BITS, 2);
const COMMIT: Field = Field::new(DURABLE_BITS + 2, 3);
const MATCHED: Field = Field::new(DURABLE_BITS + 5, 3);
const DURABLE_MASK: u64 = (1 << DURABLE_BITS) - 1;
const ALL_MASK: u64 = (1 << (DURABLE_BITS + 8)) - 1;

/// A server: the word in memory, the word on disk, and the word of the optional parts.
///
/// Votes received, `next_index` and `match_index` are not here: see [`crate::rules`] for why
/// counting straight from the network reaches the same states.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Server {
    volatile: u64,
    durable: u64,
    extra: Extra,
}

impl Server {
    pub(crate) const fn from_words(volatile: u64, durable: u64) -> Server {
        Server {
            volatile: volatile & ALL_MASK,
            durable: durable & DURABLE_MASK,
            extra: Extra(0),
        }
    }

    #[inline]
    pub(crate) const fn words(self) -> [u64; 2] {
        [self.volatile, self.durable]
    }

    /// What it holds for the optional parts of Raft.
    #[inline]
    #[must_use]
    pub const fn extra(self) -> Extra {
        self.extra
    }

    #[inline]
    pub(crate) const fn extra_mut(&mut self) -> &mut Extra {
        &mut self.extra
    }

    /// The latest term that it has seen, `currentTerm`.
    #[inline]
    #[must_use]
    pub const fn term(self) -> Term {
        TERM.get(self.volatile)
    }

    /// The candidate it voted for in its term, `votedFor`.
    #[inline]
    #[must_use]
    pub const fn vote(self) -> Option<ServerId> {
        vote_of(self.volatile)
    }

    /// What it takes itself for.
    #[inline]
    #[must_use]
    pub const fn role(self) -> Role {
        match ROLE.get(self.volatile) {
            0 => Role::Follower,
            1 => Role::Candidate,
            _ => Role::Leader,
        }
    }

    /// Whether it takes itself for the leader of its term.
    #[inline]
    #[must_use]
    pub const fn is_leader(self) -> bool {
        matches!(self.role(), Role::Leader)
    }

    /// Its log as in memory.
    #[inline]
    #[must_use]
    pub const fn log(self) -> Log {
        Log::of_word(self.volatile)
    }

    /// The last index that its snapshot stands for; what its log has up to there is a ghost (§7).
    #[inline]
    #[must_use]
    pub const fn base(self) -> Index {
        BASE.get(self.volatile)
    }

    /// The highest index it knows to be committed, `commitIndex`.
    #[inline]
    #[must_use]
    pub const fn commit(self) -> Index {
        COMMIT.get(self.volatile)
    }

    /// Of a follower, the index up to which it knows its log to be that of its term's leader: what
    /// it may acknowledge, once durable.
    #[inline]
    #[must_use]
    pub const fn matched(self) -> Index {
        MATCHED.get(self.volatile)
    }

    /// The term on its disk.
    #[inline]
    #[must_use]
    pub const fn durable_term(self) -> Term {
        TERM.get(self.durable)
    }

    /// The vote on its disk.
    #[inline]
    #[must_use]
    pub const fn durable_vote(self) -> Option<ServerId> {
        vote_of(self.durable)
    }

    /// The log on its disk.
    #[inline]
    #[must_use]
    pub const fn durable_log(self) -> Log {
        Log::of_word(self.durable)
    }

    /// The last index of the snapshot on its disk.
    #[inline]
    #[must_use]
    pub const fn durable_base(self) -> Index {
        BASE.get(self.durable)
    }

    /// Whether memory holds a term, a vote or a log that the disk does not.
    #[inline]
    #[must_use]
    pub const fn is_dirty(self) -> bool {
        self.volatile & DURABLE_MASK != self.durable
    }

    /// Whether its present term and its vote in it would survive a crash.
    #[inline]
    #[must_use]
    pub const fn vote_is_durable(self) -> bool {
        TERM.get(self.volatile) == TERM.get(self.durable)
            && VOTE.get(self.volatile) == VOTE.get(self.durable)
    }

    /// How much of its log would survive a crash in its present term.
    #[inline]
    #[must_use]
    pub const fn durable_len(self) -> Index {
        if self.term() == self.durable_term() {
            self.log().common_len(self.durable_log())
        } else {
            0
        }
    }

    /// Enters `term` with the given vote and role; what it knew of the old term's leader is void.
    #[inline]
    pub(crate) const fn enter_term(&mut self, term: Term, vote: Option<ServerId>, role: Role) {
        self.volatile = TERM.set(self.volatile, term);
        self.volatile = MATCHED.set(self.volatile, 0);
        self.extra.enter_term();
        self.set_vote(vote);
        self.set_role(role);
    }

    #[inline]
    pub(crate) const fn set_vote(&mut self, vote: Option<ServerId>) {
        let code = match vote {
            Some(id) => id.0 + 1,
            None => 0,
        };
        self.volatile = VOTE.set(self.volatile, code);
    }

    #[inline]
    pub(crate) const fn set_role(&mut self, role: Role) {
        self.volatile = ROLE.set(self.volatile, role as u8);
    }

    #[inline]
    pub(crate) const fn set_log(&mut self, log: Log) {
        self.volatile = self.volatile & !Log::MASK | log.word();
    }

    #[inline]
    pub(crate) const fn set_base(&mut self, base: Index) {
        self.volatile = BASE.set(self.volatile, base);
    }

    #[inline]
    pub(crate) const fn set_commit(&mut self, commit: Index) {
        self.volatile = COMMIT.set(self.volatile, commit);
    }

    #[inline]
    pub(crate) const fn set_matched(&mut self, matched: Index) {
        self.volatile = MATCHED.set(self.volatile, matched);
    }

    /// Memory goes to disk.
    #[inline]
    pub(crate) const fn persist(&mut self) {
        self.durable = self.volatile & DURABLE_MASK;
    }

    /// Memory is lost, and what is on disk is read back by a follower; a snapshot is of what was
    /// committed.
    #[inline]
    pub(crate) const fn restart(&mut self) {
        self.volatile = COMMIT.set(self.durable, self.durable_base());
        self.extra.restart();
    }

    /// The disk loses what its log has behind `index`.
    pub(crate) const fn cut_disk(&mut self, index: Index) {
        let log = self.durable_log().prefix(index);
        self.durable = self.durable & !Log::MASK | log.word();
    }

    /// The disk forgets term and vote.
    pub(crate) const fn forget_term(&mut self) {
        self.durable = BASE.set(self.durable_log().word(), self.durable_base());
    }

    /// Both words with the votes replaced by `f` of them, for renaming servers.
    #[inline]
    pub(crate) fn map_votes(self, f: impl Fn(ServerId) -> u8) -> Server {
        let map = |word: u64| match vote_of(word) {
            Some(id) => VOTE.set(word, f(id)),
            None => word,
        };
        Server {
            volatile: map(self.volatile),
            durable: map(self.durable),
            ..self
        }
    }
}

#[inline]
const fn vote_of(word: u64) -> Option<ServerId> {
    match VOTE.get(word) {
        0 => None,
        id => Some(ServerId(id - 1)),
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vote = |vote: Option<ServerId>| vote.map_or("none".to_owned(), |id| id.to_string());
        write!(
            f,
            "{} term {} vote {} log {:?} commit {}",
            self.role(),
            self.term(),
            vote(self.vote()),
            self.log(),
            self.commit()
        )?;
        if self.matched() > 0 {
            write!(f, " matched {}", self.matched())?;
        }
        if self.base() > 0 {
            write!(f, " snapshot {}", self.base())?;
        }
        write!(f, "{}", self.extra)?;
        if self.is_dirty() {
            write!(
                f,
                " · on disk: term {} vote {} log {:?}",
                self.durable_term(),
                vote(self.durable_vote()),
                self.durable_log()
            )?;
        }
        Ok(())
    }
}
