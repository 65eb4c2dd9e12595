//! What the properties must remember of a run, in two words; no rule looks at it but for its budgets.

use std::fmt;

use crate::bits::Field;
use crate::bounds::{MAX_LOG, MAX_TERM};
use crate::log::{Index, Log, Term};
use crate::properties::Property;
use crate::server::ServerId;

/// What no server knows but the properties need: who led which term, what has been committed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    pub(crate) committed: u64,
    pub(crate) history: u64,
}

const COMMIT_TERM: Field = Field::new(Log::BITS, 3);
const LEADER: Field = Field::new(0, 3);
const ALL_LEADERS: u64 = (1 << (3 * MAX_TERM)) - 1;
const REQUESTS: Field = Field::new(3 * MAX_TERM as u32, 3);
const CRASHES: Field = Field::new(3 * MAX_TERM as u32 + 3, 3);
const BROKEN: Field = Field::new(3 * MAX_TERM as u32 + 6, 8);
const READS: Field = Field::new(3 * MAX_TERM as u32 + 14, 2);
const RETRIES: Field = Field::new(3 * MAX_TERM as u32 + 16, 2);

impl Ghost {
    /// Every entry that a leader has ever committed, by index.
    #[inline]
    #[must_use]
    pub const fn committed(&self) -> Log {
        Log::of_word(self.committed)
    }

    /// The lowest term in which a leader committed the entry at `index`; 0 once every server is
    /// past that term for good.
    #[inline]
    #[must_use]
    pub const fn commit_term(&self, index: Index) -> Term {
        COMMIT_TERM.nth(index - 1).get(self.committed)
    }

    /// Notes that the leader of `term` commits `log` as far as it reaches.
    pub(crate) fn commit(&mut self, log: Log, term: Term) {
        for (index, entry) in (1..).zip(log.entries()) {
            let field = COMMIT_TERM.nth(index - 1);
            if index > self.committed().len() {
                let longer = self.committed().with(entry);
                self.committed = self.committed & !Log::MASK | longer.word();
                self.committed = field.set(self.committed, term);
            } else if term < field.get(self.committed) {
                self.committed = field.set(self.committed, term);
            }
        }
    }

    /// The server that was elected leader of `term`.
    #[inline]
    #[must_use]
    pub const fn leader(&self, term: Term) -> Option<ServerId> {
        match LEADER.nth(term - 1).get(self.history) {
            0 => None,
            id => Some(ServerId(id - 1)),
        }
    }

    pub(crate) const fn set_leader(&mut self, term: Term, leader: ServerId) {
        self.history = LEADER.nth(term - 1).set(self.history, leader.0 + 1);
    }

    /// How many client requests were made.
    #[inline]
    #[must_use]
    pub const fn requests(&self) -> u8 {
        REQUESTS.get(self.history)
    }

    pub(crate) const fn count_request(&mut self) {
        self.history = REQUESTS.set(self.history, self.requests() + 1);
    }

    /// How many crashes there were.
    #[inline]
    #[must_use]
    pub const fn crashes(&self) -> u8 {
        CRASHES.get(self.history)
    }

    pub(crate) const fn count_crash(&mut self) {
        self.history = CRASHES.set(self.history, self.crashes() + 1);
    }

    /// How many reads were asked for.
    #[inline]
    #[must_use]
    pub const fn reads(&self) -> u8 {
        READS.get(self.history)
    }

    pub(crate) const fn count_read(&mut self) {
        self.history = READS.set(self.history, self.reads() + 1);
    }

    /// How many requests were made again.
    #[inline]
    #[must_use]
    pub const fn retries(&self) -> u8 {
        RETRIES.get(self.history)
    }

    pub(crate) const fn count_retry(&mut self) {
        self.history = RETRIES.set(self.history, self.retries() + 1);
    }

    /// Whether a step on the way here broke a property of steps.
    #[inline]
    #[must_use]
    pub const fn is_broken(&self, property: Property) -> bool {
        (property as u32) < 8 && BROKEN.get(self.history) & 1 << property as u8 != 0
    }

    pub(crate) const fn set_broken(&mut self, property: Property) {
        let bits = BROKEN.get(self.history) | 1 << property as u8;
        self.history = BROKEN.set(self.history, bits);
    }

    /// Forgets what can no longer matter once no server can be in a term below `floor` again: a
    /// second leader of such a term cannot arise, and every leader to come is of a later term than
    /// such a commit. Sound because the properties then give the same answer in every future.
    #[inline]
    pub(crate) fn forget_below(&mut self, floor: Term) {
        let below = u32::from(floor.clamp(1, MAX_TERM + 1)) - 1;
        self.history &= !((1u64 << (3 * below)) - 1);
        for index in 1..=self.committed().len() {
            let field = COMMIT_TERM.nth(index - 1);
            if field.get(self.committed) < floor {
                self.committed = field.set(self.committed, 0);
            }
        }
    }

    /// The terms that a server was elected leader of, a bit each.
    #[inline]
    pub(crate) fn terms_led_by(&self, id: ServerId) -> u8 {
        let mut rest = self.history & ALL_LEADERS;
        let (mut terms, mut bit) = (0, 1);
        while rest != 0 {
            if rest & 7 == u64::from(id.0) + 1 {
                terms |= bit;
            }
            rest >>= 3;
            bit <<= 1;
        }
        terms
    }

    /// The same with the servers renamed.
    #[inline]
    pub(crate) fn rename(mut self, f: impl Fn(ServerId) -> ServerId) -> Ghost {
        let mut rest = self.history & ALL_LEADERS;
        self.history &= !ALL_LEADERS;
        let mut shift = 0;
        while rest != 0 {
            if rest & 7 != 0 {
                let leader = f(ServerId((rest & 7) as u8 - 1));
                self.history |= (u64::from(leader.0) + 1) << shift;
            }
            rest >>= 3;
            shift += 3;
        }
        self
    }
}

impl fmt::Debug for Ghost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaders: Vec<String> = (1..=MAX_TERM)
            .filter_map(|term| Some(format!("{term}:{}", self.leader(term)?)))
            .collect();
        write!(
            f,
            "committed {:?}, leaders by term [{}], {} requests, {} crashes",
            self.committed(),
            leaders.join(" "),
            self.requests(),
            self.crashes()
        )
    }
}

// A word of ghosts holds what its fields need.
const _: () = assert!(Log::BITS + 3 * MAX_LOG as u32 <= 64);
