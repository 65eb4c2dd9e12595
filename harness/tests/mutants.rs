//! The mutants are kept true: every patch applies to the code as it is, says where it comes from, and
//! changes the implementation and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use plumb_harness::mutants::{Mutant, read_all};

fn root() -> &'static Path {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness
        .parent()
        .expect("the workspace is around its packages")
}

fn all() -> Vec<Mutant> {
    read_all(root()).expect("every patch file can be read")
}

#[test]
fn every_mutant_applies_to_the_code_as_it_is_and_changes_it() {
    for mutant in all() {
        for edit in &mutant.edits {
            assert!(
                edit.file.starts_with("impl/src/"),
                "{}: a mutant is a bug of the system under test",
                mutant.name
            );
            let text = std::fs::read_to_string(root().join(&edit.file))
                .unwrap_or_else(|error| panic!("{}: {}: {error}", mutant.name, edit.file));
            match edit.apply(&text) {
                Ok(mutated) => assert_ne!(mutated, text, "{} changes nothing", mutant.name),
                Err(error) => panic!("{}: {error}", mutant.name),
            }
        }
    }
}

#[test]
fn there_are_mutants_of_every_kind() {
    let mut classes: BTreeMap<String, u32> = BTreeMap::new();
    for mutant in all() {
        *classes.entry(mutant.about.class).or_default() += 1;
    }
    let names: Vec<&str> = classes.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "clients",
            "concurrency",
            "membership",
            "reads",
            "replication",
            "snapshots",
            "storage",
            "voting"
        ]
    );
    assert!(classes.values().sum::<u32>() >= 64, "{classes:?}");
}

#[test]
fn the_list_says_what_applies_and_an_unknown_name_is_refused() {
    let plumb = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_plumb"))
            .args(arguments)
            .current_dir(root())
            .output()
            .expect("the binary runs")
    };
    let list = plumb(&["mutants", "list", "--json", "-"]);
    assert_eq!(list.status.code(), Some(0));
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).expect("it is JSON");
    assert_eq!(list["mutants"].as_array().map(Vec::len), Some(all().len()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().to_string_lossy();
    let unknown = plumb(&["mutants", "run", "no-such-bug", "--out", &out]);
    assert_eq!(unknown.status.code(), Some(2));
    let words = String::from_utf8_lossy(&unknown.stderr);
    assert!(
        words.contains("no-such-bug") && words.contains("mutants list"),
        "{words}"
    );
}
