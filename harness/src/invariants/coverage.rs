//! What happened in a run: a sweep that never saw an election lost has not tested one.

use serde::Serialize;

/// Counts of interesting events; they add up over runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Steps of all cores.
    pub steps: u64,
    /// Messages sent between servers.
    pub messages: u64,
    /// Times a server asked whether it could be elected.
    pub pre_votes: u64,
    /// Elections begun.
    pub elections: u64,
    /// Elections won.
    pub leaders: u64,
    /// Leaders that stepped down.
    pub step_downs: u64,
    /// Entries committed, counted once each.
    pub commits: u64,
    /// Entries of an earlier term committed under a later leader.
    pub inherited_commits: u64,
    /// Conflicting suffixes cut from a follower's log.
    pub truncations: u64,
    /// Restarts that found a log or a vote on the disk.
    pub recoveries: u64,
    /// Restarts that found unsynced bytes torn.
    pub torn_tails: u64,
    /// Linearizable reads confirmed.
    pub reads: u64,
    /// Of these, served by a lease without a round.
    pub lease_reads: u64,
    /// Of these, served by a server that did not lead.
    pub follower_reads: u64,
    /// Proposals and reads refused.
    pub refusals: u64,
    /// Snapshots taken or received, and logs compacted.
    pub snapshots: u64,
    /// State machines replaced by a leader's snapshot.
    pub installs: u64,
    /// Memberships committed, first ones included.
    pub memberships: u64,
    /// Of these, joint ones.
    pub joint_phases: u64,
    /// Leaders that stepped down because they missed a quorum.
    pub quorums_missed: u64,
    /// Leaderships handed over.
    pub transfers: u64,
    /// Servers that took no part and lost their disks.
    pub replacements: u64,
    /// Faults that met the event which they waited for.
    pub aimed_faults: u64,
    /// Servers frozen for a while.
    pub pauses: u64,
    /// Servers that stopped by themselves because their disks failed.
    pub stops: u64,
}

impl Coverage {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Coverage) {
        for (mine, theirs) in self
            .fields_mut()
            .into_iter()
            .zip(other.clone().fields_mut())
        {
            *mine += *theirs;
        }
    }

    /// The counts with their names, in a fixed order.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        const NAMES: [&str; 25] = [
            "steps",
            "messages",
            "pre-votes asked for",
            "elections begun",
            "leaders elected",
            "leaders that stepped down",
            "entries committed",
            "earlier terms' entries committed",
            "conflicting suffixes cut",
            "recoveries from disk",
            "torn tails found",
            "reads confirmed",
            "reads served by a lease",
            "reads served by a follower",
            "requests refused",
            "snapshots saved",
            "snapshots installed",
            "memberships committed",
            "joint phases committed",
            "leaders that missed a quorum",
            "leaderships handed over",
            "servers replaced by empty ones",
            "faults that met their event",
            "servers paused",
            "servers stopped by failing disks",
        ];
        NAMES
            .into_iter()
            .zip(self.clone().fields_mut().map(|count| *count))
            .collect()
    }

    fn fields_mut(&mut self) -> [&mut u64; 25] {
        [
            &mut self.steps,
            &mut self.messages,
            &mut self.pre_votes,
            &mut self.elections,
            &mut self.leaders,
            &mut self.step_downs,
            &mut self.commits,
            &mut self.inherited_commits,
            &mut self.truncations,
            &mut self.recoveries,
            &mut self.torn_tails,
            &mut self.reads,
            &mut self.lease_reads,
            &mut self.follower_reads,
            &mut self.refusals,
            &mut self.snapshots,
            &mut self.installs,
            &mut self.memberships,
            &mut self.joint_phases,
            &mut self.quorums_missed,
            &mut self.transfers,
            &mut self.replacements,
            &mut self.aimed_faults,
            &mut self.pauses,
            &mut self.stops,
        ]
    }
}
