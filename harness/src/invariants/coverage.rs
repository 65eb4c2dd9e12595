//! What happened in a run: a sweep that never saw an election lost has not tested one.

use serde::{Deserialize, Serialize};

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

            /// Of these, what can be seen of somebody else's Raft.
            #[must_use]
            pub fn named_of_guests(&self) -> Vec<(&'static str, u64)> {
                let mut named = self.named();
                named.retain(|(name, _)| !BEYOND_GUESTS.contains(name));
                named
            }
        }
    };
}

/// What no guest can come to, or no metrics show: their members stay, they have no leases that are known of, and
/// their disks lose what was not synced, but neither break nor lie.
const BEYOND_GUESTS: [&str; 12] = [
    "torn tails found",
    "reads served by a lease",
    "memberships committed",
    "joint phases committed",
    "leaders that missed a quorum",
    "leaderships handed over",
    "servers replaced by empty ones",
    "servers stopped by failing disks",
    "writes lost without a word",
    "writes that went elsewhere",
    "syncs that did nothing without a word",
    "restarts after a lie that did no harm",
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
    /// Faults that met the event which they waited for.
    aimed_faults: "faults that met their event",
    /// Servers frozen for a while.
    pauses: "servers paused",
    /// Servers that stopped by themselves because their disks failed.
    stops: "servers stopped by failing disks",
    /// Servers whose connections were broken.
    resets: "servers whose connections broke",
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

    #[test]
    fn what_is_beyond_guests_is_counted_under_that_name_for_others() {
        let coverage = Coverage::default();
        let (all, of_guests) = (coverage.named(), coverage.named_of_guests());
        assert_eq!(of_guests.len() + BEYOND_GUESTS.len(), all.len());
    }
}
