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
    // A healed cluster must have a leader, whether anybody asks for anything or not.
    assert_eq!(small["workload"]["script"], serde_json::json!([]));
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
        let parsed = serde_json::from_slice::<Value>(&output.stdout);
        let mut summary = parsed.expect("JSON and nothing else");
        // How fast it was is of the machine, not of the sweep.
        summary.as_object_mut().expect("an object").remove("pace");
        summary
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

#[test]
fn a_seed_is_replayed_in_part_as_text_as_json_and_side_by_side() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let replay = |more: &str| {
        let line = format!("sim replay --seed 3 --tier bare {more}");
        let args: Vec<&str> = line.split_whitespace().collect();
        let output = plumb(folder.path(), &args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let whole = replay("--trace text");
    let run = [
        "sim", "run", "--seed", "3", "--tier", "bare", "--trace", "-",
    ];
    assert!(whole == text(&plumb(folder.path(), &run).stdout));

    let part = replay("--trace text --node n2 --from 1000 --to 2500");
    let ours = |line: &&str| {
        let mut words = line.split_whitespace();
        let ms: f64 = words.next().and_then(|ms| ms.parse().ok()).expect("a time");
        (1000.0..=2500.0).contains(&ms) && matches!(words.next(), Some("n2" | "****"))
    };
    let expected: Vec<&str> = whole.lines().filter(ours).collect();
    assert!(expected.len() > 20, "there is something to show");
    assert_eq!(part.lines().collect::<Vec<_>>(), expected);

    let json = replay("--trace json --node 2 --from 1000 --to 2500");
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["plumb_trace"], 1);
    assert_eq!(lines.len(), 1 + expected.len());
    assert!(
        lines
            .iter()
            .any(|line| line["kind"] == "receive" && line["peer"] == "n1")
    );
    replay("--trace in-a-file.jsonl --node 2 --from 1000 --to 2500");
    let saved = std::fs::read_to_string(folder.path().join("in-a-file.jsonl")).expect("written");
    assert!(saved == json, "a file gets the same");

    let lanes = replay("--lanes");
    let header: Vec<&str> = lanes
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(header, ["ms", "n1", "n2", "n3"]);
    assert!(lanes.contains("LEADER t"), "{lanes}");
    assert!(lanes.contains("**** begins: "), "{lanes}");
}

#[test]
fn what_is_asked_for_and_is_nothing_is_a_usage_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = plumb(folder.path(), &["sim", "scenario", "--seed", "5"]);
    std::fs::write(folder.path().join("s.json"), &scenario.stdout).expect("written");
    for (line, hint) in [
        ("sim replay", "required"),
        ("sim replay s.json --seed 3", "cannot be used with"),
        (
            "sim replay s.json --tier bare",
            "says itself in which world",
        ),
        (
            "sim replay --seed 3 --tier bare --lanes --node 9",
            "name one from 1 to 3",
        ),
        ("sim replay --seed 3 --node two", "2, or n2"),
        ("sim replay --seed 3 --from=-4", "simulated milliseconds"),
        ("sim replay --seed 3 --to soon", "simulated milliseconds"),
        (
            "sim replay --seed 3 --lanes --from 9 --to 5",
            "the earlier moment",
        ),
        ("sim replay --seed 3 --node 2", "add --lanes"),
        // Nothing that was looked at is no pass.
        ("sim sweep --seeds 0", "0 is not in"),
        ("sim sweep --jobs 0", "0 is not in"),
        ("sim determinism --seeds 0", "0 is not in"),
        ("verify --seeds 0", "0 is not in"),
    ] {
        let args: Vec<&str> = line.split_whitespace().collect();
        let output = plumb(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let words = text(&output.stderr);
        assert!(words.contains(hint), "{line}: {words}");
    }
}

#[test]
fn a_sweep_says_where_its_time_went_if_it_is_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let line = "sim sweep --tier bare --seeds 6 --profile --json s.json";
    let args: Vec<&str> = line.split_whitespace().collect();
    let output = plumb(folder.path(), &args);
    let words = text(&output.stdout);
    assert!(
        words.contains("invariants") && words.contains("  seed "),
        "{words}"
    );
    let summary = std::fs::read(folder.path().join("s.json")).expect("written");
    let summary: Value = serde_json::from_slice(&summary).expect("JSON");
    let shares = summary["profile"]["shares"].as_object().expect("shares");
    let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
    assert!((0.99..1.01).contains(&sum), "{shares:?}");
    assert_eq!(
        summary["profile"]["slowest"].as_array().map(Vec::len),
        Some(5)
    );
}
