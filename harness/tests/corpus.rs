//! The corpus stays true: every entry's history gets the verdict that the entry states, by every way of
//! checking it that applies; its scenario can be replayed; and the code as it is survives it.

use std::path::{Path, PathBuf};

use plumb_checkers::{Consistency, Options, check};
use plumb_harness::scenario::Scenario;
use plumb_harness::sim::{RunOptions, run};

fn entries() -> Vec<PathBuf> {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = harness.join("../histories/corpus");
    let mut entries: Vec<PathBuf> = std::fs::read_dir(&corpus)
        .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    entries.sort();
    assert!(!entries.is_empty(), "there is a corpus");
    entries
}

fn verdict(entry: &Path) -> serde_json::Value {
    let path = entry.join("verdict.json");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_history_gets_the_verdict_that_its_entry_states_however_it_is_checked() {
    for entry in entries() {
        let history = plumb_histories::read(entry.join("history.jsonl"))
            .unwrap_or_else(|error| panic!("{}: {error}", entry.display()));
        let options = Options::from_header(history.header()).expect("the spec exists");
        let options = options.expect("a recorded history names its spec");
        let stated = verdict(&entry)["linearizability"].clone();
        let verdict_of = |options: &Options| {
            let report = check(&history, options).expect("it fits its spec");
            report.verdict.name()
        };
        let mut whole = options.clone();
        whole.partition = false;
        for way in [options.clone(), options.clone().with_jobs(2), whole] {
            assert_eq!(stated, verdict_of(&way), "{}", entry.display());
        }
        // What is linearizable is sequentially consistent, too.
        let weaker = options.with_consistency(Consistency::Sequential);
        if stated == "valid" {
            assert_eq!(verdict_of(&weaker), "valid", "{}", entry.display());
        }
    }
}

#[test]
fn an_entry_tells_what_broke_and_the_shipped_code_survives_its_scenario() {
    for entry in entries() {
        let name = entry.display();
        let verdict = verdict(&entry);
        let property = verdict["violation"]["property"].as_str();
        let property = property.unwrap_or_else(|| panic!("{name} names no property"));
        let words = std::fs::read_to_string(entry.join("README.md")).unwrap_or_default();
        assert!(words.contains(&format!("**{property}**")), "{name}");
        let scenario = Scenario::read(&entry.join("scenario.json"))
            .unwrap_or_else(|error| panic!("{name}: {}", error.what));
        let replayed = run(&scenario, RunOptions::default());
        assert_eq!(replayed.violation, None, "{name}");
        assert_eq!(replayed.undecided, None, "{name}");
    }
}
