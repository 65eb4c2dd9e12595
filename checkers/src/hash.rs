//! A fast hasher with no seed, for tables whose order is never looked at: same input, same work.
//! The multiply-and-rotate scheme is the one of Firefox and rustc ("FxHash"). It does not resist
//! attackers, so every table that uses it compares whole keys.

use std::hash::{BuildHasherDefault, Hasher};

/// A hash map without a random seed. Its iteration order must decide nothing.
pub(crate) type FastMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FastHasher>>;
/// A hash set without a random seed. Its iteration order must decide nothing.
pub(crate) type FastSet<K> = std::collections::HashSet<K, BuildHasherDefault<FastHasher>>;

const MULTIPLIER: u64 = 0xf135_7aea_2e62_a9c5;

/// Four words.
const BLOCK: usize = 32;

/// The state of a hash.
#[derive(Clone, Copy, Default)]
pub(crate) struct FastHasher(u64);

impl FastHasher {
    pub(crate) fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    }

    /// Long texts in four strands, as no multiplication has to wait for that of the word before.
    fn write_blocks(&mut self, blocks: &[[u8; BLOCK]]) {
        let mut strands = [0, 1, 2, 3].map(|strand| FastHasher(self.0.wrapping_add(strand)));
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            for (strand, word) in strands.iter_mut().zip(words) {
                strand.add(u64::from_le_bytes(*word));
            }
        }
        for strand in strands {
            self.add(strand.0);
        }
    }
}

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        // The high bits are the good ones; tables look at the low ones.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        if !blocks.is_empty() {
            self.write_blocks(blocks);
        }
        let mut chunks = rest.chunks_exact(8);
        for chunk in &mut chunks {
            self.add(u64::from_le_bytes(
                chunk.try_into().expect("chunks of eight bytes"),
            ));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.add(u64::from_le_bytes(word) ^ ((rest.len() as u64) << 56));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.add(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.add(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn write_i64(&mut self, number: i64) {
        self.add(number.cast_unsigned());
    }
}
