//! The log's bytes: a segment's header and the frame of a record. Pure; all integers little-endian.
//!
//! ```text
//! header  magic 8 | version 4 | payload length 4 | crc 4 | payload (postcard) | zeros to 8
//! record  payload length 4 | payload crc 4 | synced 8 | frame crc 4 | payload | zeros to 8
//! ```
//! The payload's checksum begins with the chain: the frame checksum of the record before, or the
//! header's, which covers the chain of the segment before. The frame's checksum begins with its
//! segment's header checksum and its own offset. So bytes pass only in the place, in the file and
//! after the history for which they were written: stale, moved and misdirected ones do not; and a
//! frame can be recognised without its predecessors, which is how a scan finds witnesses behind a
//! bad record. Places are multiples of eight.

use serde::{Deserialize, Serialize};

use crate::core::effects::Write;
use crate::types::{HardState, LogIndex};

/// The version that this program writes and reads.
pub(crate) const VERSION: u32 = 3;
/// A batch encodes to at most this many bytes.
pub const MAX_PAYLOAD: usize = 256 << 20;
/// A record's bytes before its payload.
pub(crate) const FRAME_BYTES: usize = 20;
/// Every place is a multiple of this.
pub(crate) const ALIGNMENT: usize = 8;

const MAGIC: &[u8; 8] = b"PLUMBWAL";
const HEADER_BYTES: usize = 20;
const CRC_AT: usize = 16;

/// What a segment's first bytes say: where the log stood when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentHeader {
    /// Its number; the first is one.
    pub(crate) sequence: u64,
    /// Where the segment before ends: what stands behind is not part of the log.
    pub(crate) previous_len: u64,
    /// The chain at that end.
    pub(crate) previous_chain: u32,
    /// The hard state there, so that removing older segments can't lose it.
    pub(crate) hard_state: HardState,
    /// The index of the log's last entry there.
    pub(crate) last_index: LogIndex,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Not what was written.
    Damaged,
    /// Intact, and of another version.
    Version(u32),
}

/// The name of a segment's file.
pub(crate) fn segment_name(sequence: u64) -> String {
    format!("{sequence:020}.wal")
}

/// The number of the segment of this name, if it is one.
pub(crate) fn segment_sequence(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    let canonical = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    canonical.then(|| digits.parse().ok()).flatten()
}

impl SegmentHeader {
    /// The header's bytes, whose length is a place, and the chain that starts there.
    pub(crate) fn encode(&self) -> (Vec<u8>, u32) {
        let payload = postcard::to_stdvec(self).expect("plain integers always encode");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len() + ALIGNMENT);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        let crc = checksum(&[&bytes, &payload]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&payload);
        pad(&mut bytes);
        (bytes, crc)
    }

    /// The header at the start of a file, its length in bytes, and the chain that starts there.
    pub(crate) fn decode(file: &[u8]) -> Result<(SegmentHeader, usize, u32), BadHeader> {
        let (fixed, rest) = file
            .split_at_checked(HEADER_BYTES)
            .ok_or(BadHeader::Damaged)?;
        let length = u32_at(fixed, 12) as usize;
        let payload = rest.get(..length).ok_or(BadHeader::Damaged)?;
        let crc = u32_at(fixed, CRC_AT);
        if &fixed[..8] != MAGIC || crc != checksum(&[&fixed[..CRC_AT], payload]) {
            return Err(BadHeader::Damaged);
        }
        let version = u32_at(fixed, 8);
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        let end = (HEADER_BYTES + length).next_multiple_of(ALIGNMENT);
        let padding = file
            .get(HEADER_BYTES + length..end)
            .ok_or(BadHeader::Damaged)?;
        let header = postcard::from_bytes(payload).map_err(|_| BadHeader::Damaged)?;
        if padding.iter().any(|b| *b != 0) {
            return Err(BadHeader::Damaged);
        }
        Ok((header, end, crc))
    }
}

/// A record's first bytes, found intact and in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The payload's length in bytes.
    pub(crate) length: usize,
    /// The witness: the segment was durable up to here when this was written.
    pub(crate) synced: u64,
    /// The chain behind this record.
    pub(crate) chain: u32,
    payload_crc: u32,
}

impl Frame {
    /// The frame at `offset`, if its bytes are there and right. `seed` is its header's checksum.
    pub(crate) fn decode(file: &[u8], offset: usize, seed: u32) -> Option<Frame> {
        let bytes = file.get(offset..)?.get(..FRAME_BYTES)?;
        let frame = Frame {
            length: u32_at(bytes, 0) as usize,
            synced: u64::from(u32_at(bytes, 8)) | u64::from(u32_at(bytes, 12)) << 32,
            chain: u32_at(bytes, 16),
            payload_crc: u32_at(bytes, 4),
        };
        let right = frame.chain == frame_checksum(seed, offset, &bytes[..16]);
        (right && frame.synced <= offset as u64).then_some(frame)
    }

    /// The record's length with frame and padding.
    pub(crate) fn record_bytes(&self) -> usize {
        (FRAME_BYTES + self.length).next_multiple_of(ALIGNMENT)
    }
}

/// A whole record at `offset`, which follows `chain`: its frame and payload, if all of it is right.
pub(crate) fn decode_record(
    file: &[u8],
    offset: usize,
    seed: u32,
    chain: u32,
) -> Option<(Frame, &[u8])> {
    let frame = Frame::decode(file, offset, seed)?;
    let record = file[offset..].get(..frame.record_bytes())?;
    let (payload, padding) = record[FRAME_BYTES..].split_at(frame.length);
    let right = frame.payload_crc == checksum(&[&chain.to_le_bytes(), payload])
        && padding.iter().all(|b| *b == 0);
    right.then_some((frame, payload))
}

/// A record's place: where it goes, in which segment, behind which chain, and what is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The offset in the file.
    pub(crate) offset: u64,
    /// The checksum of the file's header.
    pub(crate) seed: u32,
    /// The chain before.
    pub(crate) chain: u32,
    /// The witness.
    pub(crate) synced: u64,
}

/// Appends a record to `buffer`; returns the chain behind it.
pub(crate) fn encode_record(buffer: &mut Vec<u8>, place: Place, payload: &[u8]) -> u32 {
    assert!(
        place.synced <= place.offset,
        "nothing is durable before it is written"
    );
    assert!(payload.len() <= MAX_PAYLOAD, "the caller checked the size");
    let mut frame = [0; 16];
    frame[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    frame[4..8].copy_from_slice(&checksum(&[&place.chain.to_le_bytes(), payload]).to_le_bytes());
    frame[8..].copy_from_slice(&place.synced.to_le_bytes());
    let chain = frame_checksum(place.seed, place.offset as usize, &frame);
    buffer.extend_from_slice(&frame);
    buffer.extend_from_slice(&chain.to_le_bytes());
    buffer.extend_from_slice(payload);
    pad(buffer);
    chain
}

/// A batch's writes as a payload.
pub(crate) fn encode_writes(writes: &[Write]) -> Vec<u8> {
    postcard::to_stdvec(writes).expect("plain data always encodes into memory")
}

/// The writes of a payload; `None` if the bytes are not such.
pub(crate) fn decode_writes(payload: &[u8]) -> Option<Vec<Write>> {
    postcard::from_bytes(payload).ok()
}

/// CRC-32 of some parts, one after the other.
pub(crate) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// The eight bytes at `at` as an integer.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The four bytes at `at` as an integer.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn frame_checksum(seed: u32, offset: usize, frame: &[u8]) -> u32 {
    checksum(&[&seed.to_le_bytes(), &(offset as u64).to_le_bytes(), frame])
}

fn pad(bytes: &mut Vec<u8>) {
    // Both header and record begin at a place, and buffers hold whole ones.
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Term;

    fn header() -> SegmentHeader {
        let hard_state = HardState {
            current_term: Term(300),
            voted_for: None,
        };
        SegmentHeader {
            sequence: 7,
            hard_state,
            ..SegmentHeader::default()
        }
    }

    #[test]
    fn a_header_survives_encoding_and_no_flipped_byte_passes() {
        let (bytes, crc) = header().encode();
        assert_eq!(
            SegmentHeader::decode(&bytes),
            Ok((header(), bytes.len(), crc))
        );
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(
                SegmentHeader::decode(&flipped),
                Err(BadHeader::Damaged),
                "byte {at}"
            );
            assert!(SegmentHeader::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn an_intact_header_of_another_version_is_no_damage() {
        let (mut bytes, _) = header().encode();
        bytes[8] = 9;
        let length = u32_at(&bytes, 12) as usize;
        let crc = checksum(&[
            &bytes[..CRC_AT],
            &bytes[HEADER_BYTES..HEADER_BYTES + length],
        ]);
        bytes[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(BadHeader::Version(9)));
    }

    #[test]
    fn a_record_passes_only_in_its_place_in_its_segment_and_behind_its_chain() {
        let mut bytes = vec![0; 64];
        let place = Place {
            offset: 64,
            seed: 5,
            chain: 6,
            synced: 64,
        };
        let chain = encode_record(&mut bytes, place, b"payload");
        let (frame, payload) = decode_record(&bytes, 64, 5, 6).expect("it is right");
        assert_eq!(
            (frame.chain, frame.synced, payload),
            (chain, 64, &b"payload"[..])
        );
        assert!(decode_record(&bytes, 64, 4, 6).is_none(), "another segment");
        assert!(decode_record(&bytes, 64, 5, 7).is_none(), "another history");
        assert!(
            decode_record(&bytes[8..], 56, 5, 6).is_none(),
            "another place"
        );
        for at in 64..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(decode_record(&flipped, 64, 5, 6).is_none(), "byte {at}");
            assert!(
                decode_record(&bytes[..at], 64, 5, 6).is_none(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn names_and_sequences_correspond() {
        assert_eq!(segment_sequence(&segment_name(42)), Some(42));
        assert_eq!(segment_sequence("42.wal"), None);
        assert_eq!(segment_sequence("next.tmp"), None);
    }
}
