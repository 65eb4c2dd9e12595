//! Whether a scenario can be run: what contradicts itself is refused before anything happens.

use super::{
    DiskLie, Fault, FaultKind, MAX_CLIENTS, MAX_RUN_MS, MAX_SERVERS, SCENARIO_VERSION, Scenario,
    Target, Tier, Workload, WorkloadKind,
};

/// Counts of entries and bytes that make a difference end far below this, and sums of some are numbers still.
const MAX_COUNT: u64 = 1 << 40;
/// A segment or a piece of a snapshot is held in memory.
const MAX_PIECE: u64 = 1 << 30;

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
                s.clock_ppm.iter().all(|ppm| ppm.unsigned_abs() <= 100_000),
                "clock_ppm: at most 100000",
            ),
            (
                s.segment_bytes <= MAX_PIECE && s.snapshot_chunk_bytes as u64 <= MAX_PIECE,
                "segment_bytes, snapshot_chunk_bytes: at most 2^30",
            ),
            (
                [
                    s.max_entries_per_append as u64,
                    s.max_in_flight_entries,
                    s.snapshot_every,
                    s.retained_entries,
                ]
                .iter()
                .all(|count| *count <= MAX_COUNT),
                "settings: more than 2^40 entries",
            ),
            (
                [s.latency_ms.1, s.election_ms.1, self.workload.think_ms]
                    .iter()
                    .all(|ms| *ms <= MAX_RUN_MS)
                    && s.sync_us.1 <= MAX_RUN_MS * 1_000,
                "latency_ms, sync_us, election_ms, think_ms: at most an hour",
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
            let after = [
                Some(operation.at_us),
                operation.dies_after_us,
                operation.returns_after_us,
                operation.repeats_after_us,
            ];
            if after.iter().flatten().any(|us| *us > MAX_RUN_MS * 1_000) {
                return Err(format!("script[{i}] names a time beyond an hour"));
            }
            if i64::try_from(operation.value).is_err() {
                return Err(format!("script[{i}]: value: at most 2^63 - 1"));
            }
            let fits = self.workload.kind.knows(operation.action);
            if !fits {
                return Err(format!(
                    "script[{i}] does what the workload's kind does not know"
                ));
            }
        }
        for (i, fault) in self.faults.iter().enumerate() {
            let aimed_at_one_there_is = match fault.what.target() {
                Some(Target::Server(id)) => known(&[id]),
                Some(Target::Subject) if fault.when.is_none() => {
                    return Err(format!(
                        "faults[{i}] strikes the subject of an event, and waits for none"
                    ));
                }
                Some(Target::Leader | Target::Subject) | None => true,
            };
            let servers_known = match &fault.what {
                FaultKind::Partition { side }
                | FaultKind::OneWay { from: side }
                | FaultKind::Stall { from: side }
                | FaultKind::Slow { from: side, .. }
                | FaultKind::SnapshotStorm { servers: side, .. } => known(side),
                FaultKind::Links { cut } => cut.iter().all(|(from, to)| known(&[*from, *to])),
                FaultKind::Transfer { to } => known(&[*to]),
                FaultKind::Membership { voters, learners } => {
                    !voters.is_empty() && known(voters) && known(learners)
                }
                _ => aimed_at_one_there_is,
            };
            if !servers_known {
                return Err(format!("faults[{i}] names a server that does not exist"));
            }
            let wrong = match fault.what {
                _ if beyond_an_hour(fault) => Some("a time beyond an hour"),
                FaultKind::Noise {
                    drop_permille,
                    duplicate_permille,
                    delay_permille,
                    ..
                } if [drop_permille, duplicate_permille, delay_permille]
                    .iter()
                    .any(|permille| *permille > 1_000) =>
                {
                    Some("more than 1000 in a thousand")
                }
                FaultKind::Lie {
                    about: DiskLie::MisdirectedWrite { by },
                    ..
                } if by > MAX_COUNT => Some("by: at most 2^40"),
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

/// Whether one of a fault's times is none that a run has.
fn beyond_an_hour(fault: &Fault) -> bool {
    let own = match fault.what {
        FaultKind::Jump { by_ms, .. } => by_ms,
        FaultKind::Noise { delay_ms, .. } => delay_ms,
        FaultKind::SlowDisk { slower_ms, .. } => slower_ms.1,
        _ => 0,
    };
    let waits = fault.when.map_or(0, |anchor| anchor.within_ms);
    [fault.at_ms, fault.for_ms, waits, own]
        .iter()
        .any(|ms| *ms > MAX_RUN_MS)
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use crate::nemesis::{Length, generate};
    use crate::scenario::{Action, Scenario, ScriptedOperation, Tier, WorkloadKind};
    use crate::sim::{RunOptions, run};

    /// The paths to all numbers.
    fn numbers(json: &Json, path: &str, all: &mut Vec<String>) {
        match json {
            Json::Object(fields) => fields
                .iter()
                .for_each(|(name, json)| numbers(json, &format!("{path}/{name}"), all)),
            Json::Array(items) => (0..)
                .zip(items)
                .for_each(|(i, json): (usize, _)| numbers(json, &format!("{path}/{i}"), all)),
            Json::Number(_) => all.push(path.to_owned()),
            _ => {}
        }
    }

    /// A number that no run can count on must not come as far as a run.
    #[test]
    fn each_number_at_its_largest_is_refused_or_can_be_run() {
        let mut tried = 0;
        for seed in 0..4 {
            let mut scenario = generate(seed, Length::SHORT, Tier::Full);
            scenario.workload.kind = WorkloadKind::Register;
            scenario.workload.script = Some(Vec::from([ScriptedOperation {
                client: 0,
                at_us: 100,
                action: Action::Write,
                key: 0,
                value: 3,
                dies_after_us: Some(10),
                returns_after_us: Some(10),
                repeats_after_us: Some(10),
            }]));
            scenario.check().expect("it can be run");
            let json = serde_json::to_value(&scenario).expect("it is JSON");
            let mut paths = Vec::new();
            numbers(&json, "", &mut paths);
            for path in paths {
                for largest in [u64::MAX.into(), i64::MAX.into(), i32::MIN.into()] {
                    let mut json = json.clone();
                    *json.pointer_mut(&path).expect("it is there") = largest;
                    let Ok(scenario) = serde_json::from_value::<Scenario>(json) else {
                        continue;
                    };
                    // What makes no difference was tried with the first seed.
                    if scenario.check().is_ok() && (seed == 0 || path.starts_with("/faults")) {
                        let broken = run(&scenario, RunOptions::default()).violation;
                        assert!(broken.is_none(), "{path}: {broken:?}");
                        tried += 1;
                    }
                }
            }
        }
        assert!(tried > 5, "some are of no consequence: {tried}");
    }
}
