//! What must hold in every reachable state, and how it was seen not to.

use std::fmt;

use serde::Serialize;

/// A property, by the paper's name where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// At most one leader in a term (§5.2).
    ElectionSafety,
    /// A leader only ever adds to its log (§5.3).
    LeaderAppendOnly,
    /// Entries of the same index and term are the same, and so is all before them (§5.3).
    LogMatching,
    /// A leader holds everything that was committed before (§5.4).
    LeaderCompleteness,
    /// No two servers apply different entries at an index (§5.4.3).
    StateMachineSafety,
    /// A term, a vote or an acknowledgement that others see is on the disk (§5, Figure 2).
    PromisesAreDurable,
    /// What a leader commits is on the disks of a quorum (§5.3, §5.4.2).
    CommitsAreDurable,
    /// Terms and commit indexes never fall while a server lives; terms on a disk never do.
    ProgressOnlyGrows,
    /// A linearizable read is served at or behind all that was committed when it was asked for (§8).
    ReadsSeeWhatWasCommitted,
    /// A snapshot is the state machine as it was after its last entry (§7).
    SnapshotsAreTrue,
    /// At most one membership change is uncommitted (§6).
    OneChangeAtATime,
    /// Only a server that votes stands for election (dissertation §4.2.2).
    OnlyVotersStand,
    /// Every step is one that the specification allows.
    Conformance,
    /// The code's own assertions.
    NoPanic,
}

impl Property {
    /// All of them.
    pub const ALL: [Property; 14] = [
        Property::ElectionSafety,
        Property::LeaderAppendOnly,
        Property::LogMatching,
        Property::LeaderCompleteness,
        Property::StateMachineSafety,
        Property::PromisesAreDurable,
        Property::CommitsAreDurable,
        Property::ProgressOnlyGrows,
        Property::ReadsSeeWhatWasCommitted,
        Property::SnapshotsAreTrue,
        Property::OneChangeAtATime,
        Property::OnlyVotersStand,
        Property::Conformance,
        Property::NoPanic,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Property::ElectionSafety => "Election Safety",
            Property::LeaderAppendOnly => "Leader Append-Only",
            Property::LogMatching => "Log Matching",
            Property::LeaderCompleteness => "Leader Completeness",
            Property::StateMachineSafety => "State Machine Safety",
            Property::PromisesAreDurable => "Promises Are Durable",
            Property::CommitsAreDurable => "Commits Are Durable",
            Property::ProgressOnlyGrows => "Progress Only Grows",
            Property::ReadsSeeWhatWasCommitted => "Reads See What Was Committed",
            Property::SnapshotsAreTrue => "Snapshots Are True",
            Property::OneChangeAtATime => "One Change At A Time",
            Property::OnlyVotersStand => "Only Voters Stand",
            Property::Conformance => "Conformance",
            Property::NoPanic => "No Panic",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Property {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub property: Property,
    /// What was seen.
    pub reason: String,
}

impl Breach {
    pub(super) fn of(property: Property, reason: impl Into<String>) -> Breach {
        Breach {
            property,
            reason: reason.into(),
        }
    }
}
