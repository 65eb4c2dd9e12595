//! Snapshot files: each is written under another name, synced, renamed, and the directory synced,
//! before a record of the log names it. So a file that the log names is whole; one that it does not
//! name is the remains of a crash, or of the snapshot before, and is removed.
//!
//! ```text
//! file    magic 8 | version 4 | last index 8 | last term 8 | data crc 4 | header crc 4 | data
//! ```

use std::sync::PoisonError;

use bytes::Bytes;

use super::error::StorageError;
use super::format::{VERSION, checksum, u32_at, u64_at};
use super::scan::read_whole;
use super::segment::sync_dir;
use crate::core::snapshot::Snapshot;
use crate::seams::Disk;
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::types::{LogIndex, Term};

const MAGIC: &[u8; 8] = b"PLUMBSNP";
const HEADER_BYTES: usize = 36;
const SUFFIX: &str = ".snapshot";
const SCRATCH_FILE: &str = "snapshot.tmp";
/// Of those that are written ahead, beside the log's driver.
const AHEAD_FILE: &str = "ahead.tmp";

/// Snapshots that are made durable before the log's driver comes to the record that names them, so that it
/// has no large file to write while others wait for their syncs. Shared with the driver; remembers the last
/// one of this life, since a file of an earlier one may hold anything.
#[derive(Clone, Debug, Default)]
pub struct Ahead(Arc<Mutex<Option<Vec<u8>>>>);

impl Ahead {
    /// Makes a snapshot's file durable. Takes as long as the disk does.
    ///
    /// # Errors
    /// What the disk reports: final, as for the log itself.
    pub fn save(
        &self,
        disk: &dyn Disk,
        (index, term): (LogIndex, Term),
        data: &Bytes,
    ) -> Result<(), StorageError> {
        // Who took part is in the record, not in the file.
        let snapshot = Snapshot::new(index, term, std::sync::Arc::default(), data.clone());
        write(disk, AHEAD_FILE, &snapshot)?;
        let mut last = self.lock();
        publish(disk, AHEAD_FILE, &snapshot)?;
        *last = Some(header(&snapshot));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this very snapshot is durable already.
    pub(crate) fn has(&self, snapshot: &Snapshot) -> bool {
        self.lock().as_deref() == Some(&header(snapshot)[..])
    }

    /// Removes every snapshot but this one, and the one that was written ahead if it is later: then a record
    /// may still come to name it. One that is not later never will be named.
    pub(crate) fn remove_others(
        &self,
        disk: &dyn Disk,
        keep: &Snapshot,
    ) -> Result<(), StorageError> {
        let mut ahead = self.lock();
        let kept = snapshot_name(keep);
        let later = ahead
            .as_deref()
            .map(|header| (u64_at(header, 12), u64_at(header, 20)))
            .filter(|(index, _)| *index > keep.last_index.0)
            .map(|(index, term)| name_of(index, term));
        if later.is_none() {
            *ahead = None;
        }
        let names = disk
            .list()
            .map_err(|e| StorageError::io("list", "the data folder", e))?;
        for name in names {
            if name.ends_with(SUFFIX) && name != kept && Some(&name) != later.as_ref() {
                disk.remove(&name)
                    .map_err(|e| StorageError::io("remove", &name, e))?;
            }
        }
        Ok(())
    }
}

/// The name of a snapshot's file.
pub(crate) fn snapshot_name(snapshot: &Snapshot) -> String {
    name_of(snapshot.last_index.0, snapshot.last_term.0)
}

fn name_of(index: u64, term: u64) -> String {
    format!("{index:020}-{term:020}{SUFFIX}")
}

/// Writes a snapshot; once this returns, it is durable under its name.
pub(crate) fn save(disk: &dyn Disk, snapshot: &Snapshot) -> Result<(), StorageError> {
    write(disk, SCRATCH_FILE, snapshot)?;
    publish(disk, SCRATCH_FILE, snapshot)
}

/// Writes a snapshot under a name that nobody looks for.
fn write(disk: &dyn Disk, scratch_file: &str, snapshot: &Snapshot) -> Result<(), StorageError> {
    let scratch = |action| move |e| StorageError::io(action, scratch_file, e);
    let mut file = disk.open(scratch_file, true).map_err(scratch("create"))?;
    file.set_len(0).map_err(scratch("empty"))?;
    file.write_at(0, &header(snapshot))
        .map_err(scratch("write"))?;
    file.write_at(HEADER_BYTES as u64, &snapshot.data)
        .map_err(scratch("write"))?;
    file.sync().map_err(scratch("sync"))
}

/// Gives it the name by which the log knows it.
fn publish(disk: &dyn Disk, scratch_file: &str, snapshot: &Snapshot) -> Result<(), StorageError> {
    let name = snapshot_name(snapshot);
    disk.rename(scratch_file, &name)
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
