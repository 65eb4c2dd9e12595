//! What stands in a frame: postcard of the types here. The first frame of a connection is a
//! [`Hello`], which names the protocol's version; whoever says another is told so and dropped.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::core::{Envelope, ReadMode};
use crate::kv::{Command, Operation, Reply, SessionId};
use crate::types::{LogIndex, Membership, NodeId, Term};

/// The version that this code speaks.
pub const PROTOCOL_VERSION: u16 = 4;

/// The most bytes of an encoded command: an entry must fit into a frame with all that goes with it,
/// else it could never reach a follower, nor anything behind it.
pub const MAX_COMMAND_BYTES: usize = 1 << 20;

/// `PLMB`: tells our protocol from a stray connection.
pub const MAGIC: u32 = 0x504c_4d42;

/// The first frame that a connecting side sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`PROTOCOL_VERSION`].
    pub version: u16,
    /// The cluster that it takes the other side for a member of.
    pub cluster: String,
    /// Who it is.
    pub caller: Caller,
}

/// The name of a cluster that was given none.
pub const DEFAULT_CLUSTER: &str = "plumb";

impl Hello {
    /// A greeting in this version.
    #[must_use]
    pub fn new(cluster: &str, caller: Caller) -> Hello {
        Hello {
            magic: MAGIC,
            version: PROTOCOL_VERSION,
            cluster: cluster.to_owned(),
            caller,
        }
    }

    /// Why a member of `cluster` can't talk to whoever says this, if so.
    #[must_use]
    pub fn stranger(&self, cluster: &str) -> Option<String> {
        if self.magic != MAGIC {
            Some("no greeting of this protocol".to_owned())
        } else if self.version != PROTOCOL_VERSION {
            let theirs = self.version;
            Some(format!(
                "the caller speaks version {theirs} of the protocol, and this server {PROTOCOL_VERSION}: \
                 use the same program on both sides"
            ))
        } else if self.cluster != cluster {
            let theirs = &self.cluster;
            Some(format!(
                "the caller looks for cluster {theirs:?}, and this server is one of {cluster:?}: \
                 correct its address or its cluster's name"
            ))
        } else {
            None
        }
    }
}

/// Who connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// A server of the cluster.
    Peer {
        /// Which.
        id: NodeId,
        /// Where it listens, `host:port`.
        listens: String,
    },
    /// A client.
    Client,
}

/// From a connecting server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerFrame {
    /// For the core.
    Message(Envelope),
    /// Asks for a pong with the same number: is the connection alive in both directions?
    Ping(u64),
}

/// To a connecting server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong(pub u64);

/// From a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; the response carries it back.
    pub id: u64,
    /// What it asks.
    pub body: RequestBody,
}

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestBody {
    /// Open a session.
    OpenSession,
    /// Carry out an operation once.
    Execute {
        /// The session.
        session: SessionId,
        /// The session's command number.
        sequence: u64,
        /// What to do.
        operation: Operation,
    },
    /// Read a key, linearizably.
    Read {
        /// The key.
        key: String,
        /// How it comes by its certainty.
        mode: ReadMode,
    },
    /// Read a key as it is on the server that is asked, which may be long out of date.
    ReadStale {
        /// The key.
        key: String,
    },
    /// Change who takes part. New voters must be learners before.
    ChangeMembership {
        /// Who shall vote; as before if `None`.
        voters: Option<BTreeSet<NodeId>>,
        /// Who shall receive the log without a vote.
        learners: BTreeSet<NodeId>,
        /// Where servers listen of which the cluster has not been told, or that have moved.
        addresses: BTreeMap<NodeId, String>,
    },
    /// How does the server that is asked see itself and the cluster?
    Status,
    /// Hand the leadership over.
    Transfer {
        /// To whom.
        to: NodeId,
    },
}

impl RequestBody {
    /// How many bytes of keys and values it carries that would become part of the log.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            RequestBody::Execute { operation, .. } => operation.bytes(),
            _ => 0,
        }
    }
}

/// What is to be logged for a request, so that the state machine carries it out; the request itself, if it asks for
/// something else.
impl TryFrom<RequestBody> for Command {
    type Error = RequestBody;

    fn try_from(body: RequestBody) -> Result<Command, RequestBody> {
        match body {
            RequestBody::OpenSession => Ok(Command::OpenSession),
            RequestBody::Execute {
                session,
                sequence,
                operation,
            } => Ok(Command::Execute {
                session,
                sequence,
                operation,
            }),
            other => Err(other),
        }
    }
}

/// To a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The request's id.
    pub id: u64,
    /// The answer.
    pub body: ResponseBody,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseBody {
    /// The command was applied.
    Applied(Reply),
    /// The key's value, if it has one.
    Value(Option<Bytes>),
    /// This try had no effect: another server leads, perhaps this one.
    NotLeader(Option<NodeId>),
    /// This try had no effect: too much is waiting here already, or the leader is handing over.
    Busy,
    /// This try had no effect: the command is larger than [`MAX_COMMAND_BYTES`].
    TooLarge,
    /// What was asked of the cluster's leader is done.
    Done,
    /// What was asked of the cluster's leader was not done, for this reason.
    Refused(String),
    /// It was not done for this reason, which will pass: ask again.
    TooEarly(String),
    /// The server's view.
    Status(Box<Status>),
}

/// The request that a response answers which refuses the connection as a whole.
pub const WHOLE_CONNECTION: u64 = u64::MAX;

/// A server's view of itself and the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which server.
    pub id: NodeId,
    /// What it is: `follower`, `pre-candidate`, `candidate`, `leader`.
    pub role: String,
    /// Its term.
    pub term: Term,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// Its log's first entry that is not compacted away.
    pub first_index: LogIndex,
    /// Its log's last entry.
    pub last_index: LogIndex,
    /// Up to where it knows entries to be committed.
    pub commit_index: LogIndex,
    /// Up to where it has applied them.
    pub applied: LogIndex,
    /// The last entry of its latest snapshot; zero if it has none.
    pub snapshot_index: LogIndex,
    /// Who takes part, as far as its log says.
    pub membership: Membership,
    /// If it leads: up to where it knows each other member's log to be its own, durably.
    pub matched: BTreeMap<NodeId, LogIndex>,
}

/// The bytes of a frame.
#[must_use]
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data without maps always serialises")
}

/// A frame's meaning; `None` if the bytes are not exactly one value.
#[must_use]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<Hello>(&bytes);
            let _ = decode::<Request>(&bytes);
            let _ = decode::<Response>(&bytes);
            if let Some(frame) = decode::<PeerFrame>(&bytes) {
                prop_assert_eq!(decode::<PeerFrame>(&encode(&frame)), Some(frame));
            }
        }
    }

    #[test]
    fn another_version_and_another_cluster_are_strangers() {
        let mut hello = Hello::new("a", Caller::Client);
        let read = decode::<Hello>(&encode(&hello)).expect("it is a greeting");
        assert_eq!(read.stranger("a"), None);
        assert!(read.stranger("b").is_some_and(|why| why.contains("\"b\"")));
        hello.version += 1;
        assert!(
            hello
                .stranger("a")
                .is_some_and(|why| why.contains("version"))
        );
    }
}
