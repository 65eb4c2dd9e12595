//! A sweep's part for one machine of several: every so-manieth seed, so that whatever makes seeds expensive is
//! spread over all.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The how-manieth part of how many; the whole is `1/1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Which, from one.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// Its `nth` seed of these, from zero; `None` behind its last.
    ///
    /// ```
    /// use plumb_harness::sim::sweep::Shard;
    ///
    /// let second: Shard = "2/3".parse().expect("a shard");
    /// let seeds: Vec<u64> = (0..).map_while(|n| second.nth(&(10..18), n)).collect();
    /// assert_eq!(seeds, [11, 14, 17]);
    /// ```
    #[must_use]
    pub fn nth(self, seeds: &Range<u64>, nth: u64) -> Option<u64> {
        let offset = nth.checked_mul(self.of)?.checked_add(self.number - 1)?;
        let seed = seeds.start.checked_add(offset)?;
        seeds.contains(&seed).then_some(seed)
    }

    /// How many of these seeds are its.
    #[must_use]
    pub fn count(self, seeds: &Range<u64>) -> u64 {
        let all = seeds.end.saturating_sub(seeds.start);
        let before = self.number - 1;
        all.saturating_sub(before).div_ceil(self.of)
    }

    /// Whether this seed is its.
    #[must_use]
    pub fn has(self, seeds: &Range<u64>, seed: u64) -> bool {
        seeds.contains(&seed) && (seed - seeds.start) % self.of == self.number - 1
    }

    /// Whether there is such a part.
    #[must_use]
    pub fn exists(self) -> bool {
        (1..=self.of).contains(&self.number)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(number, of)| {
            Some(Shard {
                number: number.parse().ok()?,
                of: of.parse().ok()?,
            })
        });
        parsed
            .filter(|shard| shard.exists())
            .ok_or_else(|| "K/N with 1 ≤ K ≤ N, as in 2/8".to_owned())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_have_every_seed_once_and_their_counts_are_right() {
        for (start, end) in [(0, 0), (5, 6), (0, 10), (7, 30)] {
            for of in 1..=12 {
                let mut seen: Vec<u64> = Vec::new();
                for number in 1..=of {
                    let shard = Shard { number, of };
                    let mine: Vec<u64> = (0..)
                        .map_while(|nth| shard.nth(&(start..end), nth))
                        .collect();
                    assert_eq!(mine.len() as u64, shard.count(&(start..end)));
                    assert!(mine.iter().all(|seed| shard.has(&(start..end), *seed)));
                    seen.extend(mine);
                }
                seen.sort_unstable();
                assert_eq!(seen, (start..end).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_shard_that_does_not_exist_is_refused() {
        for text in ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
