//! A server's third word: what only optional parts of Raft need of it, all of it in memory. It is
//! packed and hashed only in scopes that have such a part, and zero in all others.

use std::fmt;

use crate::bits::Field;
use crate::log::Index;

const ROUND: Field = Field::new(0, 2);
// A read that waits: the round that confirms it, at least 1, what it is to see and what it must see.
const READ_ROUND: Field = Field::new(2, 3);
const READ_INDEX: Field = Field::new(5, 3);
const READ_FLOOR: Field = Field::new(8, 3);

/// The third word.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Extra(pub(crate) u64);

/// A read that waits at its leader (dissertation §6.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// The leader's commit index when it was asked, `readIndex`: what the read is to see at least.
    pub index: Index,
    /// The earliest round that confirms that the leader still led.
    pub round: u8,
    /// Ghost: how many entries had been committed by anyone when it was asked.
    pub floor: Index,
}

impl Extra {
    /// Of a leader, how many heartbeat rounds it has begun in its term.
    #[inline]
    #[must_use]
    pub const fn round(self) -> u8 {
        ROUND.get(self.0)
    }

    pub(crate) const fn begin_round(&mut self) {
        self.0 = ROUND.set(self.0, self.round() + 1);
    }

    /// Of a leader, the read that waits for a round.
    #[inline]
    #[must_use]
    pub const fn read(self) -> Option<Read> {
        match READ_ROUND.get(self.0) {
            0 => None,
            round => Some(Read {
                index: READ_INDEX.get(self.0),
                round,
                floor: READ_FLOOR.get(self.0),
            }),
        }
    }

    pub(crate) fn set_read(&mut self, read: Option<Read>) {
        let (round, index, floor) = read.map_or((0, 0, 0), |r| (r.round, r.index, r.floor));
        self.0 = READ_ROUND.set(self.0, round);
        self.0 = READ_INDEX.set(self.0, index);
        self.0 = READ_FLOOR.set(self.0, floor);
    }

    /// A new term: what a leader knew is void, reads that waited fail.
    #[inline]
    pub(crate) const fn enter_term(&mut self) {
        self.0 = 0;
    }

    /// Memory is lost.
    #[inline]
    pub(crate) const fn restart(&mut self) {
        self.0 = 0;
    }
}

impl fmt::Display for Extra {
    /// What is not at rest, each part with a comma before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.round() > 0 {
            write!(f, ", round {}", self.round())?;
        }
        if let Some(Read { index, round, .. }) = self.read() {
            write!(f, ", a read of index {index} waits for round {round}")?;
        }
        Ok(())
    }
}
