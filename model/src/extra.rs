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
// Ticks that are left.
const PATIENCE: Field = Field::new(11, 3);
const LEASE: Field = Field::new(14, 3);
// Flags.
const CONFIRMED: Field = Field::new(17, 1);
const TRANSFERRED: Field = Field::new(18, 1);
const BY_TRANSFER: Field = Field::new(19, 1);
// Only where a snapshot does not bring it.
const FORGOT: Field = Field::new(20, 3);

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

    /// For how many ticks it will not hear of an election (dissertation §4.2.3).
    #[inline]
    #[must_use]
    pub const fn patience(self) -> u8 {
        PATIENCE.get(self.0)
    }

    pub(crate) const fn set_patience(&mut self, ticks: u8) {
        self.0 = PATIENCE.set(self.0, ticks);
    }

    /// Of a leader, how many ticks are left of the lease that its latest round may give it.
    #[inline]
    #[must_use]
    pub const fn lease(self) -> u8 {
        LEASE.get(self.0)
    }

    /// Of a leader, whether a majority has confirmed that lease, and it is not over.
    #[inline]
    #[must_use]
    pub const fn holds_lease(self) -> bool {
        CONFIRMED.get(self.0) == 1
    }

    /// A lease of so many ticks that nobody has confirmed.
    pub(crate) const fn set_lease(&mut self, ticks: u8) {
        self.0 = CONFIRMED.set(LEASE.set(self.0, ticks), 0);
    }

    pub(crate) const fn confirm_lease(&mut self) {
        self.0 = CONFIRMED.set(self.0, 1);
    }

    /// Of a leader, whether it told another to stand in its stead.
    #[inline]
    #[must_use]
    pub const fn has_transferred(self) -> bool {
        TRANSFERRED.get(self.0) == 1
    }

    pub(crate) const fn transfer(&mut self) {
        self.0 = TRANSFERRED.set(self.0, 1);
    }

    /// Of a candidate, whether it stands because its leader told it to.
    #[inline]
    #[must_use]
    pub const fn stands_by_transfer(self) -> bool {
        BY_TRANSFER.get(self.0) == 1
    }

    pub(crate) const fn stand_by_transfer(&mut self) {
        self.0 = BY_TRANSFER.set(self.0, 1);
    }

    /// The index up to which it has forgotten which requests it executed.
    #[inline]
    #[must_use]
    pub const fn forgot(self) -> Index {
        FORGOT.get(self.0)
    }

    pub(crate) const fn forget_executions(&mut self, upto: Index) {
        self.0 = FORGOT.set(self.0, upto);
    }

    /// A tick passes.
    pub(crate) const fn tick(&mut self) {
        self.set_patience(self.patience().saturating_sub(1));
        if self.lease() > 0 {
            self.0 = LEASE.set(self.0, self.lease() - 1);
        }
        if self.lease() == 0 {
            self.0 = CONFIRMED.set(self.0, 0);
        }
    }

    /// A new term or role: what a leader knew is void, reads that waited fail. Patience is ended by
    /// time alone: a term that is new to a server that has crashed may be that of the leader it heard.
    #[inline]
    pub(crate) const fn enter_term(&mut self) {
        let forgot = FORGOT.set(0, self.forgot());
        self.0 = PATIENCE.set(forgot, self.patience());
    }

    /// Memory is lost.
    #[inline]
    pub(crate) const fn restart(&mut self) {
        self.0 = 0;
    }
}

fn ticks(count: u8) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} tick{plural}")
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
        if self.lease() > 0 {
            let held = if self.holds_lease() {
                "holds"
            } else {
                "may get"
            };
            write!(f, ", {held} a lease of {} more", ticks(self.lease()))?;
        }
        if self.has_transferred() {
            f.write_str(", told another to stand")?;
        }
        if self.stands_by_transfer() {
            f.write_str(", stands as its leader told it")?;
        }
        if self.forgot() > 0 {
            write!(f, ", forgot what it executed up to {}", self.forgot())?;
        }
        if self.patience() > 0 {
            write!(f, ", patient for {}", ticks(self.patience()))?;
        }
        Ok(())
    }
}
