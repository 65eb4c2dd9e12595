//! Every recorded history that other projects checked gets the verdict that they state.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use std::path::{Path, PathBuf};

use plumb_checkers::{Options, Spec, check, verify_witness};
use plumb_histories::{Value, read};

/// The folder of shared histories: given by the environment, or above this crate.
fn folder() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("PLUMB_SHARED_HISTORIES") {
        let given = PathBuf::from(given);
        assert!(
            given.join("expected.tsv").is_file(),
            "PLUMB_SHARED_HISTORIES is set, but {} has no expected.tsv",
            given.display()
        );
        return Some(given);
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("shared/data/histories"))
        .find(|folder| folder.join("expected.tsv").is_file())
}

#[test]
fn shared_histories_get_the_verdicts_that_their_sources_state() {
    let Some(folder) = folder() else {
        println!(
            "skipped: no shared/data/histories above this crate; set PLUMB_SHARED_HISTORIES to the \
             folder that holds expected.tsv"
        );
        return;
    };
    let table = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in table.lines().skip(1) {
        let [file, model, init, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("expected.tsv has a line with other than four columns: {line}");
        };
        let init: Value = serde_json::from_str(init).unwrap();
        let options = Options::new(Spec::by_name(model).unwrap()).with_init(init);
        let history = read(folder.join(file)).unwrap();
        let report = check(&history, &options).unwrap();
        let found = if report.verdict.is_valid() {
            "ok"
        } else {
            report.verdict.name()
        };
        if found != expected {
            wrong.push(format!(
                "{file}: {expected} expected, got {}",
                report.verdict
            ));
        }
        if let plumb_checkers::Verdict::Valid(witness) = &report.verdict {
            verify_witness(&history, &options, witness).unwrap();
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 90, "expected.tsv lists only {count} files");
    println!("{count} shared histories have the stated verdicts");
}
