//! Why a history could not be read: what, where, and what to do about it.

use std::io;

use thiserror::Error;

/// An event that has no place in the history so far.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Misplaced {
    /// One process, two open operations.
    #[error("process {process} invokes `{f}` while its `{open}` is still open")]
    TwoOpen {
        /// The process.
        process: u64,
        /// The operation that is open.
        open: String,
        /// The one that would be second.
        f: String,
    },
    /// Nothing to complete.
    #[error("process {process} completes `{f}` ({kind}), but has no open operation")]
    NothingOpen {
        /// The process.
        process: u64,
        /// The completed operation.
        f: String,
        /// How it completes.
        kind: &'static str,
    },
    /// The completion of something else.
    #[error("process {process} completes `{f}`, but its open operation is `{open}`")]
    OtherOpen {
        /// The process.
        process: u64,
        /// The completed operation.
        f: String,
        /// The open one.
        open: String,
    },
    /// Indices must grow.
    #[error("index {index} follows index {before}: events are out of order")]
    Order {
        /// This event's index.
        index: u64,
        /// The one before.
        before: u64,
    },
    /// More events than a 32-bit number counts.
    #[error("more than 4 billion events")]
    TooMany,
}

impl Misplaced {
    /// What the author of the history can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Misplaced::TwoOpen { .. } => {
                "a process does one thing at a time: give each client its own process number, and a \
                 new one after an operation of unknown fate"
            }
            Misplaced::NothingOpen { .. } => {
                "record the invocation before sending the request; was the start of the file cut off?"
            }
            Misplaced::OtherOpen { .. } => "record completions with the process that invoked",
            Misplaced::Order { .. } => "sort the events by index, or leave the index out",
            Misplaced::TooMany => "split the history by key",
        }
    }
}

/// Why a history could not be read. Each says where; [`ReadError::remedy`] says what to do.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The operating system said no.
    #[error("{file}: cannot be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A folder where a file was meant.
    #[error("{file}: is a folder, not a history")]
    Folder {
        /// The folder.
        file: String,
    },
    /// Nothing in it.
    #[error("{file}: is empty")]
    Empty {
        /// The file.
        file: String,
    },
    /// Bytes that are no text.
    #[error("{file}:{line}: is not UTF-8 text")]
    NotUtf8 {
        /// The file.
        file: String,
        /// Counts from one.
        line: u64,
    },
    /// None of the known formats.
    #[error("{file}:{line}: no known history format: {what}")]
    Unrecognised {
        /// The file.
        file: String,
        /// Counts from one.
        line: u64,
        /// What was found instead.
        what: String,
    },
    /// The format is known, its text is not right.
    #[error("{file}:{line}: {what}")]
    Malformed {
        /// The file.
        file: String,
        /// Counts from one.
        line: u64,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The text is right, the history is not.
    #[error("{file}:{line}: {source}")]
    Misplaced {
        /// The file.
        file: String,
        /// Counts from one.
        line: u64,
        /// What is wrong.
        source: Misplaced,
    },
}

impl ReadError {
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            ReadError::Io { .. } => "check the path and the permissions".into(),
            ReadError::Folder { .. } => "name the files in it".into(),
            ReadError::Empty { .. } => "was the recorder stopped before it wrote?".into(),
            ReadError::NotUtf8 { .. } => "histories are text: is this another kind of file?".into(),
            ReadError::Unrecognised { .. } => {
                "known are Plumbline's JSON Lines, Jepsen and Knossos \
                 EDN, jepsen.util log lines and Porcupine's kv text"
                    .into()
            }
            ReadError::Malformed { remedy, .. } => remedy.clone(),
            ReadError::Misplaced { source, .. } => source.remedy().into(),
        }
    }

    /// The line that it happened in, counted from one.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match self {
            ReadError::Io { .. } | ReadError::Folder { .. } | ReadError::Empty { .. } => None,
            ReadError::NotUtf8 { line, .. }
            | ReadError::Unrecognised { line, .. }
            | ReadError::Malformed { line, .. }
            | ReadError::Misplaced { line, .. } => Some(*line),
        }
    }
}
