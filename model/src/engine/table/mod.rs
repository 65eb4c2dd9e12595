//! The visited set: fingerprints in 6.4 or 7.1 bytes each at full load, filled by several threads.
//!
//! Two states with one fingerprint are taken for one. With n states and fingerprints of w bits the chance
//! that any are is below n²/2^(w+1): see [`Table::chance_of_a_collision`].

mod bucket;
mod shards;

use crate::fingerprint::Fingerprint;
use shards::Shards;

/// How wide fingerprints are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// 64 bits.
    #[default]
    Standard,
    /// 72 bits, for runs whose figures are to stand.
    Wide,
}

impl Width {
    /// Bits of a fingerprint.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Width::Standard => 16 + 48,
            Width::Wide => 16 + 56,
        }
    }

    /// The width of so many bits, if there is one.
    #[must_use]
    pub const fn of_bits(bits: u32) -> Option<Width> {
        match bits {
            64 => Some(Width::Standard),
            72 => Some(Width::Wide),
            _ => None,
        }
    }

    /// An upper bound on the chance that any two of so many states share a fingerprint: the pairs, times the
    /// chance of each if fingerprints are as good as drawn by lot.
    #[must_use]
    pub fn chance_of_a_collision(self, states: u64) -> f64 {
        let n = states as f64;
        (n * (n - 1.0).max(0.0) / 2.0 * (-f64::from(self.bits())).exp2()).min(1.0)
    }
}

/// A set of fingerprints.
pub(crate) enum Table {
    Standard(Shards<48>),
    Wide(Shards<56>),
}

macro_rules! either {
    ($table:expr, $shards:ident => $of:expr) => {
        match $table {
            Table::Standard($shards) => $of,
            Table::Wide($shards) => $of,
        }
    };
}

impl Table {
    pub(crate) fn new(width: Width) -> Table {
        match width {
            Width::Standard => Table::Standard(Shards::new()),
            Width::Wide => Table::Wide(Shards::new()),
        }
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        either!(self, shards => shards.bytes())
    }

    /// How many more fingerprints it takes before it should grow, if it has `held` of them.
    pub(crate) fn room(&self, held: u64) -> usize {
        let (capacity, stashed) = either!(self, shards => (shards.capacity(), shards.stashed()));
        if stashed > capacity / 256 {
            return 0;
        }
        // Beyond, the buckets that are full come too close together.
        (capacity / 16 * 15).saturating_sub(held as usize)
    }

    /// Bytes that it would take after [`Table::grow`], and those more that growing takes meanwhile.
    pub(crate) fn bytes_grown(&self, threads: usize) -> usize {
        let larger = shards::bytes_with(self.larger());
        larger + larger / shards::SEGMENTS * threads
    }

    fn larger(&self) -> usize {
        let per_shard = either!(self, shards => shards.per_shard());
        per_shard + (per_shard / 7).max(1)
    }

    /// Makes it larger by a seventh, or more while it is small.
    pub(crate) fn grow(&mut self, threads: usize) {
        let larger = self.larger();
        either!(self, shards => shards.grow(larger, threads));
    }

    /// In how many parts a checkpoint has it.
    pub(crate) const PARTS: usize = shards::SEGMENTS;

    /// A part of it, in words.
    pub(crate) fn part(&self, at: usize) -> Vec<u64> {
        either!(self, shards => shards.segment(at))
    }

    /// Makes a part of a new table what [`Table::part`] gave; nothing if no part is so. All parts are of
    /// one size.
    pub(crate) fn set_part(&mut self, at: usize, words: &[u64]) -> Option<()> {
        either!(self, shards => shards.set_segment(at, words))
    }

    /// Brings near what [`Table::insert`] will look at first.
    #[inline]
    pub(crate) fn touch(&self, print: Fingerprint) -> u64 {
        either!(self, shards => shards.touch(print))
    }

    /// Brings near what it will look at next, if that is another place.
    #[inline]
    pub(crate) fn touch_beyond(&self, print: Fingerprint) -> u64 {
        either!(self, shards => shards.touch_beyond(print))
    }

    /// Adds a fingerprint; `true` if it was not there, to exactly one of the threads that race.
    #[inline]
    pub(crate) fn insert(&self, print: Fingerprint) -> bool {
        either!(self, shards => shards.insert(print))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(i: u64) -> Fingerprint {
        let mut parts = crate::fingerprint::Parts::with_salt(1);
        parts.add(0, i);
        parts.finish()
    }

    #[test]
    fn each_fingerprint_is_new_to_exactly_one_thread_and_survives_growth() {
        for width in [Width::Standard, Width::Wide] {
            let mut table = Table::new(width);
            // Three times what a table of the first size should hold, so that shards overflow.
            let many = 3 * 65536 * 9;
            for part in 0..3 {
                let won: u64 = std::thread::scope(|scope| {
                    let count = || (0..many / 3).filter(|i| table.insert(print(3 * i + part)));
                    let threads: Vec<_> = (0..2)
                        .map(|_| scope.spawn(move || count().count()))
                        .collect();
                    let counts = threads
                        .into_iter()
                        .map(|t| t.join().expect("no panic") as u64);
                    counts.sum()
                });
                assert_eq!(won, many / 3);
                table.grow(2);
            }
            assert!((0..many).all(|i| !table.insert(print(i))));
            assert!(table.insert(print(many)));
        }
    }

    #[test]
    fn a_table_at_its_fullest_takes_less_than_nine_bytes_a_state() {
        let mut table = Table::new(Width::Standard);
        let mut held = 0;
        while held < 12_000_000 {
            while table.room(held) == 0 {
                table.grow(2);
            }
            held += u64::from(table.insert(print(held)));
        }
        let each = table.bytes() as f64 / held as f64;
        assert!(each < 9.0, "{each} bytes a state");
    }

    #[test]
    fn the_chance_of_a_collision_is_that_of_the_pairs() {
        let chance = Width::Standard.chance_of_a_collision(1_000_000_000);
        assert!((0.026..0.028).contains(&chance), "{chance}");
        assert!(Width::Wide.chance_of_a_collision(1_000_000_000) < 1.1e-4);
        assert_eq!(Width::Standard.chance_of_a_collision(1), 0.0);
    }
}
