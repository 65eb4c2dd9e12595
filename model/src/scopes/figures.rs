//! What exhausting a scope counted, and what those figures rest on.

use crate::engine::Width;

/// What exhausting a scope counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// Distinct states.
    pub unique: u64,
    /// Successors computed, and the initial state.
    pub generated: u64,
    /// The fewest steps to the farthest state.
    pub depth: usize,
    /// Seconds that it took on two cores, as last measured.
    pub seconds: f32,
}

/// A run that takes too long to be made again at every gate: its figures, and how to come to them again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// What it counted.
    pub counted: Counted,
    /// How wide its fingerprints were.
    pub width: Width,
    /// Their salt.
    pub salt: u64,
    /// Bytes that it was given for visited set and frontier; beyond, its frontier was on disk.
    pub max_memory: usize,
    /// Bytes of these that each distinct state took, at most.
    pub bytes_per_state: f32,
    /// The day on which it was last run to its end, as `2026-11-26`.
    pub verified: &'static str,
}

impl Record {
    /// An upper bound on the chance that two of its states shared a fingerprint, and one was not explored.
    #[must_use]
    pub fn chance_of_a_collision(&self) -> f64 {
        self.width.chance_of_a_collision(self.counted.unique)
    }
}

/// Where a scope's figures come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figures {
    /// There are none: bounds of one's own.
    None,
    /// Counted again whenever somebody asks.
    Routine(Counted),
    /// A record, which only exists with all that it rests on.
    Record(Record),
}

impl Figures {
    /// The counts.
    #[must_use]
    pub const fn counted(self) -> Option<Counted> {
        match self {
            Figures::None => None,
            Figures::Routine(counted) | Figures::Record(Record { counted, .. }) => Some(counted),
        }
    }

    /// The record, if it is one.
    #[must_use]
    pub const fn record(self) -> Option<Record> {
        match self {
            Figures::Record(record) => Some(record),
            Figures::None | Figures::Routine(_) => None,
        }
    }
}
