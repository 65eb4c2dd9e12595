//! The notebook of what was synced: a file of two slots, written in turn after each sync of the log
//! and not synced itself, except when opened and closed. A slot is one of the witnesses that
//! [`super`] speaks of: old or lost it makes recovery less sharp-eyed, and never wrong.
//!
//! ```text
//! slot    magic 8 | version 4 | segment 8 | offset 8 | crc 4
//! ```

use super::error::StorageError;
use super::format::{VERSION, checksum, u32_at};
use super::scan::{Position, read_whole};
use crate::seams::{Disk, DiskFile};

/// The file's name.
pub(crate) const MARK_FILE: &str = "durable.mark";

const MAGIC: &[u8; 8] = b"PLUMBMRK";
const SLOT_BYTES: usize = 32;
/// Slots stand in blocks of their own, so that one torn write can't take both.
const SLOT_AT: [u64; 2] = [0, 4096];

/// The notebook, open for writing.
pub(crate) struct Mark {
    file: Box<dyn DiskFile>,
    next_slot: usize,
}

impl Mark {
    /// Opens the notebook, creating it if it is absent; its name is durable only after the next
    /// directory sync.
    pub(crate) fn open(disk: &dyn Disk) -> Result<Mark, StorageError> {
        let file = disk.open(MARK_FILE, true).map_err(|e| failed("open", e))?;
        Ok(Mark { file, next_slot: 0 })
    }

    /// Notes that the log is durable up to here.
    pub(crate) fn write(&mut self, durable: Position) -> Result<(), StorageError> {
        let at = SLOT_AT[self.next_slot];
        self.next_slot = 1 - self.next_slot;
        self.file
            .write_at(at, &encode(durable))
            .map_err(|e| failed("write", e))
    }

    /// Makes what was noted durable.
    pub(crate) fn sync(&mut self) -> Result<(), StorageError> {
        self.file.sync().map_err(|e| failed("sync", e))
    }
}

/// Makes durable what an earlier life noted, before anything is concluded from it: a refusal to start that rests
/// on the last line would else be forgotten with that line at the next power cut, and the next start
/// would take the damage for a torn tail.
pub(crate) fn keep(disk: &dyn Disk) -> Result<(), StorageError> {
    match disk.open(MARK_FILE, false) {
        Ok(mut file) => file.sync().map_err(|e| failed("sync", e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed("open", e)),
    }
}

/// The furthest position that the notebook names, if it names any.
pub(crate) fn read_mark(disk: &dyn Disk) -> Result<Option<Position>, StorageError> {
    let bytes = match disk.open(MARK_FILE, false) {
        Ok(file) => read_whole(&*file, MARK_FILE)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("open", e)),
    };
    let mut furthest = None;
    for at in SLOT_AT {
        let slot = bytes
            .get(at as usize..)
            .and_then(|rest| rest.get(..SLOT_BYTES));
        furthest = furthest.max(slot.map(decode).transpose()?.flatten());
    }
    Ok(furthest)
}

fn encode(position: Position) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..12].copy_from_slice(&VERSION.to_le_bytes());
    slot[12..20].copy_from_slice(&position.segment.to_le_bytes());
    slot[20..28].copy_from_slice(&position.offset.to_le_bytes());
    let crc = checksum(&[&slot[..28]]);
    slot[28..].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn decode(slot: &[u8]) -> Result<Option<Position>, StorageError> {
    if &slot[..8] != MAGIC || u32_at(slot, 28) != checksum(&[&slot[..28]]) {
        return Ok(None);
    }
    match u32_at(slot, 8) {
        VERSION => {
            let u64_at = |at| u64::from(u32_at(slot, at)) | u64::from(u32_at(slot, at + 4)) << 32;
            Ok(Some(Position {
                segment: u64_at(12),
                offset: u64_at(20),
            }))
        }
        found => Err(StorageError::UnsupportedVersion {
            file: MARK_FILE.to_owned(),
            found,
            supported: VERSION,
        }),
    }
}

fn failed(action: &'static str, source: std::io::Error) -> StorageError {
    StorageError::io(action, MARK_FILE, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_survives_encoding_and_a_changed_one_is_ignored() {
        let position = Position {
            segment: 3,
            offset: 1 << 40,
        };
        let slot = encode(position);
        assert_eq!(decode(&slot).expect("this version"), Some(position));
        for at in 0..SLOT_BYTES {
            let mut flipped = slot;
            flipped[at] ^= 1;
            assert_eq!(decode(&flipped).expect("ignored"), None, "byte {at}");
        }
        assert_eq!(decode(&[0; SLOT_BYTES]).expect("ignored"), None);
    }
}
