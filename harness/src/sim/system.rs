//! What is simulated: the shipped Raft, or a guest. Sweeps, shrinking and saved failures know it by these
//! few facts, and nothing else of it.

use std::sync::Arc;

use super::peer::Peer;
use super::run::{Run, RunOptions, run, run_peer, run_recorded};
use crate::BUILD;
use crate::conformance::trace::StepRecorder;
use crate::nemesis::{Length, generate};
use crate::scenario::{Reads, Scenario, Tier};

/// A run whose steps are written down.
pub type Recorded = fn(&Scenario, RunOptions, Option<Arc<StepRecorder>>) -> Run;

/// A system under simulation.
#[derive(Clone, Copy, Debug)]
pub struct System {
    /// The command that simulates it, up to its subcommand.
    pub command: &'static str,
    /// Runs a scenario.
    pub run: fn(&Scenario, RunOptions) -> Run,
    /// Runs a scenario and writes down every step, if the steps are those of the specification.
    pub run_recorded: Option<Recorded>,
    /// The scenario of a seed, within what it can do.
    pub generate: fn(u64, Length, Tier) -> Scenario,
}

impl System {
    /// What files of results name as their author: another system gives seeds another meaning.
    #[must_use]
    pub fn build(&self) -> String {
        if self.is_shipped() {
            BUILD.to_owned()
        } else {
            format!("{BUILD} around {}", self.command)
        }
    }

    /// Its command in short.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.is_shipped() {
            "plumb sim"
        } else {
            self.command
        }
    }

    /// The tier in which it runs when this one is asked for: guests know the bare one only.
    #[must_use]
    pub fn tier(&self, asked: Tier) -> Tier {
        if self.is_shipped() { asked } else { Tier::Bare }
    }

    pub(crate) fn is_shipped(&self) -> bool {
        self.command == System::SHIPPED.command
    }

    /// The Raft of this repository.
    pub const SHIPPED: System = System {
        command: "cargo run --release -- sim",
        run,
        run_recorded: Some(run_recorded),
        generate,
    };

    /// Somebody else's, in the bare tier. `command` is how its program is called, up to the subcommand: it is printed
    /// in front of what can be copied, and tells its files of results from other systems'. `generate` draws scenarios
    /// without what the peer has no notion of; [`generate_for_peers`], if it has the ordinary notions.
    #[must_use]
    pub fn of_peer<P: Peer>(
        command: &'static str,
        generate: fn(u64, Length, Tier) -> Scenario,
    ) -> System {
        System {
            command,
            run: run_peer::<P>,
            run_recorded: None,
            generate,
        }
    }
}

/// The ordinary scenario of a seed for a peer: in the bare tier, with members that stay the same, and with
/// reads by the leader where the seed asked for leases, on which no two Rafts agree.
#[must_use]
pub fn generate_for_peers(seed: u64, length: Length, _: Tier) -> Scenario {
    let mut scenario = generate(seed, length, Tier::Bare);
    scenario
        .faults
        .retain(|fault| fault.what.name().strikes_guests());
    scenario.settings.first_voters = scenario.servers;
    scenario.settings.leases = false;
    if scenario.workload.reads == Reads::Lease {
        scenario.workload.reads = Reads::Leader;
    }
    scenario
}
