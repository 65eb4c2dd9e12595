//! A scenario is a whole run as explicit data: who takes part, how they are set, what clients do and
//! which faults strike when. A seed only generates one (`nemesis::generate`); the scenario alone
//! replays the run, so a failing one can be edited and shrunk.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::CliError;

mod check;
mod fault;
mod kind;
mod workload;

pub use fault::{Anchor, DiskLie, Fault, FaultKind, HAPPENINGS, Happening, Target, Unsynced};
pub use kind::{FAULTS, FaultName};
pub use workload::{
    Action, Contact, Reads, ScriptedOperation, Skew, WORKLOADS, Workload, WorkloadKind,
};

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
    /// The run's end: by now all members must agree; one that is behind gets a minute more, or several, since the
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
}

fn unlimited() -> u64 {
    u64::MAX
}

/// A range of milliseconds as durations.
#[must_use]
pub fn millis((least, most): (u64, u64)) -> RangeInclusive<Duration> {
    Duration::from_millis(least)..=Duration::from_millis(most)
}
