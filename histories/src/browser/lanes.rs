//! What servers did while a history was recorded: one change after the other, for the lanes under the
//! clients' and for the question what each server held at a moment.

use serde::{Deserialize, Serialize};

/// The changes of all servers, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLanes {
    /// The version of the file: 1.
    pub plumb_lanes: u32,
    /// The servers' names.
    pub servers: Vec<String>,
    /// What changed when.
    pub changes: Vec<ServerChange>,
}

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerRole {
    /// It does not run.
    Down,
    /// It follows.
    Follower,
    /// It wants to lead.
    Candidate,
    /// It leads.
    Leader,
}

/// A server from this moment on, until its next change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerChange {
    /// Nanoseconds since the start of the run.
    pub at_ns: u64,
    /// Which: a place among the names.
    pub server: usize,
    /// What it is.
    pub role: ServerRole,
    /// Its term.
    pub term: u64,
    /// Whom it voted for in that term: a place among the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vote: Option<usize>,
    /// Its commit index.
    pub commit: u64,
    /// The last entry it applied.
    pub applied: u64,
    /// The last index of its log.
    pub last: u64,
    /// Its log as runs of entries of one term: the term, and the first index of the run.
    pub log: Vec<(u64, u64)>,
}
