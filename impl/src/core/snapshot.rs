//! Snapshots (§7): what stands for a log's first entries, how a leader sends one in pieces, and how a
//! follower puts the pieces together. What is in a snapshot is the state machine's business.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::types::{Entry, HardState, LogIndex, Membership, Term};

/// The state machine as it was after an entry, which it stands for with all before.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry that it stands for.
    pub last_index: LogIndex,
    /// That entry's term.
    pub last_term: Term,
    /// Who took part after that entry.
    pub membership: Arc<Membership>,
    /// CRC-32 of the data.
    pub checksum: u32,
    /// The state machine's bytes. They are kept in a file of their own: a record of the log only
    /// names a snapshot.
    #[serde(skip)]
    pub data: Bytes,
}

impl Snapshot {
    /// A snapshot of this data.
    #[must_use]
    pub fn new(
        last_index: LogIndex,
        last_term: Term,
        membership: Arc<Membership>,
        data: Bytes,
    ) -> Snapshot {
        Snapshot {
            last_index,
            last_term,
            membership,
            checksum: crc32fast::hash(&data),
            data,
        }
    }

    /// Whether the data is what it was when the snapshot was taken.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        crc32fast::hash(&self.data) == self.checksum
    }
}

/// What a server finds on its disk when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Remembered {
    /// The term and vote.
    pub hard_state: HardState,
    /// The latest snapshot.
    pub snapshot: Option<Snapshot>,
    /// The last entry that was compacted away, and its term; zeros if none was. The snapshot covers
    /// it.
    pub base: (LogIndex, Term),
    /// The entries behind the base.
    pub entries: Vec<Entry>,
}

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chunk {
    /// The last entry that the snapshot stands for.
    pub last_index: LogIndex,
    /// That entry's term.
    pub last_term: Term,
    /// Who took part after that entry.
    pub membership: Arc<Membership>,
    /// CRC-32 of the whole data.
    pub checksum: u32,
    /// The length of the whole data.
    pub total: u64,
    /// Where this piece begins.
    pub offset: u64,
    /// The piece.
    pub bytes: Bytes,
    /// CRC-32 of the piece.
    pub bytes_checksum: u32,
}

/// A snapshot on its way to one follower. It is finished even if the leader takes another meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sending {
    snapshot: Snapshot,
    offset: usize,
}

impl Sending {
    /// Nothing of it was received yet, as far as we know.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Sending {
        Sending {
            snapshot,
            offset: 0,
        }
    }

    /// The last entry that it stands for.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        self.snapshot.last_index
    }

    /// The piece that is due, of at most `most` bytes.
    #[must_use]
    pub fn chunk(&self, most: usize) -> Chunk {
        let data = &self.snapshot.data;
        let bytes = data.slice(self.offset..data.len().min(self.offset + most));
        Chunk {
            last_index: self.snapshot.last_index,
            last_term: self.snapshot.last_term,
            membership: self.snapshot.membership.clone(),
            checksum: self.snapshot.checksum,
            total: data.len() as u64,
            offset: self.offset as u64,
            bytes_checksum: crc32fast::hash(&bytes),
            bytes,
        }
    }

    /// The follower has the first `received` bytes; returns whether that moves the next piece.
    pub fn resume_at(&mut self, last_index: LogIndex, received: u64) -> bool {
        let received = usize::try_from(received).unwrap_or(usize::MAX);
        let moves = last_index == self.snapshot.last_index
            && received != self.offset
            && received <= self.snapshot.data.len();
        if moves {
            self.offset = received;
        }
        moves
    }
}

/// A snapshot on its way to us.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receiving {
    last: (LogIndex, Term),
    membership: Arc<Membership>,
    checksum: u32,
    total: u64,
    data: Vec<u8>,
}

impl Receiving {
    /// A snapshot of which nothing is here yet.
    #[must_use]
    pub fn of(chunk: &Chunk) -> Receiving {
        Receiving {
            last: (chunk.last_index, chunk.last_term),
            membership: chunk.membership.clone(),
            checksum: chunk.checksum,
            total: chunk.total,
            data: Vec::new(),
        }
    }

    /// Whether the piece is of this snapshot: another leader's goes on where the last one's ended.
    #[must_use]
    pub fn is_of(&self, chunk: &Chunk) -> bool {
        (self.last, self.checksum, self.total)
            == (
                (chunk.last_index, chunk.last_term),
                chunk.checksum,
                chunk.total,
            )
    }

    /// Takes a piece if it is the next one and unharmed.
    pub fn take(&mut self, chunk: &Chunk) {
        let next = chunk.offset == self.data.len() as u64;
        if next && crc32fast::hash(&chunk.bytes) == chunk.bytes_checksum {
            self.data.extend_from_slice(&chunk.bytes);
        }
    }

    /// How many bytes are here.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.data.len() as u64
    }

    /// Whether every byte is here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.received() >= self.total
    }

    /// The snapshot, if what is here is what was sent.
    #[must_use]
    pub fn finish(self) -> Option<Snapshot> {
        let snapshot = Snapshot {
            last_index: self.last.0,
            last_term: self.last.1,
            membership: self.membership,
            checksum: self.checksum,
            data: Bytes::from(self.data),
        };
        snapshot.is_intact().then_some(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let data: Vec<u8> = (0..100).collect();
        Snapshot::new(LogIndex(9), Term(2), Arc::default(), Bytes::from(data))
    }

    #[test]
    fn pieces_that_are_lost_repeated_or_harmed_still_make_the_snapshot() {
        let mut sending = Sending::new(snapshot());
        let mut receiving = Receiving::of(&sending.chunk(30));
        let mut harmed = sending.chunk(30);
        harmed.bytes = Bytes::from_static(b"not what was sent");
        receiving.take(&harmed);
        assert_eq!(receiving.received(), 0);
        while !receiving.is_complete() {
            let chunk = sending.chunk(30);
            receiving.take(&chunk);
            receiving.take(&chunk);
            sending.resume_at(LogIndex(9), receiving.received());
        }
        assert_eq!(receiving.finish(), Some(snapshot()));
    }

    #[test]
    fn another_leader_goes_on_where_the_last_one_ended() {
        let mut first = Sending::new(snapshot());
        let mut receiving = Receiving::of(&first.chunk(30));
        receiving.take(&first.chunk(30));
        assert!(first.resume_at(LogIndex(9), 30));
        let mut second = Sending::new(snapshot());
        assert!(receiving.is_of(&second.chunk(30)));
        receiving.take(&second.chunk(30));
        assert_eq!(receiving.received(), 30, "a piece that is here already");
        assert!(second.resume_at(LogIndex(9), receiving.received()));
        assert_eq!(second.chunk(30).offset, 30);
        let newer = Sending::new(Snapshot::new(
            LogIndex(10),
            Term(2),
            Arc::default(),
            Bytes::new(),
        ));
        assert!(!receiving.is_of(&newer.chunk(30)));
    }

    #[test]
    fn a_whole_that_is_not_what_was_sent_is_refused() {
        let mut chunk = Sending::new(snapshot()).chunk(200);
        chunk.checksum ^= 1;
        let mut receiving = Receiving::of(&chunk);
        receiving.take(&chunk);
        assert!(receiving.is_complete());
        assert_eq!(receiving.finish(), None);
    }
}
