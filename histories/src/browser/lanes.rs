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
    /// Moments of a server that are no change of its numbers: snapshots, memberships.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<ServerMark>,
    /// What servers sent each other, in the order of sending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<ServerMessage>,
}

/// A moment of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerMark {
    /// Nanoseconds since the start of the run.
    pub at_ns: u64,
    /// Which server: a place among the names.
    pub server: usize,
    /// What kind of moment.
    pub kind: MarkKind,
    /// What happened, in a few words.
    pub what: String,
}

/// Kinds of moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkKind {
    /// It wrote its state down.
    Snapshot,
    /// It took another's state for its own.
    Restore,
    /// Another membership counts for it.
    Membership,
}

/// A message between servers. In a file it is a list, since a run has thousands: `[sent, arrivals, from,
/// to, what]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Packed", into = "Packed")]
pub struct ServerMessage {
    /// When it was sent, in nanoseconds since the start of the run.
    pub sent_ns: u64,
    /// When it was taken in: never if it was lost, several times if it was duplicated.
    pub arrivals_ns: Vec<u64>,
    /// Who sent it: a place among the names.
    pub from: usize,
    /// Who it was for.
    pub to: usize,
    /// What it says.
    pub what: String,
}

type Packed = (u64, Vec<u64>, usize, usize, String);

impl From<Packed> for ServerMessage {
    fn from((sent_ns, arrivals_ns, from, to, what): Packed) -> ServerMessage {
        ServerMessage {
            sent_ns,
            arrivals_ns,
            from,
            to,
            what,
        }
    }
}

impl From<ServerMessage> for Packed {
    fn from(message: ServerMessage) -> Packed {
        let ServerMessage {
            sent_ns,
            arrivals_ns,
            from,
            to,
            what,
        } = message;
        (sent_ns, arrivals_ns, from, to, what)
    }
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
