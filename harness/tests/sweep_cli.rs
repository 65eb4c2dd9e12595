//! `plumb sim sweep` in shards, interrupted and gone on with, and `plumb sim merge`.

mod cli_support;

use std::path::Path;

use cli_support::{command, ended, refused};
use serde_json::Value;

fn holds(folder: &Path, args: &str) {
    ended(folder, args, 0);
}

/// A summary, apart from how fast it came.
fn json(folder: &Path, name: &str) -> Value {
    let bytes = std::fs::read(folder.join(name)).expect("it was written");
    let mut value: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    value.as_object_mut().expect("an object").remove("pace");
    value
}

fn said(folder: &Path, args: &str, code: i32) -> String {
    String::from_utf8(ended(folder, args, code).stdout).expect("text")
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
        (
            "\"seed\":10",
            "\"seed\":4",
            "bad.jsonl:4: seed 4 is there twice: line 2",
        ),
        (
            "\"start\":3",
            "\"start\":13",
            "no seed is from 13 on and before 12",
        ),
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
    let merged = command(folder, "sim merge cut.jsonl")
        .output()
        .expect("the binary runs");
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

    let output = command(folder, "sim sweep --resume cut.jsonl --json again.json")
        .output()
        .expect("the binary runs");
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
    let failing = failing(&text(folder, "fine.jsonl"), 2);
    std::fs::write(folder.join("failing.jsonl"), failing).expect("written");
    for args in [
        "sim merge failing.jsonl",
        "sim sweep --resume failing.jsonl",
    ] {
        let output = command(folder, args).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{args}: {said}");
        assert!(
            said.contains("Liveness: 2 seeds, the first 3"),
            "{args}: {said}"
        );
    }
}

/// A sweep's file in which the first runs that passed have failed.
fn failing(record: &str, runs: usize) -> String {
    let violation = r#""violation":{"property":"Liveness","what":"made up","at_ns":5},"coverage""#;
    record.replacen("\"coverage\"", violation, runs).replacen(
        r#""signature":"ok""#,
        r#""signature":"Liveness""#,
        runs,
    )
}

#[test]
fn a_line_that_has_lost_what_broke_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    holds(folder, &format!("{SWEEP} --jsonl fine.jsonl"));
    let fine = text(folder, "fine.jsonl");
    let undecided = r#""undecided":"made up","coverage""#;
    for (record, told) in [
        (
            fine.replacen(r#""signature":"ok""#, r#""signature":"Liveness""#, 1),
            "bad.jsonl:2: seed 3 is signed `Liveness`, and what the line says of it is `ok`",
        ),
        (
            failing(&fine, 1).replacen(r#""signature":"Liveness""#, r#""signature":"ok""#, 1),
            "signed `ok`, and what the line says of it is `Liveness`",
        ),
        (
            fine.replacen("\"coverage\"", undecided, 1),
            "signed `ok`, and what the line says of it is `undecided`",
        ),
    ] {
        std::fs::write(folder.join("bad.jsonl"), record).expect("written");
        refused(folder, "sim merge bad.jsonl", told);
        refused(folder, "sim sweep --resume bad.jsonl", told);
    }
}

#[test]
fn a_sweep_never_writes_over_the_file_of_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    holds(folder, &format!("{SWEEP} --jsonl mine.jsonl"));
    let mine = text(folder, "mine.jsonl");
    let again = format!("{SWEEP} --jsonl mine.jsonl");
    refused(folder, &again, "mine.jsonl is there already");
    refused(folder, &again, "plumb sim sweep --resume mine.jsonl");
    assert_eq!(text(folder, "mine.jsonl"), mine);
    // Whoever writes it has locked it.
    let file = std::fs::File::open(folder.join("mine.jsonl")).expect("it is there");
    file.lock().expect("nobody has it");
    refused(
        folder,
        "sim sweep --resume mine.jsonl",
        "another sweep is writing mine.jsonl",
    );
}

#[test]
fn seeds_may_be_in_any_order_and_what_is_missing_in_their_midst_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    holds(folder, &format!("{SWEEP} --jsonl whole.jsonl"));
    let whole = text(folder, "whole.jsonl");
    let gap: Vec<&str> = whole
        .lines()
        .filter(|line| !line.contains(r#""seed":7,"#))
        .collect();
    assert_eq!(gap.len() + 1, whole.lines().count());
    std::fs::write(folder.join("gap.jsonl"), gap.join("\n") + "\n").expect("written");
    // The second time there is nothing to do.
    for _ in 0..2 {
        holds(folder, "sim sweep --resume gap.jsonl --json gap.json");
        holds(folder, "sim merge gap.jsonl --json merged.json");
        let now = text(folder, "gap.jsonl");
        assert!(
            now.lines()
                .last()
                .is_some_and(|line| line.contains(r#""seed":7,"#))
        );
        let mut lines: Vec<&str> = now.lines().collect();
        let mut all: Vec<&str> = whole.lines().collect();
        lines.sort_unstable();
        all.sort_unstable();
        assert_eq!(lines, all);
    }
    assert_eq!(json(folder, "gap.json"), json(folder, "merged.json"));
}

#[test]
fn a_sweep_that_stopped_at_a_failure_says_how_to_go_on_behind_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    holds(folder, &format!("{SWEEP} --jsonl fine.jsonl"));
    let part: String = failing(&text(folder, "fine.jsonl"), 2)
        .split_inclusive('\n')
        .take(4)
        .collect();
    std::fs::write(folder.join("part.jsonl"), part).expect("written");
    let stopped = said(folder, "sim sweep --resume part.jsonl", 1);
    let go_on = "go on   plumb sim sweep --resume part.jsonl --keep-going\n";
    for told in [
        "3 of 9 seeds: 2 failed",
        "replay  plumb sim replay --seed 3 --tier bare\n",
        "replay  plumb sim replay --seed 4 --tier bare\n",
        go_on,
    ] {
        assert!(stopped.contains(told), "{told}: {stopped}");
    }
    let on = said(folder, "sim sweep --resume part.jsonl --keep-going", 1);
    assert!(on.contains("9 of 9 seeds: 2 failed"), "{on}");
    assert!(!on.contains("go on"), "{on}");
}

#[test]
fn a_sweep_that_has_run_nothing_is_no_pass() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let sweep = "sim sweep --tier bare --seeds 3";
    let none = said(folder, &format!("{sweep} --shard 4/4 --jsonl 4.jsonl"), 3);
    assert!(none.contains("shard 4/4 has none of the seeds"), "{none}");
    ended(folder, &format!("{sweep} --time 0 --jsonl late.jsonl"), 3);
    let late = said(folder, "sim sweep --resume late.jsonl --time 0", 3);
    assert!(late.contains("0 of 3 seeds"), "{late}");
    let one = "sim sweep --tier bare --seeds 3 --jsonl whole.jsonl";
    holds(folder, one);
    let two: String = text(folder, "whole.jsonl")
        .split_inclusive('\n')
        .take(3)
        .collect();
    std::fs::write(folder.join("two.jsonl"), two).expect("written");
    ended(folder, "sim sweep --resume two.jsonl --time 0", 3);
    // The shard that has none is one of those that make the whole.
    for shard in 1..=3 {
        let part = format!("{sweep} --shard {shard}/4 --jsonl {shard}.jsonl");
        holds(folder, &part);
    }
    holds(folder, "sim merge 1.jsonl 2.jsonl 3.jsonl 4.jsonl");
}

#[test]
fn how_fast_a_sweep_was_is_said_and_is_no_part_of_a_merged_report() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let said = said(folder, &format!("{SWEEP} --jsonl a.jsonl --json a.json"), 0);
    assert!(
        said.contains("; 9 in ") && said.contains(" seeds/s\n"),
        "{said}"
    );
    let pace = |name| {
        let value: Value = serde_json::from_str(&text(folder, name)).expect("JSON");
        value["pace"].clone()
    };
    assert_eq!(pace("a.json")["seeds"], 9);
    assert!(pace("a.json")["wall_s"].as_f64() > Some(0.0));
    assert!(pace("a.json")["seeds_per_s"].as_f64() > Some(0.0));
    holds(folder, "sim merge a.jsonl --json merged.json");
    assert_eq!(pace("merged.json"), Value::Null);
}

#[test]
fn lines_on_standard_output_stand_there_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let lines = said(folder, &format!("{SWEEP} --jsonl -"), 0);
    holds(folder, &format!("{SWEEP} --jsonl file.jsonl"));
    assert_eq!(lines, text(folder, "file.jsonl"));
    assert!(!folder.join("-").exists());
}
