//! Snapshot files: each is written under another name, synced, renamed, and the directory synced,
//! before a record of the log names it. So a file that the log names is whole; one that it does not
//! name is the remains of a crash, or of the snapshot before, and is removed.
//!
//! ```text
//! file    magic 8 | version 4 | last index 8 | last term 8 | data crc 4 | header crc 4 | data
//! ```

use bytes::Bytes;

use super::error::StorageError;
use super::format::{VERSION, checksum, u32_at};
use super::scan::read_whole;
use super::segment::sync_dir;
use crate::core::snapshot::Snapshot;
use crate::seams::Disk;

const MAGIC: &[u8; 8] = b"PLUMBSNP";
const HEADER_BYTES: usize = 36;
const SUFFIX: &str = ".snapshot";
const SCRATCH_FILE: &str = "snapshot.tmp";

/// The name of a snapshot's file.
pub(crate) fn snapshot_name(snapshot: &Snapshot) -> String {
    let (index, term) = (snapshot.last_index.0, snapshot.last_term.0);
    format!("{index:020}-{term:020}{SUFFIX}")
}

/// Writes a snapshot; once this returns, it is durable under its name.
pub(crate) fn save(disk: &dyn Disk, snapshot: &Snapshot) -> Result<(), StorageError> {
    let name = snapshot_name(snapshot);
    let scratch = |action| move |e| StorageError::io(action, SCRATCH_FILE, e);
    let mut file = disk.open(SCRATCH_FILE, true).map_err(scratch("create"))?;
    file.set_len(0).map_err(scratch("empty"))?;
    file.write_at(0, &header(snapshot))
        .map_err(scratch("write"))?;
    file.write_at(HEADER_BYTES as u64, &snapshot.data)
        .map_err(scratch("write"))?;
    file.sync().map_err(scratch("sync"))?;
    disk.rename(SCRATCH_FILE, &name)
        .map_err(|e| StorageError::io("create", &name, e))?;
    sync_dir(disk)
}

/// The snapshot that a record of the log names, with its data.
pub(crate) fn load(disk: &dyn Disk, named: &Snapshot) -> Result<Snapshot, StorageError> {
    let name = snapshot_name(named);
    let file = match disk.open(&name, false) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(StorageError::MissingSegment { file: name });
        }
        Err(e) => return Err(StorageError::io("open", &name, e)),
    };
    let bytes = read_whole(&*file, &name)?;
    let damaged = |offset: usize, what| Err(StorageError::corrupt(&name, offset as u64, what));
    let Some(found) = bytes.get(..HEADER_BYTES) else {
        return damaged(bytes.len(), "the file ends within its header");
    };
    if &found[..8] != MAGIC || u32_at(found, 32) != checksum(&[&found[..32]]) {
        return damaged(0, "the header is bad");
    }
    let version = u32_at(found, 8);
    if version != VERSION {
        return Err(StorageError::UnsupportedVersion {
            file: name,
            found: version,
            supported: VERSION,
        });
    }
    if found != header(named) {
        return damaged(0, "the header is that of another snapshot");
    }
    let snapshot = Snapshot {
        data: Bytes::from(bytes).slice(HEADER_BYTES..),
        ..named.clone()
    };
    if snapshot.is_intact() {
        Ok(snapshot)
    } else {
        damaged(HEADER_BYTES, "its data is not what was written")
    }
}

/// Removes every snapshot but this one.
pub(crate) fn remove_others(disk: &dyn Disk, keep: &Snapshot) -> Result<(), StorageError> {
    let keep = snapshot_name(keep);
    let names = disk
        .list()
        .map_err(|e| StorageError::io("list", "the data folder", e))?;
    for name in names {
        if name.ends_with(SUFFIX) && name != keep {
            disk.remove(&name)
                .map_err(|e| StorageError::io("remove", &name, e))?;
        }
    }
    Ok(())
}

fn header(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&snapshot.last_index.0.to_le_bytes());
    bytes.extend_from_slice(&snapshot.last_term.0.to_le_bytes());
    bytes.extend_from_slice(&snapshot.checksum.to_le_bytes());
    let crc = checksum(&[&bytes]);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}
