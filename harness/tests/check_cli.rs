//! `plumb check`, run as a user runs it: verdicts, exit codes, and what is refused.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn check(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .arg("check")
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

/// A write of 1, then a read of `read`, against a register that starts at null.
fn history(read: &str) -> String {
    format!(
        "{{\"plumb_history\":1,\"spec\":\"register\"}}\n\
         {{\"index\":0,\"time_ns\":0,\"process\":0,\"kind\":\"invoke\",\"f\":\"write\",\"value\":1}}\n\
         {{\"index\":1,\"time_ns\":1,\"process\":0,\"kind\":\"ok\",\"f\":\"write\",\"value\":1}}\n\
         {{\"index\":2,\"time_ns\":2,\"process\":1,\"kind\":\"invoke\",\"f\":\"read\"}}\n\
         {{\"index\":3,\"time_ns\":3,\"process\":1,\"kind\":\"ok\",\"f\":\"read\",\"value\":{read}}}\n"
    )
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("it can be written");
    }
    folder
}

#[test]
fn verdicts_have_their_exit_codes() {
    let folder = folder_with(&[
        ("good.jsonl", &history("1")),
        ("bad.jsonl", &history("null")),
    ]);
    let good = check(folder.path(), &["good.jsonl", "--verify-witness"]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert!(
        text(&good.stdout).starts_with("valid "),
        "{}",
        text(&good.stdout)
    );
    let bad = check(folder.path(), &["bad.jsonl"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad.stdout).starts_with("VIOLATION"),
        "{}",
        text(&bad.stdout)
    );
    assert!(text(&bad.stdout).contains("null"), "it says what was read");
    let both = check(
        folder.path(),
        &[
            ".", "--json", "v.json", "--junit", "v.xml", "--sarif", "v.sarif",
        ],
    );
    assert_eq!(both.status.code(), Some(1));
    assert!(text(&both.stdout).contains("2 of 2 histories: 1 valid, 1 violated"));
    let sarif = std::fs::read(folder.path().join("v.sarif")).expect("written");
    let sarif: Value = serde_json::from_slice(&sarif).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 1, "what is valid leaves none");
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "./bad.jsonl");
    let line = place["region"]["startLine"].as_u64().expect("a line");
    let bad = std::fs::read_to_string(folder.path().join("bad.jsonl")).expect("there");
    let line = bad.lines().nth(usize::try_from(line).expect("small") - 1);
    assert!(
        line.is_some_and(|line| line.contains("\"ok\"") && line.contains("read")),
        "the line is that of the read that nothing explains: {line:?}"
    );
    let json = std::fs::read(folder.path().join("v.json")).expect("written");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(
        (&json["plumb_check"], &json["verdict"]),
        (&1.into(), &"violation".into())
    );
    assert_eq!(
        json["histories"][0]["file"], "./bad.jsonl",
        "in the order of names"
    );
    assert_eq!(json["histories"][0]["report"]["verdict"], "violation");
    let xml = std::fs::read_to_string(folder.path().join("v.xml")).expect("written");
    assert!(
        xml.contains("tests=\"2\" failures=\"1\" errors=\"0\""),
        "{xml}"
    );
}

#[test]
fn patterns_name_histories_of_many_folders() {
    let folder = folder_with(&[]);
    for (name, read) in [("a", "1"), ("b", "1"), ("c", "null")] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
        let file = folder.path().join(name).join("history.jsonl");
        std::fs::write(file, history(read)).expect("it can be written");
    }
    let two = check(folder.path(), &["[ab]/*.jsonl"]);
    assert_eq!(two.status.code(), Some(0), "{}", text(&two.stderr));
    assert!(text(&two.stdout).contains("2 of 2 histories: 2 valid"));
    let all = check(folder.path(), &["**/history.*"]);
    assert_eq!(all.status.code(), Some(1));
    assert!(text(&all.stdout).contains("3 of 3 histories: 2 valid, 1 violated"));
    // What matches nothing is no pass.
    let none = check(folder.path(), &["d*/*.jsonl"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("nothing matches"));
    let wrong = check(folder.path(), &["[ab/*.jsonl"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
    // A file of just that name is no pattern.
    let odd = folder.path().join("h[1].jsonl");
    std::fs::write(odd, history("1")).expect("it can be written");
    assert_eq!(check(folder.path(), &["h[1].jsonl"]).status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn what_was_stopped_while_it_was_read_is_no_pass() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["check", "-", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    let mut lines = "{\"plumb_history\":1,\"spec\":\"register\"}\n".to_owned();
    let mut index = 0;
    let mut signalled = false;
    // Valid as far as it goes, and without an end: only the signal ends it.
    while child.try_wait().expect("a child").is_none() {
        for _ in 0..5_000 {
            for kind in ["invoke", "ok"] {
                lines.push_str(&format!(
                    "{{\"index\":{index},\"time_ns\":0,\"process\":0,\"kind\":\"{kind}\",\
                     \"f\":\"write\",\"value\":{}}}\n",
                    index / 2
                ));
                index += 1;
            }
        }
        // Once it has stopped nobody reads.
        drop(pipe.write_all(lines.as_bytes()));
        lines.clear();
        if !signalled {
            let id = child.id().to_string();
            let sent = Command::new("kill").args(["-INT", &id]).status();
            assert!(sent.expect("there is kill").success());
            signalled = true;
        }
    }
    drop(pipe);
    let output = child.wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("stopped while it was read"));
    let json: Value = serde_json::from_slice(&output.stdout).expect("what is known is kept");
    assert_ne!(json["verdict"], "valid", "{json}");
}

#[test]
fn what_is_wrong_far_down_is_named_by_its_line() {
    // Verdicts come from streams: what was taken in before must not hide it.
    let line =
        history("1") + "{\"index\":4,\"time_ns\":4,\"process\":1,\"kind\":\"ok\",\"f\":\"read\"}\n";
    let folder = folder_with(&[("h.jsonl", &line)]);
    for flags in [&["h.jsonl"][..], &["h.jsonl", "--verify-witness"]] {
        let refused = check(folder.path(), flags);
        assert_eq!(refused.status.code(), Some(2));
        let error = text(&refused.stderr);
        assert!(error.contains("h.jsonl:6:"), "{error}");
    }
}

#[test]
fn a_valid_history_in_json_has_the_order_that_proves_it() {
    let folder = folder_with(&[("h.jsonl", &history("1"))]);
    let json = check(folder.path(), &["h.jsonl", "--json", "-"]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let evidence = &json["histories"][0]["report"]["evidence"];
    assert_eq!(evidence["parts"][0]["order"], serde_json::json!([0, 1]));
}

#[test]
fn flags_come_before_the_header() {
    let folder = folder_with(&[("h.jsonl", &history("7"))]);
    let seven = check(folder.path(), &["h.jsonl", "--init", "7"]);
    assert_eq!(seven.status.code(), Some(1), "it was overwritten with 1");
    let mutex = check(folder.path(), &["h.jsonl", "--spec", "mutex"]);
    assert_eq!(mutex.status.code(), Some(2), "a write does not fit a mutex");
    assert!(
        text(&mutex.stderr).contains("h.jsonl: event "),
        "{}",
        text(&mutex.stderr)
    );
}

#[test]
fn what_is_undecided_is_no_pass_anywhere() {
    // Writes of few values and reads of them, all at once and again and again: each read has several
    // explanations, and a search that has tried some thousands looks at the clock.
    let mut lines = "{\"plumb_history\":1,\"spec\":\"register\"}\n".to_owned();
    let mut index = 0;
    for _ in 0..1000 {
        for kind in ["invoke", "ok"] {
            for process in 0..8 {
                let (f, value) = if process < 6 {
                    ("write", process % 3)
                } else {
                    ("read", 2)
                };
                lines.push_str(&format!(
                    "{{\"index\":{index},\"time_ns\":0,\"process\":{process},\"kind\":\"{kind}\",\
                     \"f\":\"{f}\",\"value\":{value}}}\n"
                ));
                index += 1;
            }
        }
    }
    let folder = folder_with(&[("hard.jsonl", &lines)]);
    let args = [
        "hard.jsonl",
        "--timeout",
        "1ms",
        "--json",
        "-",
        "--junit",
        "v.xml",
    ];
    let output = check(folder.path(), &args);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("only JSON on stdout");
    assert_eq!(json["verdict"], "unknown");
    assert!(
        text(&output.stderr).starts_with("unknown"),
        "{}",
        text(&output.stderr)
    );
    let xml = std::fs::read_to_string(folder.path().join("v.xml")).expect("written");
    assert!(
        xml.contains("errors=\"1\"") && xml.contains("<error type=\"unknown\""),
        "{xml}"
    );
}

#[test]
fn standard_input_is_read() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["check", "-", "--spec", "register", "--init", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let edn = "{:process 0, :type :invoke, :f :read, :value nil}\n\
               {:process 0, :type :ok, :f :read, :value 0}\n";
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(edn.as_bytes())
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stdout).contains("standard input"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn a_torn_last_line_is_told() {
    let whole = history("1");
    let folder = folder_with(&[("torn.jsonl", &whole[..whole.len() - 9])]);
    let output = check(folder.path(), &["torn.jsonl"]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    assert!(
        said.contains("warning: torn.jsonl:5: the last line is torn"),
        "{said}"
    );
}

#[test]
fn where_nothing_succeeded_nothing_is_known() {
    let header = "{\"plumb_history\":1,\"spec\":\"register\"}\n";
    let event = |index: u64, kind: &str| {
        format!(
            "{{\"index\":{index},\"time_ns\":0,\"process\":0,\"kind\":\"{kind}\",\"f\":\"read\"}}\n"
        )
    };
    let failed = [header, &event(0, "invoke"), &event(1, "fail")].concat();
    let folder = folder_with(&[("none.jsonl", header), ("failed.jsonl", &failed)]);
    for (file, what) in [("none.jsonl", "none of 0"), ("failed.jsonl", "none of 1")] {
        for flags in [&[][..], &["--verify-witness"]] {
            let output = check(folder.path(), &[&[file], flags].concat());
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(
                said.contains(what) && said.contains("--allow-empty"),
                "{said}"
            );
        }
        let output = check(folder.path(), &[file, "--allow-empty"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

#[test]
fn bad_input_names_file_line_and_remedy_and_the_others_are_still_judged() {
    let two_open = "{\"plumb_history\":1,\"spec\":\"register\"}\n".to_owned()
        + &"{\"index\":I,\"time_ns\":0,\"process\":0,\"kind\":\"invoke\",\"f\":\"read\"}\n"
            .replace('I', "0")
        + "{\"index\":1,\"time_ns\":0,\"process\":0,\"kind\":\"invoke\",\"f\":\"read\"}\n";
    let folder = folder_with(&[
        ("good.jsonl", &history("1")),
        ("empty.jsonl", ""),
        ("two.jsonl", &two_open),
        ("junk.jsonl", "hello"),
        (
            "nospec.jsonl",
            &history("1").replace(",\"spec\":\"register\"", ""),
        ),
        (
            "badspec.jsonl",
            &history("1").replace("\"register\"", "\"regster\""),
        ),
        (
            "types.jsonl",
            &history("{\"a\":[]}").replace("\"read\"", "\"write\""),
        ),
    ]);
    std::fs::write(folder.path().join("bytes.jsonl"), [0xff, 0xfe]).expect("written");
    std::fs::create_dir(folder.path().join("none")).expect("created");
    let cases: [(&[&str], &str, &str); 12] = [
        (
            &["missing.jsonl"],
            "missing.jsonl: cannot be read",
            "check the path",
        ),
        (&["empty.jsonl"], "empty.jsonl: is empty", "recorder"),
        (
            &["two.jsonl"],
            "two.jsonl:3: process 0 invokes `read` while",
            "one thing at a time",
        ),
        (
            &["junk.jsonl"],
            "junk.jsonl:1: no known history format",
            "known are",
        ),
        (
            &["bytes.jsonl"],
            "bytes.jsonl:1: is not UTF-8",
            "histories are text",
        ),
        (
            &["nospec.jsonl"],
            "does not say what it is to be held against",
            "--spec",
        ),
        (
            &["badspec.jsonl"],
            "no specification named \"regster\"",
            "--spec",
        ),
        (&["none"], "none: no history in this folder", ".jsonl"),
        (
            &["good.jsonl", "--spec", "registre"],
            "no specification named",
            "--help",
        ),
        (&["good.jsonl", "--init", "{"], "not JSON", "its quotes"),
        (
            &["good.jsonl", "--consistency", "eventual"],
            "no consistency named",
            "--help",
        ),
        (
            &["good.jsonl", "--json", "good.jsonl/x"],
            "cannot create the folder",
            "permissions",
        ),
    ];
    for (args, what, remedy) in cases {
        let output = check(folder.path(), args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(
            said.contains(what) && said.contains(remedy),
            "{args:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
    let mixed = check(folder.path(), &["junk.jsonl", "good.jsonl"]);
    assert_eq!(mixed.status.code(), Some(2));
    assert!(
        text(&mixed.stdout).contains("valid      good.jsonl"),
        "{}",
        text(&mixed.stdout)
    );
}

/// The folder of shared histories, where there is one.
fn shared() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("shared/data/histories"))
        .find(|folder| folder.join("expected.tsv").is_file())
}

#[test]
fn a_folder_of_foreign_histories_is_judged_in_one_go() {
    let Some(folder) = shared() else {
        println!("skipped: no shared/data/histories above this crate");
        return;
    };
    let output = check(
        &folder,
        &["etcd-register", "--spec", "cas-register", "--json", "-"],
    );
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let expected = std::fs::read_to_string(folder.join("expected.tsv")).expect("a table");
    let mut compared = 0;
    for history in json["histories"].as_array().expect("a list") {
        let file = history["file"].as_str().expect("a name");
        let row = expected
            .lines()
            .find(|line| line.starts_with(file))
            .expect("a row");
        let stated = row
            .rsplit('\t')
            .next()
            .expect("a verdict")
            .replace("ok", "valid");
        assert_eq!(history["report"]["verdict"], stated, "{file}");
        compared += 1;
    }
    assert!(compared > 40, "only {compared} files");
    assert_eq!(output.status.code(), Some(1), "some are violations");
}
