//! Every kind of workload runs in both tiers, meets what it is there for, and is judged by a checker that would see it
//! fail.

use plumb_checkers::{Budget, Options, Spec, check};
use plumb_harness::invariants::Coverage;
use plumb_harness::nemesis::{Length, generate};
use plumb_harness::scenario::{
    Action, Contact, Fault, FaultKind, Reads, Scenario, ScriptedOperation, Skew, Target, Tier,
    Unsynced, WORKLOADS, WorkloadKind,
};
use plumb_harness::sim::run::spec_of;
use plumb_harness::sim::{Run, RunOptions, run};
use plumb_histories::{History, Kind, Value};

const TIERS: [Tier; 2] = [Tier::Full, Tier::Bare];

fn scenario(tier: Tier, kind: WorkloadKind) -> Scenario {
    let mut scenario = generate(1, Length::SHORT, tier);
    scenario.servers = 3;
    let workload = &mut scenario.workload;
    (workload.kind, workload.clients, workload.keys) = (kind, 4, 3);
    (workload.think_ms, workload.reads) = (20, Reads::Leader);
    (workload.skew, workload.contact) = (Skew::Uniform, Contact::Last);
    workload.deaths_permille = 50;
    scenario.settings.first_voters = 3;
    scenario.settings.clock_ppm = vec![0; 3];
    let crash = |at_ms| {
        let (target, unsynced) = (Target::Leader, Unsynced::Lost);
        Fault::at(at_ms, 300, FaultKind::Crash { target, unsynced })
    };
    scenario.faults = vec![crash(2_000), crash(4_500), crash(7_000)];
    scenario
}

fn seen(scenario: &Scenario) -> Run {
    assert_eq!(scenario.check(), Ok(()));
    let seen = run(scenario, RunOptions::default());
    assert_eq!((&seen.violation, &seen.undecided), (&None, &None));
    assert!(seen.operations[0] > 200, "{:?}", seen.operations);
    seen
}

#[test]
fn every_kind_runs_and_meets_what_it_is_there_for() {
    for tier in TIERS {
        for kind in WORKLOADS {
            let run = seen(&scenario(tier, kind));
            let met = &run.coverage;
            let counts: &[u64] = match kind {
                WorkloadKind::Register => &[met.mismatches, met.deaths],
                WorkloadKind::Append => &[met.unknown, met.deaths],
                WorkloadKind::Txn => &[met.transactions, met.deaths],
                WorkloadKind::Bank => &[met.transactions, met.aborts, met.uncovered, met.deaths],
                WorkloadKind::Set | WorkloadKind::Counter => &[met.added, met.deaths],
                WorkloadKind::Queue => &[met.taken, met.found_empty, met.mismatches, met.deaths],
            };
            assert!(
                counts.iter().all(|count| *count > 0),
                "{tier:?} {kind:?}: {counts:?}"
            );
        }
    }
}

#[test]
fn a_script_of_every_kind_is_the_run() {
    for tier in TIERS {
        for kind in WORKLOADS {
            let mut scenario = scenario(tier, kind);
            (scenario.workload.skew, scenario.workload.contact) = (Skew::Zipf, Contact::Roaming);
            let drawn = seen(&scenario);
            scenario.workload.script = Some(drawn.script.clone());
            assert_eq!(seen(&scenario).history, drawn.history, "{tier:?} {kind:?}");
        }
    }
}

/// The first event of this kind for which `lie` finds something to change.
fn with_a_lie(history: &History, mut lie: impl FnMut(&str, &mut Value) -> bool) -> Vec<u8> {
    let text = String::from_utf8(history.to_jsonl()).expect("it is text");
    let mut lied = false;
    let mut f = std::collections::BTreeMap::new();
    let mut events = history.events().iter();
    let lines = text.lines().map(|line| {
        let mut json: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
        if json.get("kind").is_none() {
            return line.to_owned();
        }
        let event = events.next().expect("a line an event");
        if event.kind == Kind::Invoke {
            f.insert(event.process, event.f.clone());
        }
        let mut value = event.value.clone();
        let name = f.get(&event.process).cloned().unwrap_or_default();
        if !lied && event.kind == Kind::Ok && lie(&name, &mut value) {
            lied = true;
            json["value"] = serde_json::to_value(&value).expect("plain data");
        }
        json.to_string()
    });
    let told = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert!(lied, "there was nothing to lie about");
    told.into_bytes()
}

#[test]
fn the_judge_of_every_new_kind_sees_one_wrong_answer() {
    for kind in [
        WorkloadKind::Bank,
        WorkloadKind::Set,
        WorkloadKind::Counter,
        WorkloadKind::Queue,
    ] {
        let scenario = scenario(Tier::Bare, kind);
        let run = seen(&scenario);
        let mut reads = 0;
        let lied = with_a_lie(&run.history, |f, value| match value {
            // Money from nowhere.
            Value::Map(pairs) if f == "read" => match &mut pairs[0].1 {
                Value::Int(balance) => {
                    *balance += 1;
                    true
                }
                _ => false,
            },
            // One that was added twice, as a command is that was carried out twice.
            Value::List(items) if f == "read" && items.len() > 3 => {
                items.push(items[0].clone());
                true
            }
            Value::Int(sum) if f == "read" => {
                reads += 1;
                *sum += 7;
                reads == 1
            }
            // Empty, while much is in it.
            Value::Int(_) if f == "dequeue" => {
                *value = Value::Int(-1);
                true
            }
            _ => false,
        });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("history.jsonl");
        std::fs::write(&path, lied).expect("it can be written");
        let lied = plumb_histories::read(&path).expect("it is a history");
        let (spec, init) = spec_of(&scenario.workload);
        let options = Options::new(Spec::by_name(spec).expect("it exists"))
            .with_init(init)
            .with_budget(Budget::steps(20_000_000));
        let report = check(&lied, &options).expect("it fits");
        assert!(
            report.verdict.is_violation(),
            "{kind:?}: {}",
            report.verdict
        );
    }
}

#[test]
fn clients_are_pinned_or_roam_and_keys_are_hot() {
    for tier in TIERS {
        let of = |contact, skew| {
            let mut scenario = scenario(tier, WorkloadKind::Register);
            (scenario.workload.contact, scenario.workload.skew) = (contact, skew);
            (scenario.faults, scenario.workload.reads) = (Vec::new(), Reads::Anywhere);
            seen(&scenario)
        };
        let nodes = |run: &Run, key: Option<&str>| {
            let invoked = run
                .history
                .events()
                .iter()
                .filter(|e| e.kind == Kind::Invoke);
            let mut counts = std::collections::BTreeMap::new();
            for event in invoked {
                let hot = event.key.as_ref().and_then(Value::as_str) == Some("k0");
                if key.is_none() || hot {
                    *counts.entry(event.node.clone()).or_insert(0_u64) += 1;
                }
            }
            counts
        };
        let pinned = of(Contact::Pinned, Skew::Hot);
        let all: u64 = nodes(&pinned, None).values().sum();
        let hot: u64 = nodes(&pinned, Some("k0")).values().sum();
        assert!(hot * 10 > all * 8, "{tier:?}: {hot} of {all}");
        let roaming = nodes(&of(Contact::Roaming, Skew::Uniform), None);
        let (least, most) = (roaming.values().min(), roaming.values().max());
        assert_eq!(roaming.len(), 3);
        assert!(
            least.map(|n| n * 2) > most.copied(),
            "{tier:?}: {roaming:?}"
        );
    }
}

#[test]
fn what_a_client_asked_for_before_it_died_happens_once_or_not_at_all() {
    for tier in TIERS {
        let mut scenario = scenario(tier, WorkloadKind::Set);
        scenario.faults.clear();
        scenario.workload.keys = 1;
        let add = |n: u64| ScriptedOperation {
            client: n % 4,
            at_us: 1_000_000 + n * 40_000,
            action: Action::Add,
            key: 0,
            value: n + 1,
            dies_after_us: Some(1 + n * 1_000),
            returns_after_us: None,
            repeats_after_us: None,
        };
        let read = ScriptedOperation {
            at_us: 14_000_000,
            action: Action::Read,
            value: 1_000,
            dies_after_us: None,
            ..add(0)
        };
        let mut script: Vec<ScriptedOperation> = (0..60).map(add).collect();
        script.push(read);
        scenario.workload.script = Some(script);
        let run = run(&scenario, RunOptions::default());
        assert_eq!(run.violation, None);
        let last = run
            .history
            .events()
            .iter()
            .rfind(|event| event.f == "read" && event.kind == Kind::Ok);
        let held = last
            .and_then(|event| event.value.as_list())
            .expect("it was read")
            .len();
        // Some died before the leader had heard of it, some after.
        assert!((5..60).contains(&held), "{tier:?}: {held} of 60");
        assert!(run.coverage.deaths > 5, "{tier:?}: {}", run.coverage.deaths);
    }
}

/// A script in which four clients add to one set or counter, or append to one list, and then somebody reads it.
fn adding(
    kind: WorkloadKind,
    count: u64,
    with: impl Fn(u64, &mut ScriptedOperation),
) -> Vec<ScriptedOperation> {
    let changes = if kind == WorkloadKind::Append {
        Action::Append
    } else {
        Action::Add
    };
    let operation = |n: u64, action, at_us| ScriptedOperation {
        client: n % 4,
        at_us,
        action,
        key: 0,
        value: n + 1,
        dies_after_us: None,
        returns_after_us: None,
        repeats_after_us: None,
    };
    let mut script: Vec<ScriptedOperation> = (0..count)
        .map(|n| {
            let mut change = operation(n, changes, 1_000_000 + n * 40_000);
            with(n, &mut change);
            change
        })
        .collect();
    script.push(operation(count, Action::Read, 14_000_000));
    script
}

const EXACTLY_ONCE: [WorkloadKind; 3] = [
    WorkloadKind::Set,
    WorkloadKind::Counter,
    WorkloadKind::Append,
];

#[test]
fn who_comes_back_with_its_session_asks_again_and_is_served_once() {
    for tier in TIERS {
        for kind in EXACTLY_ONCE {
            let mut scenario = scenario(tier, kind);
            scenario.workload.keys = 1;
            scenario.workload.script = Some(adding(kind, 60, |n, change| {
                // Before the leader has heard of it, and after; back at once, and after a while.
                change.dies_after_us = Some(1 + n * 500);
                change.returns_after_us = Some(1 + n % 7 * 30_000);
            }));
            let run = run(&scenario, RunOptions::default());
            assert_eq!(
                (&run.violation, &run.undecided),
                (&None, &None),
                "{tier:?} {kind:?}"
            );
            // All of them are answered in the end, as if nobody had died.
            let ended = |kind| {
                run.history
                    .events()
                    .iter()
                    .filter(|event| event.kind == kind)
                    .count()
            };
            assert_eq!(ended(Kind::Ok), 61, "{tier:?} {kind:?}");
            let Coverage {
                deaths, returns, ..
            } = run.coverage;
            assert!(
                deaths == returns && returns > 10,
                "{tier:?} {kind:?}: {deaths}, {returns}"
            );
        }
    }
}

#[test]
fn a_request_that_arrives_again_is_answered_as_it_was_or_refused_as_stale() {
    for tier in TIERS {
        for kind in EXACTLY_ONCE {
            let mut scenario = scenario(tier, kind);
            scenario.faults.clear();
            scenario.workload.keys = 1;
            scenario.workload.script = Some(adding(kind, 60, |n, change| {
                // A client's next one comes 160 ms later.
                change.repeats_after_us = Some(if n % 2 == 0 { 1_000 } else { 300_000 });
            }));
            let run = run(&scenario, RunOptions::default());
            assert_eq!(
                (&run.violation, &run.undecided),
                (&None, &None),
                "{tier:?} {kind:?}"
            );
            let met = (run.coverage.answered_again, run.coverage.stale_requests);
            // Those of the last four have none after them.
            assert_eq!(met, (32, 28), "{tier:?} {kind:?}");
        }
    }
}

/// Found as a false alarm: a snapshot of 190 kB in pieces of 40 bytes takes longer than a minute.
#[test]
fn a_server_whose_snapshot_comes_in_the_smallest_pieces_is_only_slow() {
    let mut scenario = generate(3_820, Length::SHORT, Tier::Bare);
    // As the seed was on that day.
    (
        scenario.workload.returns_permille,
        scenario.workload.repeats_permille,
    ) = (0, 0);
    scenario.faults.retain(|fault| {
        !matches!(
            fault.what,
            FaultKind::SlowDisk { .. } | FaultKind::SnapshotStorm { .. }
        )
    });
    let run = run(&scenario, RunOptions::default());
    assert_eq!((&run.violation, &run.undecided), (&None, &None));
    let minute = std::time::Duration::from_millis(scenario.end_at_ms + 60_000);
    assert!(
        run.simulated > minute,
        "it shows nothing any more: {:?}",
        run.simulated
    );
}
