//! The replicated state machine: string keys, byte values, and client sessions that make a retried
//! command take effect once. It knows nothing of Raft beyond the order of commands.

mod command;
mod store;
mod txn;

pub use command::{Command, CommandError, Operation, Reply, SessionId, TxnStep};
pub use store::{KvStore, MAX_SESSIONS, MAX_VALUE_BYTES};
