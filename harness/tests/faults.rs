//! Faults do what they say, in both tiers: seen in the trace of runs with one fault each.

mod sim_support;

use plumb_harness::invariants::Coverage;
use plumb_harness::scenario::{
    Anchor, DiskLie, Fault, FaultKind, Happening, Scenario, Target, Tier, Unsynced,
};
use plumb_harness::sim::seams::disk::{DiskCall, Errno};
use plumb_harness::sim::{Run, RunOptions, run};
use sim_support::healthy as scenario;

const TIERS: [Tier; 2] = [Tier::Full, Tier::Bare];

fn traced(scenario: &Scenario) -> (Run, Vec<(f64, String)>) {
    let seen = run(scenario, RunOptions::traced());
    assert_eq!(seen.violation, None);
    let lines = seen.trace.lines().map(|line| {
        let line = line.trim_start();
        let (at_ms, rest) = line.split_once(' ').expect("a line has a time");
        (at_ms.parse().expect("in milliseconds"), rest.to_owned())
    });
    let lines = lines.collect();
    (seen, lines)
}

/// When a fault began and ended, and what the trace calls it.
fn strike(lines: &[(f64, String)]) -> (f64, f64, String) {
    let find = |verb: &str| {
        let mut lines = lines.iter();
        let found = lines.find(|(_, what)| what.starts_with("****") && what.contains(verb));
        found.unwrap_or_else(|| panic!("nothing {verb}")).clone()
    };
    let (from_ms, words) = find("begins: ");
    let (to_ms, _) = find("ends: ");
    (from_ms, to_ms, words)
}

fn aimed(event: Happening, for_ms: u64, what: FaultKind) -> Fault {
    let anchor = Anchor {
        event,
        skip: 3,
        within_ms: 3_000,
    };
    Fault {
        when: Some(anchor),
        ..Fault::at(2_000, for_ms, what)
    }
}

#[test]
fn a_paused_server_does_nothing_and_then_goes_on() {
    for tier in TIERS {
        let target = Target::Leader;
        let pause = Fault::at(3_000, 1_500, FaultKind::Pause { target });
        let (seen, lines) = traced(&scenario(tier, vec![pause]));
        let leader = |at_ms: f64| {
            let mut before = lines.iter().rev().filter(|(at, _)| *at < at_ms);
            let (_, what) = before
                .find(|(_, what)| what.contains("=> leader"))
                .expect("there is a leader");
            what[..2].to_owned()
        };
        let (paused, deposed_by) = (leader(3_000.0), leader(4_500.0));
        assert_ne!(paused, deposed_by, "{tier:?}: the others go on without it");
        // Turmoil's hosts take their turns within a tick of a millisecond.
        let acts = |from_ms: f64, to_ms: f64| {
            let within = |at_ms: f64| at_ms > from_ms && at_ms < to_ms;
            lines
                .iter()
                .filter(|(at_ms, what)| within(*at_ms) && what.starts_with(&paused))
                .count()
        };
        assert_eq!(acts(3_001.0, 4_500.0), 0, "{tier:?}");
        assert!(
            acts(2_500.0, 3_000.0) > 10 && acts(4_500.0, 5_000.0) > 10,
            "{tier:?}"
        );
        assert_eq!(seen.coverage.pauses, 1);
    }
}

#[test]
fn an_aimed_fault_strikes_upon_its_event_whoever_it_happens_to() {
    for tier in TIERS {
        for (event, shows) in [
            (Happening::Committed, "=> leader"),
            (Happening::Acknowledged, "matched"),
            (Happening::Stored, "writes"),
        ] {
            let crash = FaultKind::Crash {
                target: Target::Subject,
                unsynced: Unsynced::Lost,
            };
            let (seen, lines) = traced(&scenario(tier, vec![aimed(event, 100, crash)]));
            let (from_ms, to_ms, words) = strike(&lines);
            let subject = words.split_once("crash ").expect("it says whom").1[..2].to_owned();
            let struck = lines.iter().position(|(_, what)| what.starts_with("****"));
            let mut earlier = lines[..struck.expect("it struck")].iter().rev();
            let near = earlier.find(|(_, what)| what.starts_with(&subject) && what.contains(shows));
            let (at_ms, _) = near.expect("the event is there");
            // The bare tier strikes before anything else happens, the full one at the end of a tick.
            let within_ms = if tier == Tier::Bare { 0.001 } else { 1.0 };
            assert!(
                from_ms - at_ms <= within_ms,
                "{tier:?} {event:?}: {at_ms}, {from_ms}"
            );
            assert!(
                (100.0..=101.0).contains(&(to_ms - from_ms)),
                "{tier:?} {event:?}"
            );
            assert_eq!(seen.coverage.aimed_faults, 1);
            assert_eq!(seen.coverage.given_up_faults, 0);
            assert!(seen.coverage.recoveries >= 1, "{tier:?} {event:?}");
        }
    }
}

#[test]
fn a_fault_whose_event_does_not_come_never_strikes() {
    for tier in TIERS {
        let target = Target::Subject;
        let never = aimed(Happening::ToldToStand, 100, FaultKind::Isolate { target });
        let (seen, lines) = traced(&scenario(tier, vec![never]));
        assert!(lines.iter().all(|(_, what)| !what.starts_with("****")));
        assert_eq!(seen.coverage.aimed_faults, 0);
        assert_eq!(seen.coverage.given_up_faults, 1);
    }
}

#[test]
fn a_server_whose_disk_fails_stops_and_starts_again_with_all_that_it_promised() {
    for (call, error) in [
        (DiskCall::Sync, Errno::Eio),
        (DiskCall::Write, Errno::Eio),
        (DiskCall::Write, Errno::Enospc),
    ] {
        for unsynced in [Unsynced::Lost, Unsynced::Torn, Unsynced::Kept] {
            let fails = FaultKind::Disk {
                target: Target::Leader,
                call,
                error,
                skip: 2,
                unsynced,
            };
            let fault = Fault::at(3_000, 1_000, fails);
            let (seen, lines) = traced(&scenario(Tier::Full, vec![fault]));
            assert_eq!(seen.coverage.stops, 1, "{call:?} {error:?} {unsynced:?}");
            let restarts = |(at_ms, what): &(f64, String)| {
                (4_000.0..4_010.0).contains(at_ms) && what.contains("starts: ")
            };
            assert_eq!(lines.iter().filter(|line| restarts(line)).count(), 1);
        }
    }
}

#[test]
fn a_server_with_a_rotten_disk_refuses_to_start_or_has_all_that_it_promised() {
    let mut refused = 0;
    for seed in 1..=30 {
        let target = Target::Leader;
        let rot = Fault::at(4_000, 500, FaultKind::Rot { target });
        let mut rotten = scenario(Tier::Full, vec![rot]);
        rotten.seed = seed;
        let (seen, lines) = traced(&rotten);
        let restarts = |(at_ms, what): &(f64, String)| {
            (4_000.0..4_600.0).contains(at_ms) && what.contains("starts: ")
        };
        let restarts = lines.iter().filter(|line| restarts(line)).count();
        // At once, or once it has its bit back.
        assert_eq!(restarts, 1, "seed {seed}");
        refused += seen.coverage.stops;
    }
    assert!(refused > 5, "{refused} of 30 bits mattered");
}

#[test]
fn a_clock_that_jumps_makes_timers_fire_early() {
    for tier in TIERS {
        let jump = FaultKind::Jump {
            target: Target::Leader,
            by_ms: 40,
        };
        let mut jumping = scenario(tier, vec![Fault::at(3_000, 0, jump)]);
        jumping.workload.script = Some(Vec::new());
        jumping.live_within_ms = 0;
        let (_, lines) = traced(&jumping);
        let beats: Vec<f64> = lines
            .iter()
            .filter(|(_, what)| what.ends_with("Heartbeat timer fires"))
            .map(|(at_ms, _)| *at_ms)
            .filter(|at_ms| (2_500.0..3_200.0).contains(at_ms))
            .collect();
        let next = beats.partition_point(|at_ms| *at_ms < 3_000.0);
        let (before, after) = (beats[next - 1], beats[next]);
        // 40 of its 50 ms are skipped, or what is left of them.
        let due_ms = f64::max(before + 10.0, 3_000.0);
        assert!(
            (due_ms..due_ms + 2.0).contains(&after),
            "{tier:?}: {before}, {after}"
        );
        assert!(
            after - before < 40.0,
            "{tier:?}: the jump came too late to show"
        );
    }
}

#[test]
fn a_bridge_hears_both_halves_and_they_do_not_hear_each_other() {
    for tier in TIERS {
        let cut = vec![(1, 3), (3, 1)];
        let links = Fault::at(2_000, 2_000, FaultKind::Links { cut });
        let (_, lines) = traced(&scenario(tier, vec![links]));
        let arrives = |to: &str, from: &str| {
            let begins = |what: &str| what.starts_with(to) && what.contains(&format!("<- {from}"));
            lines
                .iter()
                .filter(|(at_ms, what)| (2_020.0..4_000.0).contains(at_ms) && begins(what))
                .count()
        };
        assert_eq!(
            (arrives("n1", "n3"), arrives("n3", "n1")),
            (0, 0),
            "{tier:?}"
        );
        assert!(arrives("n1", "n2") + arrives("n3", "n2") > 10, "{tier:?}");
        assert!(
            arrives("n2", "n1") > 10 && arrives("n2", "n3") > 5,
            "{tier:?}"
        );
    }
}

#[test]
fn a_scenario_says_what_is_wrong_with_its_faults() {
    let subject = FaultKind::Isolate {
        target: Target::Subject,
    };
    let disk = FaultKind::Disk {
        target: Target::Leader,
        call: DiskCall::Sync,
        error: Errno::Eio,
        skip: 0,
        unsynced: Unsynced::Lost,
    };
    let slow = |id, slower_ms| FaultKind::SlowDisk {
        target: Target::Server(id),
        slower_ms,
    };
    let storm = |id, every| FaultKind::SnapshotStorm {
        servers: vec![id],
        every,
    };
    for (tier, fault, told) in [
        (Tier::Bare, Fault::at(1, 1, subject), "waits for none"),
        (Tier::Bare, Fault::at(1, 1, disk), "needs the full tier"),
        (
            Tier::Full,
            aimed(Happening::Elected, 1, FaultKind::Transfer { to: 1 }),
            "waits for no event",
        ),
        (
            Tier::Full,
            Fault::at(1, 1, FaultKind::Links { cut: vec![(1, 4)] }),
            "does not exist",
        ),
        (
            Tier::Bare,
            Fault::at(1, 1, slow(4, (1, 2))),
            "does not exist",
        ),
        (Tier::Bare, Fault::at(1, 1, slow(1, (3, 2))), "ends swapped"),
        // Its last sync ends after it.
        (
            Tier::Bare,
            Fault::at(9_000, 500, slow(1, (1, 501))),
            "beyond",
        ),
        (Tier::Full, Fault::at(1, 1, storm(4, 1)), "does not exist"),
        (Tier::Full, Fault::at(1, 1, storm(1, 0)), "a zero"),
    ] {
        let error = scenario(tier, vec![fault])
            .check()
            .expect_err("it is wrong");
        assert!(
            error.contains("faults[0]") && error.contains(told),
            "{error}"
        );
    }
}

#[test]
fn a_disk_that_lies_is_found_out_or_does_no_harm() {
    let mut met = Coverage::default();
    for about in [
        DiskLie::Syncs,
        DiskLie::LostWrite,
        DiskLie::MisdirectedWrite { by: 8 },
        DiskLie::MisdirectedWrite { by: 512 },
    ] {
        for seed in 1..=8 {
            let target = Target::Leader;
            let skip = seed % 4;
            let lie = FaultKind::Lie {
                target,
                about,
                skip,
            };
            let mut lying = scenario(Tier::Full, vec![Fault::at(4_000, 600, lie)]);
            lying.seed = seed;
            let (seen, lines) = traced(&lying);
            let restarts = |(at_ms, what): &(f64, String)| {
                (4_290.0..4_620.0).contains(at_ms) && what.contains("starts: ")
            };
            assert!(lines.iter().any(restarts), "{about:?}, seed {seed}");
            met.add(&seen.coverage);
        }
    }
    assert_eq!(
        (met.lost_writes, met.misdirected_writes),
        (8, 16),
        "each lie was told"
    );
    assert!(met.lost_syncs > 8 && met.believed_lies > 0, "{met:?}");
    assert!(met.stops > 5, "{} were found out", met.stops);
}

/// Nobody survives a power loss behind a sync that did nothing: the atlas makes it the end of a process, whose writes the
/// machine still holds.
#[test]
fn power_is_not_lost_behind_a_disk_that_lies() {
    let target = Target::Leader;
    let lie = FaultKind::Lie {
        target,
        about: DiskLie::Syncs,
        skip: 0,
    };
    let unsynced = Unsynced::Lost;
    let faults = vec![
        Fault::at(3_000, 2_000, lie),
        Fault::at(3_500, 100, FaultKind::PowerLoss { unsynced }),
    ];
    let (seen, _) = traced(&scenario(Tier::Full, faults));
    assert!(seen.coverage.lost_syncs > 0);
}

#[test]
fn connections_that_break_are_made_again_and_what_was_on_its_way_is_lost() {
    for tier in TIERS {
        let target = Target::Leader;
        let resets = (0..20).map(|n| Fault::at(2_000 + n * 50, 0, FaultKind::Reset { target }));
        let (seen, lines) = traced(&scenario(tier, resets.collect()));
        assert_eq!(seen.coverage.resets, 20);
        let arrive = |from_ms: f64, to_ms: f64| {
            let within = |at_ms: f64| at_ms >= from_ms && at_ms < to_ms;
            let arrived = |(at_ms, what): &&(f64, String)| within(*at_ms) && what.contains("<- n");
            lines.iter().filter(arrived).count()
        };
        let (during, after) = (arrive(2_000.0, 3_000.0), arrive(4_000.0, 5_000.0));
        assert!(during < after && after > 100, "{tier:?}: {during}, {after}");
    }
}

#[test]
fn messages_wait_for_a_narrow_link() {
    for tier in TIERS {
        let slow = |id| FaultKind::Slow {
            from: vec![id],
            bytes_per_s: 4_000,
        };
        let faults = (1..=3).map(|id| Fault::at(3_000, 3_000, slow(id)));
        let (seen, lines) = traced(&scenario(tier, faults.collect()));
        assert!(seen.coverage.narrowed > 50, "{tier:?}");
        let arrive = |from_ms: f64| {
            let within = |at_ms: f64| at_ms >= from_ms && at_ms < from_ms + 3_000.0;
            let committed =
                |(at_ms, what): &&(f64, String)| within(*at_ms) && what.contains("<- n");
            lines.iter().filter(committed).count()
        };
        let (narrow, wide) = (arrive(3_000.0), arrive(7_000.0));
        assert!(narrow * 3 < wide * 2, "{tier:?}: {narrow}, {wide}");
    }
}

#[test]
fn who_has_a_slow_disk_promises_late_and_for_all_that_waited_while_others_go_on() {
    for tier in TIERS {
        // One of them leads.
        for slow in 1..=3 {
            let target = Target::Server(slow);
            let slower_ms = (150, 250);
            let fault = Fault::at(3_000, 3_000, FaultKind::SlowDisk { target, slower_ms });
            let mut slowed = scenario(tier, vec![fault]);
            // A follower is sent what comes, though it has not acknowledged what came.
            slowed.settings.max_in_flight_entries = 4_096;
            let (seen, lines) = traced(&slowed);
            let syncs = |id: u64, from_ms: f64, to_ms: f64| {
                let within = |at_ms: f64| at_ms >= from_ms && at_ms < to_ms;
                let prefix = format!("n{id}");
                let synced = lines.iter().filter(|(at_ms, what)| {
                    within(*at_ms) && what.starts_with(&prefix) && what.ends_with("on disk")
                });
                synced
                    .map(|(_, what)| number_of(what))
                    .collect::<Vec<u64>>()
            };
            let own = syncs(slow, 3_300.0, 6_000.0);
            assert!((8..=19).contains(&own.len()), "{tier:?} n{slow}: {own:?}");
            let batches = own[own.len() - 1] - own[0];
            assert!(batches > 4 * own.len() as u64, "{tier:?} n{slow}: {own:?}");
            for id in (1..=3).filter(|id| *id != slow) {
                let others = syncs(id, 3_300.0, 6_000.0).len();
                assert!(others > 5 * own.len(), "{tier:?} n{id}: {others}");
            }
            assert!(syncs(slow, 6_300.0, 9_000.0).len() > 5 * own.len());
            let counted = seen.coverage.slow_syncs as usize;
            assert!(counted.abs_diff(own.len()) < 6, "{counted}");
        }
    }
}

/// The number of the batch in a line such as "n1   has #7 on disk".
fn number_of(line: &str) -> u64 {
    let number = line
        .split_once('#')
        .and_then(|(_, rest)| rest.split_once(' '));
    number
        .and_then(|(number, _)| number.parse().ok())
        .expect("a batch has a number")
}

#[test]
fn in_a_snapshot_storm_servers_take_one_after_the_other_and_who_is_behind_is_sent_them() {
    for tier in TIERS {
        let storm = FaultKind::SnapshotStorm {
            servers: vec![1, 2],
            every: 2,
        };
        let mut stormy = scenario(tier, vec![Fault::at(3_000, 2_000, storm)]);
        (
            stormy.settings.snapshot_every,
            stormy.settings.retained_entries,
        ) = (0, 0);
        let (seen, lines) = traced(&stormy);
        let saved = |id: &str, from_ms: f64, to_ms: f64| {
            let within = |at_ms: f64| at_ms >= from_ms && at_ms < to_ms;
            let saved = |(at_ms, what): &&(f64, String)| {
                within(*at_ms) && what.starts_with(id) && what.contains("has written its state")
            };
            lines.iter().filter(saved).count()
        };
        for id in ["n1", "n2"] {
            let (before, during, after) = (
                saved(id, 0.0, 3_000.0),
                saved(id, 3_000.0, 5_010.0),
                saved(id, 5_010.0, 20_000.0),
            );
            assert!(during > 30, "{tier:?} {id}: {during}");
            assert_eq!((before, after), (0, 0), "{tier:?} {id}");
        }
        assert_eq!(
            saved("n3", 0.0, 20_000.0),
            0,
            "{tier:?}: it was not told to"
        );
        assert!(seen.coverage.storm_snapshots > 60, "{tier:?}");
    }
}

/// Servers that are behind a log that is cut at every other entry are sent one snapshot after the other.
#[test]
fn a_storm_sends_snapshots_to_who_is_behind() {
    for tier in TIERS {
        let storm = FaultKind::SnapshotStorm {
            servers: vec![1, 2, 3],
            every: 1,
        };
        let slow = |id| FaultKind::SlowDisk {
            target: Target::Server(id),
            slower_ms: (50, 100),
        };
        let faults = vec![
            Fault::at(3_000, 2_000, storm),
            Fault::at(3_000, 2_000, slow(3)),
        ];
        let mut stormy = scenario(tier, faults);
        (
            stormy.settings.snapshot_every,
            stormy.settings.retained_entries,
        ) = (0, 0);
        let (seen, _) = traced(&stormy);
        assert!(
            seen.coverage.installs > 3,
            "{tier:?}: {}",
            seen.coverage.installs
        );
    }
}

/// An edited file may say so: what lasts no time is over, and not there for ever.
#[test]
fn a_fault_that_lasts_no_time_begins_and_then_ends() {
    let isolation = Fault::at(
        2_000,
        0,
        FaultKind::Isolate {
            target: Target::Leader,
        },
    );
    for tier in TIERS {
        let (_, lines) = traced(&scenario(tier, vec![isolation.clone()]));
        let of_the_fault = lines.iter().filter(|(_, what)| what.starts_with("****"));
        let words: Vec<&str> = of_the_fault
            .filter_map(|(_, what)| what.split_whitespace().nth(1))
            .collect();
        assert_eq!(words, ["begins:", "ends:"], "{tier:?}");
        let after = lines.iter().filter(|(at_ms, _)| *at_ms > 2_500.0);
        let stands = after.filter(|(_, what)| what.contains("=> candidate"));
        assert_eq!(stands.count(), 0, "{tier:?}: the leader is heard as before");
    }
}
