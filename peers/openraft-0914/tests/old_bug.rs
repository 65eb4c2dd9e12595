//! openraft 0.9.14 elects leaders that lack what was committed (its issue 1236). An ordinary sweep finds it, and so does
//! the smallest scenario that came of it; openraft 0.9.25, whose tests include this file, passes both.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The property that breaks.
const BROKEN: &str = "Leader Completeness";
/// Within so many seeds, from 0.
const SEEDS: &str = "20";

/// Whether it is the older version that is tested.
fn is_old() -> bool {
    env!("CARGO_PKG_NAME") == "peer-openraft-0914"
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../openraft-0914")
}

/// Its exit code and all that it says.
fn simulate(args: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))))
        .args(args)
        .current_dir(folder.path())
        .output()
        .expect("the program starts");
    let words = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&words).into_owned(),
    )
}

fn judged(args: &[&str]) {
    let (code, words) = simulate(args);
    if is_old() {
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains(BROKEN), "{words}");
    } else {
        assert_eq!(code, Some(0), "{words}");
    }
}

#[test]
fn an_ordinary_sweep_finds_it_in_the_old_version_and_not_in_the_new_one() {
    judged(&["sweep", "--seeds", SEEDS, "--keep-going"]);
}

#[test]
fn the_smallest_scenario_shows_it_in_the_old_version_and_not_in_the_new_one() {
    let scenario = here().join("scenario.json");
    judged(&["replay", scenario.to_str().expect("a path in Unicode")]);
}
