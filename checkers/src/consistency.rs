//! How strong a promise is judged: which orders of operations count as an explanation.

use std::fmt;

use serde::Serialize;

use crate::CheckError;

/// What is demanded of the order that explains a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Consistency {
    /// One order for each object, which respects real time (Herlihy and Wing 1990).
    Linearizable,
    /// One order for all objects together, which respects the order of each process (Lamport 1979).
    Sequential,
    /// A process reads no version older than one that it read before.
    MonotonicReads,
    /// A process's writes take effect in its order.
    MonotonicWrites,
    /// A process reads no version older than what it wrote.
    ReadYourWrites,
    /// What a process writes is newer than what it read.
    WritesFollowReads,
    /// Of queues: what was put in comes out, once.
    TotalQueue,
    /// Of sets: what was added is in later reads.
    Membership,
    /// Of counters: reads lie between what must and what may have been added.
    CounterBounds,
    /// Of generators: no identifier twice.
    UniqueIds,
    /// Of transactions: no cycle of writes, nothing read that was aborted, intermediate or circular.
    ReadCommitted,
    /// Of transactions: besides, no cycle in which anti-dependencies stand alone.
    SnapshotIsolation,
    /// Of transactions: no cycle of dependencies at all.
    Serializable,
    /// Of transactions: nor one through the order of a process.
    StrongSessionSerializable,
    /// Of transactions: nor one through real time.
    StrictSerializable,
}

const NAMES: [(&str, Consistency); 15] = [
    ("linearizable", Consistency::Linearizable),
    ("sequential", Consistency::Sequential),
    ("monotonic-reads", Consistency::MonotonicReads),
    ("monotonic-writes", Consistency::MonotonicWrites),
    ("read-your-writes", Consistency::ReadYourWrites),
    ("writes-follow-reads", Consistency::WritesFollowReads),
    ("total-queue", Consistency::TotalQueue),
    ("membership", Consistency::Membership),
    ("counter-bounds", Consistency::CounterBounds),
    ("unique-ids", Consistency::UniqueIds),
    ("read-committed", Consistency::ReadCommitted),
    ("snapshot-isolation", Consistency::SnapshotIsolation),
    ("serializable", Consistency::Serializable),
    (
        "strong-session-serializable",
        Consistency::StrongSessionSerializable,
    ),
    ("strict-serializable", Consistency::StrictSerializable),
];

impl Consistency {
    /// The consistency of that name.
    ///
    /// # Errors
    /// With the names that exist, if it is none of them.
    pub fn by_name(name: &str) -> Result<Consistency, CheckError> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, consistency)| *consistency)
            .ok_or_else(|| CheckError::NoSuchConsistency {
                name: name.to_owned(),
                known: Consistency::names(),
            })
    }

    /// The names that [`Consistency::by_name`] knows.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        NAMES.iter().map(|(name, _)| *name).collect()
    }

    /// It is about transactions, judged by their dependencies.
    #[must_use]
    pub fn is_transactional(self) -> bool {
        matches!(
            self,
            Consistency::ReadCommitted
                | Consistency::SnapshotIsolation
                | Consistency::Serializable
                | Consistency::StrongSessionSerializable
                | Consistency::StrictSerializable
        )
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, consistency)| *consistency == self)
            .map_or("linearizable", |(name, _)| name)
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
