//! The replicated state machine: string keys, byte values, and client sessions that make a retried
//! command take effect once. It knows nothing of Raft beyond the order of commands.

mod command;
mod store;

pub use command::{Command, CommandError, Operation, Reply, SessionId};
pub use store::{KvStore, MAX_SESSIONS};
