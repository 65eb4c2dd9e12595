//! The exhaustive exploration of the shipped core: its counts, its agreement with stateright's checker, and its
//! command line.

use std::process::{Command, Output};

use plumb_harness::conformance::exhaustive::{
    CoreModel, Limits, Outcome, SCOPES, Verdict, check, scope,
};
use stateright::{Checker, Model};

fn explore(name: &str) -> Outcome {
    let scope = scope(name).expect("the scope exists");
    check(scope, Limits::default(), &mut |_| {}, &|| false)
}

fn plumb(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(arguments)
        .output()
        .expect("the binary runs")
}

#[test]
fn small_scopes_hold_and_have_the_committed_counts() {
    for name in ["votes", "crash-commands"] {
        let outcome = explore(name);
        assert!(
            matches!(outcome.verdict, Verdict::Exhausted),
            "{name}: {:?}",
            outcome.verdict
        );
        let committed = scope(name).map(|scope| scope.counts);
        assert_eq!(Some((outcome.unique, outcome.steps)), committed, "{name}");
    }
}

#[test]
fn stateright_finds_as_many_states_and_nothing_wrong() {
    for name in ["crash-commands", "votes"] {
        let ours = explore(name);
        let model = CoreModel::new(scope(name).expect("the scope exists"));
        let theirs = model.checker().spawn_bfs().join();
        assert_eq!(theirs.unique_state_count() as u64, ours.unique, "{name}");
        assert!(theirs.discoveries().is_empty(), "{name}");
    }
}

#[test]
fn every_scope_claims_something_and_has_its_counts() {
    for scope in SCOPES {
        assert!(!scope.claims.is_empty(), "{}", scope.name);
        assert!(scope.counts.0 > 0, "{}", scope.name);
    }
}

#[test]
fn a_search_that_is_cut_short_is_undecided() {
    let out = plumb(&["core", "check", "terms", "--timeout", "1ms"]);
    assert_eq!(out.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&out.stdout).contains("unknown: out of time"));
    let out = plumb(&["core", "check", "terms", "--max-memory", "1M"]);
    assert_eq!(out.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&out.stdout).contains("unknown: out of memory"));
}

#[test]
fn the_command_line_says_what_there_is_and_what_is_wrong() {
    let out = plumb(&["core", "check", "no-such-scope"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("plumb core scopes"));
    let out = plumb(&["core", "scopes", "--json", "-"]);
    assert_eq!(out.status.code(), Some(0));
    let all: serde_json::Value = serde_json::from_slice(&out.stdout).expect("it is JSON");
    let scopes = all["scopes"].as_array().map(Vec::len);
    assert_eq!(scopes, Some(SCOPES.len()));
    let out = plumb(&["core", "check", "crash-commands", "--counts", "--json", "-"]);
    assert_eq!(out.status.code(), Some(0));
    let all: serde_json::Value = serde_json::from_slice(&out.stdout).expect("it is JSON");
    assert_eq!(all["scopes"][0]["outcome"]["verdict"], "exhausted");
}
