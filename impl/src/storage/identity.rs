//! Whose data folder it is: written once, before anything else, and held against every start after. A server
//! on another's log would vote twice and acknowledge what it never had.
//!
//! ```text
//! file    magic 8 | version 4 | server 8 | cluster's name | crc 4
//! ```

use super::error::StorageError;
use super::format::{VERSION, checksum, u32_at};
use super::scan::read_whole;
use super::segment::sync_dir;
use crate::seams::Disk;
use crate::types::NodeId;

const IDENTITY_FILE: &str = "identity";
const SCRATCH_FILE: &str = "identity.tmp";
const MAGIC: &[u8; 8] = b"PLUMBIDY";
const NAME_AT: usize = 20;

/// Whose folder it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's name.
    pub cluster: String,
    /// The server.
    pub server: NodeId,
}

impl Identity {
    /// Claims a folder that is nobody's yet, or finds it to be this server's.
    ///
    /// # Errors
    /// [`StorageError::Foreign`] if it is another's, damage, or whatever the disk reports.
    pub fn claim(&self, disk: &dyn Disk) -> Result<(), StorageError> {
        match read(disk)? {
            Some(found) if found == *self => Ok(()),
            Some(found) => Err(StorageError::Foreign {
                found: format!("{} of cluster {:?}", found.server, found.cluster),
                expected: format!("{} of cluster {:?}", self.server, self.cluster),
            }),
            None => self.write(disk),
        }
    }

    fn write(&self, disk: &dyn Disk) -> Result<(), StorageError> {
        let failed = |action| move |e| StorageError::io(action, SCRATCH_FILE, e);
        let mut file = disk.open(SCRATCH_FILE, true).map_err(failed("create"))?;
        file.set_len(0).map_err(failed("empty"))?;
        file.write_at(0, &self.encode()).map_err(failed("write"))?;
        file.sync().map_err(failed("sync"))?;
        disk.rename(SCRATCH_FILE, IDENTITY_FILE)
            .map_err(|e| StorageError::io("create", IDENTITY_FILE, e))?;
        sync_dir(disk)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.server.0.to_le_bytes());
        bytes.extend_from_slice(self.cluster.as_bytes());
        let crc = checksum(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn read(disk: &dyn Disk) -> Result<Option<Identity>, StorageError> {
    let bytes = match disk.open(IDENTITY_FILE, false) {
        Ok(file) => read_whole(&*file, IDENTITY_FILE)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StorageError::io("open", IDENTITY_FILE, e)),
    };
    let damaged = |what| Err(StorageError::corrupt(IDENTITY_FILE, 0, what));
    let Some(end) = bytes.len().checked_sub(4).filter(|end| *end >= NAME_AT) else {
        return damaged("the file is too short");
    };
    if &bytes[..8] != MAGIC || u32_at(&bytes, end) != checksum(&[&bytes[..end]]) {
        return damaged("it is not what was written");
    }
    let version = u32_at(&bytes, 8);
    if version != VERSION {
        return Err(StorageError::UnsupportedVersion {
            file: IDENTITY_FILE.to_owned(),
            found: version,
            supported: VERSION,
        });
    }
    let server = bytes[12..NAME_AT].try_into().expect("eight bytes");
    let Ok(cluster) = String::from_utf8(bytes[NAME_AT..end].to_vec()) else {
        return damaged("the cluster's name is no text");
    };
    Ok(Some(Identity {
        cluster,
        server: NodeId(u64::from_le_bytes(server)),
    }))
}
