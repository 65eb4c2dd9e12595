//! `plumb conform` on steps that a simulated run recorded, whole and damaged.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn plumb(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(args)
        .output()
        .expect("the binary was built for this test")
}

fn recorded(folder: &Path, seed: &str, tier: &str) -> PathBuf {
    let file = folder.join(format!("{tier}-{seed}.jsonl"));
    let path = file.to_str().expect("a plain path");
    let run = ["sim", "run", "--seed", seed, "--tier", tier];
    let out = plumb(&[&run[..], &["--record-steps", path]].concat());
    assert!(out.status.success(), "{}", text(&out));
    file
}

fn text(out: &Output) -> String {
    let mut text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&out.stderr));
    text
}

fn conform(file: &Path) -> (i32, String) {
    let out = plumb(&["conform", file.to_str().expect("a plain path")]);
    (out.status.code().expect("it ends by itself"), text(&out))
}

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("it was recorded");
    text.lines().map(str::to_owned).collect()
}

fn save(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("the folder is ours");
    file
}

#[test]
fn what_both_tiers_record_conforms_and_the_json_says_how_much_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    for tier in ["bare", "full"] {
        let file = recorded(folder.path(), "3", tier);
        let (code, said) = conform(&file);
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("each one that the specification allows"),
            "{said}"
        );
        let path = file.to_str().expect("a plain path");
        let out = plumb(&["conform", path, "--json", "-"]);
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON alone");
        assert_eq!(json["plumb_conform"], 1);
        let steps = json["files"][0]["steps"].as_u64().expect("a number");
        let starts = json["files"][0]["starts"].as_u64().expect("a number");
        let applied = json["files"][0]["applied"].as_u64().expect("a number");
        assert!(applied > 0, "clients asked for something");
        assert_eq!(
            steps + starts + applied + 1,
            lines(&file).len() as u64,
            "every line is judged"
        );
    }
}

#[test]
fn a_step_that_was_tampered_with_is_told_with_its_line_and_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lines = lines(&recorded(folder.path(), "3", "bare"));
    let at = lines
        .iter()
        .position(|line| line.contains("\"RequestVote\""));
    let at = at.expect("there was an election");
    let mut line: serde_json::Value = serde_json::from_str(&lines[at]).expect("a step");
    line["step"]["after"]["server"]["vote"] = 77.into();
    lines[at] = line.to_string();
    let file = save(folder.path(), "tampered.jsonl", &lines.join("\n"));
    let (code, said) = conform(&file);
    assert_eq!(code, 1, "{said}");
    for part in [
        format!("tampered.jsonl:{}: n", at + 1),
        "  from ".to_owned(),
        "  to   ".to_owned(),
        "vote n77".to_owned(),
        "The closest rule is".to_owned(),
    ] {
        assert!(said.contains(&part), "{part:?} is not in {said}");
    }
}

#[test]
fn damage_is_refused_with_its_line_and_a_torn_end_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = lines(&recorded(folder.path(), "3", "bare"));
    let whole = lines.join("\n");
    let torn = save(folder.path(), "torn.jsonl", &whole[..whole.len() - 40]);
    let (code, said) = conform(&torn);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the last line is torn"), "{said}");
    let mut third = lines.clone();
    third[2] = "{\"step\":{}}".to_owned();
    let unsound = lines[1].replacen("\"runs\":[]", "\"runs\":[[9,9]]", 1);
    let cases = [
        ("empty.jsonl", String::new(), "line 1: no header"),
        (
            "history.jsonl",
            "{\"plumb_history\":1}\n".to_owned(),
            "line 1: no header",
        ),
        (
            "later.jsonl",
            "{\"plumb_steps\":9,\"build\":\"x\"}\n".to_owned(),
            "line 1: version 9",
        ),
        (
            "third.jsonl",
            third.join("\n") + "\n",
            "line 3: missing field",
        ),
        (
            "runs.jsonl",
            format!("{}\n{unsound}\n", lines[0]),
            "line 2: the run (9, 9)",
        ),
    ];
    for (name, text, expected) in cases {
        let file = save(folder.path(), name, &text);
        let (code, said) = conform(&file);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(
            said.contains(expected) && said.contains("help: "),
            "{name}: {said}"
        );
    }
}

#[test]
fn a_trace_without_a_step_is_no_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = lines(&recorded(folder.path(), "3", "bare"));
    let file = save(folder.path(), "none.jsonl", &format!("{}\n", lines[0]));
    let (code, said) = conform(&file);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("UNDECIDED"), "{said}");
}

#[test]
fn a_server_that_changed_between_its_steps_diverges() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lines = lines(&recorded(folder.path(), "3", "bare"));
    // One step of a server is missing that changed it.
    let at = lines
        .iter()
        .position(|line| line.contains("\"RequestVote\""));
    lines.remove(at.expect("there was an election"));
    let file = save(folder.path(), "gap.jsonl", &lines.join("\n"));
    let (code, said) = conform(&file);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("it has changed since its last step"),
        "{said}"
    );
}

/// A server of its own, as a process, that ends with the test.
struct Served(std::process::Child);

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_steps_of_a_real_server_conform() {
    let folder = tempfile::tempdir().expect("a folder");
    let steps = folder.path().join("steps.jsonl");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let data = folder.path().join("data");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_plumb"));
    serve.args([
        "serve",
        "--id",
        "1",
        "--log",
        "error",
        "--peer",
        &format!("1={at}"),
    ]);
    serve
        .arg("--data")
        .arg(&data)
        .arg("--record-steps")
        .arg(&steps);
    let mut served = Served(serve.spawn().expect("it starts"));
    let put = (0..50).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        plumb(&["kv", "--at", &at, "put", "x", "1"])
            .status
            .success()
    });
    assert!(put, "it serves");
    let got = plumb(&["kv", "--at", &at, "get", "x"]);
    assert!(got.status.success(), "{}", text(&got));
    let id = served.0.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status();
    assert!(told.is_ok_and(|it| it.success()));
    let ended = served.0.wait().expect("it ends");
    assert!(ended.success(), "{ended}");
    let (code, said) = conform(&steps);
    assert_eq!(code, 0, "{said}");
}
