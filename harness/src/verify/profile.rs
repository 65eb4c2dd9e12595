//! How much `plumb verify` does: for a person who waits, for a gate, for a night.

use serde::Serialize;

use crate::nemesis::Length;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// The scopes of the specification that are exhausted.
    pub scopes: &'static [&'static str],
    /// How many seeds are simulated with the whole server.
    pub seeds: u64,
    /// How many seeds are simulated with bare replicas, for each seed of the whole server.
    pub bare_per_seed: u64,
    /// How many logs of simulated servers are tortured, at least.
    pub tortured_logs: u64,
    /// How long each run is.
    #[serde(skip)]
    pub length: Length,
}

/// Elections, replication and crashes; then each optional part of Raft by itself, and most of them together.
const QUICK_SCOPES: [&str; 10] = [
    "quick",
    "reads",
    "leases",
    "snapshots",
    "one-by-one",
    "joint",
    "pre-vote",
    "sessions",
    "progress",
    "together",
];
/// The parts among servers that restart, and some of them with each other, besides.
const CI_SCOPES: [&str; 17] = [
    "quick",
    "reads",
    "reads-terms",
    "leases",
    "leases-crash",
    "snapshots",
    "snapshots-crash",
    "one-by-one",
    "joint",
    "joint-crash",
    "joint-reads",
    "joint-snapshots",
    "pre-vote",
    "sessions",
    "progress",
    "progress-crash",
    "together",
];
/// All but the largest.
const NIGHTLY_SCOPES: [&str; 24] = [
    "quick",
    "figure8",
    "two-crashes",
    "five",
    "reads",
    "reads-terms",
    "leases",
    "leases-crash",
    "leases-terms",
    "snapshots",
    "snapshots-terms",
    "snapshots-crash",
    "one-by-one",
    "joint",
    "joint-crash",
    "joint-four",
    "joint-reads",
    "joint-snapshots",
    "pre-vote",
    "sessions",
    "progress",
    "progress-crash",
    "together",
    "all-parts",
];

impl Profile {
    /// Under 90 s on two cores: for a person who waits.
    pub const QUICK: Profile = Profile {
        name: "quick",
        scopes: &QUICK_SCOPES,
        seeds: 300,
        tortured_logs: 10,
        bare_per_seed: 10,
        length: Length::SHORT,
    };
    /// A few minutes: for a gate.
    pub const CI: Profile = Profile {
        name: "ci",
        scopes: &CI_SCOPES,
        seeds: 1_000,
        tortured_logs: 100,
        bare_per_seed: 20,
        length: Length::SHORT,
    };
    /// As long as it takes.
    pub const NIGHTLY: Profile = Profile {
        name: "nightly",
        scopes: &NIGHTLY_SCOPES,
        seeds: 10_000,
        tortured_logs: 2_000,
        bare_per_seed: 20,
        length: Length::LONG,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_names_scopes_that_exist_and_a_larger_one_has_those_of_the_smaller() {
        let [quick, ci, nightly] = [Profile::QUICK, Profile::CI, Profile::NIGHTLY];
        for name in nightly.scopes {
            assert!(plumb_model::scope(name).is_some(), "{name}");
        }
        assert!(ci.scopes.iter().all(|name| nightly.scopes.contains(name)));
        assert!(quick.scopes.iter().all(|name| ci.scopes.contains(name)));
    }
}
