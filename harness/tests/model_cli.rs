//! `plumb model`, run as a user runs it.

use std::process::{Command, Output};

use serde_json::Value;

fn plumb(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .arg("model")
        .args(args)
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("output is UTF-8")
}

#[test]
fn a_tiny_scope_is_exhausted_and_holds() {
    let output = plumb(&["check", "--scope", "tiny"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("495 states, 1,763 steps, depth 17"), "{text}");
    assert!(
        text.ends_with("holds: every reachable state was seen\n"),
        "{text}"
    );
}

#[test]
fn the_outcome_is_also_json() {
    let output = plumb(&["check", "--scope", "tiny", "--threads", "2", "--json", "-"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["outcome"]["verdict"], "exhausted");
    assert_eq!(json["outcome"]["unique"], 495);
    assert_eq!(json["bounds"]["crashes"], 1);
}

#[test]
fn without_symmetry_every_naming_is_a_state_of_its_own() {
    let output = plumb(&["check", "--scope", "tiny", "--symmetry", "off"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(!text.contains("up to renaming servers"), "{text}");
    let states = text
        .lines()
        .find_map(|line| line.split_once(" states, "))
        .expect("a line of counts");
    let states: u32 = states.0.replace(',', "").parse().expect("a number");
    // Six namings, but for those states that several namings leave as they are.
    assert!((3 * 495..6 * 495).contains(&states), "{states}");
}

#[test]
fn bounds_of_ones_own_are_explored() {
    let args = [
        "check",
        "--servers",
        "3",
        "--terms",
        "1",
        "--log",
        "1",
        "--requests",
        "1",
    ];
    let output = plumb(&[&args[..], &["--crashes", "0"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("scope custom: 3 servers, 1 terms"));
}

#[test]
fn parts_of_raft_are_switched_on_by_name() {
    let bounds = [
        "--terms",
        "2",
        "--log",
        "1",
        "--requests",
        "1",
        "--crashes",
        "0",
    ];
    let output = plumb(&[&["check"], &bounds[..], &["--with", "reads,check-quorum"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let parts = "1 rounds a term, 1 reads, leaders that give up";
    assert!(text.contains(parts), "{text}");
    let output = plumb(&["check", "--with", "reeds"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the parts are reads, check-quorum, leases"));
}

#[test]
fn progress_is_told_in_states() {
    let output = plumb(&["check", "--scope", "progress"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = "from 14,736 states more can be committed; from 35,216 only a bound is in the way";
    assert!(stdout(&output).contains(told));
}

#[test]
fn a_check_without_the_time_for_it_is_undecided() {
    let output = plumb(&["check", "--scope", "deep", "--timeout", "50ms"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).contains("unknown: out of time"));
}

/// A scope of some seconds, its counts, and a search of it with all that a checkpoint must agree on.
const LONG: [&str; 7] = [
    "check",
    "--scope",
    "leases-terms",
    "--fingerprint",
    "72",
    "--salt",
    "5",
];
const LONG_COUNTS: &str = "1,937,732 states, 12,173,379 steps, depth 34";

#[test]
fn a_check_that_ran_out_of_memory_goes_on_from_its_checkpoint_with_more() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("long.ck").display().to_string();
    let spill = folder.path().join("frontier").display().to_string();
    let files = ["--checkpoint", &file, "--spill", &spill];
    let output = plumb(&[&LONG[..], &files, &["--max-memory", "5M"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).contains("unknown: out of memory"));
    let resume = ["--resume", &file, "--max-memory", "1G", "--json", "-"];
    let output = plumb(&[&LONG[..], &resume].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let outcome = &json["outcome"];
    let counts = [
        &outcome["unique"],
        &outcome["generated"],
        &outcome["max_depth"],
    ];
    assert_eq!(counts, [1_937_732, 12_173_379, 34]);
    assert_eq!([&outcome["fingerprint_bits"], &outcome["salt"]], [72, 5]);
    let left = std::fs::read_dir(&spill).expect("it was made").count();
    assert_eq!(left, 0, "the frontier's files go with the search");
    for other in [["--salt", "6"], ["--fingerprint", "64"]] {
        let mut args = LONG;
        let at = args
            .iter()
            .position(|arg| *arg == other[0])
            .expect("it is there");
        args[at + 1] = other[1];
        let output = plumb(&[&args[..], &["--resume", &file]].concat());
        assert_eq!(output.status.code(), Some(2), "{other:?}");
        assert!(
            stderr(&output).contains("a checkpoint of another search"),
            "{other:?}"
        );
    }
}

/// Starts a search on one thread, and sends it a signal after a while.
fn signalled(args: &[&str], signal: &str) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args([&["model"], args, &["--threads", "1"]].concat())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the binary runs");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(
        sent.expect("there is a kill").success(),
        "it has ended before"
    );
    child.wait().expect("it ends").code()
}

#[test]
fn a_check_that_is_stopped_then_killed_goes_on_from_its_checkpoint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("long.ck").display().to_string();
    let keep = ["--checkpoint", &file];
    let resume = ["--resume", &file];
    let first = signalled(&[&LONG[..], &keep].concat(), "-INT");
    assert_eq!(first, Some(3), "it writes its checkpoint and is undecided");
    let second = signalled(&[&LONG[..], &keep, &resume].concat(), "-KILL");
    assert_eq!(second, None, "it had no time for another");
    let glance = ["--timeout", "0ms", "--json", "-"];
    let output = plumb(&[&LONG[..], &resume, &glance].concat());
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let known = json["outcome"]["unique"].as_u64();
    assert!(
        known > Some(1_000),
        "it begins where the first was stopped: {known:?}"
    );
    let output = plumb(&[&LONG[..], &resume].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(LONG_COUNTS), "{}", stdout(&output));
}

#[test]
fn scopes_are_listed_with_their_counts() {
    let output = plumb(&["scopes"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(
        text.lines()
            .any(|line| line.starts_with("quick ") && line.contains("2,153,228"))
    );
}

#[test]
fn a_record_is_listed_with_what_its_figures_rest_on_and_what_they_leave_out() {
    let output = plumb(&["scopes"]);
    let text = stdout(&output);
    for words in [
        "Records are not run by default, nor by --verify without their names",
        "record-crash: 72 bits, salt 0: two states shared a fingerprint with a chance below 4.9e-7",
        "cut off: a 4th server, a candidacy beyond term 3, a leader's append to a log of 3, a 4th \
         request, a third crash, reads by rounds",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let output = plumb(&["scopes", "--json", "-"]);
    let rows: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = rows["scopes"].as_array().expect("rows");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).expect(name);
    let record = row("record-crash");
    assert_eq!(record["record"]["fingerprint_bits"], 72);
    assert_eq!(record["verified"], "2026-11-26");
    assert!(row("tiny")["record"].is_null());
}

#[test]
fn named_scopes_are_explored_again_and_compared() {
    let output = plumb(&["scopes", "--verify", "tiny", "small"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.matches("as committed").count(), 2, "{text}");
    assert!(
        !text.contains("not run"),
        "only where all are asked for: {text}"
    );
}

#[test]
fn all_ablations_are_caught() {
    let output = plumb(&["ablate"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let all = plumb_model::Ablation::ALL.len();
    let last = format!("\n{all} of {all} ablations were caught\n");
    assert!(stdout(&output).ends_with(&last), "{}", stdout(&output));
}

#[test]
fn a_named_ablation_tells_its_whole_story() {
    let output = plumb(&["ablate", "two-votes"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(
        text.contains("   1. n1 times out and stands for election in term 1\n"),
        "{text}"
    );
    assert!(
        text.contains("Election Safety (Figure 3, §5.2) is broken after 7 steps:"),
        "{text}"
    );
}

#[test]
fn bad_flags_are_usage_errors_that_say_what_to_do() {
    let cases: [(&[&str], &str); 8] = [
        (
            &["check", "--scope", "huge"],
            "the scopes are tiny, small, quick",
        ),
        (
            &["check", "--terms", "9"],
            "terms must be between 1 and 7, not 9",
        ),
        (&["check", "--terms", "x"], "invalid value 'x'"),
        (
            &["check", "--scope", "tiny", "--terms", "1"],
            "cannot be used with",
        ),
        (&["check", "--timeout", "soon"], "expected a time as"),
        (
            &["check", "--scope", "tiny", "--json", "/dev/null/x.json"],
            "cannot create the folder /dev/null",
        ),
        (
            &["check", "--scope", "joint", "--symmetry", "on"],
            "configurations name servers",
        ),
        (&["ablate", "gravity"], "the names are grant-before-persist"),
    ];
    for (args, message) in cases {
        let output = plumb(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(message),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_story_is_drawn_as_a_page_with_a_mark_for_every_step_and_arrows_between_servers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pages = folder.path().join("pages");
    let name = "count-earlier-terms";
    let output = plumb(&["ablate", name, "--pages", &pages.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(pages.join(format!("{name}.html"))).expect("it is there");
    assert_eq!(page.matches("<circle").count(), 22, "one step, one mark");
    assert!(
        page.matches("marker-end").count() >= 15,
        "elections and replication are messages"
    );
    for words in ["Leader Completeness", "becomes leader of term 4", "5.4.2"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(
        !page.contains("<script") && !page.contains("http"),
        "it stands alone"
    );
}
