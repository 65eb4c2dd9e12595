//! Steps as JSON Lines: a header, then a line for each start of a server and each step of its core, with the state
//! before, the input, the effects and the state after; and what its state machine made of each request. What clients
//! store is left out: no rule looks at it.

mod read;
mod runs;
mod write;

use plumb_raft::core::{Effects, Input};
use serde::{Deserialize, Serialize};

use super::steps::{Applied, Restored, Seen};
pub use read::{Judged, ReadError, judge};
pub use runs::Runs;
pub use write::StepRecorder;

/// The version of the format that is written.
pub const VERSION: u32 = 2;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format.
    pub plumb_steps: u32,
    /// What wrote it.
    pub build: String,
}

/// A server with its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// All but the log.
    pub server: Seen,
    /// The terms in its log.
    pub log: Runs,
}

/// A line behind the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Line {
    /// A server has started.
    Start(Box<State>),
    /// A server has taken a step.
    Step(Box<Step>),
    /// A state machine has applied an entry which concerns a session.
    Applied(Applied),
    /// A state machine has taken a snapshot's place.
    Restored(Restored),
}

/// A step of a server's core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The server before.
    pub before: State,
    /// What it was given.
    pub input: Input,
    /// What it asks of the world.
    pub effects: Effects,
    /// The server after.
    pub after: State,
}
