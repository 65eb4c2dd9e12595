//! The fingerprints that a thread met last: most steps lead to states that were found a moment before, and to
//! know them here spares the way to the visited set, which is larger than any cache.

use crate::fingerprint::Fingerprint;

/// As many as a core's own cache has room for, beside all else.
const SLOTS: usize = 1 << 14;

/// A fingerprint in each slot, the last of those that belong there.
pub(super) struct Recent(Box<[Fingerprint]>);

impl Recent {
    /// None yet.
    pub(super) fn new() -> Recent {
        // What belongs in another slot is met in none.
        let elsewhere = |slot: u64| Fingerprint {
            low: slot ^ 1,
            high: 0,
        };
        Recent((0..SLOTS as u64).map(elsewhere).collect())
    }

    /// Whether this one was met a moment before; it is from now on.
    #[inline]
    pub(super) fn knows(&mut self, print: Fingerprint) -> bool {
        let slot = &mut self.0[print.low as usize % SLOTS];
        let is_known = *slot == print;
        *slot = print;
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_met_is_known_and_the_last_of_a_slot_stays() {
        let mut recent = Recent::new();
        let print = |low, high| Fingerprint { low, high };
        for slot in 0..SLOTS as u64 {
            assert!(!recent.knows(print(slot, 0)), "{slot}");
            assert!(recent.knows(print(slot, 0)), "{slot}");
        }
        assert!(!recent.knows(print(3, 1)));
        assert!(recent.knows(print(3, 1)));
        assert!(!recent.knows(print(3, 0)), "the other took its place");
        assert!(!recent.knows(print(3 + SLOTS as u64, 0)));
    }
}
