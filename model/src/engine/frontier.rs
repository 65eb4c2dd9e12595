//! The states of a level, packed end to end in chunks that threads take and fill. Chunks that memory has no
//! room for are on disk.

use std::io;

use super::packing::{pack, unpack};
use super::spill::{Place, Spill};
use crate::state::State;

/// States in a chunk before another is begun.
pub(crate) const CHUNK: usize = 1024;

/// Packed states, in the order in which they were found.
pub(crate) struct Chunk {
    pub(crate) count: usize,
    pub(crate) bytes: Bytes,
}

/// Where a chunk's bytes are.
pub(crate) enum Bytes {
    Held(Vec<u8>),
    Spilled(Place),
}

impl Chunk {
    /// Calls `each` with its states, which are of the shape of `state`, until it returns false.
    ///
    /// # Errors
    /// If its bytes can't be read back, or are no states.
    pub(crate) fn visit(
        &self,
        spill: Option<&Spill>,
        initial: &State,
        mut each: impl FnMut(&State) -> bool,
    ) -> io::Result<()> {
        let read;
        let mut rest = match &self.bytes {
            Bytes::Held(bytes) => bytes.as_slice(),
            Bytes::Spilled(place) => {
                read = spill.expect("who spilled it is there").read(place)?;
                read.as_slice()
            }
        };
        let mut state = initial.clone();
        for _ in 0..self.count {
            rest = unpack(&mut state, rest).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "no state is packed so")
            })?;
            if !each(&state) {
                break;
            }
        }
        Ok(())
    }

    fn held(&self) -> usize {
        match &self.bytes {
            Bytes::Held(bytes) => bytes.capacity(),
            Bytes::Spilled(_) => 0,
        }
    }
}

/// A list of chunks.
pub(crate) struct Frontier {
    pub(crate) chunks: Vec<Chunk>,
    /// The last state of the last chunk.
    last: State,
    initial: State,
}

impl Frontier {
    /// An empty one, of states of the shape of `initial`.
    pub(crate) fn new(initial: &State) -> Frontier {
        Frontier {
            chunks: Vec::new(),
            last: initial.clone(),
            initial: initial.clone(),
        }
    }

    pub(crate) fn push(&mut self, state: &State) {
        let is_full =
            |chunk: &Chunk| chunk.count == CHUNK || matches!(chunk.bytes, Bytes::Spilled(_));
        if self.chunks.last().is_none_or(is_full) {
            self.close();
            self.last.clone_from(&self.initial);
            self.chunks.push(Chunk {
                count: 0,
                bytes: Bytes::Held(Vec::with_capacity(CHUNK * 16)),
            });
        }
        if let Some(Chunk {
            count,
            bytes: Bytes::Held(bytes),
        }) = self.chunks.last_mut()
        {
            pack(&mut self.last, state, bytes);
            *count += 1;
        }
    }

    /// Gives back what the last chunk has not used.
    fn close(&mut self) {
        if let Some(Chunk {
            bytes: Bytes::Held(bytes),
            ..
        }) = self.chunks.last_mut()
        {
            bytes.shrink_to_fit();
        }
    }

    /// Takes the chunks of another.
    pub(crate) fn append(&mut self, mut other: Frontier) {
        other.close();
        self.chunks.append(&mut other.chunks);
        // Nothing is packed behind another's last state.
        if let Some(last) = self.chunks.last_mut()
            && last.count < CHUNK
        {
            self.last.clone_from(&other.last);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.count).sum()
    }

    /// Bytes that it takes in memory.
    pub(crate) fn held(&self) -> usize {
        self.chunks.iter().map(Chunk::held).sum()
    }

    /// Puts on disk what it holds in memory.
    pub(crate) fn spill(&mut self, spill: &Spill, file: usize) -> io::Result<()> {
        for chunk in &mut self.chunks {
            if let Bytes::Held(bytes) = &chunk.bytes {
                chunk.bytes = Bytes::Spilled(spill.write(file, bytes)?);
            }
        }
        Ok(())
    }
}
