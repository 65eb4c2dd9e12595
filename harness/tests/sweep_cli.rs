//! `plumb sim sweep` in shards, interrupted and gone on with, and `plumb sim merge`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn plumb(folder: &Path, args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(args.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("the binary runs")
}

fn holds(folder: &Path, args: &str) {
    let output = plumb(folder, args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args}: {said}");
}

fn refused(folder: &Path, args: &str, told: &str) {
    let output = plumb(folder, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args}: {said}");
    assert!(said.contains(told), "{args}: {said}");
}

fn json(folder: &Path, name: &str) -> Value {
    let bytes = std::fs::read(folder.join(name)).expect("it was written");
    serde_json::from_slice(&bytes).expect("it is JSON")
}

fn text(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect("it was written")
}

const SWEEP: &str = "sim sweep --tier bare --seeds 9 --start 3";

#[test]
fn shards_put_together_are_the_whole_sweep() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    holds(folder, &format!("{SWEEP} --json whole.json"));
    for shard in 1..=3 {
        holds(
            folder,
            &format!("{SWEEP} --shard {shard}/3 --jsonl {shard}.jsonl"),
        );
    }
    holds(
        folder,
        "sim merge 2.jsonl 3.jsonl 1.jsonl --json merged.json",
    );
    assert_eq!(json(folder, "merged.json"), json(folder, "whole.json"));
    let lines = text(folder, "2.jsonl");
    let seeds: Vec<u64> = lines
        .lines()
        .skip(1)
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(line["signature"], "ok");
            assert!(line["steps"].as_u64() > Some(0) && line["coverage"]["commits"].is_u64());
            line["seed"].as_u64().expect("a seed")
        })
        .collect();
    assert_eq!(seeds, [4, 7, 10]);

    refused(folder, "sim merge 1.jsonl 3.jsonl", "missing: 2/3");
    refused(
        folder,
        "sim merge 1.jsonl 2.jsonl 3.jsonl 2.jsonl",
        "both shard 2/3",
    );
    holds(
        folder,
        "sim sweep --tier bare --seeds 9 --start 4 --shard 2/3 --jsonl other.jsonl",
    );
    refused(
        folder,
        "sim merge 1.jsonl other.jsonl 3.jsonl",
        "not of one sweep",
    );
    refused(folder, "sim merge none.jsonl", "cannot read none.jsonl");
    refused(
        folder,
        &format!("{SWEEP} --shard 4/3"),
        "invalid value '4/3'",
    );
    for (from, to, told) in [
        (
            "\"plumb_sweep_seeds\":2",
            "\"plumb_sweep_seeds\":9",
            "version 9",
        ),
        ("\"build\":\"plumb", "\"build\":\"older", "written by older"),
        ("\"seed\":7", "\"seed\":8", "seed 8 is none of shard 2/3"),
        ("\"seed\":10", "\"seed\":4", "seed 4 is out of order"),
        (
            "\"signature\"",
            "\"surprise\"",
            "bad.jsonl:2: not a seed's line",
        ),
    ] {
        std::fs::write(folder.join("bad.jsonl"), lines.replacen(from, to, 1)).expect("written");
        refused(folder, "sim merge 1.jsonl bad.jsonl 3.jsonl", told);
    }
}

#[test]
fn an_interrupted_sweep_goes_on_where_it_was_and_ends_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    holds(
        folder,
        &format!("{SWEEP} --jsonl whole.jsonl --json whole.json"),
    );
    let whole = text(folder, "whole.jsonl");
    // A crash in the midst of the sixth seed's line.
    let five: usize = whole.lines().take(6).map(|line| line.len() + 1).sum();
    std::fs::write(folder.join("cut.jsonl"), &whole[..five + 40]).expect("written");
    let merged = plumb(folder, "sim merge cut.jsonl");
    let said = String::from_utf8_lossy(&merged.stdout);
    assert_eq!(merged.status.code(), Some(3), "{said}");
    assert!(
        said.contains("cut.jsonl:7: the line is cut short"),
        "{said}"
    );
    assert!(
        said.contains("5 of 9 seeds") && said.contains("--resume cut.jsonl"),
        "{said}"
    );

    let output = plumb(folder, "sim sweep --resume cut.jsonl --json again.json");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("cut.jsonl:7: the line is cut short; its seed runs again"),
        "{said}"
    );
    assert_eq!(text(folder, "cut.jsonl"), whole);
    assert_eq!(json(folder, "again.json"), json(folder, "whole.json"));

    // Nothing is left to run: what was written stands, even if it could not be so today.
    let told = whole.replacen("\"steps\":", "\"steps\":1", 1);
    std::fs::write(folder.join("told.jsonl"), &told).expect("written");
    holds(folder, "sim sweep --resume told.jsonl");
    assert_eq!(text(folder, "told.jsonl"), told);
    refused(
        folder,
        "sim sweep --resume told.jsonl --seeds 3",
        "cannot be used with",
    );
}

#[test]
fn failures_are_grouped_by_what_broke_and_a_resumed_sweep_remembers_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    holds(folder, &format!("{SWEEP} --jsonl fine.jsonl"));
    let violation = r#""violation":{"property":"Liveness","what":"made up","at_ns":5},"coverage""#;
    let failing = text(folder, "fine.jsonl").replacen("\"coverage\"", violation, 2);
    std::fs::write(folder.join("failing.jsonl"), failing).expect("written");
    for args in [
        "sim merge failing.jsonl",
        "sim sweep --resume failing.jsonl",
    ] {
        let output = plumb(folder, args);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{args}: {said}");
        assert!(
            said.contains("Liveness: 2 seeds, the first 3"),
            "{args}: {said}"
        );
    }
}
