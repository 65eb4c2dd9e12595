//! The named scopes: the small ones are exhausted here, and what is counted is what is committed.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use plumb_model::{
    Ablations, Bounds, Claim, Features, Figures, Limits, Outcome, Properties, Property, RULES,
    SCOPES, Scope, StopReason, Verdict, check, scope,
};

fn explore(scope: &Scope, limits: &Limits) -> Outcome {
    check(
        scope,
        Ablations::NONE,
        limits,
        &mut |_| {},
        &AtomicBool::new(false),
    )
    .expect("bounds that fit")
}

fn two_threads() -> Limits {
    Limits {
        threads: 2,
        ..Limits::default()
    }
}

/// Compares exactly; scopes beyond `most` states are left to `plumb model check`.
fn counts_are_as_committed(most: u64) {
    for scope in SCOPES {
        let Figures::Routine(counted) = scope.figures else {
            assert!(
                scope.figures.record().is_some(),
                "{} was never counted",
                scope.name
            );
            continue;
        };
        if counted.unique > most {
            continue;
        }
        let outcome = explore(scope, &two_threads());
        assert_eq!(outcome.verdict, Verdict::Exhausted, "{}", scope.name);
        assert_eq!(outcome.unique, counted.unique, "states of {}", scope.name);
        assert_eq!(
            outcome.generated, counted.generated,
            "steps of {}",
            scope.name
        );
        assert_eq!(outcome.max_depth, counted.depth, "depth of {}", scope.name);
    }
}

/// Whether every run within the first bounds is one within the second.
fn is_within(few: Bounds, many: Bounds) -> bool {
    let (f, m) = (few.features, many.features);
    let counts = [
        (few.max_term, many.max_term),
        (few.max_log, many.max_log),
        (few.requests, many.requests),
        (few.crashes, many.crashes),
        (f.rounds, m.rounds),
        (f.reads, m.reads),
        (f.retries, m.retries),
    ];
    let parts = [
        (f.check_quorum, m.check_quorum),
        (f.transfer, m.transfer),
        (f.snapshots, m.snapshots),
    ];
    // What takes steps away from servers must be as it is.
    few.servers == many.servers
        && (f.patience, f.drift, f.pre_vote, f.plan) == (m.patience, m.drift, m.pre_vote, m.plan)
        && counts.iter().all(|(few, many)| few <= many)
        && parts.iter().all(|(few, many)| few <= many)
}

#[test]
fn a_record_says_what_its_figures_rest_on() {
    let mut records = 0;
    for scope in SCOPES {
        let Some(record) = scope.figures.record() else {
            continue;
        };
        records += 1;
        let name = scope.name;
        assert!(name.starts_with("record-"), "{name}");
        assert!(scope.bounds.validate().is_ok(), "{name}");
        assert!(record.chance_of_a_collision() < 1e-3, "{name}");
        assert!(record.bytes_per_state <= 12.0, "{name}");
        let memory = record.bytes_per_state * record.counted.unique as f32;
        assert!(memory as usize <= record.max_memory, "{name}");
        let day: Vec<&str> = record.verified.split('-').collect();
        assert!(
            matches!(day[..], ["2026", month, day] if month.len() + day.len() == 4),
            "{name}"
        );
    }
    assert!(records > 0);
}

#[test]
fn what_a_record_claims_smaller_scopes_within_its_bounds_reach() {
    let is_record = |scope: &&Scope| scope.figures.record().is_some();
    for record in SCOPES.iter().filter(is_record) {
        let within = |scope: &&Scope| !is_record(scope) && is_within(scope.bounds, record.bounds);
        let inner: Vec<&Scope> = SCOPES.iter().filter(within).collect();
        for claim in Claim::ALL {
            let reached = inner.iter().any(|scope| scope.claims.has(claim));
            assert_eq!(
                record.claims.has(claim),
                reached,
                "{} in {}",
                claim.name(),
                record.name
            );
        }
    }
}

#[test]
fn one_scope_has_every_part_on_and_claims_that_each_acts() {
    let all = scope("all-parts").expect("a named scope");
    let parts = [
        "reads",
        "leases",
        "give up",
        "transfer",
        "snapshots",
        "changes",
        "pre-votes",
        "retries",
    ];
    let off = all.bounds.cut_off();
    for part in parts {
        let is_off = off
            .iter()
            .any(|cut| !cut.starts_with("a ") && cut.contains(part));
        assert!(!is_off, "{part} is off: {off:?}");
    }
    for claim in [
        Claim::ReadServed,
        Claim::LeaseRead,
        Claim::LeadershipTransferred,
        Claim::SnapshotInstalled,
        Claim::ConfigurationCommitted,
        Claim::StandsAfterPreVote,
        Claim::RetryCommitted,
    ] {
        assert!(all.claims.has(claim), "{}", claim.name());
    }
}

#[test]
fn small_scopes_hold_with_exactly_the_committed_counts() {
    // All of them: `plumb model scopes --verify`.
    counts_are_as_committed(150_000);
}

/// Scopes of optional parts that have no crash never need the disk.
fn is_not_for(scope: &str, rule: &str) -> bool {
    scope != "small" && ["Persist", "CrashAndRestart"].contains(&rule)
}

#[test]
fn every_rule_is_taken_in_the_scope_that_is_for_it() {
    let mut seen = HashSet::from(["SendAppendEntries"]);
    for name in [
        "small",
        "reads",
        "reads-terms",
        "leases",
        "snapshots",
        "joint",
        "pre-vote",
        "sessions",
    ] {
        let outcome = explore(scope(name).unwrap(), &two_threads());
        for (rule, taken) in outcome.rules {
            // Sends are eager: they are part of other rules.
            let alive = taken > 0 || rule == "SendAppendEntries" || is_not_for(name, rule);
            assert!(alive, "{rule} was taken {taken} times in {name}");
            seen.extend((taken > 0).then_some(rule));
        }
    }
    assert_eq!(seen.len(), RULES.len());
}

#[test]
fn symmetry_changes_the_number_of_states_but_no_verdict() {
    for (symmetric, most) in [(scope("tiny").unwrap(), 6), (scope("small").unwrap(), 6)] {
        let named = Scope {
            symmetry: false,
            ..*symmetric
        };
        let (with, without) = (
            explore(symmetric, &two_threads()),
            explore(&named, &two_threads()),
        );
        assert_eq!(with.verdict, without.verdict);
        assert_eq!(with.sometimes, without.sometimes);
        assert_eq!(with.max_depth, without.max_depth);
        assert!(with.unique < without.unique && without.unique <= most * with.unique);
    }
}

#[test]
fn a_claim_that_is_not_reached_is_a_failure() {
    let bounds = Bounds {
        requests: 0,
        ..scope("tiny").unwrap().bounds
    };
    let outcome = explore(
        &Scope {
            bounds,
            ..*scope("tiny").unwrap()
        },
        &Limits::default(),
    );
    let Verdict::Vacuous(missed) = outcome.verdict else {
        panic!("{:?}", outcome.verdict)
    };
    assert_eq!(
        missed,
        [
            "an entry commits (§5.3)",
            "a server recovers with a log (Figure 2)"
        ]
    );
}

#[test]
fn a_check_that_is_cut_short_has_no_verdict() {
    let scope = scope("small").unwrap();
    let stopped = |limits: Limits, stop: bool| {
        check(
            scope,
            Ablations::NONE,
            &limits,
            &mut |_| {},
            &AtomicBool::new(stop),
        )
        .unwrap()
    };
    let time = Limits {
        timeout: Some(Duration::ZERO),
        ..two_threads()
    };
    assert_eq!(
        stopped(time, false).verdict,
        Verdict::Stopped(StopReason::Timeout)
    );
    let memory = Limits {
        max_memory: Some(1 << 20),
        ..two_threads()
    };
    assert_eq!(
        stopped(memory, false).verdict,
        Verdict::Stopped(StopReason::Memory)
    );
    let asked = stopped(two_threads(), true);
    assert_eq!(asked.verdict, Verdict::Stopped(StopReason::Interrupted));
    assert!(asked.unique < scope.figures.counted().unwrap().unique);
}

#[test]
fn bounds_that_do_not_fit_are_refused() {
    let bounds = Bounds {
        max_term: 8,
        ..scope("tiny").unwrap().bounds
    };
    assert!(
        bounds
            .validate()
            .unwrap_err()
            .to_string()
            .contains("terms must be between 1 and 7")
    );
    let crowded = Bounds::plain(5, 7, 6, 6, 0);
    assert!(
        crowded
            .validate()
            .unwrap_err()
            .to_string()
            .contains("messages at once")
    );
}

#[test]
fn from_every_state_with_room_left_more_can_be_committed() {
    for (name, live, bounded) in [
        ("progress", 14_736, 35_216),
        ("progress-crash", 75_978, 248_783),
    ] {
        let outcome = explore(scope(name).unwrap(), &two_threads());
        assert_eq!(outcome.verdict, Verdict::Exhausted, "{name}");
        let counted = outcome.continuations.expect("progress was asked about");
        assert_eq!((counted.live, counted.bounded), (live, bounded), "{name}");
        assert_eq!(counted.live + counted.bounded, outcome.unique, "{name}");
    }
}

/// Every part of Raft by itself, and one bound that leaves room in the first states.
#[test]
fn no_optional_part_takes_progress_away() {
    for part in Features::NAMES {
        let features = Features::NONE.with(part).expect("a name of a part");
        let bounds = Bounds::plain(3, 2, 2, 1, 0).with(features);
        let scope = Scope {
            properties: Properties::only(Property::Progress),
            ..Scope::custom(bounds)
        };
        let outcome = explore(&scope, &two_threads());
        assert_eq!(outcome.verdict, Verdict::Exhausted, "{part}");
        let from = outcome.continuations.expect("progress was asked about");
        assert!(from.live > 0 && from.bounded > 0, "{part}: {from:?}");
    }
}
