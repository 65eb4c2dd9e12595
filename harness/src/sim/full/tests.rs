//! The atlas is what keeps runs within what servers claim to survive: beyond it, the judges see what is lost. And
//! servers that end although their disks are sound, or do not do what they are set to.

use std::time::Duration;

use plumb_raft::server::ServerConfig;
use plumb_raft::storage::Identity;
use plumb_raft::types::NodeId;

use super::Full;
use crate::nemesis::{Length, generate};
use crate::scenario::{DiskLie, Fault, FaultKind, Scenario, Target, Tier, Unsynced};
use crate::sim::course::World;
use crate::sim::run::run_prepared;
use crate::sim::{RunOptions, run};

/// Three servers and no faults.
fn quiet() -> Scenario {
    let mut scenario = generate(1, Length::SHORT, Tier::Full);
    scenario.servers = 3;
    scenario.settings.first_voters = 3;
    scenario.settings.clock_ppm = vec![0; 3];
    scenario.faults.clear();
    scenario
}

/// The leader's disk says that it syncs, and does not, while power fails.
fn power_fails_behind_a_lie() -> Scenario {
    let mut scenario = quiet();
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
    let beyond = run_prepared(&scenario, |world| world.keeps_to_the_atlas = false);
    let violation = beyond.violation.expect("what was promised is gone");
    assert_eq!(violation.property, "Durability", "{}", violation.what);
}

/// A server whose folder is another's refuses to start: rightly, but nothing is wrong with its disk, and no fault put
/// the folder there.
#[test]
fn a_server_that_ends_although_its_disk_is_sound_has_stopped_by_itself() {
    let scenario = quiet();
    let folder_of = |server: u64| {
        move |world: &mut Full<'_>| {
            let folder = Identity {
                cluster: ServerConfig::joining(NodeId(2), "").cluster,
                server: NodeId(server),
            };
            let disk = world.disks()[&2].mount();
            folder.claim(&disk).expect("an empty disk");
        }
    };
    assert_eq!(run_prepared(&scenario, folder_of(2)).violation, None);
    let run = run_prepared(&scenario, folder_of(3));
    let violation = run.violation.expect("n2 does not start");
    assert_eq!(violation.property, "Availability", "{}", violation.what);
    let words = "n2 stopped by itself: the log failed: ";
    assert!(violation.what.starts_with(words), "{}", violation.what);
}

/// As if none of the servers had been told of its setting.
#[test]
fn servers_that_never_take_the_snapshots_that_they_are_set_to_take_are_ruled_on() {
    let mut scenario = quiet();
    scenario.settings.snapshot_every = 10;
    assert_eq!(run(&scenario, RunOptions::default()).violation, None);
    let run = run_prepared(&scenario, |world| {
        (1..=3).for_each(|id| world.snapshot_every(id, 0));
    });
    let violation = run.violation.expect("no log is ever cut");
    assert_eq!(
        violation.property, "Snapshots Are Taken",
        "{}",
        violation.what
    );
}

/// Of a disk the notebook of what is durable and the log's end, both damaged, look like a torn tail: that a server takes
/// them for one was a false alarm.
#[test]
fn of_a_servers_disk_one_bit_turns_over_at_a_time() {
    let run = run_prepared(&quiet(), |world| {
        pass(world, Duration::from_secs(3));
        world.crash(1, Unsynced::Kept);
        let disk = world.disks()[&1].clone();
        let whole = disk.durable_image();
        for _ in 0..2 {
            world.rot(1);
            let rotten = disk.durable_image();
            let files = whole.values().zip(rotten.values());
            let bytes = files.flat_map(|(before, after)| before.iter().zip(after));
            let turned: u32 = bytes.map(|(one, other)| (one ^ other).count_ones()).sum();
            assert_eq!(turned, 1);
            // Each millisecond draws another.
            for _ in 0..10 {
                pass(world, Duration::from_millis(1));
                world.rot(1);
                assert_eq!(disk.durable_image(), rotten);
            }
            world.mend_disk(1);
            assert_eq!(disk.durable_image(), whole);
        }
        world.restart(1);
    });
    assert_eq!(run.violation, None);
}

/// Lets so much time pass.
fn pass(world: &mut Full<'_>, time: Duration) {
    let to = world.elapsed() + time;
    while world.elapsed() < to {
        world.step(to).expect("no part of the world fails");
    }
}
