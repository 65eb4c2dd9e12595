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
    /// How often each key is drawn.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skew: Skew,
    /// Which server a client turns to first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub contact: Contact,
    /// Of so many in a thousand operations, the client dies before it hears what became of them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deaths_permille: u32,
    /// Of so many in a thousand deaths, the client comes back with the session that it had saved, and makes the same
    /// request again: as if it were one operation that took its time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub returns_permille: u32,
    /// Of so many in a thousand operations that change something, the last request arrives once more after its answer, as
    /// over an old connection; often later ones of the same session have come first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub repeats_permille: u32,
    /// The operations one by one, instead of what the clients would draw: what shrinking works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Vec<ScriptedOperation>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
    /// So long after the start the client dies, unless it has its answer by then (microseconds). Whatever it had
    /// asked for may still happen. It comes back as another process, which knows nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dies_after_us: Option<u64>,
    /// Having died, the client comes back so much later with its session and makes the same request again
    /// (microseconds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns_after_us: Option<u64>,
    /// So long after the answer, the last request arrives once more (microseconds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats_after_us: Option<u64>,
}

/// What a client's operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Reads a key, linearizably; a bank's client reads all of them at once.
    Read,
    /// Sets a register.
    Write,
    /// Sets a register if it still holds what this client last saw there.
    Cas,
    /// Adds to a string.
    Append,
    /// Reads and appends to several lists at once.
    Txn,
    /// Adds to a set or to a counter.
    Add,
    /// Puts an element behind a queue's last.
    Enqueue,
    /// Takes a queue's first element: reads, then takes it if nothing has changed, and again if it has.
    Dequeue,
    /// Moves money between two accounts: reads both, then changes both if neither has changed.
    Transfer,
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

/// How often clients draw each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skew {
    /// All alike.
    #[default]
    Uniform,
    /// By Zipf's law: the second half as often as the first, the third a third as often.
    Zipf,
    /// The first one nine times in ten.
    Hot,
}

/// Which server a client turns to first, for each operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contact {
    /// The one that answered last; what may be read anywhere is asked of one server after the other.
    #[default]
    Last,
    /// One of its own, always the same.
    Pinned,
    /// Any, another each time.
    Roaming,
}

/// The operations of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// Reads, writes and compare-and-sets of numbers; checked as `cas-register`.
    Register,
    /// Reads and appends of strings; checked as `kv-append`.
    Append,
    /// Transactions that read and append to several lists, and reads of one; checked for strict
    /// serializability as `list-append`.
    Txn,
    /// Transfers between accounts, each read and then changed by transactions, and reads of all accounts at once;
    /// checked as `bank`: a transaction is one operation on one object, so linearizable is strictly serializable.
    Bank,
    /// Elements that are added, and reads of all; checked as `set`. One that was added twice shows.
    Set,
    /// Amounts that are added, unseen, and reads of the sum; checked as `counter`. One that counts twice shows.
    Counter,
    /// Elements that go in and come out; checked as `fifo-queue`.
    Queue,
}

/// All kinds, in order.
pub const WORKLOADS: [WorkloadKind; 7] = [
    WorkloadKind::Register,
    WorkloadKind::Append,
    WorkloadKind::Txn,
    WorkloadKind::Bank,
    WorkloadKind::Set,
    WorkloadKind::Counter,
    WorkloadKind::Queue,
];

impl WorkloadKind {
    /// Its name, as in a history's header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            WorkloadKind::Register => "register",
            WorkloadKind::Append => "append",
            WorkloadKind::Txn => "txn",
            WorkloadKind::Bank => "bank",
            WorkloadKind::Set => "set",
            WorkloadKind::Counter => "counter",
            WorkloadKind::Queue => "queue",
        }
    }

    /// Whether a client of this kind of workload can do this.
    #[must_use]
    pub fn knows(self, action: Action) -> bool {
        match self {
            WorkloadKind::Register => {
                matches!(action, Action::Read | Action::Write | Action::Cas)
            }
            WorkloadKind::Append => matches!(action, Action::Read | Action::Append),
            WorkloadKind::Txn => matches!(action, Action::Read | Action::Txn),
            WorkloadKind::Bank => matches!(action, Action::Read | Action::Transfer),
            WorkloadKind::Set | WorkloadKind::Counter => {
                matches!(action, Action::Read | Action::Add)
            }
            WorkloadKind::Queue => matches!(action, Action::Enqueue | Action::Dequeue),
        }
    }
}
