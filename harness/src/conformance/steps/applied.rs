//! An entry that a state machine applies, as the specification sees it: what is asked of which session, what it is
//! told, whether anything changed, and what is remembered of the session then. What clients store is left out.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use plumb_raft::kv::{Command, KvStore, Operation, Reply, SessionId, TxnStep};
use plumb_raft::types::{Entry, NodeId, Payload};
use serde::{Deserialize, Serialize};

/// What an entry asks of the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asks {
    /// A session.
    Open,
    /// That a request is executed once.
    Execute {
        /// Its session.
        session: u64,
        /// Its number in the session.
        sequence: u64,
    },
}

/// What the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// Its session's number.
    Opened(u64),
    /// There is no such session.
    Expired,
    /// A later request of its session was executed before.
    Stale,
    /// What came of its request, as a sum.
    Answer(u64),
}

/// A state machine that has applied an entry which concerns a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// Whose.
    pub server: u64,
    /// The entry's index.
    pub index: u64,
    /// What the entry asks.
    pub asks: Asks,
    /// What the client is told.
    pub told: Told,
    /// A value that the request names is another than before.
    pub changed: bool,
    /// The last request that was executed of the session, and the entry that last used it; of the session that was
    /// opened, if one was.
    pub remembers: Option<(u64, u64)>,
}

/// A state machine that has taken a snapshot's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// Whose.
    pub server: u64,
    /// The last entry that it stands for.
    pub index: u64,
    /// Its sessions: number, last request that was executed, entry that last used it.
    pub sessions: Vec<(u64, u64, u64)>,
}

impl Restored {
    /// What a state machine is.
    #[must_use]
    pub fn of(id: NodeId, store: &KvStore) -> Restored {
        let sessions = store.sessions();
        Restored {
            server: id.0,
            index: store.applied().0,
            sessions: sessions
                .map(|(id, last, used)| (id.0, last, used.0))
                .collect(),
        }
    }
}

/// An entry that is about to be applied.
#[derive(Debug)]
pub struct Applying {
    index: u64,
    asks: Asks,
    /// The keys that it names, with their values.
    values: Vec<(String, Option<Bytes>)>,
}

impl Applying {
    /// Looks at a state machine before it applies an entry; nothing if that concerns no session.
    #[must_use]
    pub fn of(store: &KvStore, entry: &Entry) -> Option<Applying> {
        let Payload::Command(bytes) = &entry.payload else {
            return None;
        };
        let (asks, keys) = match Command::decode(bytes).ok()? {
            Command::OpenSession => (Asks::Open, Vec::new()),
            Command::Execute {
                session: SessionId(session),
                sequence,
                operation,
            } => (Asks::Execute { session, sequence }, keys_of(operation)),
        };
        let values = keys.into_iter().map(|key| {
            let value = store.get(&key).cloned();
            (key, value)
        });
        Some(Applying {
            index: entry.index.0,
            asks,
            values: values.collect(),
        })
    }

    /// Looks at it again.
    #[must_use]
    pub fn done(self, id: NodeId, store: &KvStore, reply: Option<&Reply>) -> Applied {
        let session = match self.asks {
            Asks::Open => self.index,
            Asks::Execute { session, .. } => session,
        };
        let remembers = store.session(SessionId(session));
        let mut values = self.values.iter();
        Applied {
            server: id.0,
            index: self.index,
            asks: self.asks,
            told: told(reply),
            changed: values.any(|(key, value)| store.get(key) != value.as_ref()),
            remembers: remembers.map(|(last, used)| (last, used.0)),
        }
    }
}

fn told(reply: Option<&Reply>) -> Told {
    match reply {
        Some(Reply::SessionOpened(id)) => Told::Opened(id.0),
        Some(Reply::SessionExpired) => Told::Expired,
        Some(Reply::StaleSequence) => Told::Stale,
        other => {
            let mut sum = DefaultHasher::new();
            other.hash(&mut sum);
            Told::Answer(sum.finish())
        }
    }
}

fn keys_of(operation: Operation) -> Vec<String> {
    match operation {
        Operation::Write { key, .. }
        | Operation::Cas { key, .. }
        | Operation::Append { key, .. } => vec![key],
        Operation::Txn(steps) => {
            let keys = steps.into_iter().map(|step| match step {
                TxnStep::Read { key }
                | TxnStep::Write { key, .. }
                | TxnStep::Append { key, .. }
                | TxnStep::Expect { key, .. } => key,
            });
            keys.collect()
        }
    }
}
