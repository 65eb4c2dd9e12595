//! The visited set: an open-addressing table of 64-bit fingerprints, eight bytes a slot, filled by
//! several threads with compare-and-swap.
//!
//! Two states with one fingerprint are taken for one: with n states the chance that any are is
//! below n²/2^65, that is 3 in a million for 10^7 states.

use std::sync::atomic::{AtomicU64, Ordering};

/// A set of fingerprints other than 0.
pub(crate) struct Table {
    slots: Vec<AtomicU64>,
}

impl Table {
    /// A table of `1 << bits` slots.
    pub(crate) fn with_bits(bits: u32) -> Table {
        Table {
            slots: (0..1usize << bits).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<AtomicU64>()
    }

    /// Adds a fingerprint; `true` if it was not there, to exactly one of the threads that race.
    ///
    /// Relaxed is enough: a slot says nothing but its own value, and only ever changes once.
    #[inline]
    pub(crate) fn insert(&self, fingerprint: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = fingerprint as usize & mask;
        loop {
            let slot = &self.slots[at];
            let mut held = slot.load(Ordering::Relaxed);
            if held == 0 {
                match slot.compare_exchange(0, fingerprint, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return true,
                    Err(winner) => held = winner,
                }
            }
            if held == fingerprint {
                return false;
            }
            at = (at + 1) & mask;
        }
    }

    /// A table of twice the slots with the same fingerprints.
    pub(crate) fn doubled(&self) -> Table {
        let bits = self.slots.len().trailing_zeros() + 1;
        let larger = Table::with_bits(bits);
        for slot in &self.slots {
            let fingerprint = slot.load(Ordering::Relaxed);
            if fingerprint != 0 {
                larger.insert(fingerprint);
            }
        }
        larger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fingerprint_is_new_to_exactly_one_thread() {
        let table = Table::with_bits(12);
        let won: usize = std::thread::scope(|scope| {
            let count = || {
                (1..=2000u64)
                    .filter(|i| table.insert(i * 0x9e37_79b9))
                    .count()
            };
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(won, 2000);
        let larger = table.doubled();
        assert!((1..=2000u64).all(|i| !larger.insert(i * 0x9e37_79b9)));
        assert!(larger.insert(u64::MAX));
    }
}
