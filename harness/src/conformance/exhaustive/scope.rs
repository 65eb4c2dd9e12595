//! How much of the world is explored: bounds as data, each scope with a name and the counts that it must have.

use std::collections::BTreeSet;

use plumb_raft::core::{Change, CoreConfig, ReadMode};
use plumb_raft::types::NodeId;
use serde::Serialize;

use super::local::Claim;

/// Where a scope begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Empty disks.
    Fresh,
    /// Server 1 leads term 1, and everybody has its first entry on the disk and knows that it is committed.
    Led,
    /// Everybody has just started in this term, with a log of entries of these terms; the first says who takes
    /// part.
    Logs(u64, &'static [&'static [u64]]),
}

/// Bounds. What is not bounded here (loss, duplication and reordering of
/// messages, heartbeats, how long anything takes) is not
/// bounded at all.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scope {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Servers, members or not.
    pub servers: u8,
    /// How many of them are voters at first; the rest know nothing yet.
    pub voters: u8,
    /// Where it begins.
    pub start: Start,
    /// The highest term in which a server stands.
    pub max_term: u8,
    /// Who stands for election when it hears no leader; everybody if nobody is named.
    pub stands: &'static [u64],
    /// The most entries in one `AppendEntries`.
    pub batch: usize,
    /// Commands that clients propose.
    pub proposals: u8,
    /// Crashes, over all servers, each with any first part of the unsynced writes kept.
    pub crashes: u8,
    /// Snapshots that are taken, over all servers.
    pub snapshots: u8,
    /// Leadership transfers that are asked for.
    pub transfers: u8,
    /// Memberships that are asked for, in order: voters and learners.
    pub changes: &'static [(&'static [u64], &'static [u64])],
    /// Reads.
    pub reads: u8,
    /// How they are asked for.
    pub read_mode: Asked,
    /// Whether a write becomes durable in a step of its own as long as a crash may follow, or within the step
    /// that wrote it.
    pub syncs_apart: bool,
    /// PreVote (dissertation §9.6).
    pub pre_vote: bool,
    /// CheckQuorum (dissertation §6.2).
    pub check_quorum: bool,
    /// Leader stickiness (dissertation §4.2.3).
    pub stickiness: bool,
    /// Whether servers send without being asked.
    pub heartbeats: bool,
    /// Steps of the longest runs; zero if no run is too long.
    pub steps: usize,
    /// Whether `plumb verify` explores it each time.
    pub quick: bool,
    /// What must have happened somewhere in it.
    #[serde(skip)]
    pub claims: &'static [Claim],
    /// Distinct states and steps between them, as they were last seen.
    pub counts: (u64, u64),
}

/// How reads are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Of the leader, confirmed by a round.
    Leader,
    /// Of any server.
    Anywhere,
}

impl From<Asked> for ReadMode {
    fn from(asked: Asked) -> ReadMode {
        match asked {
            Asked::Leader => ReadMode::Leader,
            Asked::Anywhere => ReadMode::Anywhere,
        }
    }
}

/// What scopes have in common.
const BASE: Scope = Scope {
    name: "",
    about: "",
    servers: 3,
    voters: 3,
    start: Start::Fresh,
    max_term: 2,
    stands: &[],
    batch: 256,
    proposals: 0,
    crashes: 0,
    snapshots: 0,
    transfers: 0,
    changes: &[],
    reads: 0,
    read_mode: Asked::Leader,
    syncs_apart: true,
    pre_vote: false,
    check_quorum: false,
    stickiness: false,
    heartbeats: true,
    steps: 0,
    quick: true,
    claims: &[],
    counts: (0, 0),
};

/// The scopes that have a name.
pub const SCOPES: &[Scope] = &[
    Scope {
        name: "pair",
        about: "two servers: elections, replication, a crash",
        servers: 2,
        voters: 2,
        proposals: 1,
        crashes: 1,
        heartbeats: false,
        claims: &[
            Claim::Elected,
            Claim::Committed,
            Claim::LostWrites,
            Claim::RecoveredLog,
            Claim::VoteRefused,
        ],
        counts: (223_302, 1_572_746),
        ..BASE
    },
    Scope {
        name: "votes",
        about: "three servers stand in one term, and one crashes",
        max_term: 1,
        crashes: 1,
        heartbeats: false,
        claims: &[Claim::Elected, Claim::LostWrites, Claim::VoteRefused],
        counts: (32_852, 226_305),
        ..BASE
    },
    Scope {
        name: "succession",
        about: "a leader with a command to commit is succeeded by another",
        start: Start::Led,
        proposals: 1,
        syncs_apart: false,
        heartbeats: false,
        claims: &[Claim::Elected, Claim::Committed, Claim::Truncated],
        counts: (1_236_856, 8_971_989),
        ..BASE
    },
    Scope {
        name: "crash",
        about: "a leader and its followers crash between any two steps, and an election follows",
        start: Start::Led,
        crashes: 1,
        heartbeats: false,
        claims: &[
            Claim::Elected,
            Claim::Committed,
            Claim::LostWrites,
            Claim::RecoveredLog,
        ],
        counts: (962_838, 13_137_690),
        ..BASE
    },
    Scope {
        name: "snapshots",
        about: "a follower that fell behind is sent a snapshot",
        start: Start::Led,
        proposals: 2,
        snapshots: 1,
        max_term: 1,
        syncs_apart: false,
        claims: &[Claim::SnapshotTaken, Claim::SnapshotInstalled],
        steps: 14,
        counts: (1_073_971, 3_197_077),
        ..BASE
    },
    Scope {
        name: "snapshot-crash",
        about: "two servers: a snapshot, a crash, an election",
        start: Start::Led,
        servers: 2,
        voters: 2,
        proposals: 1,
        snapshots: 1,
        crashes: 1,
        heartbeats: false,
        claims: &[Claim::SnapshotTaken, Claim::LostWrites],
        counts: (182_739, 1_683_410),
        ..BASE
    },
    Scope {
        name: "growth",
        about: "a third server joins two: as a learner, through the joint phase, as a voter",
        start: Start::Led,
        voters: 2,
        syncs_apart: false,
        heartbeats: false,
        changes: &[(&[1, 2], &[3]), (&[1, 2, 3], &[])],
        claims: &[Claim::Joint, Claim::JointLeft],
        counts: (1_441_914, 11_123_994),
        ..BASE
    },
    Scope {
        name: "reads",
        about: "a read of the leader, across a change of leaders",
        start: Start::Led,
        reads: 1,
        syncs_apart: false,
        heartbeats: false,
        claims: &[Claim::ReadServed],
        counts: (326_468, 2_281_111),
        ..BASE
    },
    Scope {
        name: "retirement",
        about: "one of two servers is removed",
        start: Start::Led,
        servers: 2,
        voters: 2,
        crashes: 1,
        changes: &[(&[2], &[])],
        claims: &[Claim::Joint, Claim::JointLeft],
        counts: (223_203, 2_073_461),
        ..BASE
    },
    Scope {
        name: "figure-8",
        about: "Figure 8 (b) to (e): entries of old terms, replicated anew",
        start: Start::Logs(3, &[&[1, 2], &[1], &[1, 3]]),
        max_term: 5,
        batch: 1,
        syncs_apart: false,
        heartbeats: false,
        claims: &[Claim::Elected, Claim::Committed, Claim::Truncated],
        stands: &[1, 3],
        steps: 16,
        counts: (426_453, 1_796_907),
        ..BASE
    },
    Scope {
        name: "figure-7",
        about: "Figure 7, cut to three servers: a follower that lacks entries, and one with too many",
        start: Start::Logs(3, &[&[1, 1, 3], &[1], &[1, 1, 2, 2]]),
        max_term: 4,
        batch: 1,
        syncs_apart: false,
        heartbeats: false,
        claims: &[Claim::Elected, Claim::Committed, Claim::Truncated],
        counts: (943_080, 7_069_018),
        ..BASE
    },
    Scope {
        name: "terms",
        about: "three servers, two terms, from nothing",
        syncs_apart: false,
        heartbeats: false,
        claims: &[Claim::Elected, Claim::Committed, Claim::Truncated],
        quick: false,
        counts: (9_396_630, 51_799_005),
        ..BASE
    },
    Scope {
        name: "crash-commands",
        about: "a leader with a command, and a crash between any two steps",
        start: Start::Led,
        crashes: 1,
        max_term: 1,
        proposals: 1,
        claims: &[Claim::Committed, Claim::LostWrites, Claim::RecoveredLog],
        counts: (4_919, 42_844),
        ..BASE
    },
    Scope {
        name: "snapshot-succession",
        about: "a snapshot is sent while the leader changes",
        start: Start::Led,
        proposals: 1,
        snapshots: 1,
        heartbeats: false,
        syncs_apart: false,
        claims: &[Claim::SnapshotTaken, Claim::SnapshotInstalled],
        quick: false,
        stands: &[2],
        counts: (4_566_529, 30_942_357),
        ..BASE
    },
    Scope {
        name: "removal",
        about: "the leader is removed",
        start: Start::Led,
        syncs_apart: false,
        heartbeats: false,
        changes: &[(&[2, 3], &[])],
        claims: &[Claim::Joint, Claim::JointLeft],
        quick: false,
        counts: (3_213_491, 25_285_123),
        ..BASE
    },
    Scope {
        name: "reads-anywhere",
        about: "a read that any server serves, across a change of leaders",
        start: Start::Led,
        reads: 1,
        read_mode: Asked::Anywhere,
        syncs_apart: false,
        heartbeats: false,
        claims: &[Claim::ReadServed],
        stands: &[2],
        steps: 15,
        counts: (1_402_072, 7_661_443),
        ..BASE
    },
    Scope {
        name: "transfer",
        about: "a leader with a command to commit hands over",
        start: Start::Led,
        transfers: 1,
        syncs_apart: false,
        stickiness: true,
        heartbeats: false,
        claims: &[Claim::HandedOver],
        stands: &[3],
        counts: (1_628_008, 13_785_874),
        ..BASE
    },
    Scope {
        name: "pre-vote",
        about: "elections with PreVote",
        syncs_apart: false,
        pre_vote: true,
        heartbeats: false,
        max_term: 1,
        claims: &[Claim::Elected],
        quick: false,
        counts: (2_834_486, 16_359_981),
        ..BASE
    },
];

/// The scope of this name.
#[must_use]
pub fn scope(name: &str) -> Option<&'static Scope> {
    SCOPES.iter().find(|scope| scope.name == name)
}

impl Scope {
    /// Its bounds in words.
    #[must_use]
    pub fn bounds(&self) -> String {
        let mut words = vec![format!("{} servers", self.servers)];
        if self.voters < self.servers {
            words.push(format!("{} of them members", self.voters));
        }
        words.push(format!("terms up to {}", self.max_term));
        if !self.stands.is_empty() {
            let names: Vec<String> = self.stands.iter().map(|id| format!("n{id}")).collect();
            words.push(format!("{} alone stand", names.join(" and ")));
        }
        for (count, what) in [
            (self.proposals, "commands"),
            (self.crashes, "crashes"),
            (self.snapshots, "snapshots"),
            (self.transfers, "transfers"),
            (self.reads, "reads"),
            (self.changes.len() as u8, "membership changes"),
        ] {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        if self.steps > 0 {
            words.push(format!("runs of {} steps", self.steps));
        }
        for (on, what) in [
            (self.start == Start::Led, "from a led cluster"),
            (matches!(self.start, Start::Logs(..)), "from given logs"),
            (!self.syncs_apart, "each step synced at once"),
            (!self.heartbeats, "no heartbeats"),
            (self.pre_vote, "PreVote"),
            (self.check_quorum, "CheckQuorum"),
            (self.stickiness, "stickiness"),
        ] {
            if on {
                words.push(what.to_owned());
            }
        }
        words.join(", ")
    }

    /// The servers.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=u64::from(self.servers)).map(NodeId)
    }

    /// The settings of a server: small enough that the rules on batches and pieces are at work.
    #[must_use]
    pub fn config(&self, id: NodeId) -> CoreConfig {
        let first: BTreeSet<NodeId> = (1..=u64::from(self.voters)).map(NodeId).collect();
        let voters = if first.contains(&id) {
            first
        } else {
            BTreeSet::new()
        };
        CoreConfig {
            max_entries_per_append: self.batch,
            retained_entries: 0,
            snapshot_chunk_bytes: 8,
            pre_vote: self.pre_vote,
            check_quorum: self.check_quorum,
            stickiness: self.stickiness,
            ..CoreConfig::new(id, voters)
        }
    }

    /// The change that is asked for as number `at`.
    #[must_use]
    pub fn change(&self, at: usize) -> Change {
        let set = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
        let (voters, learners) = self.changes[at];
        Change {
            voters: Some(set(voters)),
            learners: set(learners),
            ..Change::default()
        }
    }
}
