//! A cache line of the visited set: as many remainders of `E` bits as it holds, and how many there are.
//!
//! Several threads fill it without blocking those that only look. What is below the count is written and
//! never changes; who adds a remainder takes the lock bit, writes behind the count, and raises the count.

use std::sync::atomic::{AtomicU64, Ordering};

const WORDS: usize = 8;
const LAST: usize = WORDS - 1;
/// The top of the last word: the count, and above it the lock.
const COUNT: u32 = 56;
const LOCK: u64 = 1 << 60;

/// A cache line.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Bucket([AtomicU64; WORDS]);

/// What came of adding a remainder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Added {
    New,
    Known,
    /// It is not there, and there is no place for it.
    Full,
}

/// How many remainders of `E` bits fit beside the count.
pub(super) const fn slots<const E: u32>() -> usize {
    (COUNT as usize + LAST * 64) / E as usize
}

impl Bucket {
    /// Brings the line near.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.0[LAST].load(Ordering::Relaxed)
    }

    /// Whether there is no place for another remainder.
    #[inline]
    pub(super) fn is_full<const E: u32>(&self) -> bool {
        (self.touch() >> COUNT & 15) as usize == slots::<E>()
    }

    /// Adds a remainder.
    #[inline]
    pub(super) fn add<const E: u32>(&self, remainder: u64) -> Added {
        let mut last = self.0[LAST].load(Ordering::Acquire);
        loop {
            let count = (last >> COUNT & 15) as usize;
            if self.has::<E>(remainder, last, count) {
                return Added::Known;
            }
            if count == slots::<E>() {
                return Added::Full;
            }
            if last & LOCK != 0 {
                std::hint::spin_loop();
                last = self.0[LAST].load(Ordering::Acquire);
                continue;
            }
            // Nobody has added anything since `last` was read, or this fails.
            let locked = self.0[LAST].compare_exchange(
                last,
                last | LOCK,
                Ordering::Acquire,
                Ordering::Acquire,
            );
            match locked {
                Ok(_) => {
                    self.write::<E>(remainder, last, count);
                    return Added::New;
                }
                Err(now) => last = now,
            }
        }
    }

    /// Whether one of the first `count` remainders is this one.
    #[inline]
    fn has<const E: u32>(&self, remainder: u64, last: u64, count: usize) -> bool {
        let word = |at: usize| {
            if at == LAST {
                last
            } else {
                self.0[at].load(Ordering::Relaxed)
            }
        };
        let mut equal = 0u32;
        for slot in 0..slots::<E>() {
            let held = read::<E>(&word, slot);
            equal |= u32::from(held == remainder) << slot;
        }
        equal & ((1 << count) - 1) != 0
    }

    /// Writes a remainder into a slot, and unlocks. Release: who sees the count sees the remainder.
    #[inline]
    fn write<const E: u32>(&self, remainder: u64, mut last: u64, slot: usize) {
        let (word, shift) = place::<E>(slot);
        let mut put = |at: usize, bits: u64| {
            if at == LAST {
                last |= bits;
            } else {
                let held = self.0[at].load(Ordering::Relaxed);
                self.0[at].store(held | bits, Ordering::Relaxed);
            }
        };
        put(word, remainder << shift);
        if shift + E > 64 {
            put(word + 1, remainder >> (64 - shift));
        }
        self.0[LAST].store(last + (1 << COUNT), Ordering::Release);
    }

    /// Its remainders; nobody may be adding any.
    pub(super) fn remainders<const E: u32>(&self) -> impl Iterator<Item = u64> {
        let last = self.0[LAST].load(Ordering::Acquire);
        let count = (last >> COUNT & 15) as usize;
        (0..count).map(|slot| read::<E>(&|at| self.0[at].load(Ordering::Relaxed), slot))
    }

    /// Its words, for a checkpoint.
    pub(super) fn words(&self) -> [u64; WORDS] {
        std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed))
    }

    /// A bucket of these words, or none if no bucket has such words.
    pub(super) fn from_words<const E: u32>(words: [u64; WORDS]) -> Option<Bucket> {
        let count = (words[LAST] >> COUNT) as usize;
        (count <= slots::<E>()).then(|| Bucket(words.map(AtomicU64::new)))
    }
}

/// The word in which a slot begins, and the bit.
const fn place<const E: u32>(slot: usize) -> (usize, u32) {
    let bit = slot * E as usize;
    (bit / 64, bit as u32 % 64)
}

#[inline]
fn read<const E: u32>(word: &impl Fn(usize) -> u64, slot: usize) -> u64 {
    let (at, shift) = place::<E>(slot);
    let mut bits = word(at) >> shift;
    if shift + E > 64 {
        bits |= word(at + 1) << (64 - shift);
    }
    bits & ((1 << E) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fills<const E: u32>() {
        let bucket = Bucket::default();
        let nth = |i: usize| (0x0123_4567_89ab_cdef_u64.rotate_left(i as u32 * 7)) & ((1 << E) - 1);
        for i in 0..slots::<E>() {
            assert_eq!(bucket.add::<E>(nth(i)), Added::New);
            assert!((0..=i).all(|j| bucket.add::<E>(nth(j)) == Added::Known));
        }
        assert_eq!(bucket.add::<E>(1), Added::Full);
        let held: Vec<_> = bucket.remainders::<E>().collect();
        assert_eq!(held, (0..slots::<E>()).map(nth).collect::<Vec<_>>());
        let copy = Bucket::from_words::<E>(bucket.words()).expect("words of a bucket");
        assert!(copy.remainders::<E>().eq(held));
    }

    #[test]
    fn a_bucket_holds_exactly_what_was_added() {
        assert_eq!((slots::<48>(), slots::<56>()), (10, 9));
        fills::<48>();
        fills::<56>();
    }

    #[test]
    fn zero_is_a_remainder_like_any_other() {
        let bucket = Bucket::default();
        assert_eq!(bucket.add::<48>(0), Added::New);
        assert_eq!(bucket.add::<48>(0), Added::Known);
    }

    #[test]
    fn words_that_no_bucket_has_are_refused() {
        let mut words = [0; 8];
        words[LAST] = 10 << COUNT;
        assert!(Bucket::from_words::<56>(words).is_none());
        words[LAST] = LOCK;
        assert!(Bucket::from_words::<48>(words).is_none());
    }
}
