//! What is simulated: the shipped Raft, or a guest. Sweeps, shrinking and saved failures know it by these
//! few facts, and nothing else of it.

use super::peer::Peer;
use super::run::{Run, RunOptions, run, run_peer};
use crate::nemesis::{Length, generate};
use crate::scenario::{FaultKind, Reads, Scenario, Tier};

/// A system under simulation.
#[derive(Clone, Copy, Debug)]
pub struct System {
    /// The command that simulates it, up to its subcommand.
    pub command: &'static str,
    /// Runs a scenario.
    pub run: fn(&Scenario, RunOptions) -> Run,
    /// The scenario of a seed, within what it can do.
    pub generate: fn(u64, Length, Tier) -> Scenario,
}

impl System {
    /// The Raft of this repository.
    pub const SHIPPED: System = System {
        command: "cargo run --release -- sim",
        run,
        generate,
    };

    /// Somebody else's, in the bare tier. `fit` takes out of a scenario what the peer has no notion of.
    #[must_use]
    pub fn of_peer<P: Peer>(
        command: &'static str,
        generate: fn(u64, Length, Tier) -> Scenario,
    ) -> System {
        System {
            command,
            run: run_peer::<P>,
            generate,
        }
    }
}

/// The ordinary scenario of a seed for a guest: in the bare tier, with members that stay the same, and with
/// reads by the leader where the seed asked for leases, on which no two Rafts agree.
#[must_use]
pub fn generate_for_guests(seed: u64, length: Length, _: Tier) -> Scenario {
    let mut scenario = generate(seed, length, Tier::Bare);
    scenario.faults.retain(|fault| {
        !matches!(
            fault.what,
            FaultKind::Membership { .. } | FaultKind::Replace
        )
    });
    scenario.settings.first_voters = scenario.servers;
    scenario.settings.leases = false;
    if scenario.workload.reads == Reads::Lease {
        scenario.workload.reads = Reads::Leader;
    }
    scenario
}
