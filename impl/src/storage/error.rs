//! What can go wrong with the log, each with what to do about it. Clonable, since a failure is
//! sticky and reaches everyone who waits.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the log can't be read or written. None of these goes away by trying again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk refused. What was being written may be there, in part, or not: the log takes no more
    /// writes in this life (fsyncgate), and the next one recovers what is durable.
    #[error("cannot {action} {file}: {source}; {}, then restart this server", remedy(.source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        file: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Bytes that were durable have changed. Nothing was modified.
    #[error(
        "{file} is damaged at byte {offset}: {what}; entries that others rely on may be lost, so \
         this server must not start: restore the folder from a copy, or set it aside and let the \
         server rejoin the cluster as a new member"
    )]
    Corrupt {
        /// In which file.
        file: String,
        /// Where its first bad byte is sought.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A segment that must exist does not. Nothing was modified.
    #[error(
        "segment {file} is missing: put the file back, or set the data folder aside and let the \
         server rejoin the cluster as a new member"
    )]
    MissingSegment {
        /// Its name.
        file: String,
    },
    /// The file was written by another version of this program. Nothing was modified.
    #[error(
        "{file} has format version {found}, and this program reads version {supported}: start the \
         version that wrote it"
    )]
    UnsupportedVersion {
        /// Which file.
        file: String,
        /// The version it states.
        found: u32,
        /// The version that is understood.
        supported: u32,
    },
    /// Another process uses the data folder.
    #[error("the data folder {} is in use{holder}: stop that server first", .folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// " by process N", or nothing if unknown.
        holder: String,
    },
    /// The data folder is another server's. Nothing was modified.
    #[error(
        "the data folder is that of {found}, and this is {expected}: name the folder, the server and the \
         cluster that belong together"
    )]
    Foreign {
        /// Whose it is.
        found: String,
        /// Who wants it.
        expected: String,
    },
    /// A batch is larger than a record may be. Nothing was written.
    #[error("a batch of {bytes} bytes exceeds the limit of {limit}: lower the core's batch limits")]
    BatchTooLarge {
        /// Its encoded size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The log's driver broke an assertion: a bug. What was published as durable is durable.
    #[error("the log's driver panicked: {message}; please report this")]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// The log was closed, or its driver is gone: what was not published is not durable.
    #[error("the log is closed")]
    Closed,
}

impl StorageError {
    /// An error on a file.
    pub(crate) fn io(action: &'static str, file: &str, source: io::Error) -> StorageError {
        StorageError::Io {
            action,
            file: file.to_owned(),
            source: Arc::new(source),
        }
    }

    /// Damage in a file.
    pub(crate) fn corrupt(file: &str, offset: u64, what: impl Into<String>) -> StorageError {
        StorageError::Corrupt {
            file: file.to_owned(),
            offset,
            what: what.into(),
        }
    }
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space on the disk",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make the data folder writable"
        }
        _ => "check the disk",
    }
}
