//! What the visited set keeps of a state: two words of 64 bits each, of which it takes as many bits as it
//! is told to. A salt gives another function, so that two runs miss different states, if any.
//!
//! A state is hashed as the set of its parts (a server's word in its place, a ghost, a message): each part
//! by itself, and the sum of all. So messages need no order, and a state can be hashed as it would be with its
//! servers renamed without building that state.

/// 128 bits of hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub(crate) struct Fingerprint {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// Sums up parts.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    salt: u64,
    low: u64,
    high: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Parts {
    #[inline]
    pub(crate) fn with_salt(salt: u64) -> Parts {
        Parts {
            salt: scramble(salt ^ GOLDEN).0,
            low: 0,
            high: 0,
        }
    }

    /// Adds a part: `what` keeps parts of different places apart that hold the same bits.
    ///
    /// The two words are two foldings of one product of 128 bits, so that sums that agree in one need not in
    /// the other.
    #[inline]
    pub(crate) fn add(&mut self, what: u64, bits: u64) {
        let (low, high) = scramble(bits ^ what.wrapping_mul(GOLDEN) ^ self.salt);
        self.low = self.low.wrapping_add(low ^ high);
        self.high = self
            .high
            .wrapping_add(low.rotate_left(29).wrapping_add(high));
    }

    #[inline]
    pub(crate) fn finish(self) -> Fingerprint {
        let (a, b) = scramble(self.low);
        let (c, d) = scramble(self.high ^ 0x2545_f491_4f6c_dd1d);
        Fingerprint {
            low: a ^ b ^ c.rotate_left(31),
            high: c ^ d ^ b.rotate_left(17),
        }
    }
}

/// A multiplication to 64 bits and one to 128: a bijection whose halves both depend on every bit.
#[inline]
pub(crate) fn scramble(bits: u64) -> (u64, u64) {
    let mixed = (bits ^ bits >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = mixed ^ mixed >> 32;
    let product = u128::from(mixed) * u128::from(0xa076_1d64_78bd_642f_u64);
    (product as u64, (product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(parts: &[(u64, u64)], salt: u64) -> Fingerprint {
        let mut sum = Parts::with_salt(salt);
        parts.iter().for_each(|&(what, bits)| sum.add(what, bits));
        sum.finish()
    }

    #[test]
    fn parts_count_in_any_order_and_places_tell_them_apart() {
        assert_eq!(of(&[(1, 7), (2, 9)], 3), of(&[(2, 9), (1, 7)], 3));
        assert_ne!(of(&[(1, 7), (2, 9)], 3), of(&[(1, 9), (2, 7)], 3));
        assert_ne!(of(&[(1, 7)], 3), of(&[(1, 7)], 4));
    }

    /// Sets that differ in few bits, as states do: 40 bits of each word must look drawn by lot. Of n = 2^20
    /// sets some n²/2^41, a half, are expected to share theirs.
    #[test]
    fn sets_of_similar_parts_have_fingerprints_that_look_random() {
        for half in [false, true] {
            let mut seen = HashSet::new();
            let mut shared = 0;
            for set in 0..1u64 << 20 {
                let mut sum = Parts::with_salt(0);
                for bit in 0..20 {
                    sum.add(bit % 3, 1 << (bit + 4) | (set >> bit & 1) << 3);
                }
                let Fingerprint { low, high } = sum.finish();
                let word = if half { high } else { low };
                shared += u32::from(!seen.insert(word >> 24));
            }
            assert!(shared <= 6, "{shared}");
        }
    }
}
