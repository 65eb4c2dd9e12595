//! A digest of 64 bits that is the same in every process, by multiplication to 128 bits and folding, as in wyhash (Wang
//! Yi): an entry is digested at each of its stations on each server, and SipHash guards against attackers that we have
//! none of.

use std::hash::Hasher;

/// Odd, with as many ones as zeros; from the fraction of the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Another such, from wyhash.
const OTHER: u64 = 0xe703_7ed1_a0b4_28db;

/// A digest under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Digest(u64);

impl Digest {
    fn add(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word ^ GOLDEN, OTHER ^ self.0.rotate_left(32));
    }
}

/// The product's halves, one upon the other: every bit of each number moves bits everywhere.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is what is asked for"
    )]
    let low = product as u64;
    low ^ (product >> 64) as u64
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        fold(self.0 ^ GOLDEN, OTHER)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.add(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.add(u64::from_le_bytes(word));
        }
        // Zeros at the end count, too.
        self.add(bytes.len() as u64);
    }

    fn write_u8(&mut self, number: u8) {
        self.add(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.add(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn digest(bytes: &[u8]) -> u64 {
        let mut digest = Digest::default();
        digest.write(bytes);
        digest.finish()
    }

    #[test]
    fn what_differs_in_a_bit_in_length_or_in_order_has_another_digest() {
        let text = *b"k3 := 17, by client 4 (17)";
        let mut all = BTreeSet::from([digest(&text)]);
        for bit in 0..8 * text.len() {
            let mut other = text;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(all.insert(digest(&other)), "bit {bit}");
        }
        for length in 0..text.len() {
            assert!(all.insert(digest(&text[..length])), "{length} bytes");
        }
        for length in 1..40 {
            assert!(all.insert(digest(&[0; 40][..length])), "{length} zeros");
        }
        assert_ne!(digest(b"12345678abcdefgh"), digest(b"abcdefgh12345678"));
    }

    #[test]
    fn digests_of_many_small_numbers_are_spread() {
        let numbers = (0..100_000_u64).map(|number| {
            let mut digest = Digest::default();
            digest.write_u64(number);
            digest.finish()
        });
        let high: BTreeSet<u64> = numbers.map(|digest| digest >> 32).collect();
        // Of so many in 2^32 places some two meet by chance.
        assert!(high.len() > 99_980, "{}", high.len());
    }
}
