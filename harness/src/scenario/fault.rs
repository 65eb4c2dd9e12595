//! Faults as data: what goes wrong, when or upon which event, and whom it strikes.

use serde::{Deserialize, Serialize};

use crate::sim::seams::disk::{DiskCall, Errno};

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
        let waits = self
            .when
            .map_or(0, |anchor| anchor.within_ms.saturating_add(1));
        let outlasts = match self.what {
            FaultKind::SlowDisk { slower_ms, .. } => slower_ms.1,
            _ => 0,
        };
        [self.for_ms, waits, outlasts]
            .into_iter()
            .fold(self.at_ms, u64::saturating_add)
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

impl Happening {
    /// As it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Happening::Elected => "elected",
            Happening::Deposed => "deposed",
            Happening::Appended => "appended",
            Happening::Stored => "stored",
            Happening::Acknowledged => "acknowledged",
            Happening::Voted => "voted",
            Happening::Committed => "committed",
            Happening::ReadServed => "read-served",
            Happening::SnapshotSaved => "snapshot-saved",
            Happening::SnapshotInstalled => "snapshot-installed",
            Happening::Truncated => "truncated",
            Happening::Reconfigured => "reconfigured",
            Happening::ToldToStand => "told-to-stand",
            Happening::Started => "started",
        }
    }
}

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
    /// A server's disk lies: it says that it has done what it has not. Half-way through, the server's process ends
    /// and starts again: it must refuse to, or have all that it promised. At the end what was lost is given back. No
    /// server survives that its power fails meanwhile, so it does not: see docs/faults.md. In the full tier only.
    Lie {
        /// Whose.
        target: Target,
        /// About what.
        about: DiskLie,
        /// So many calls pass first.
        skip: u64,
    },
    /// Each sync that a server's disk begins meanwhile takes so much longer; the last one may outlast the fault. The server
    /// promises nothing before, and everything that waits shares the next sync.
    SlowDisk {
        /// Whose.
        target: Target,
        /// How much longer, milliseconds: from, to.
        slower_ms: (u64, u64),
    },
    /// Every connection between a server and the others breaks, and what is on its way there is lost. New ones
    /// work at once.
    Reset {
        /// Whose.
        target: Target,
    },
    /// What the one side sends to the rest passes through narrow links, one message after the other. What would have to
    /// wait for more than a second is lost.
    Slow {
        /// The side with narrow links.
        from: Vec<u64>,
        /// How many bytes a second pass on each of them.
        bytes_per_s: u64,
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
    /// No fault, but what an operator does: these servers are told to take a snapshot ever so often, and hold to their own
    /// setting again at the end. Who is behind then finds the log cut, and is sent one snapshot after the other.
    SnapshotStorm {
        /// Which.
        servers: Vec<u64>,
        /// After so many entries each.
        every: u64,
    },
    /// No fault either, but what an operator does: the leader is asked to hand over.
    Transfer {
        /// To this server.
        to: u64,
    },
    /// Neither is this: the cluster is asked for another membership.
    Membership {
        /// Who shall vote.
        voters: Vec<u64>,
        /// Who shall receive the log without a vote.
        learners: Vec<u64>,
    },
}

impl FaultKind {
    /// The one server that it is aimed at, if it is aimed at one.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        // One list of who is aimed: what is copied for it is a few numbers, once a fault.
        self.clone().target_mut().copied()
    }

    /// The same, to aim it at another.
    pub fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            FaultKind::Isolate { target }
            | FaultKind::Crash { target, .. }
            | FaultKind::Pause { target }
            | FaultKind::Jump { target, .. }
            | FaultKind::Rot { target }
            | FaultKind::Lie { target, .. }
            | FaultKind::Reset { target }
            | FaultKind::SlowDisk { target, .. }
            | FaultKind::Disk { target, .. } => Some(target),
            FaultKind::Partition { .. }
            | FaultKind::OneWay { .. }
            | FaultKind::Links { .. }
            | FaultKind::Stall { .. }
            | FaultKind::Replace
            | FaultKind::Slow { .. }
            | FaultKind::PowerLoss { .. }
            | FaultKind::Noise { .. }
            | FaultKind::SnapshotStorm { .. }
            | FaultKind::Transfer { .. }
            | FaultKind::Membership { .. } => None,
        }
    }
}

/// What a disk lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskLie {
    /// Syncs succeed and make nothing durable, until the fault ends.
    Syncs,
    /// One write succeeds and writes nothing.
    LostWrite,
    /// One write succeeds and lands this many bytes further on.
    MisdirectedWrite {
        /// How far from where it belongs.
        by: u64,
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
