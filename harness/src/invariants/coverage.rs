//! What happened in a run: a sweep that never saw an election lost has not tested one.

use serde::{Deserialize, Serialize};

use crate::scenario::{FaultName, Tier};
use crate::sim::seams::disk::{DiskCall, Errno};

/// Writes the counts down once: what each counts, its field, and its name for people.
macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident: $name:literal,)*) => {
        /// Counts of interesting events; they add up over runs.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Coverage {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Coverage {
            /// Adds another run's counts.
            pub fn add(&mut self, other: &Coverage) {
                $(self.$field += other.$field;)*
            }

            /// The counts with their names, in a fixed order.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$field),)*]
            }

        }
    };
}

impl Coverage {
    /// Of the counts, those of what can happen in this tier.
    #[must_use]
    pub fn named_in(&self, tier: Tier) -> Vec<(&'static str, u64)> {
        let mut named = self.named();
        named.retain(|(name, _)| tier == Tier::Full || !BEYOND_BARE.contains(name));
        named
    }

    /// Of these, what can be seen of somebody else's Raft, which runs in the bare tier.
    #[must_use]
    pub fn named_of_guests(&self) -> Vec<(&'static str, u64)> {
        let mut named = self.named_in(Tier::Bare);
        named.retain(|(name, _)| !BEYOND_GUESTS.contains(name));
        named
    }

    /// How often a kind of fault has struck.
    pub fn of_fault(&mut self, kind: FaultName) -> &mut u64 {
        match kind {
            FaultName::Partition => &mut self.partitions,
            FaultName::OneWay => &mut self.one_ways,
            FaultName::Links => &mut self.link_cuts,
            FaultName::Isolate => &mut self.isolations,
            FaultName::Stall => &mut self.stalls,
            FaultName::Noise => &mut self.noises,
            FaultName::Slow => &mut self.slow_links,
            FaultName::Reset => &mut self.resets,
            FaultName::Crash => &mut self.crashes,
            FaultName::PowerLoss => &mut self.power_losses,
            FaultName::Pause => &mut self.pauses,
            FaultName::Jump => &mut self.jumps,
            FaultName::Disk => &mut self.disk_faults,
            FaultName::Rot => &mut self.rots,
            FaultName::Lie => &mut self.lies,
            FaultName::SlowDisk => &mut self.slow_disks,
            FaultName::Replace => &mut self.replaces,
            FaultName::SnapshotStorm => &mut self.snapshot_storms,
            FaultName::Transfer => &mut self.transfers_asked,
            FaultName::Membership => &mut self.memberships_asked,
        }
    }

    /// How often such a call of a disk has failed.
    pub fn of_call(&mut self, call: DiskCall) -> &mut u64 {
        match call {
            DiskCall::Open => &mut self.failed_opens,
            DiskCall::Read => &mut self.failed_reads,
            DiskCall::Write => &mut self.failed_writes,
            DiskCall::SetLen => &mut self.failed_set_lens,
            DiskCall::Sync => &mut self.failed_syncs,
            DiskCall::Rename => &mut self.failed_renames,
            DiskCall::Remove => &mut self.failed_removes,
            DiskCall::SyncDir => &mut self.failed_dir_syncs,
        }
    }

    /// How often a call of a disk has failed like this.
    pub fn of_errno(&mut self, errno: Errno) -> &mut u64 {
        match errno {
            Errno::Eio => &mut self.failed_by_eio,
            Errno::Enospc => &mut self.failed_by_enospc,
            Errno::Efbig => &mut self.failed_by_efbig,
        }
    }
}

/// What the bare tier has not: its disks are batches, which are there or not, and neither break nor lie.
const BEYOND_BARE: [&str; 20] = [
    "torn tails found",
    "faults: disk",
    "faults: rot",
    "faults: lie",
    "servers stopped by failing disks",
    "opens that failed",
    "reads that failed",
    "writes that failed",
    "changes of a length that failed",
    "syncs that failed",
    "renames that failed",
    "removals that failed",
    "syncs of a folder that failed",
    "calls that failed with EIO",
    "calls that failed with ENOSPC",
    "calls that failed with EFBIG",
    "writes lost without a word",
    "writes that went elsewhere",
    "syncs that did nothing without a word",
    "restarts after a lie that did no harm",
];

/// What, besides, no guest can come to, or no metrics show: their members stay, and they have no leases that are known
/// of.
const BEYOND_GUESTS: [&str; 10] = [
    "faults: replace",
    "faults: snapshot-storm",
    "faults: membership",
    "reads served by a lease",
    "memberships committed",
    "joint phases committed",
    "leaders that missed a quorum",
    "leaderships handed over",
    "servers replaced by empty ones",
    "snapshots saved in a storm",
];

counts! {
    /// Steps of all cores.
    steps: "steps",
    /// Messages sent between servers.
    messages: "messages",
    /// Times a server asked whether it could be elected.
    pre_votes: "pre-votes asked for",
    /// Elections begun.
    elections: "elections begun",
    /// Elections won.
    leaders: "leaders elected",
    /// Leaders that stepped down.
    step_downs: "leaders that stepped down",
    /// Entries committed, counted once each.
    commits: "entries committed",
    /// Entries of an earlier term committed under a later leader.
    inherited_commits: "earlier terms' entries committed",
    /// Conflicting suffixes cut from a follower's log.
    truncations: "conflicting suffixes cut",
    /// Restarts that found a log or a vote on the disk.
    recoveries: "recoveries from disk",
    /// Restarts that found unsynced bytes torn.
    torn_tails: "torn tails found",
    /// Linearizable reads confirmed.
    reads: "reads confirmed",
    /// Of these, served by a lease without a round.
    lease_reads: "reads served by a lease",
    /// Of these, served by a server that did not lead.
    follower_reads: "reads served by a follower",
    /// Proposals and reads refused.
    refusals: "requests refused",
    /// Snapshots taken or received, and logs compacted.
    snapshots: "snapshots saved",
    /// State machines replaced by a leader's snapshot.
    installs: "snapshots installed",
    /// Memberships committed, first ones included.
    memberships: "memberships committed",
    /// Of these, joint ones.
    joint_phases: "joint phases committed",
    /// Leaders that stepped down because they missed a quorum.
    quorums_missed: "leaders that missed a quorum",
    /// Leaderships handed over.
    transfers: "leaderships handed over",
    /// Servers that took no part and lost their disks.
    replacements: "servers replaced by empty ones",
    /// Partitions of two sides.
    partitions: "faults: partition",
    /// Sides that could not send.
    one_ways: "faults: one-way",
    /// Links cut one by one.
    link_cuts: "faults: links",
    /// Servers cut off.
    isolations: "faults: isolate",
    /// Sides whose messages waited.
    stalls: "faults: stall",
    /// Times of noise.
    noises: "faults: noise",
    /// Sides with narrow links.
    slow_links: "faults: slow",
    /// Servers whose connections were broken.
    resets: "faults: reset",
    /// Crashes of a server.
    crashes: "faults: crash",
    /// Crashes of all servers.
    power_losses: "faults: power-loss",
    /// Servers frozen for a while.
    pauses: "faults: pause",
    /// Clocks that jumped.
    jumps: "faults: jump",
    /// Disks whose calls were to fail.
    disk_faults: "faults: disk",
    /// Disks of which a bit was to turn over.
    rots: "faults: rot",
    /// Disks that were to lie.
    lies: "faults: lie",
    /// Disks that were slow.
    slow_disks: "faults: slow-disk",
    /// Machines that were to be replaced under their old names.
    replaces: "faults: replace",
    /// Storms of snapshots.
    snapshot_storms: "faults: snapshot-storm",
    /// Leaderships asked to be handed over.
    transfers_asked: "faults: transfer",
    /// Memberships asked for.
    memberships_asked: "faults: membership",
    /// Faults that met the event which they waited for.
    aimed_faults: "faults that met their event",
    /// Faults whose event did not come in time.
    given_up_faults: "faults that gave up waiting",
    /// Messages lost where links were cut.
    cut_off: "messages lost on a cut link",
    /// Messages lost by noise, or because too much waited for a narrow link.
    lost: "messages lost on the way",
    /// Messages repeated by noise.
    repeated: "messages repeated",
    /// Messages delayed by noise, so that later ones could overtake them.
    delayed: "messages delayed past later ones",
    /// Servers that stopped by themselves because their disks failed.
    stops: "servers stopped by failing disks",
    /// Calls of disks that failed, by what they were.
    failed_opens: "opens that failed",
    /// Reads.
    failed_reads: "reads that failed",
    /// Writes.
    failed_writes: "writes that failed",
    /// Changes of a file's length.
    failed_set_lens: "changes of a length that failed",
    /// Syncs of files.
    failed_syncs: "syncs that failed",
    /// Renames.
    failed_renames: "renames that failed",
    /// Removals.
    failed_removes: "removals that failed",
    /// Syncs of folders.
    failed_dir_syncs: "syncs of a folder that failed",
    /// The same calls, by how they failed: the medium did.
    failed_by_eio: "calls that failed with EIO",
    /// The disk was full.
    failed_by_enospc: "calls that failed with ENOSPC",
    /// The file would have been too large.
    failed_by_efbig: "calls that failed with EFBIG",
    /// Messages that waited for a narrow link.
    narrowed: "messages that waited for a narrow link",
    /// Syncs that a slow disk began.
    slow_syncs: "syncs on a slow disk",
    /// Snapshots taken or received, and logs compacted, on servers told to take them ever so often.
    storm_snapshots: "snapshots saved in a storm",
    /// Writes that a disk lost without a word.
    lost_writes: "writes lost without a word",
    /// Writes that went to another place.
    misdirected_writes: "writes that went elsewhere",
    /// Syncs that did nothing without a word.
    lost_syncs: "syncs that did nothing without a word",
    /// Restarts on a disk that had lied, and on which the log's code saw nothing wrong.
    believed_lies: "restarts after a lie that did no harm",
    /// Transactions that took effect.
    transactions: "transactions committed",
    /// Transactions that found another value than they expected, and changed nothing.
    aborts: "transactions that changed nothing",
    /// Compare-and-sets that found another value.
    mismatches: "compare-and-sets that found another value",
    /// Operations that others outran until they gave up.
    outrun: "operations outrun by others",
    /// Transfers that the balance did not cover.
    uncovered: "transfers not covered",
    /// Elements and amounts added to sets and counters.
    added: "elements and amounts added",
    /// Elements that came out of queues.
    taken: "elements taken from queues",
    /// Queues that were found empty.
    found_empty: "queues found empty",
    /// Operations of unknown fate.
    unknown: "operations of unknown fate",
    /// Clients that died while they waited.
    deaths: "clients that died waiting",
    /// Of these, clients that came back with their session and made the same request again.
    returns: "clients that came back and asked again",
    /// Requests that arrived again after their answer and had the same answer.
    answered_again: "requests that arrived again and were answered as before",
    /// Requests that arrived again after later ones of their session, and were refused.
    stale_requests: "stale requests refused",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::FAULTS;

    #[test]
    fn what_is_beyond_a_tier_or_guests_is_counted_under_that_name_for_others() {
        let coverage = Coverage::default();
        let (all, bare) = (coverage.named_in(Tier::Full), coverage.named_in(Tier::Bare));
        assert_eq!(all, coverage.named());
        assert_eq!(bare.len() + BEYOND_BARE.len(), all.len());
        let of_guests = coverage.named_of_guests();
        assert_eq!(of_guests.len() + BEYOND_GUESTS.len(), bare.len());
    }

    #[test]
    fn every_kind_of_fault_has_a_count_of_its_own_under_its_name_where_it_can_strike() {
        for kind in FAULTS {
            let mut coverage = Coverage::default();
            *coverage.of_fault(*kind) += 1;
            let name = format!("faults: {kind}");
            for tier in [Tier::Full, Tier::Bare] {
                let mut seen = coverage.named_in(tier);
                seen.retain(|(_, count)| *count > 0);
                let expected = kind.is_in(tier).then_some((name.as_str(), 1));
                assert_eq!(seen, Vec::from_iter(expected), "{tier:?}");
            }
        }
    }
}
