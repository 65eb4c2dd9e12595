//! The visited set for remainders of one width: 2^16 shards, each an open-addressing table of buckets.
//!
//! Of a fingerprint 16 bits choose the shard and are not stored; the other `E` bits are, and where they
//! stand within the shard follows from them. So a shard can be of any size, and a set grows by a part of
//! itself, segment by segment.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bucket::{Added, Bucket, slots};
use crate::fingerprint::Fingerprint;

/// Shards are allocated and grow by so many together.
const SHARDS: usize = 256;
pub(super) const SEGMENTS: usize = 256;
/// Bytes that a remainder takes that found its shard full, about.
const STASHED: usize = 48;

/// Some shards, `buckets.len() / SHARDS` buckets each, and what did not fit.
#[derive(Default)]
struct Segment {
    buckets: Box<[Bucket]>,
    /// By shard and remainder.
    stash: Mutex<BTreeSet<(u8, u64)>>,
}

/// A set of fingerprints of 16 + `E` bits.
pub(in crate::engine) struct Shards<const E: u32> {
    segments: Vec<Segment>,
    /// Buckets of a shard.
    per_shard: usize,
    stashed: AtomicUsize,
}

impl<const E: u32> Shards<E> {
    pub(super) fn new() -> Shards<E> {
        Shards {
            segments: (0..SEGMENTS).map(|_| Segment::of(1)).collect(),
            per_shard: 1,
            stashed: AtomicUsize::new(0),
        }
    }

    /// A segment in words: buckets of a shard, the buckets, then what is stashed.
    pub(super) fn segment(&self, at: usize) -> Vec<u64> {
        let segment = &self.segments[at];
        let mut words = vec![self.per_shard as u64];
        words.extend(segment.buckets.iter().flat_map(Bucket::words));
        let stash = segment.stash.lock().expect("nothing panics that holds it");
        words.extend(
            stash
                .iter()
                .flat_map(|&(shard, rest)| [u64::from(shard), rest]),
        );
        words
    }

    /// Sets a segment, in ascending order from the first.
    pub(super) fn set_segment(&mut self, at: usize, words: &[u64]) -> Option<()> {
        let (&per_shard, rest) = words.split_first()?;
        let per_shard = usize::try_from(per_shard).ok()?;
        if per_shard == 0 || (at > 0 && per_shard != self.per_shard) {
            return None;
        }
        let (buckets, stash) = rest.split_at_checked(per_shard.checked_mul(8 * SHARDS)?)?;
        let (buckets, _) = buckets.as_chunks::<8>();
        let (stash, []) = stash.as_chunks::<2>() else {
            return None;
        };
        let buckets: Option<_> = buckets
            .iter()
            .map(|&words| Bucket::from_words::<E>(words))
            .collect();
        let stash: Option<BTreeSet<_>> = stash
            .iter()
            .map(|&[shard, rest]| Some((u8::try_from(shard).ok()?, rest)))
            .collect();
        self.per_shard = per_shard;
        self.segments[at] = Segment {
            buckets: buckets?,
            stash: Mutex::new(stash?),
        };
        *self.stashed.get_mut() += self.segments[at].stashed();
        Some(())
    }

    pub(super) fn per_shard(&self) -> usize {
        self.per_shard
    }

    /// How many remainders it has places for.
    pub(super) fn capacity(&self) -> usize {
        SEGMENTS * SHARDS * self.per_shard * slots::<E>()
    }

    pub(super) fn stashed(&self) -> usize {
        self.stashed.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        bytes_with(self.per_shard) + self.stashed() * STASHED
    }

    #[inline]
    pub(super) fn touch(&self, print: Fingerprint) -> u64 {
        let (segment, shard, remainder) = split::<E>(print);
        let home = shard * self.per_shard + home::<E>(remainder, self.per_shard);
        self.segments[segment].buckets[home].touch()
    }

    /// The same for the bucket after that, if that one is full.
    #[inline]
    pub(super) fn touch_beyond(&self, print: Fingerprint) -> u64 {
        let (segment, shard, remainder) = split::<E>(print);
        let buckets = &self.segments[segment].buckets[shard * self.per_shard..][..self.per_shard];
        let home = home::<E>(remainder, self.per_shard);
        let next = home + usize::from(buckets[home].is_full::<E>());
        // No branch, which would be guessed wrong as often as not.
        buckets[if next == self.per_shard { 0 } else { next }].touch()
    }

    /// Adds a fingerprint; `true` if it was not there, to exactly one of the threads that race: all look
    /// into a shard's buckets in one order, and a bucket that is full stays so.
    #[inline]
    pub(super) fn insert(&self, print: Fingerprint) -> bool {
        let (segment, shard, remainder) = split::<E>(print);
        let is_new = self.segments[segment].insert::<E>(self.per_shard, shard, remainder);
        if is_new == Some(Place::Stash) {
            self.stashed.fetch_add(1, Ordering::Relaxed);
        }
        is_new.is_some()
    }

    /// Gives every shard so many buckets. One segment a thread is held twice meanwhile.
    pub(super) fn grow(&mut self, per_shard: usize, threads: usize) {
        let old_per_shard = self.per_shard;
        let next = AtomicUsize::new(0);
        let slots: Vec<_> = self.segments.iter_mut().map(Mutex::new).collect();
        let work = || {
            while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut held = slot.lock().expect("nothing panics that holds it");
                let grown = held.regrown::<E>(old_per_shard, per_shard);
                **held = grown;
            }
        };
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        drop(slots);
        self.per_shard = per_shard;
        let stashed = self.segments.iter().map(Segment::stashed).sum();
        self.stashed = AtomicUsize::new(stashed);
    }
}

/// Bytes of a set with so many buckets a shard.
pub(super) const fn bytes_with(per_shard: usize) -> usize {
    SEGMENTS * SHARDS * per_shard * size_of::<Bucket>()
}

#[derive(PartialEq, Eq)]
enum Place {
    Bucket,
    Stash,
}

impl Segment {
    fn of(per_shard: usize) -> Segment {
        Segment {
            buckets: (0..SHARDS * per_shard).map(|_| Bucket::default()).collect(),
            stash: Mutex::default(),
        }
    }

    fn stashed(&self) -> usize {
        self.stash
            .lock()
            .expect("nothing panics that holds it")
            .len()
    }

    /// Where the remainder was put, unless it was there.
    #[inline]
    fn insert<const E: u32>(
        &self,
        per_shard: usize,
        shard: usize,
        remainder: u64,
    ) -> Option<Place> {
        let buckets = &self.buckets[shard * per_shard..][..per_shard];
        let mut at = home::<E>(remainder, per_shard);
        for _ in 0..per_shard {
            match buckets[at].add::<E>(remainder) {
                Added::New => return Some(Place::Bucket),
                Added::Known => return None,
                Added::Full => at = if at + 1 == per_shard { 0 } else { at + 1 },
            }
        }
        let mut stash = self.stash.lock().expect("nothing panics that holds it");
        stash
            .insert((shard as u8, remainder))
            .then_some(Place::Stash)
    }

    /// The same remainders in shards of another size.
    fn regrown<const E: u32>(&self, old: usize, new: usize) -> Segment {
        let grown = Segment::of(new);
        for (at, bucket) in self.buckets.iter().enumerate() {
            for remainder in bucket.remainders::<E>() {
                grown.insert::<E>(new, at / old, remainder);
            }
        }
        for &(shard, remainder) in self
            .stash
            .lock()
            .expect("nothing panics that holds it")
            .iter()
        {
            grown.insert::<E>(new, usize::from(shard), remainder);
        }
        grown
    }
}

/// The segment, the shard in it, and what is stored.
#[inline]
fn split<const E: u32>(print: Fingerprint) -> (usize, usize, u64) {
    let shard = (print.high >> 48) as usize;
    (shard / SHARDS, shard % SHARDS, print.low & ((1 << E) - 1))
}

/// The first bucket of a shard to look into.
#[inline]
fn home<const E: u32>(remainder: u64, per_shard: usize) -> usize {
    ((remainder >> (E - 32)) as usize * per_shard) >> 32
}
