//! The state machine itself: a pure function of the commands applied.

use std::collections::BTreeMap;

use bytes::Bytes;
use imbl::OrdMap;
use serde::{Deserialize, Deserializer, Serialize};

use super::command::{Command, Operation, Reply, SessionId};
use super::txn;
use crate::types::{Entry, LogIndex, Payload};

/// The most sessions kept; opening one more evicts the least recently used.
pub const MAX_SESSIONS: usize = 4096;

/// The most bytes of a value: one that appends have grown must still fit into an answer, and into a session's
/// memory of it.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// The first byte of every encoded store.
const SNAPSHOT_VERSION: u8 = 1;

/// A session's memory: the last command carried out and its reply, for a retry of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Session {
    last_sequence: u64,
    last_reply: Reply,
    last_used: LogIndex,
}

/// Keys, values and sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KvStore {
    #[serde(deserialize_with = "ordered")]
    values: Values,
    #[serde(deserialize_with = "ordered")]
    sessions: OrdMap<SessionId, Session>,
    applied: LogIndex,
}

/// A map that grows with what is there: imbl's own decoder makes room for whatever length damaged bytes claim.
fn ordered<'de, D, K, V>(deserializer: D) -> Result<OrdMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + Clone,
    V: Deserialize<'de> + Clone,
{
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

impl KvStore {
    /// Applies the next entry and says what became of it; a no-op has no reply.
    ///
    /// # Panics
    /// If the entry is not the one that follows the last applied.
    pub fn apply(&mut self, entry: &Entry) -> Option<Reply> {
        assert_eq!(
            entry.index,
            self.applied.next(),
            "entries are applied once and in order"
        );
        self.applied = entry.index;
        match &entry.payload {
            Payload::Noop | Payload::Membership(_) => None,
            Payload::Command(bytes) => Some(match Command::decode(bytes) {
                Err(_) => Reply::Unreadable,
                Ok(Command::OpenSession) => self.open_session(entry.index),
                Ok(Command::Execute {
                    session,
                    sequence,
                    operation,
                }) => self.execute_once(session, sequence, operation),
            }),
        }
    }

    /// The store's bytes for a snapshot: the same for the same store, on every server.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let bytes = postcard::to_extend(self, vec![SNAPSHOT_VERSION])
            .expect("plain data in ordered maps always serialises");
        Bytes::from(bytes)
    }

    /// The store in a snapshot; `None` if the bytes are not a whole one of this version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<KvStore> {
        match bytes.split_first() {
            Some((&SNAPSHOT_VERSION, rest)) => match postcard::take_from_bytes(rest) {
                Ok((store, [])) => Some(store),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.values.get(key)
    }

    /// What it remembers of sessions: the last sequence number carried out, and the entry that last used it.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, u64, LogIndex)> {
        let sessions = self.sessions.iter();
        sessions.map(|(id, it)| (*id, it.last_sequence, it.last_used))
    }

    /// The same of one session.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<(u64, LogIndex)> {
        let session = self.sessions.get(&id)?;
        Some((session.last_sequence, session.last_used))
    }

    /// The last entry applied.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        self.applied
    }

    fn open_session(&mut self, index: LogIndex) -> Reply {
        if self.sessions.len() >= MAX_SESSIONS {
            let oldest = self
                .sessions
                .iter()
                .min_by_key(|(_, s)| s.last_used)
                .map(|(id, _)| *id);
            oldest.and_then(|id| self.sessions.remove(&id));
        }
        let id = SessionId(index.0);
        let session = Session {
            last_sequence: 0,
            last_reply: Reply::SessionOpened(id),
            last_used: index,
        };
        self.sessions.insert(id, session);
        Reply::SessionOpened(id)
    }

    /// Exactly-once (§8): a repeated sequence number gets the first reply again.
    fn execute_once(&mut self, id: SessionId, sequence: u64, operation: Operation) -> Reply {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Reply::SessionExpired;
        };
        session.last_used = self.applied;
        if sequence < session.last_sequence {
            return Reply::StaleSequence;
        }
        if sequence == session.last_sequence {
            return session.last_reply.clone();
        }
        let reply = execute(&mut self.values, operation);
        session.last_sequence = sequence;
        session.last_reply = reply.clone();
        reply
    }
}

/// The keys with their values. A copy shares what it has in common: a snapshot is one, taken at once.
pub(super) type Values = OrdMap<String, Bytes>;

fn execute(values: &mut Values, operation: Operation) -> Reply {
    match operation {
        Operation::Write { value, .. } | Operation::Cas { value, .. }
            if value.len() > MAX_VALUE_BYTES =>
        {
            Reply::TooLarge
        }
        Operation::Write { key, value } => {
            values.insert(key, value);
            Reply::Done
        }
        Operation::Cas {
            key,
            expected,
            value,
        } => {
            let current = values.get(&key).cloned();
            if current == expected {
                values.insert(key, value);
                Reply::Swapped
            } else {
                Reply::Mismatch(current)
            }
        }
        Operation::Append { key, suffix } => {
            let Some(longer) = appended(values.get(&key), &suffix) else {
                return Reply::TooLarge;
            };
            values.insert(key, longer);
            Reply::Done
        }
        Operation::Txn(steps) => txn::execute(values, steps),
    }
}

/// A value with bytes behind it; `None` if it would be too large.
pub(super) fn appended(value: Option<&Bytes>, suffix: &Bytes) -> Option<Bytes> {
    let value = value.map(AsRef::as_ref).unwrap_or_default();
    (value.len() + suffix.len() <= MAX_VALUE_BYTES)
        .then(|| Bytes::from([value, suffix.as_ref()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Term;

    struct Log(KvStore, u64);

    impl Log {
        fn apply(&mut self, command: &Command) -> Reply {
            self.1 += 1;
            let payload = Payload::Command(command.encode());
            let entry = Entry {
                index: LogIndex(self.1),
                term: Term(1),
                payload,
            };
            self.0.apply(&entry).expect("a command has a reply")
        }

        fn open(&mut self) -> SessionId {
            match self.apply(&Command::OpenSession) {
                Reply::SessionOpened(id) => id,
                other => panic!("{other:?}"),
            }
        }
    }

    fn append(session: SessionId, sequence: u64, suffix: &'static str) -> Command {
        let operation = Operation::Append {
            key: "k".into(),
            suffix: Bytes::from(suffix),
        };
        Command::Execute {
            session,
            sequence,
            operation,
        }
    }

    #[test]
    fn a_retried_command_is_applied_once() {
        let mut log = Log(KvStore::default(), 0);
        let session = log.open();
        assert_eq!(log.apply(&append(session, 1, "a")), Reply::Done);
        assert_eq!(log.apply(&append(session, 1, "a")), Reply::Done);
        assert_eq!(log.apply(&append(session, 2, "b")), Reply::Done);
        assert_eq!(log.apply(&append(session, 1, "a")), Reply::StaleSequence);
        assert_eq!(log.0.get("k"), Some(&Bytes::from("ab")));
    }

    #[test]
    fn a_store_survives_its_snapshot_with_its_sessions() {
        let mut log = Log(KvStore::default(), 0);
        let session = log.open();
        log.apply(&append(session, 1, "a"));
        let bytes = log.0.encode();
        assert_eq!(KvStore::decode(&bytes), Some(log.0.clone()));
        let mut restored = Log(KvStore::decode(&bytes).expect("it is whole"), log.1);
        assert_eq!(restored.apply(&append(session, 1, "a")), Reply::Done);
        assert_eq!(restored.0.get("k"), Some(&Bytes::from("a")), "a retry");
        for cut in 0..bytes.len() {
            assert_eq!(KvStore::decode(&bytes[..cut]), None);
        }
    }

    #[test]
    fn a_retried_cas_gets_its_first_answer() {
        let mut log = Log(KvStore::default(), 0);
        let session = log.open();
        let cas = |sequence, expected: Option<&'static str>, value: &'static str| {
            let expected = expected.map(Bytes::from);
            let operation = Operation::Cas {
                key: "k".into(),
                expected,
                value: value.into(),
            };
            Command::Execute {
                session,
                sequence,
                operation,
            }
        };
        assert_eq!(log.apply(&cas(1, None, "x")), Reply::Swapped);
        assert_eq!(
            log.apply(&cas(1, None, "x")),
            Reply::Swapped,
            "not a mismatch with itself"
        );
        assert_eq!(
            log.apply(&cas(2, None, "y")),
            Reply::Mismatch(Some("x".into()))
        );
    }

    #[test]
    fn an_unknown_or_evicted_session_executes_nothing() {
        let mut log = Log(KvStore::default(), 0);
        assert_eq!(
            log.apply(&append(SessionId(77), 1, "a")),
            Reply::SessionExpired
        );
        let first = log.open();
        for _ in 0..MAX_SESSIONS {
            log.open();
        }
        assert_eq!(log.apply(&append(first, 1, "a")), Reply::SessionExpired);
        assert_eq!(log.0.get("k"), None);
    }
}
