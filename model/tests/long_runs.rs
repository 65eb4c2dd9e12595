//! Long checks: stopped and resumed, with frontiers on disk, with other fingerprints, they come to what a
//! check in one go does.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use plumb_model::{
    Ablations, CheckError, Limits, Outcome, Scope, StopReason, Storage, Verdict, Width,
    check_with_files, scope,
};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("plumb-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Stops once it has seen `most` states.
fn run(
    scope: &Scope,
    limits: &Limits,
    storage: &Storage,
    most: u64,
) -> Result<Outcome, CheckError> {
    let stop = AtomicBool::new(false);
    let watch = &mut |seen: plumb_model::Progress| {
        if seen.unique >= most {
            stop.store(true, Ordering::Relaxed);
        }
    };
    check_with_files(scope, Ablations::NONE, limits, storage, watch, &stop)
}

fn small() -> &'static Scope {
    scope("small").expect("a named scope")
}

fn assert_as_committed(outcome: &Outcome) {
    let counted = small().figures.counted().expect("it was counted");
    assert_eq!(outcome.verdict, Verdict::Exhausted);
    let seen = (outcome.unique, outcome.generated, outcome.max_depth);
    assert_eq!(seen, (counted.unique, counted.generated, counted.depth));
}

#[test]
fn a_check_that_is_stopped_and_resumed_counts_what_one_in_one_go_does() {
    let folder = Folder::new("resumed");
    for (threads, width) in [(1, Width::Standard), (2, Width::Wide)] {
        let limits = Limits {
            threads,
            width,
            salt: 7,
            ..Limits::default()
        };
        let file = folder.file(&format!("{threads}.ck"));
        let mut storage = Storage {
            checkpoint: Some(file.clone()),
            ..Storage::default()
        };
        for most in [1_000, 40_000, 90_000] {
            let outcome = run(small(), &limits, &storage, most).expect("files that are good");
            assert_eq!(outcome.verdict, Verdict::Stopped(StopReason::Interrupted));
            storage.resume = Some(file.clone());
        }
        let outcome = run(small(), &limits, &storage, u64::MAX).expect("files that are good");
        assert_as_committed(&outcome);
        assert!(outcome.sometimes.iter().all(|(_, reached)| *reached));
    }
}

#[test]
fn a_check_whose_frontier_is_on_disk_counts_the_same() {
    let folder = Folder::new("spilled");
    let storage = Storage {
        spill: Some(folder.0.clone()),
        hold: 0,
        ..Storage::default()
    };
    for threads in [1, 2] {
        let limits = Limits {
            threads,
            ..Limits::default()
        };
        assert_as_committed(&run(small(), &limits, &storage, u64::MAX).expect("a good folder"));
    }
    let left = std::fs::read_dir(&folder.0).expect("it is there").count();
    assert_eq!(left, 0, "the files of a frontier go with the search");
}

/// Bytes in the folders that searches of this process have for their frontiers, where none was named.
fn spilled() -> u64 {
    let ours = format!("plumb-frontier-{}.", std::process::id());
    let folders = std::fs::read_dir(std::env::temp_dir()).expect("it is there");
    let folders = folders.flatten();
    let folders = folders.filter(|it| it.file_name().to_string_lossy().starts_with(&ours));
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten());
    let sizes = files.flatten().filter_map(|file| file.metadata().ok());
    sizes.map(|it| it.len()).sum()
}

#[test]
fn a_limit_of_memory_sends_the_frontier_to_disk_before_it_ends_the_search() {
    let free = run(small(), &Limits::default(), &Storage::default(), u64::MAX).expect("no files");
    assert_as_committed(&free);
    let limits = Limits {
        max_memory: Some(free.peak_memory - (32 << 10)),
        ..Limits::default()
    };
    let mut most = 0;
    let outcome = check_with_files(
        small(),
        Ablations::NONE,
        &limits,
        &Storage::default(),
        &mut |_| most = most.max(spilled()),
        &AtomicBool::new(false),
    )
    .expect("a folder for temporary files");
    assert_as_committed(&outcome);
    assert!(most > 0, "nothing was put on disk");
    assert_eq!(spilled(), 0, "the files of a frontier go with the search");
}

#[test]
fn another_salt_counts_the_same() {
    let limits = Limits {
        threads: 2,
        salt: 99,
        ..Limits::default()
    };
    assert_as_committed(&run(small(), &limits, &Storage::default(), u64::MAX).expect("no files"));
}

fn refusal(limits: &Limits, scope: &Scope, file: &Path) -> String {
    let storage = Storage {
        resume: Some(file.to_owned()),
        ..Storage::default()
    };
    let error = run(scope, limits, &storage, u64::MAX).expect_err("it must be refused");
    error.to_string()
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_refused() {
    let folder = Folder::new("refused");
    let file = folder.file("good.ck");
    let limits = Limits::default();
    let storage = Storage {
        checkpoint: Some(file.clone()),
        ..Storage::default()
    };
    run(small(), &limits, &storage, 5_000).expect("files that are good");

    let other = scope("tiny").expect("a named scope");
    assert!(refusal(&limits, other, &file).contains("another search"));
    let salted = Limits { salt: 1, ..limits };
    assert!(refusal(&salted, small(), &file).contains("another search"));

    let bytes = std::fs::read(&file).expect("it was written");
    let bad = folder.file("bad.ck");
    for at in [0, 9, bytes.len() / 2, bytes.len() - 9] {
        let mut turned = bytes.clone();
        turned[at] ^= 1;
        std::fs::write(&bad, turned).expect("room on disk");
        let error = refusal(&limits, small(), &bad);
        assert!(
            error.contains("bad.ck") && error.contains("checkpoint"),
            "{at}: {error}"
        );
    }
    std::fs::write(&bad, &bytes[..bytes.len() - 100]).expect("room on disk");
    assert!(refusal(&limits, small(), &bad).contains("damaged"));
    std::fs::write(&bad, "a text\n").expect("room on disk");
    assert!(refusal(&limits, small(), &bad).contains("no checkpoint"));
    assert!(refusal(&limits, small(), &folder.file("none.ck")).contains("none.ck"));
}
