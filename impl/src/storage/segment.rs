//! How a segment comes to be: written under another name, synced, renamed, and the directory synced.
//! So a file with a segment's name is whole, and all of it is durable.

use super::error::StorageError;
use super::format::{Place, SegmentHeader, encode_record, segment_name};
use crate::seams::{Disk, DiskFile};

/// A segment under construction; what a crash leaves of it is overwritten by the next.
const SCRATCH_FILE: &str = "next.tmp";

/// The segment that the log is writing.
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) name: String,
    pub(crate) file: Box<dyn DiskFile>,
    /// The header's checksum.
    pub(crate) seed: u32,
    pub(crate) header_len: u64,
}

/// A new segment that holds these payloads, its length, and the chain behind them.
pub(crate) fn create(
    disk: &dyn Disk,
    header: &SegmentHeader,
    payloads: &[Vec<u8>],
) -> Result<(Segment, u64, u32), StorageError> {
    let (mut bytes, seed) = header.encode();
    let header_len = bytes.len() as u64;
    let mut chain = seed;
    for payload in payloads {
        // What is named is durable: the header is a true witness by the time anyone reads this.
        let place = Place {
            offset: bytes.len() as u64,
            seed,
            chain,
            synced: header_len,
        };
        chain = encode_record(&mut bytes, place, payload);
    }

    let name = segment_name(header.sequence);
    let scratch = |action| move |e| StorageError::io(action, SCRATCH_FILE, e);
    let mut file = disk.open(SCRATCH_FILE, true).map_err(scratch("create"))?;
    file.set_len(0).map_err(scratch("empty"))?;
    file.write_at(0, &bytes).map_err(scratch("write"))?;
    file.sync().map_err(scratch("sync"))?;
    disk.rename(SCRATCH_FILE, &name)
        .map_err(|e| StorageError::io("create", &name, e))?;
    sync_dir(disk)?;
    drop(file);
    let segment = open(disk, header.sequence, seed, header_len)?;
    Ok((segment, bytes.len() as u64, chain))
}

/// A segment that a scan has read.
pub(crate) fn open(
    disk: &dyn Disk,
    sequence: u64,
    seed: u32,
    header_len: u64,
) -> Result<Segment, StorageError> {
    let name = segment_name(sequence);
    let file = disk
        .open(&name, false)
        .map_err(|e| StorageError::io("open", &name, e))?;
    Ok(Segment {
        sequence,
        name,
        file,
        seed,
        header_len,
    })
}

/// Cuts a sealed segment where it is sealed, for good.
pub(crate) fn cut(disk: &dyn Disk, name: &str, len: u64) -> Result<(), StorageError> {
    let failed = |e| StorageError::io("cut", name, e);
    let mut file = disk.open(name, false).map_err(failed)?;
    file.set_len(len).map_err(failed)?;
    file.sync().map_err(failed)
}

/// Makes names durable.
pub(crate) fn sync_dir(disk: &dyn Disk) -> Result<(), StorageError> {
    disk.sync_dir()
        .map_err(|e| StorageError::io("sync", "the data folder", e))
}
