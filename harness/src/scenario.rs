//! A scenario is a whole run as explicit data: who takes part, how they are set, what clients do and
//! which faults strike when. A seed only generates one (`nemesis::generate`); the scenario alone
//! replays the run, so a failing one can be edited and shrunk.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::CliError;
use crate::sim::seams::disk::{DiskCall, Errno};

/// The version of the file format.
pub const SCENARIO_VERSION: u32 = 1;

/// The most servers a scenario may have.
pub const MAX_SERVERS: u64 = 11;
/// The most clients a scenario may have.
pub const MAX_CLIENTS: u64 = 64;
/// The longest run, in simulated milliseconds.
pub const MAX_RUN_MS: u64 = 3_600_000;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// [`SCENARIO_VERSION`].
    pub plumb_scenario: u32,
    /// In which world it happens.
    #[serde(default)]
    pub tier: Tier,
    /// Who judges it.
    #[serde(default, skip_serializing_if = "Judges::are_all")]
    pub judges: Judges,
    /// Seeds what is left to chance within the run: latencies, timeouts, client choices.
    pub seed: u64,
    /// How many servers, named n1, n2, ….
    pub servers: u64,
    /// What the clients do.
    pub workload: Workload,
    /// How the servers and their world are set.
    pub settings: Settings,
    /// What goes wrong. Each fault ends by itself; all have ended by `heal_at_ms`.
    pub faults: Vec<Fault>,
    /// From here on nothing goes wrong any more (simulated milliseconds).
    pub heal_at_ms: u64,
    /// After healing, a leader must be elected and an entry committed within this time. Zero: the
    /// run is cut short, so neither that nor agreement at the end is judged.
    pub live_within_ms: u64,
    /// Clients start no operation from here on.
    pub clients_until_ms: u64,
    /// The run's end: by now all members must agree; one that is behind gets a minute more, since the
    /// smallest snapshot pieces over the slowest links take their time.
    pub end_at_ms: u64,
}

/// Whose rulings count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judges {
    /// Those that see every server's every step, and those that see what clients saw.
    #[default]
    All,
    /// Those only that see what clients saw: what is found without looking into a server. An assertion
    /// that ends a server is seen from outside, too.
    Clients,
}

impl Judges {
    /// Whether nobody is left out.
    #[must_use]
    pub fn are_all(&self) -> bool {
        *self == Judges::All
    }
}

/// A world for a scenario.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The shipped server with its log and framing, on turmoil.
    #[default]
    Full,
    /// Bare replicas on a queue of events: no log code, no framing, many more seeds.
    Bare,
}

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

/// How the world is set. Ranges include both ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// One-way network latency, milliseconds.
    pub latency_ms: (u64, u64),
    /// How long a sync of the disk takes, microseconds.
    pub sync_us: (u64, u64),
    /// Election timeout, milliseconds of the server's own clock.
    pub election_ms: (u64, u64),
    /// Heartbeat interval, milliseconds of the server's own clock.
    pub heartbeat_ms: u64,
    /// How fast each server's clock runs, in parts per million off; one per server.
    pub clock_ppm: Vec<i32>,
    /// The disk's sector: what is written or lost at a crash as one, bytes.
    pub sector_bytes: u64,
    /// Size of a log segment, bytes.
    pub segment_bytes: u64,
    /// Entries in one AppendEntries at most.
    pub max_entries_per_append: usize,
    /// Entries sent to a follower and not yet acknowledged, at most.
    pub max_in_flight_entries: u64,
    /// Command bytes sent to a follower and not yet acknowledged, at most.
    #[serde(default = "unlimited")]
    pub max_in_flight_bytes: u64,
    /// A leader takes no more while so many command bytes are not committed.
    #[serde(default = "unlimited")]
    pub max_uncommitted_bytes: u64,
    /// A snapshot is taken whenever this many entries were applied; never if zero.
    pub snapshot_every: u64,
    /// Entries that stay in the log behind a snapshot.
    pub retained_entries: u64,
    /// Bytes in one piece of a snapshot at most.
    pub snapshot_chunk_bytes: usize,
    /// The cluster begins with this many voters, the first ones; the others wait to be added.
    pub first_voters: u64,
    /// Servers ask whether they could be elected before they stand.
    pub pre_vote: bool,
    /// Leaders without contact to a quorum step down.
    pub check_quorum: bool,
    /// Votes are refused while a leader is alive.
    pub stickiness: bool,
    /// Leaders have leases; needs `stickiness`.
    pub leases: bool,
}

/// One fault, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins (simulated milliseconds), or begins to wait.
    pub at_ms: u64,
    /// How long it lasts, once it has begun.
    pub for_ms: u64,
    /// The event that it waits for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Anchor>,
    /// What it is.
    pub what: FaultKind,
}

impl Fault {
    /// A fault that begins at its time, whatever happens.
    #[must_use]
    pub fn at(at_ms: u64, for_ms: u64, what: FaultKind) -> Fault {
        Fault {
            at_ms,
            for_ms,
            when: None,
            what,
        }
    }

    /// By when it is over at the latest (simulated milliseconds).
    #[must_use]
    pub fn over_by_ms(&self) -> u64 {
        // What begins within a millisecond is counted from the end of it.
        let waits = self.when.map_or(0, |anchor| anchor.within_ms + 1);
        self.at_ms.saturating_add(self.for_ms).saturating_add(waits)
    }
}

/// What a fault waits for: it strikes at once when this happens, and never if that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The event.
    pub event: Happening,
    /// So many of these pass first, on whichever servers.
    #[serde(default)]
    pub skip: u64,
    /// For how long it waits (simulated milliseconds).
    pub within_ms: u64,
}

/// An event on a server that a fault can wait for. The bare tier strikes before anything else happens, the
/// full tier within a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// It has become leader; its first entry is not on the disk yet.
    Elected,
    /// It leads no more.
    Deposed,
    /// As leader it has appended entries, which are not on the disk yet.
    Appended,
    /// As follower it has appended entries, which are not on the disk yet.
    Stored,
    /// It has told its leader how far its log agrees.
    Acknowledged,
    /// It has granted its vote.
    Voted,
    /// As leader it has found an entry committed; nobody else knows.
    Committed,
    /// As leader it has served a read.
    ReadServed,
    /// It is about to save a snapshot.
    SnapshotSaved,
    /// It has taken a leader's snapshot for its own state.
    SnapshotInstalled,
    /// It is about to cut conflicting entries off.
    Truncated,
    /// It has appended another membership, which is in force.
    Reconfigured,
    /// As leader it has told a successor to stand for election at once.
    ToldToStand,
    /// It has started, or restarted.
    Started,
}

/// All events, in order.
pub const HAPPENINGS: [Happening; 14] = [
    Happening::Elected,
    Happening::Deposed,
    Happening::Appended,
    Happening::Stored,
    Happening::Acknowledged,
    Happening::Voted,
    Happening::Committed,
    Happening::ReadServed,
    Happening::SnapshotSaved,
    Happening::SnapshotInstalled,
    Happening::Truncated,
    Happening::Reconfigured,
    Happening::ToldToStand,
    Happening::Started,
];

/// The vocabulary of faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// No byte passes between the one side and the rest, in either direction.
    Partition {
        /// The one side.
        side: Vec<u64>,
    },
    /// No byte passes from the one side to the rest; the other direction works.
    OneWay {
        /// The silenced side.
        from: Vec<u64>,
    },
    /// No byte passes on these links, each from one server to another: a bridge, a ring, a single cable.
    Links {
        /// From whom to whom.
        cut: Vec<(u64, u64)>,
    },
    /// What the one side sends to the rest waits until the fault ends, and then arrives: a stalled switch, or
    /// a partition that TCP survives.
    Stall {
        /// The side whose messages wait.
        from: Vec<u64>,
    },
    /// A server that takes no part and never voted goes, and comes back with nothing on its disk: a machine
    /// that is replaced under its old name. Nothing happens if there is none.
    Replace,
    /// One server is cut off from the other servers.
    Isolate {
        /// Which.
        target: Target,
    },
    /// A server loses its memory and whatever its disk had not synced, and restarts at the end.
    Crash {
        /// Which.
        target: Target,
        /// What becomes of unsynced writes.
        unsynced: Unsynced,
    },
    /// A server does nothing, and then goes on as if no time had passed: a stopped process, a virtual machine
    /// that is moved. What is sent to it waits.
    Pause {
        /// Which.
        target: Target,
    },
    /// A server's clock jumps forward, which neither leases nor stickiness promise anything for.
    Jump {
        /// Whose.
        target: Target,
        /// How far, milliseconds.
        by_ms: u64,
    },
    /// Calls of a server's disk fail, until the fault ends. The server must stop by itself rather than go on;
    /// at the end it starts again. In the full tier only.
    Disk {
        /// Whose.
        target: Target,
        /// Which calls.
        call: DiskCall,
        /// How they fail.
        error: Errno,
        /// So many of them pass first.
        skip: u64,
        /// What becomes of unsynced writes when a server that stopped is started again.
        unsynced: Unsynced,
    },
    /// A server's process ends, one bit of its disk turns over, and it starts again: it must refuse to, or have
    /// all that it promised. One that refused gets its bit back at the end, and starts. In the full tier only.
    Rot {
        /// Whose.
        target: Target,
    },
    /// Every server crashes at once.
    PowerLoss {
        /// What becomes of unsynced writes.
        unsynced: Unsynced,
    },
    /// Messages between servers are lost, repeated and overtaken.
    Noise {
        /// Lost, in thousandths.
        drop_permille: u32,
        /// Repeated, in thousandths.
        duplicate_permille: u32,
        /// Delayed past later ones, in thousandths.
        delay_permille: u32,
        /// By at most this much.
        delay_ms: u64,
    },
    /// No fault, but what an operator does: the leader is asked to hand over.
    Transfer {
        /// To this server.
        to: u64,
    },
    /// No fault either: the cluster is asked for another membership.
    Membership {
        /// Who shall vote.
        voters: Vec<u64>,
        /// Who shall receive the log without a vote.
        learners: Vec<u64>,
    },
}

/// Whom a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This server.
    Server(u64),
    /// Whoever leads the latest term when the fault begins; the first server if nobody does.
    Leader,
    /// The server to which that happened which the fault waited for.
    Subject,
}

/// What becomes of writes that were not synced when a server crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsynced {
    /// All are lost.
    Lost,
    /// Any subset of sectors is lost.
    Torn,
    /// All happen to be there.
    Kept,
}

impl Scenario {
    /// Reads a scenario and checks that it can be run.
    ///
    /// # Errors
    /// If the file can't be read, is no scenario, or contradicts itself.
    pub fn read(path: &Path) -> Result<Scenario, CliError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::new(
                format!("cannot read {}: {error}", path.display()),
                "name a scenario.json that `plumb sim` has saved",
            )
        })?;
        let scenario: Scenario = serde_json::from_str(&text).map_err(|error| {
            CliError::new(
                format!(
                    "{}:{}: not a scenario: {error}",
                    path.display(),
                    error.line()
                ),
                "see `plumb sim scenario --seed 1` for the format",
            )
        })?;
        scenario.check().map_err(|what| {
            CliError::new(
                format!("{}: {what}", path.display()),
                "correct the scenario",
            )
        })?;
        Ok(scenario)
    }

    /// The scenario as pretty JSON with a final newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data always serialises");
        text.push('\n');
        text
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let servers = 1..=self.servers;
        let known = |ids: &[u64]| ids.iter().all(|id| servers.contains(id));
        let ordered = |(least, most): (u64, u64)| least <= most;
        let s = &self.settings;
        let rules = [
            (
                self.plumb_scenario == SCENARIO_VERSION,
                "plumb_scenario: this version reads 1",
            ),
            (
                (1..=MAX_SERVERS).contains(&self.servers),
                "servers: from 1 to 11",
            ),
            (
                (1..=MAX_CLIENTS).contains(&self.workload.clients),
                "clients: from 1 to 64",
            ),
            (
                (1..=1000).contains(&self.workload.keys),
                "keys: from 1 to 1000",
            ),
            (self.end_at_ms <= MAX_RUN_MS, "end_at_ms: at most an hour"),
            (
                self.heal_at_ms <= self.clients_until_ms && self.clients_until_ms <= self.end_at_ms,
                "heal_at_ms, clients_until_ms, end_at_ms: in this order",
            ),
            (
                self.heal_at_ms.saturating_add(self.live_within_ms) <= self.end_at_ms,
                "live_within_ms: too long",
            ),
            (
                ordered(s.latency_ms) && ordered(s.sync_us) && ordered(s.election_ms),
                "settings: a range with its ends swapped",
            ),
            (
                s.election_ms.0 > s.heartbeat_ms,
                "election_ms: must exceed heartbeat_ms",
            ),
            (
                s.heartbeat_ms > 0
                    && s.max_entries_per_append > 0
                    && s.max_in_flight_entries > 0
                    && s.max_in_flight_bytes > 0
                    && s.max_uncommitted_bytes > 0
                    && s.snapshot_chunk_bytes > 0,
                "settings: a zero",
            ),
            (
                (1..=4096).contains(&s.sector_bytes),
                "sector_bytes: from 1 to 4096",
            ),
            (
                (1..=self.servers).contains(&s.first_voters),
                "first_voters: at least one, at most all servers",
            ),
            (s.segment_bytes >= 256, "segment_bytes: at least 256"),
            (
                s.clock_ppm.len() as u64 == self.servers,
                "clock_ppm: one for each server",
            ),
            (
                s.clock_ppm.iter().all(|ppm| ppm.abs() <= 100_000),
                "clock_ppm: at most 100000",
            ),
        ];
        if let Some((_, what)) = rules.iter().find(|(holds, _)| !holds) {
            return Err((*what).to_owned());
        }
        for (i, operation) in self.workload.script.iter().flatten().enumerate() {
            let Workload { clients, keys, .. } = self.workload;
            if operation.client >= clients || operation.key >= keys {
                return Err(format!(
                    "script[{i}] names a client or a key that does not exist"
                ));
            }
            let fits = match (self.workload.kind, operation.action) {
                (_, Action::Read) => true,
                (WorkloadKind::Register, action) => matches!(action, Action::Write | Action::Cas),
                (WorkloadKind::Txn, action) => action == Action::Txn,
                (WorkloadKind::Append, action) => action == Action::Append,
            };
            if !fits {
                return Err(format!(
                    "script[{i}] does what the workload's kind does not know"
                ));
            }
        }
        for (i, fault) in self.faults.iter().enumerate() {
            let servers_known = match &fault.what {
                FaultKind::Partition { side }
                | FaultKind::OneWay { from: side }
                | FaultKind::Stall { from: side } => known(side),
                FaultKind::Links { cut } => cut.iter().all(|(from, to)| known(&[*from, *to])),
                FaultKind::Isolate { target }
                | FaultKind::Crash { target, .. }
                | FaultKind::Pause { target }
                | FaultKind::Jump { target, .. }
                | FaultKind::Rot { target }
                | FaultKind::Disk { target, .. } => match target {
                    Target::Server(id) => known(&[*id]),
                    Target::Leader => true,
                    Target::Subject if fault.when.is_some() => true,
                    Target::Subject => {
                        return Err(format!(
                            "faults[{i}] strikes the subject of an event, and waits for none"
                        ));
                    }
                },
                FaultKind::Transfer { to } => known(&[*to]),
                FaultKind::Membership { voters, learners } => {
                    !voters.is_empty() && known(voters) && known(learners)
                }
                FaultKind::PowerLoss { .. } | FaultKind::Noise { .. } | FaultKind::Replace => true,
            };
            if !servers_known {
                return Err(format!("faults[{i}] names a server that does not exist"));
            }
            let by_operator = matches!(
                fault.what,
                FaultKind::Transfer { .. } | FaultKind::Membership { .. }
            );
            if by_operator && fault.when.is_some() {
                return Err(format!(
                    "faults[{i}] is what an operator does at a time, and waits for no event"
                ));
            }
            if fault.when.is_some_and(|anchor| anchor.within_ms == 0) {
                return Err(format!(
                    "faults[{i}] waits for its event for no time at all"
                ));
            }
            let of_files = matches!(fault.what, FaultKind::Disk { .. } | FaultKind::Rot { .. });
            if of_files && self.tier == Tier::Bare {
                return Err(format!(
                    "faults[{i}] needs the full tier: the bare one has no files"
                ));
            }
            // A run that is cut short ends where it ends.
            if self.live_within_ms > 0 && fault.over_by_ms() > self.heal_at_ms {
                return Err(format!("faults[{i}] lasts beyond heal_at_ms"));
            }
        }
        Ok(())
    }
}

fn unlimited() -> u64 {
    u64::MAX
}

/// A range of milliseconds as durations.
#[must_use]
pub fn millis((least, most): (u64, u64)) -> RangeInclusive<Duration> {
    Duration::from_millis(least)..=Duration::from_millis(most)
}
