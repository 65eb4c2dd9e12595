//! `--nemesis`: what goes wrong is asked for, kept in a sweep's file, and the same in every process.

mod cli_support;

use std::path::Path;

use cli_support::{ended, refused};
use serde_json::Value;

fn holds(folder: &Path, args: &str) -> String {
    String::from_utf8(ended(folder, args, 0).stdout).expect("text")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

fn lines(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(name)).expect("it was written");
    text.lines().map(str::to_owned).collect()
}

const NEMESES: &str =
    "--nemesis partition --nemesis crash:every=500ms,from=1s,to=3s --nemesis none";

#[test]
fn a_run_meets_what_was_asked_for_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let world = "--tier bare --seed 4";
    let run = json(&holds(
        folder,
        &format!("sim run {world} {NEMESES} --json -"),
    ));
    let coverage = run["coverage"].as_object().expect("counts");
    assert!(coverage["partitions"].as_u64() > Some(2) && coverage["crashes"].as_u64() > Some(1));
    for other in [
        "isolations",
        "one_ways",
        "noises",
        "pauses",
        "power_losses",
        "link_cuts",
    ] {
        assert_eq!(coverage[other], 0, "{other}");
    }
    let scenario = json(&holds(folder, &format!("sim scenario {world} {NEMESES}")));
    let faults = scenario["faults"].as_array().expect("a list");
    let known =
        |fault: &&Value| !fault["what"]["partition"].is_null() || !fault["what"]["crash"].is_null();
    assert!(faults.len() > 5 && faults.iter().filter(known).count() == faults.len());
    let traces = ["run", "replay"].map(|command| {
        holds(
            folder,
            &format!("sim {command} {world} {NEMESES} --trace text"),
        )
    });
    assert_eq!(traces[0], traces[1]);
    holds(
        folder,
        &format!("sim determinism --tier bare --seeds 2 {NEMESES}"),
    );
}

#[test]
fn a_sweep_keeps_what_was_asked_for_and_goes_on_with_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let sweep = format!("sim sweep --tier bare --seeds 6 {NEMESES}");
    let mut whole = json(&holds(
        folder,
        &format!("{sweep} --jsonl whole.jsonl --json -"),
    ));
    assert_eq!(whole["nemeses"][1]["kinds"], json("[\"crash\"]"));
    // How fast it ran is no result, and nobody says it of shards.
    let fields = whole.as_object_mut().expect("a summary");
    assert!(fields.remove("pace").is_some());
    assert_eq!(whole["coverage"]["noises"], 0);
    for shard in ["1", "2"] {
        holds(
            folder,
            &format!("{sweep} --shard {shard}/2 --jsonl {shard}.jsonl"),
        );
    }
    let merged = json(&holds(folder, "sim merge 1.jsonl 2.jsonl --json -"));
    assert_eq!(merged, whole);

    let all = lines(folder, "whole.jsonl");
    let cut = all[..3].join("\n") + "\n";
    std::fs::write(folder.join("cut.jsonl"), cut).expect("written");
    holds(folder, "sim sweep --resume cut.jsonl");
    assert_eq!(lines(folder, "cut.jsonl"), all, "the rest met the same");

    holds(
        folder,
        "sim sweep --tier bare --seeds 6 --nemesis none --shard 2/2 --jsonl other.jsonl",
    );
    refused(
        folder,
        "sim merge 1.jsonl other.jsonl",
        "are not of one sweep",
    );
    refused(
        folder,
        &format!("sim sweep --resume cut.jsonl {NEMESES}"),
        "cannot be used with",
    );
    let wrong = all
        .join("\n")
        .replacen("\"every_ms\":[1,1999]", "\"every_ms\":[0,1999]", 1)
        + "\n";
    std::fs::write(folder.join("wrong.jsonl"), wrong).expect("written");
    refused(folder, "sim sweep --resume wrong.jsonl", "at least 1ms");
}

#[test]
fn what_there_is_not_is_refused_with_what_there_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    for command in [
        "run --seed 1",
        "sweep",
        "determinism",
        "replay --seed 1",
        "scenario --seed 1",
    ] {
        refused(
            folder,
            &format!("sim {command} --nemesis earthquake"),
            "there are partition, one-way, links",
        );
        refused(
            folder,
            &format!("sim {command} --tier bare --nemesis crash+rot"),
            "rot needs the full tier",
        );
    }
    let scenario = holds(folder, "sim scenario --seed 1 --tier bare");
    std::fs::write(folder.join("s.json"), scenario).expect("written");
    refused(
        folder,
        "sim replay s.json --nemesis crash",
        "leave --tier, --length, --judges and --nemesis out",
    );
}
