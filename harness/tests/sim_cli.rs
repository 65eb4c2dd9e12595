//! `plumb sim` and `plumb verify`, run as a user runs them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn plumb(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

#[test]
fn a_scenario_replays_without_its_seed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = plumb(folder.path(), &["sim", "scenario", "--seed", "5"]);
    std::fs::write(folder.path().join("s.json"), &scenario.stdout).expect("it can be written");
    let replayed = plumb(folder.path(), &["sim", "replay", "s.json", "--trace", "-"]);
    assert_eq!(
        replayed.status.code(),
        Some(0),
        "{}",
        text(&replayed.stderr)
    );
    let run = plumb(
        folder.path(),
        &["sim", "run", "--seed", "5", "--trace", "-"],
    );
    assert!(replayed.stdout == run.stdout, "the traces differ");
}

#[test]
fn a_cluster_that_cannot_agree_is_a_violation_with_everything_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = plumb(folder.path(), &["sim", "scenario", "--seed", "5"]);
    let mut scenario: Value = serde_json::from_slice(&scenario.stdout).expect("JSON");
    // Messages take longer than any election timeout: no leader can last.
    scenario["settings"]["latency_ms"] = serde_json::json!([400, 500]);
    scenario["faults"] = serde_json::json!([]);
    std::fs::write(folder.path().join("slow.json"), scenario.to_string()).expect("written");
    let output = plumb(
        folder.path(),
        &["sim", "replay", "slow.json", "--json", "v.json"],
    );
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(
        text(&output.stdout).contains("VIOLATION of Liveness"),
        "{}",
        text(&output.stdout)
    );
    let verdict = std::fs::read(folder.path().join("v.json")).expect("it was written");
    let verdict: Value = serde_json::from_slice(&verdict).expect("JSON");
    assert_eq!(verdict["violation"]["property"], "Liveness");
}

#[test]
fn shrinking_keeps_the_failure_and_drops_what_has_no_part_in_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = plumb(folder.path(), &["sim", "scenario", "--seed", "5"]);
    let mut scenario: Value = serde_json::from_slice(&scenario.stdout).expect("JSON");
    assert!(
        scenario["faults"]
            .as_array()
            .is_some_and(|faults| faults.len() > 5)
    );
    // Slower than any election timeout: this, and none of the faults, is why nobody can lead.
    scenario["settings"]["latency_ms"] = serde_json::json!([400, 500]);
    std::fs::write(folder.path().join("slow.json"), scenario.to_string()).expect("written");
    let args = [
        "sim",
        "shrink",
        "slow.json",
        "--runs",
        "40",
        "--out",
        "small",
    ];
    let output = plumb(folder.path(), &args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let small = std::fs::read(folder.path().join("small/scenario.json")).expect("written");
    let small: Value = serde_json::from_slice(&small).expect("JSON");
    assert_eq!(small["faults"], serde_json::json!([]));
    // A healed cluster must commit what it is asked to: without this there would be nothing to miss.
    let script = small["workload"]["script"].as_array().expect("a script");
    assert_eq!(script.len(), 1, "{script:?}");
    assert_ne!(script[0]["action"], "read");
    let replayed = plumb(folder.path(), &["sim", "replay", "small/scenario.json"]);
    assert_eq!(replayed.status.code(), Some(1));
    assert!(
        text(&replayed.stdout).contains("VIOLATION of Liveness"),
        "it fails as it did"
    );
    let healthy = plumb(folder.path(), &["sim", "scenario", "--seed", "5"]).stdout;
    std::fs::write(folder.path().join("healthy.json"), healthy).expect("written");
    let nothing = plumb(folder.path(), &["sim", "shrink", "healthy.json"]);
    assert_eq!(nothing.status.code(), Some(0), "{}", text(&nothing.stderr));
}

#[test]
fn a_sweep_reports_its_coverage_whatever_the_number_of_threads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sweep = |jobs: &str| {
        let args = [
            "sim", "sweep", "--seeds", "8", "--jobs", jobs, "--json", "-",
        ];
        let output = plumb(folder.path(), &args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON and nothing else")
    };
    let (one, two) = (sweep("1"), sweep("2"));
    assert_eq!(one, two);
    assert_eq!(one["seeds"]["run"], 8);
    assert!(one["coverage"]["commits"].as_u64() > Some(100));
}

#[test]
fn verify_ends_with_a_table_and_two_reports() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = plumb(folder.path(), &["verify", "--seeds", "3", "--start", "1"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let out = text(&output.stdout);
    for layer in [
        "specification",
        "ablations",
        "simulation",
        "linearizability",
    ] {
        assert!(
            out.lines()
                .any(|l| l.starts_with(layer) && l.contains(" holds ")),
            "{out}"
        );
    }
    let report = std::fs::read(folder.path().join("target/plumb/report.json")).expect("written");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(
        (&report["plumb_report"], &report["verdict"]),
        (&3.into(), &"holds".into())
    );
    let page = std::fs::read_to_string(folder.path().join("target/plumb/report.html"));
    let page = page.expect("written");
    assert!(page.contains("Everything asked for holds."));
    for scheme in ["http:", "https:"] {
        assert!(!page.contains(scheme), "the page needs no network");
    }
}

#[test]
fn bad_input_is_a_usage_error_that_names_the_file_and_the_remedy() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("it can be written");
    };
    let good = plumb(folder.path(), &["sim", "scenario", "--seed", "1"]).stdout;
    write("cut.json", &good[..good.len() / 2]);
    write("empty.json", b"");
    write("binary.json", &[0xff, 0xfe, 0, 1]);
    let mut negative: Value = serde_json::from_slice(&good).expect("JSON");
    negative["servers"] = (-3).into();
    write("negative.json", negative.to_string().as_bytes());
    negative["servers"] = 0.into();
    write("none.json", negative.to_string().as_bytes());
    negative["servers"] = 3.into();
    negative["heal_at_ms"] = u64::MAX.into();
    write("endless.json", negative.to_string().as_bytes());
    negative["heal_at_ms"] = 1.into();
    negative["surprise"] = 1.into();
    write("unknown.json", negative.to_string().as_bytes());
    write("file", b"");
    let cases: [(&[&str], &str); 12] = [
        (
            &["sim", "replay", "missing.json"],
            "cannot read missing.json",
        ),
        (&["sim", "replay", "cut.json"], "cut.json:"),
        (
            &["sim", "replay", "empty.json"],
            "empty.json:1: not a scenario",
        ),
        (&["sim", "replay", "binary.json"], "cannot read binary.json"),
        (
            &["sim", "replay", "negative.json"],
            "negative.json:1: not a scenario",
        ),
        (&["sim", "replay", "none.json"], "servers: from 1 to 11"),
        (&["sim", "replay", "endless.json"], "endless.json: "),
        (
            &["sim", "replay", "unknown.json"],
            "unknown field `surprise`",
        ),
        (&["sim", "run", "--seed", "x"], "invalid value 'x'"),
        (
            &["sim", "sweep", "--seeds", "1", "--json", "file/x.json"],
            "cannot create the folder file",
        ),
        (
            &["verify", "--out", "file"],
            "cannot create the folder file",
        ),
        (&["verify", "--profile", "huge"], "invalid value 'huge'"),
    ];
    for (args, message) in cases {
        let output = plumb(folder.path(), args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(message), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

#[test]
fn determinism_compares_processes_and_says_how_much() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = plumb(
        folder.path(),
        &["sim", "determinism", "--seeds", "3", "--tier", "bare"],
    );
    let words = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(
        words.contains("3 of 3 seeds") && words.contains("0 differ"),
        "{words}"
    );
}
