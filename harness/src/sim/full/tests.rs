//! The atlas is what keeps runs within what servers claim to survive: beyond it, the judges see what is lost.

use crate::nemesis::{Length, generate};
use crate::scenario::{DiskLie, Fault, FaultKind, Scenario, Target, Tier, Unsynced};
use crate::sim::run::run_beyond_the_atlas;
use crate::sim::{RunOptions, run};

/// The leader's disk says that it syncs, and does not, while power fails.
fn power_fails_behind_a_lie() -> Scenario {
    let mut scenario = generate(1, Length::SHORT, Tier::Full);
    scenario.servers = 3;
    scenario.settings.first_voters = 3;
    scenario.settings.clock_ppm = vec![0; 3];
    let lie = FaultKind::Lie {
        target: Target::Leader,
        about: DiskLie::Syncs,
        skip: 0,
    };
    let unsynced = Unsynced::Lost;
    scenario.faults = vec![
        Fault::at(3_000, 2_000, lie),
        Fault::at(3_500, 100, FaultKind::PowerLoss { unsynced }),
    ];
    scenario
}

#[test]
fn power_lost_behind_a_lie_loses_what_was_promised_and_only_the_atlas_keeps_it_from_runs() {
    let scenario = power_fails_behind_a_lie();
    let within = run(&scenario, RunOptions::default());
    assert_eq!(within.violation, None);
    assert!(within.coverage.lost_syncs > 0);
    let beyond = run_beyond_the_atlas(&scenario);
    let violation = beyond.violation.expect("what was promised is gone");
    assert_eq!(violation.property, "Durability", "{}", violation.what);
}
