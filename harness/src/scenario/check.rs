//! Whether a scenario can be run: what contradicts itself is refused before anything happens.

use super::{
    FaultKind, MAX_CLIENTS, MAX_RUN_MS, MAX_SERVERS, SCENARIO_VERSION, Scenario, Target, Tier,
    Workload, WorkloadKind,
};

impl Scenario {
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
            (
                self.workload.kind != WorkloadKind::Bank || self.workload.keys >= 2,
                "keys: a bank needs two accounts at least",
            ),
            (
                self.workload.deaths_permille <= 1_000,
                "deaths_permille: at most 1000",
            ),
            (
                self.workload.returns_permille <= 1_000 && self.workload.repeats_permille <= 1_000,
                "returns_permille, repeats_permille: at most 1000",
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
            let fits = self.workload.kind.knows(operation.action);
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
                FaultKind::Slow { from, .. } => known(from),
                FaultKind::SnapshotStorm { servers, .. } => known(servers),
                FaultKind::Links { cut } => cut.iter().all(|(from, to)| known(&[*from, *to])),
                FaultKind::Isolate { target }
                | FaultKind::Crash { target, .. }
                | FaultKind::Pause { target }
                | FaultKind::Jump { target, .. }
                | FaultKind::Rot { target }
                | FaultKind::Lie { target, .. }
                | FaultKind::Reset { target }
                | FaultKind::SlowDisk { target, .. }
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
            let wrong = match fault.what {
                FaultKind::SlowDisk { slower_ms, .. } if !ordered(slower_ms) => {
                    Some("a range with its ends swapped")
                }
                FaultKind::Slow { bytes_per_s: 0, .. }
                | FaultKind::SnapshotStorm { every: 0, .. } => Some("a zero"),
                _ => None,
            };
            if let Some(what) = wrong {
                return Err(format!("faults[{i}]: {what}"));
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
            let of_files = matches!(
                fault.what,
                FaultKind::Disk { .. } | FaultKind::Rot { .. } | FaultKind::Lie { .. }
            );
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
