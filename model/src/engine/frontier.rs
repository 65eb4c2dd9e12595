//! The states of one level, packed end to end in chunks that threads take and fill.

use crate::state::{Shape, State};

/// States in a chunk before another is begun.
const CHUNK: usize = 1024;

/// Packed states, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Chunk {
    words: Vec<u32>,
    count: usize,
}

impl Chunk {
    /// How many states it holds.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Its states, unpacked one by one.
    pub(crate) fn states(&self, shape: Shape) -> impl Iterator<Item = State> {
        let mut rest = self.words.as_slice();
        (0..self.count).map(move |_| {
            let (state, tail) = State::decode(shape, rest);
            rest = tail;
            state
        })
    }
}

/// A list of chunks.
#[derive(Default)]
pub(crate) struct Frontier {
    pub(crate) chunks: Vec<Chunk>,
}

impl Frontier {
    pub(crate) fn push(&mut self, state: &State) {
        if self.chunks.last().is_none_or(|chunk| chunk.count == CHUNK) {
            self.chunks.push(Chunk::default());
        }
        if let Some(chunk) = self.chunks.last_mut() {
            state.encode(&mut chunk.words);
            chunk.count += 1;
        }
    }

    /// Most states that its chunks from `from` to `to` hold.
    pub(crate) const fn most_states(chunks: usize) -> usize {
        chunks * CHUNK
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.chunks
            .iter()
            .map(|chunk| chunk.words.capacity() * size_of::<u32>())
            .sum()
    }
}
