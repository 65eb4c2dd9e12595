//! What clients do, as data: the kind of workload, how its clients behave, and the operations of a script.

use serde::{Deserialize, Serialize};

/// What clients do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Which operations.
    pub kind: WorkloadKind,
    /// How many clients, each with one operation at a time.
    pub clients: u64,
    /// Over how many keys.
    pub keys: u64,
    /// How reads come by their certainty.
    pub reads: Reads,
    /// The pause between a client's operations, at most (milliseconds).
    pub think_ms: u64,
    /// The operations one by one, instead of what the clients would draw: what shrinking works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Vec<ScriptedOperation>>,
}

/// One operation of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedOperation {
    /// Which client, from zero.
    pub client: u64,
    /// When it starts (simulated microseconds), or as soon as the client's operation before ends.
    pub at_us: u64,
    /// What it does.
    pub action: Action,
    /// To which key, from zero.
    pub key: u64,
    /// With which number; a read has no use for it.
    pub value: u64,
}

/// What a client's operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Reads a key, linearizably.
    Read,
    /// Sets a register.
    Write,
    /// Sets a register if it still holds what this client last saw there.
    Cas,
    /// Adds to a string.
    Append,
    /// Reads and appends to several lists at once.
    Txn,
}

/// How a workload's reads come by their certainty; all of them must be linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// By a round of the leader's.
    Leader,
    /// By the leader's lease, where it has one.
    Lease,
    /// By an index that whichever server is asked gets from the leader.
    Anywhere,
}

/// The operations of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// Reads, writes and compare-and-sets of numbers; checked as `cas-register`.
    Register,
    /// Reads and appends of strings; checked as `kv-append`.
    Append,
    /// Transactions that read and append to several lists, and reads of one; checked for strict
    /// serializability as `list-append`.
    Txn,
}
