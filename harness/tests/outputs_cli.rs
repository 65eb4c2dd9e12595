//! Where commands write: never over what they read or what another has written, and never into the void unsaid.

mod cli_support;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use cli_support::{command, ended, refused};

/// The files of a folder, with what is in them.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<(String, Vec<u8>)> = paths
        .filter(|path| path.is_file())
        .map(|path| {
            let bytes = std::fs::read(&path).expect("it can be read");
            (path.display().to_string(), bytes)
        })
        .collect();
    files.sort();
    files
}

/// A scenario that holds, a record of a sweep in two shards, and a summary that somebody needs.
fn stage(folder: &Path) {
    let scenario = ended(folder, "sim scenario --tier bare --seed 3", 0);
    std::fs::write(folder.join("s.json"), scenario.stdout).expect("written");
    for shard in 1..=2 {
        let part = format!("--shard {shard}/2 --jsonl {shard}.jsonl");
        ended(
            folder,
            &format!("sim sweep --tier bare --seeds 4 {part}"),
            0,
        );
    }
    ended(
        folder,
        "sim run --tier bare --seed 3 --history h.jsonl --record-steps steps.jsonl",
        0,
    );
    std::fs::write(folder.join("keep.json"), "{}\n").expect("written");
    std::os::unix::fs::symlink(folder.join("1.jsonl"), folder.join("link.jsonl")).expect("a link");
}

#[test]
fn nothing_is_written_over_what_is_read_nor_two_results_to_one_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    stage(folder);
    let before = files(folder);
    let read = "is to be read, and would be written over";
    for args in [
        "sim sweep --resume 1.jsonl --json 1.jsonl",
        "sim sweep --resume 1.jsonl --json ./1.jsonl",
        "sim sweep --resume 1.jsonl --junit link.jsonl",
        "sim merge 1.jsonl 2.jsonl --json 2.jsonl",
        "sim replay s.json --json s.json",
        "sim replay s.json --trace s.json",
        "sim replay s.json --record-steps s.json",
        "sim shrink s.json --json s.json",
        "check h.jsonl --json h.jsonl",
        "conform steps.jsonl --json steps.jsonl",
    ] {
        refused(folder, args, read);
    }
    let sweep = "sim sweep --tier bare --seeds 2";
    for args in [
        &format!("{sweep} --json x --jsonl x"),
        &format!("{sweep} --json x --sarif ./x"),
        &format!("{sweep} --json - --junit -"),
        "sim merge 1.jsonl 2.jsonl --json x --junit x",
        "sim run --tier bare --seed 3 --json x --history x",
        "sim run --tier bare --seed 3 --trace json --json -",
        "check h.jsonl --json x --junit x",
    ] {
        refused(folder, args, "is to be written twice");
    }
    for args in [
        "sim run --tier bare --seed 3 --trace json --lanes",
        "sim replay s.json --trace text --json -",
        "sim replay s.json --lanes --history -",
    ] {
        refused(folder, args, "text for people among lines for machines");
    }
    assert!(files(folder) == before, "nothing was touched");
}

#[test]
fn a_command_that_comes_to_nothing_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    stage(folder);
    std::fs::create_dir(folder.join("folder")).expect("a folder");
    let before = files(folder);
    for args in [
        "sim sweep --resume nope.jsonl --json keep.json",
        "sim sweep --resume nope.jsonl --json new.json",
        "sim merge 1.jsonl --json keep.json",
        "sim sweep --tier bare --seeds 2 --json folder",
        "sim sweep --tier bare --seeds 2 --json keep.json/x.json",
        "sim replay s.json --history folder",
        "sim shrink s.json --json folder --out small",
    ] {
        ended(folder, args, 2);
    }
    assert!(files(folder) == before, "nothing was touched");
}

#[test]
fn an_answer_that_nobody_got_is_no_pass() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    stage(folder);
    for args in [
        "sim sweep --tier bare --seeds 2",
        "sim sweep --tier bare --seeds 2 --json -",
        "sim merge 1.jsonl 2.jsonl",
        "sim determinism --tier bare --seeds 1",
        "sim scenario --seed 3",
        "sim replay s.json",
        "sim replay s.json --trace text",
        "sim replay s.json --lanes",
        "check h.jsonl",
        "check h.jsonl h.jsonl",
        "conform steps.jsonl",
        "model scopes",
    ] {
        let full = File::options().write(true).open("/dev/full");
        let mut full_of = command(folder, args);
        full_of.stdout(full.expect("the device that is full"));
        let output = full_of.output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args}: {said}");
        assert!(said.contains("standard output: "), "{args}: {said}");

        // Whoever went away has seen enough.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut gone = command(folder, args);
        let output = gone.stdout(writer).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args}: {said}");
    }
}

#[test]
fn what_was_found_is_told_even_if_its_document_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    stage(folder);
    for (args, told) in [
        ("sim shrink s.json --json /dev/full", "nothing to shrink"),
        ("sim replay s.json --json /dev/full", "holds"),
        (
            "sim sweep --tier bare --seeds 2 --json /dev/full",
            "2 of 2 seeds",
        ),
    ] {
        let output = ended(folder, args, 2);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(told), "{args}: {said}");
    }
}

#[test]
fn a_pipe_gets_its_document_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let made = Command::new("mkfifo").arg(folder.join("pipe")).status();
    assert!(made.expect("mkfifo runs").success());
    let args = "sim sweep --tier bare --seeds 2 --json pipe";
    let mut sweep = command(folder, args)
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let text = std::fs::read_to_string(folder.join("pipe")).expect("a reader");
    assert!(text.contains("\"plumb_sweep\": 2"), "{text}");
    assert!(sweep.wait().expect("it ends").success());
}
