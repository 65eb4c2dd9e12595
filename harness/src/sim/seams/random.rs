//! Random streams by name: every purpose draws from a generator of its own, so that removing one
//! fault (as shrinking does) never shifts the draws of another.
//!
//! xoshiro256++ seeded through SplitMix64 (Blackman and Vigna, <https://prng.di.unimi.it>), written
//! out here so that no crate's next version changes what a seed means.

use std::ops::RangeInclusive;
use std::time::Duration;

use plumb_raft::seams::Random;

/// An independent, deterministic generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    state: [u64; 4],
}

impl Stream {
    /// The generator for one purpose of one run: the same three arguments, the same bits; any other
    /// argument, unrelated bits. `index` tells apart several of a kind (nodes, connections).
    #[must_use]
    pub fn derive(seed: u64, purpose: &str, index: u64) -> Stream {
        let mut mix = SplitMix64(seed);
        mix.0 = mix.next() ^ fnv1a(purpose.as_bytes());
        mix.0 = mix.next() ^ index;
        // Four outputs of a bijection on distinct inputs: never all zero, which xoshiro can't leave.
        Stream {
            state: [mix.next(), mix.next(), mix.next(), mix.next()],
        }
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform in `0..n`, exactly: by multiplication, rejecting the biased remainder (Lemire 2019).
    ///
    /// # Panics
    /// If `n` is zero: there is nothing to draw from.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a draw needs at least one outcome");
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the low half is what is asked for"
            )]
            let low = product as u64;
            // The remainder is less than n: most draws need no division to see that they are above it.
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Uniform in `0..n`, as an index.
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).expect("below n, and n is a usize")
    }

    /// Uniform in the range, to the nanosecond. An inverted range gives its start.
    pub fn range_duration(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let span = range.end().saturating_sub(*range.start()).as_nanos();
        let span = u64::try_from(span).unwrap_or(u64::MAX).saturating_add(1);
        *range.start() + Duration::from_nanos(self.below(span))
    }

    /// True with probability `p`, clamped to `0..=1`. Draws exactly once whatever `p` is, so that
    /// turning a probability up or down shifts no later draw.
    pub fn chance(&mut self, p: f64) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "53 bits are what a f64 holds exactly"
        )]
        let uniform = (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        uniform < p
    }

    /// One of the items, uniformly; none of none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() {
            None
        } else {
            Some(&items[self.index(items.len())])
        }
    }

    /// A uniform permutation (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// Uniform bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let bits = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bits[..chunk.len()]);
        }
    }
}

impl Random for Stream {
    fn next_u64(&mut self) -> u64 {
        Stream::next_u64(self)
    }
}

struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Fowler, Noll and Vo's 64-bit hash: small, and stable for ever.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_match_their_authors_vectors() {
        let mut mix = SplitMix64(1_234_567);
        assert_eq!(mix.next(), 6_457_827_717_110_365_317);
        assert_eq!(mix.next(), 3_203_168_211_198_807_973);
        let mut xoshiro = Stream {
            state: [1, 2, 3, 4],
        };
        let drawn: Vec<u64> = (0..6).map(|_| xoshiro.next_u64()).collect();
        assert_eq!(
            drawn,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386,
                9_228_616_714_210_784_205,
                9_973_669_472_204_895_162
            ]
        );
    }

    #[test]
    fn a_stream_is_told_apart_by_seed_purpose_and_index() {
        let first = |seed, purpose, index| Stream::derive(seed, purpose, index).next_u64();
        assert_eq!(first(1, "disk", 0), first(1, "disk", 0));
        let others = [
            first(2, "disk", 0),
            first(1, "net", 0),
            first(1, "disk", 1),
            first(0, "disk", 1),
        ];
        assert!(others.iter().all(|other| *other != first(1, "disk", 0)));
    }

    #[test]
    fn what_a_seed_means_never_changes() {
        // Recorded when this was written: a change here voids every saved seed.
        assert_eq!(
            Stream::derive(42, "pin", 7).next_u64(),
            4_171_327_611_542_977_140
        );
    }

    #[test]
    fn draws_stay_in_range_and_reach_its_ends() {
        let mut stream = Stream::derive(1, "range", 0);
        let mut seen = [0u32; 5];
        for _ in 0..5_000 {
            seen[stream.index(5)] += 1;
        }
        assert!(
            seen.iter().all(|count| (800..1_200).contains(count)),
            "{seen:?}"
        );
        let range = Duration::from_nanos(3)..=Duration::from_nanos(4);
        let drawn: Vec<u128> = (0..64)
            .map(|_| stream.range_duration(&range).as_nanos())
            .collect();
        assert!(drawn.contains(&3) && drawn.contains(&4));
        assert!(drawn.iter().all(|nanos| (3..=4).contains(nanos)));
        assert!(!stream.chance(0.0) && stream.chance(1.0));
    }

    #[test]
    fn a_chance_draws_once_whatever_it_is() {
        let (mut never, mut always) = (Stream::derive(9, "c", 0), Stream::derive(9, "c", 0));
        assert!(!never.chance(-1.0) && always.chance(2.0));
        assert_eq!(never, always);
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<u32> = (0..50).collect();
        Stream::derive(3, "shuffle", 0).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        assert_eq!(Stream::derive(3, "none", 0).choose::<u32>(&[]), None);
    }
}
