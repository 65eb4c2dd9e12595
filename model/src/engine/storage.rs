//! What a search keeps in files, and what can be wrong with them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::spill::Spill;

/// What a search keeps in files.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The folder for frontiers that memory has no room for; a folder of temporary files where there is
    /// none, and a limit of memory.
    pub spill: Option<PathBuf>,
    /// Bytes of frontiers that are held in memory before they are put on disk, if there is a folder.
    pub hold: usize,
    /// The file that a search which is stopped, or runs out of memory, can be resumed from.
    pub checkpoint: Option<PathBuf>,
    /// How often that file is written meanwhile.
    pub every: Duration,
    /// The file to go on from.
    pub resume: Option<PathBuf>,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage {
            spill: None,
            hold: 256 << 20,
            checkpoint: None,
            every: Duration::from_secs(900),
            resume: None,
        }
    }
}

/// A file that is no good.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A frontier could not be put on disk, or read back.
    #[error("cannot keep the frontier on disk: {0}")]
    Spill(io::Error),
    /// A checkpoint could not be read or written.
    #[error("{}: {error}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// A file is no checkpoint, or not a whole one.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A checkpoint is of another search.
    #[error("{}: a checkpoint of another search\n  its search: {theirs}\n  this search: {ours}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is of.
        theirs: String,
        /// What was asked for.
        ours: String,
    },
}

impl StorageError {
    pub(super) fn spilling(error: io::Error) -> StorageError {
        StorageError::Spill(error)
    }

    pub(super) fn damaged(path: &Path, what: &'static str) -> StorageError {
        StorageError::Damaged {
            path: path.to_owned(),
            what,
        }
    }
}

impl Storage {
    /// Where frontiers go that memory has no room for.
    pub(super) fn spill(&self, is_limited: bool) -> Result<Option<Spill>, StorageError> {
        let temporary = is_limited.then(std::env::temp_dir);
        let dir = self.spill.clone().or(temporary);
        let spill = dir.map(|dir| Spill::create(&dir));
        spill.transpose().map_err(StorageError::Spill)
    }
}
