//! Shrinking a system that is none: a rule says which scenarios fail, so that what must come out is known.

use crate::sim::laps::Laps;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use plumb_histories::browser::ServerLanes;
use plumb_histories::{Header, Recorder};

use super::*;
use crate::invariants::{Coverage, Violation};
use crate::nemesis::{Length, generate};
use crate::scenario::{Action, Fault, FaultKind, ScriptedOperation, Target, WorkloadKind};

/// A run that breaks this property, if any.
fn fake(scenario: &Scenario, broken: Option<(&str, u64)>) -> Run {
    let script = scenario.workload.script.clone();
    Run {
        history: Recorder::new(Header::default()).finish(),
        violation: broken.map(|(property, at_ms)| Violation {
            property: property.to_owned(),
            what: String::new(),
            at_ns: at_ms * 1_000_000,
        }),
        undecided: None,
        explanation: None,
        coverage: Coverage::default(),
        operations: [0; 3],
        script: script.unwrap_or_else(|| drawn_by_clients(scenario)),
        live_after_ms: None,
        members: BTreeSet::new(),
        simulated: Duration::ZERO,
        checking: Duration::ZERO,
        laps: Laps::default(),
        trace: String::new(),
        lanes: ServerLanes::default(),
    }
}

/// What clients of a scenario without a script do: something every tenth of a second.
fn drawn_by_clients(scenario: &Scenario) -> Vec<ScriptedOperation> {
    let one = |number: u64| ScriptedOperation {
        client: number % scenario.workload.clients,
        at_us: number * 100_000,
        action: [Action::Read, Action::Write][number as usize % 2],
        key: number % scenario.workload.keys,
        value: number + 1,
        dies_after_us: None,
        returns_after_us: None,
        repeats_after_us: None,
    };
    (0..100).map(one).collect()
}

fn system(run: fn(&Scenario, RunOptions) -> Run) -> System {
    System {
        command: "nothing",
        run,
        run_recorded: None,
        generate,
    }
}

fn isolate(at_ms: u64, for_ms: u64) -> Fault {
    let target = Target::Leader;
    Fault::at(at_ms, for_ms, FaultKind::Isolate { target })
}

/// Ten seconds with an isolation every half second, by a register's clients.
fn long() -> Scenario {
    let mut scenario = generate(1, Length::SHORT, Tier::Bare);
    scenario.workload.kind = WorkloadKind::Register;
    (scenario.workload.clients, scenario.workload.keys) = (5, 4);
    scenario.faults = (1..20).map(|number| isolate(number * 500, 300)).collect();
    scenario
}

fn shrunk(run: fn(&Scenario, RunOptions) -> Run, runs: u64, jobs: usize) -> Shrunk {
    let effort = Effort {
        runs,
        jobs,
        stop: &AtomicBool::new(false),
    };
    shrink(system(run), &long(), effort, &mut |_| {}).expect("it fails")
}

/// What a pass makes of a scenario by itself: what one of them can do, others often can in their way.
fn after(
    run: fn(&Scenario, RunOptions) -> Run,
    scenario: Scenario,
    pass: fn(&mut Search<'_>),
) -> Scenario {
    let effort = Effort {
        runs: 5_000,
        jobs: 1,
        stop: &AtomicBool::new(false),
    };
    let first = run(&scenario, RunOptions::default());
    let signature = Signature::of(first.violation.as_ref().expect("it fails"));
    let progress = &mut |_: Progress| {};
    let mut search = Search::new(system(run), signature, (scenario, first), effort, progress);
    pass(&mut search);
    search.into_best().0
}

fn story(scenario: &Scenario) -> (usize, usize) {
    let script = scenario.workload.script.as_ref();
    (scenario.faults.len(), script.map_or(0, Vec::len))
}

#[test]
fn a_cut_that_passes_by_luck_only_is_tried_with_other_seeds() {
    fn run(scenario: &Scenario, _: RunOptions) -> Run {
        let faults = scenario.faults.len();
        let fails = faults > 15 || faults >= 1 && scenario.seed % 8 == 5;
        fake(scenario, fails.then_some(("Log Matching", 9_900)))
    }
    let small = after(run, long(), |search| {
        search.drop_faults();
    });
    assert_eq!((small.faults.len(), small.seed % 8), (1, 5));
}

#[test]
fn less_that_fails_by_luck_only_is_found_all_the_same() {
    // The long one fails by any luck; one that has less in it, by one draw of eight.
    fn run(scenario: &Scenario, _: RunOptions) -> Run {
        let (faults, operations) = (scenario.faults.len(), fake(scenario, None).script.len());
        let lucky = (faults > 15 && operations > 90) || scenario.seed % 8 == 5;
        let fails = faults >= 1 && operations >= 2 && lucky;
        fake(scenario, fails.then_some(("Reads Are Confirmed", 900)))
    }
    let small = shrunk(run, 5_000, 1);
    assert_eq!(story(&small.scenario), (1, 2), "{:?}", small.steps);
    assert_eq!(small.scenario.seed % 8, 5, "it carries its luck");
    assert!(small.minimal);
}

#[test]
fn the_property_is_held_and_what_is_returned_was_run() {
    // With fewer than three faults, something else is wrong.
    fn run(scenario: &Scenario, _: RunOptions) -> Run {
        let property = match scenario.faults.len() {
            0..3 => "Liveness",
            _ => "Log Matching",
        };
        fake(scenario, Some((property, scenario.end_at_ms / 2)))
    }
    let small = shrunk(run, 5_000, 2);
    assert_eq!(story(&small.scenario), (3, 0), "{:?}", small.steps);
    let broken = small.run.violation.map(|violation| violation.property);
    assert_eq!(broken.as_deref(), Some("Log Matching"));
    let again = run(&small.scenario, RunOptions::default());
    assert_eq!(again.script, small.run.script);
}

#[test]
fn the_result_is_the_same_with_any_number_of_jobs() {
    fn run(scenario: &Scenario, _: RunOptions) -> Run {
        let script = fake(scenario, None).script;
        let mixed = scenario.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        let fails = scenario.faults.len() >= 2 && script.len() >= 3 && mixed < 6;
        let fails = fails || scenario.faults.len() > 10 && script.len() > 50;
        // Whatever fails later in the list may be done sooner.
        if fails && scenario.end_at_ms < 16_000 {
            std::thread::sleep(Duration::from_millis(mixed % 4));
        }
        fake(scenario, fails.then_some(("Log Matching", 2_000)))
    }
    let alone = shrunk(run, 3_000, 1);
    for jobs in [2, 5] {
        let many = shrunk(run, 3_000, jobs);
        assert_eq!(alone.scenario, many.scenario, "{jobs} jobs");
        assert_eq!((alone.runs, &alone.steps), (many.runs, &many.steps));
    }
    assert_eq!(story(&alone.scenario), (2, 3));
}

#[test]
fn a_small_world_is_found_that_no_cut_leads_to() {
    // Many faults, or one at the right moment, which none of the many is.
    fn run(scenario: &Scenario, _: RunOptions) -> Run {
        let faults = &scenario.faults;
        let right = |fault: &Fault| fault.when.is_none() && fault.at_ms % 500 > 400;
        let fails = faults.len() >= 19 || faults.len() == 1 && right(&faults[0]);
        fake(scenario, fails.then_some(("Log Matching", 9_900)))
    }
    let small = shrunk(run, 5_000, 2);
    assert_eq!(story(&small.scenario), (1, 0), "{:?}", small.steps);
}

#[test]
fn a_long_fault_stands_for_several_short_ones() {
    // What matters is that most of the time somebody is cut off, be it once or often.
    fn run(scenario: &Scenario, _: RunOptions) -> Run {
        let cut_ms: u64 = scenario.faults.iter().map(|fault| fault.for_ms).sum();
        let early = scenario.faults.iter().all(|fault| fault.at_ms % 500 == 0);
        let fails = cut_ms >= 2_400 && early && scenario.end_at_ms > 9_000;
        fake(scenario, fails.then_some(("Log Matching", 9_900)))
    }
    let mut scenario = long();
    scenario.faults.truncate(10);
    let small = after(run, scenario, |search| {
        search.merge_faults();
    });
    assert_eq!(small.faults.len(), 1, "{:?}", small.faults);
    assert!(small.faults[0].for_ms >= 2_400);
}

#[test]
fn no_more_runs_are_spent_than_allowed_and_none_leave_it_as_it_is() {
    fn run(scenario: &Scenario, _: RunOptions) -> Run {
        let fails = scenario.faults.len() >= 2;
        fake(scenario, fails.then_some(("Log Matching", 2_000)))
    }
    for runs in [0, 1, 7, 50] {
        let small = shrunk(run, runs, 2);
        // The first run, that of the scenario itself, is told and not counted.
        assert!(small.runs <= runs + 1, "{} of {runs}", small.runs);
        assert!(!small.minimal);
        let spent: u64 = small.steps.iter().map(|step| step.runs).sum();
        assert!(spent <= runs);
        if runs == 0 {
            assert_eq!(small.scenario, long());
        }
    }
}

#[test]
fn nothing_ever_grows() {
    fn run(scenario: &Scenario, _: RunOptions) -> Run {
        let fails = scenario.faults.len() + fake(scenario, None).script.len() >= 4;
        fake(scenario, fails.then_some(("Log Matching", 2_000)))
    }
    let mut sizes = Vec::new();
    let effort = Effort {
        runs: 2_000,
        jobs: 1,
        stop: &AtomicBool::new(false),
    };
    shrink(system(run), &long(), effort, &mut |now: Progress| {
        sizes.push(weight::FAULT as usize * now.best.faults + now.best.operations);
    });
    sizes.reverse();
    assert!(sizes.is_sorted(), "{sizes:?}");
    // A fault and three operations, or four operations: nothing stands for the other.
    assert!(sizes[0] <= 5, "{}", sizes[0]);
}

#[test]
fn a_scenario_that_holds_is_not_shrunk() {
    let effort = Effort {
        runs: 100,
        jobs: 1,
        stop: &AtomicBool::new(false),
    };
    let holds = |scenario: &Scenario, _: RunOptions| fake(scenario, None);
    assert!(shrink(system(holds), &long(), effort, &mut |_| {}).is_none());
}
