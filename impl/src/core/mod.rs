//! The sans-io core: Raft as a deterministic state machine without clock, randomness or input and
//! output. `Node::step(Input) -> Effects` is all there is; `Node` is `Clone + Eq + Hash`, so that a
//! model checker can explore it and a simulator can replay it.
//!
//! One room a concern: [`quorum`] counts, [`log`] holds entries, [`progress`] tracks a follower,
//! [`reads`] confirms leadership, [`read_index`] serves reads by it, [`lease`] spares it that, [`durability`] withholds promises, and [`node`] joins them by the
//! rules of Figure 2 (elections in `election`, the log in `replication`, handing over in
//! [`transfer`]).

pub mod config;
pub mod durability;
pub mod effects;
mod election;
pub mod input;
mod install;
pub mod lease;
pub mod log;
pub mod membership;
pub mod message;
pub mod node;
pub mod progress;
pub mod quorum;
pub mod read_index;
pub mod reads;
mod replication;
pub mod snapshot;
#[cfg(test)]
mod tests;
pub mod transfer;

pub use config::CoreConfig;
pub use effects::{Answer, Batch, Effects, PersistSeq, Refusal, RequestId, Timer, Write};
pub use input::{Input, ReadMode};
pub use lease::lease_duration;
pub use membership::Change;
pub use message::{AppendOutcome, Envelope, InstallOutcome, Message, Round};
pub use node::{Node, Role, RoleKind};
pub use progress::Progress;
pub use snapshot::{Chunk, Remembered, Snapshot};
pub use transfer::Transfer;
