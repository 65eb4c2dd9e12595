//! Commands and their replies, and how they are written into log entries.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The first byte of every encoded command.
const VERSION: u8 = 1;

/// A client session: the log index of the entry that opened it, hence unique and the same on every
/// server (dissertation §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// What a client can do to a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Sets the value.
    Write {
        /// The key.
        key: String,
        /// Its new value.
        value: Bytes,
    },
    /// Sets the value if it is the expected one; `None` expects an absent key.
    Cas {
        /// The key.
        key: String,
        /// The value it must have.
        expected: Option<Bytes>,
        /// Its new value.
        value: Bytes,
    },
    /// Adds bytes behind the value; an absent key counts as empty.
    Append {
        /// The key.
        key: String,
        /// What to add.
        suffix: Bytes,
    },
    /// Takes these steps in order, all of them or none, with nothing of another client's between.
    Txn(Vec<TxnStep>),
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TxnStep {
    /// Reads the value, earlier steps of the transaction included.
    Read {
        /// The key.
        key: String,
    },
    /// Sets the value.
    Write {
        /// The key.
        key: String,
        /// Its new value.
        value: Bytes,
    },
    /// Adds bytes behind the value; an absent key counts as empty.
    Append {
        /// The key.
        key: String,
        /// What to add.
        suffix: Bytes,
    },
    /// Gives the whole transaction up unless the value is this one; `None` expects an absent key.
    Expect {
        /// The key.
        key: String,
        /// The value it must have.
        value: Option<Bytes>,
    },
}

impl Operation {
    /// How many bytes its keys and values have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Operation::Write { key, value } => key.len() + value.len(),
            Operation::Cas {
                key,
                expected,
                value,
            } => key.len() + expected.as_ref().map_or(0, Bytes::len) + value.len(),
            Operation::Append { key, suffix } => key.len() + suffix.len(),
            Operation::Txn(steps) => steps.iter().map(TxnStep::bytes).sum(),
        }
    }
}

impl TxnStep {
    fn bytes(&self) -> usize {
        match self {
            TxnStep::Read { key } => key.len(),
            TxnStep::Write { key, value } => key.len() + value.len(),
            TxnStep::Append { key, suffix } => key.len() + suffix.len(),
            TxnStep::Expect { key, value } => key.len() + value.as_ref().map_or(0, Bytes::len),
        }
    }
}

/// What a log entry asks of the state machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Opens a session. Repeating it opens another, which does no harm.
    OpenSession,
    /// Carries out an operation once for each sequence number of a session.
    Execute {
        /// The session.
        session: SessionId,
        /// Counts the session's commands from one.
        sequence: u64,
        /// What to do.
        operation: Operation,
    },
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// A session was opened.
    SessionOpened(SessionId),
    /// The write or append took effect.
    Done,
    /// The compare-and-set took effect.
    Swapped,
    /// The compare-and-set found another value and changed nothing.
    Mismatch(Option<Bytes>),
    /// No such session: it was never opened, or was evicted as the least recently used. Whether an
    /// earlier try of the command took effect is not known.
    SessionExpired,
    /// The session has already carried out a later command.
    StaleSequence,
    /// The entry's bytes are no command this version knows; nothing was changed.
    Unreadable,
    /// The transaction took effect; what each of its reads saw, in order.
    Committed(Vec<Option<Bytes>>),
    /// The transaction found another value than it expected, and changed nothing.
    Aborted {
        /// Which of its steps, from zero.
        step: u32,
        /// The value there.
        found: Option<Bytes>,
    },
    /// A value would have outgrown [`MAX_VALUE_BYTES`](super::MAX_VALUE_BYTES), or the reads of a transaction an
    /// answer; nothing was changed.
    TooLarge,
}

/// Why bytes are no command.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// There is nothing.
    #[error("a command of no bytes")]
    Empty,
    /// Another version wrote it.
    #[error("a command of version {0}, where this server knows version {VERSION}")]
    Version(u8),
    /// It does not decode.
    #[error("a command that does not decode: {0}")]
    Malformed(String),
}

impl Command {
    /// The bytes for a log entry.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        // Room for most: it would grow three times else.
        let mut bytes = Vec::with_capacity(64);
        bytes.push(VERSION);
        let bytes =
            postcard::to_extend(self, bytes).expect("plain data without maps always serialises");
        Bytes::from(bytes)
    }

    /// The command in a log entry.
    ///
    /// # Errors
    /// If the bytes are not a whole command of this version.
    pub fn decode(bytes: &[u8]) -> Result<Command, CommandError> {
        match bytes.split_first() {
            None => Err(CommandError::Empty),
            Some((&VERSION, rest)) => match postcard::take_from_bytes(rest) {
                Ok((command, [])) => Ok(command),
                Ok((_, left)) => Err(CommandError::Malformed(format!(
                    "{} bytes left over",
                    left.len()
                ))),
                Err(error) => Err(CommandError::Malformed(error.to_string())),
            },
            Some((other, _)) => Err(CommandError::Version(*other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(command) = Command::decode(&bytes) {
                prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
            }
        }
    }

    #[test]
    fn a_cut_or_foreign_command_is_refused() {
        let command = Command::Execute {
            session: SessionId(3),
            sequence: 9,
            operation: Operation::Append {
                key: "k".into(),
                suffix: Bytes::from_static(b"abc"),
            },
        };
        let bytes = command.encode();
        assert_eq!(Command::decode(&bytes), Ok(command));
        for cut in 0..bytes.len() {
            assert!(Command::decode(&bytes[..cut]).is_err());
        }
        assert_eq!(Command::decode(&[9, 0]), Err(CommandError::Version(9)));
    }
}
