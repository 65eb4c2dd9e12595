//! The corpus stays true: each entry's history has the verdict that it states, by every way to check it, its
//! page of words is there, and the code as it is does not fail in its scenario any more.

use std::path::{Path, PathBuf};

use plumb_checkers::{Options, Spec, Verdict, check, verify_witness};
use plumb_harness::mutants::{Cell, entry_readme, last_sitting, layer_that_kills, read_all};
use plumb_harness::scenario::Scenario;
use plumb_harness::sim::{RunOptions, run};
use plumb_histories::browser::ServerLanes;
use plumb_histories::{History, Value};

fn root() -> &'static Path {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness
        .parent()
        .expect("the workspace is around its packages")
}

fn entries() -> Vec<PathBuf> {
    let folder = root().join("histories/corpus");
    let mut entries: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the corpus is part of the checkout")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    entries.sort();
    assert!(entries.len() >= 20, "{} entries", entries.len());
    entries
}

fn verdict_of(entry: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(entry.join("verdict.json")).expect("it states its verdict");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", entry.display()))
}

fn history_of(entry: &Path) -> History {
    plumb_histories::read(entry.join("history.jsonl")).expect("it has a history")
}

#[test]
fn each_history_has_the_verdict_that_is_stated_however_it_is_checked() {
    for entry in entries() {
        let history = history_of(&entry);
        let header = history.header();
        let spec = header.spec.as_deref().expect("it names its specification");
        for (partition, jobs) in [(true, 1), (true, 2), (false, 1)] {
            let spec = Spec::by_name(spec).expect("it exists");
            let init = header.init.clone().unwrap_or(Value::Null);
            let mut options = Options::new(spec).with_init(init).with_jobs(jobs);
            options.partition = partition;
            let report = check(&history, &options).expect("the history fits its specification");
            let stated = verdict_of(&entry);
            assert_eq!(
                Some(report.verdict.name()),
                stated["linearizability"].as_str(),
                "{}, partition {partition}",
                entry.display()
            );
            if let Verdict::Valid(witness) = &report.verdict {
                let verified = verify_witness(&history, &options, witness);
                assert!(verified.is_ok(), "{}: {verified:?}", entry.display());
            }
        }
    }
}

#[test]
fn the_code_as_it_is_holds_in_each_scenario() {
    for entry in entries() {
        let scenario = Scenario::read(&entry.join("scenario.json")).expect("it can be run");
        let seen = run(&scenario, RunOptions::default());
        assert_eq!(seen.violation, None, "{}", entry.display());
        assert_eq!(seen.undecided, None, "{}", entry.display());
    }
}

#[test]
fn each_entry_tells_a_reviewer_what_happened_and_which_rule_prevents_it() {
    let mutants = read_all(root()).expect("every patch file can be read");
    for entry in entries() {
        let verdict = verdict_of(&entry);
        let name = verdict["mutant"].as_str().expect("it names its mutant");
        let mutant = mutants.iter().find(|mutant| mutant.name == name);
        let mutant = mutant.unwrap_or_else(|| panic!("{}: no such mutant", entry.display()));
        let page = entry.join("README.md");
        let due = entry_readme(&entry, mutant).expect("the entry is whole");
        if std::env::var_os("PLUMB_BLESS").is_some() {
            std::fs::write(&page, &due).expect("it can be written");
        }
        let words = std::fs::read_to_string(&page).expect("it has words");
        assert!(
            words == due,
            "{} is not what its run tells: see it, then set PLUMB_BLESS=1",
            page.display()
        );
        for told in [
            mutant.about.title.as_str(),
            mutant.about.rule.as_str(),
            verdict["violation"]["property"]
                .as_str()
                .unwrap_or_default(),
        ] {
            assert!(
                words.contains(told),
                "{} does not say: {told}",
                entry.display()
            );
        }
    }
}

/// Entries whose scenario shows another property to the judges of today, or nothing to today's code: they have no
/// recording of what servers sent each other.
const OF_THE_PAST: [&str; 4] = [
    "answers-of-an-older-term-counted",
    "membership-once-committed",
    "refusal-forgotten",
    "refusal-of-an-earlier-term-confirms",
];

/// An entry's page has arrows: what servers sent each other was recorded with the bug put back, which no later
/// build can do in its place.
#[test]
fn each_entry_holds_what_its_servers_sent_each_other() {
    for entry in entries() {
        let text = std::fs::read_to_string(entry.join("lanes.json")).expect("it has lanes");
        let lanes: ServerLanes = serde_json::from_str(&text).expect("they can be read");
        let arrives = |message: &plumb_histories::browser::ServerMessage| {
            let sound = message.arrivals_ns.iter().all(|at| *at >= message.sent_ns);
            sound && message.from < lanes.servers.len() && message.to < lanes.servers.len()
        };
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let due = !OF_THE_PAST.contains(&&*name);
        assert_eq!(!lanes.messages.is_empty(), due, "{name}");
        assert!(lanes.messages.iter().all(arrives), "{}", entry.display());
    }
}

#[test]
fn each_entry_names_the_command_that_replays_it_and_a_layer_that_kills() {
    let sitting = last_sitting().expect("the page of the mutants has its table");
    for entry in entries() {
        let name = entry
            .file_name()
            .expect("a folder has a name")
            .to_string_lossy();
        let scenario = Scenario::read(&entry.join("scenario.json")).expect("it can be run");
        let layer = layer_that_kills(&name, &scenario);
        let words = std::fs::read_to_string(entry.join("README.md")).expect("it has words");
        let replay = format!("plumb mutants replay {name}");
        assert_eq!(verdict_of(&entry)["replay"].as_str(), Some(&replay[..]));
        assert!(words.contains(&format!("`{replay}`")), "{name}");
        let anew = format!("`plumb mutants run {name} --layers {layer}`");
        assert!(words.contains(&anew), "{name} does not say: {anew}");
        // What has come since the sitting is in no row.
        if let Some(row) = sitting.rows.iter().find(|row| row.name == name) {
            let place = sitting.layers.iter().position(|one| *one == layer);
            let cell = place.map(|place| row.cells[place]);
            let may = matches!(cell, Some(Cell::Killed(_) | Cell::DidNotSit));
            assert!(may, "{name}: {layer} {cell:?}");
        }
    }
}
