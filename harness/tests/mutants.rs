//! The mutants are kept true: every patch applies to the code as it is, says where it comes from, and
//! changes the implementation and nothing else.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
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

/// A cargo that builds nothing: its `plumb` saves as the run of a scenario whatever lies in `seen`, and
/// finds nothing if nothing does.
fn cargo_that_builds_nothing(folder: &Path) -> std::path::PathBuf {
    let program = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("it can be written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("it may run");
        path
    };
    let seen = folder.join("seen");
    let plumb = program(
        "plumb",
        format!(
            "#!/bin/sh\n[ \"$3 $4\" = '--runs 0' ] || exit 2\n[ -d {0} ] || exit 0\nmkdir -p \"$6\"\ncp {0}/* \
             \"$6\"\nexit 1\n",
            seen.display()
        ),
    );
    program(
        "cargo",
        format!(
            "#!/bin/sh\nmkdir -p \"$CARGO_TARGET_DIR/mutants\"\ncp {} \"$CARGO_TARGET_DIR/mutants/plumb\"\n",
            plumb.display()
        ),
    )
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new folder");
    for file in std::fs::read_dir(from).expect("it is a folder") {
        let path = file.expect("it can be read").path();
        let name = path.file_name().expect("a file has a name");
        std::fs::copy(&path, to.join(name)).expect("it can be copied");
    }
}

#[test]
fn a_replayed_entry_says_whether_it_shows_what_it_tells_of_and_is_recorded_only_then() {
    let name = "two-votes-in-one-term";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entry = folder.path().join("corpus").join(name);
    copy(&root().join("histories/corpus").join(name), &entry);
    let cargo = cargo_that_builds_nothing(folder.path());
    let replay = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
            .args(["mutants", "replay", "--corpus"])
            .arg(folder.path().join("corpus"))
            .arg("--out")
            .arg(folder.path().join("out"))
            .args(arguments)
            .env("CARGO", &cargo)
            .current_dir(root())
            .output()
            .expect("the binary runs");
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words).into_owned();
        (output.status.code(), words)
    };
    let (code, words) = replay(&["local-read"]);
    assert_eq!(code, Some(2), "it is no entry of this corpus: {words}");
    let (code, words) = replay(&[]);
    assert_eq!((code, words.contains("NOTHING breaks")), (Some(1), true));

    let seen = folder.path().join("seen");
    copy(&entry, &seen);
    let (code, words) = replay(&[name]);
    assert_eq!((code, words.contains("the same history")), (Some(0), true));

    let history = std::fs::read_to_string(seen.join("history.jsonl")).expect("it has a history");
    let moved = history.replacen("\"build\":\"", "\"build\":\"later ", 1);
    let moved = if moved == history {
        history.replacen("\"time_ns\":", "\"time_ns\":1", 1)
    } else {
        moved
    };
    std::fs::write(seen.join("history.jsonl"), &moved).expect("it can be written");
    let (code, words) = replay(&[name]);
    assert_eq!(
        (code, words.contains("in another history")),
        (Some(0), true)
    );
    let kept = |file: &str| std::fs::read_to_string(entry.join(file)).expect("it is there");
    assert_eq!(
        kept("history.jsonl"),
        history,
        "nobody asked for a recording"
    );
    let (code, _) = replay(&["--record"]);
    assert_eq!((code, kept("history.jsonl")), (Some(0), moved.clone()));
    assert!(kept("README.md").contains(&format!("`plumb mutants replay {name}`")));

    let verdict = kept("verdict.json").replace("\"Assertion\"", "\"Election Safety\"");
    std::fs::write(seen.join("verdict.json"), verdict).expect("it can be written");
    std::fs::write(seen.join("history.jsonl"), &history).expect("it can be written");
    let (code, words) = replay(&["--record"]);
    assert_eq!(
        (
            code,
            words.contains("ANOTHER PROPERTY breaks: Election Safety")
        ),
        (Some(1), true)
    );
    assert_eq!(
        kept("history.jsonl"),
        moved,
        "another story is not this entry's"
    );
}
