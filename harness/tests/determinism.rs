//! Same seed, same build, same bytes: two processes must not differ in a single byte of trace or
//! history. What leaks into a run (a wall clock, a hash seed, a thread) shows here.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use plumb_harness::nemesis::{Length, generate};
use plumb_harness::scenario::Tier;
use plumb_harness::sim::{self, RunOptions};

const TIERS: [(Tier, &str); 2] = [(Tier::Full, "full"), (Tier::Bare, "bare")];

fn run(seed: u64, tier: &str, folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let (trace, history) = (folder.join("trace.txt"), folder.join("history.jsonl"));
    let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["sim", "run", "--seed", &seed.to_string()])
        .args(["--tier", tier, "--trace"])
        .arg(&trace)
        .arg("--history")
        .arg(&history)
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    assert_eq!(
        output.status.code(),
        Some(0),
        "seed {seed}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let read = |path| std::fs::read(path).expect("it was written");
    (read(&trace), read(&history))
}

#[test]
fn a_seed_gives_the_same_trace_and_history_in_two_processes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let seeds = [1, 2, 3, 5].into_iter();
    for (seed, (_, tier)) in seeds.flat_map(|seed| TIERS.map(|tier| (seed, tier))) {
        let (trace, history) = run(seed, tier, folder.path());
        let (again, history_again) = run(seed, tier, folder.path());
        assert!(trace.len() > 100_000, "seed {seed} has a trace to compare");
        assert!(trace == again, "seed {seed}: the traces differ");
        assert!(
            history == history_again,
            "seed {seed}: the histories differ"
        );
    }
}

/// What is shared by a whole process (counters, hash seeds, allocators) must not reach a run either:
/// else a sweep finds what no replay finds again.
#[test]
fn a_run_does_not_depend_on_the_runs_before_it_and_beside_it() {
    let trace = |seed: u64| {
        let (tier, _) = TIERS[seed as usize % 2];
        sim::run(&generate(seed, Length::SHORT, tier), RunOptions::traced()).trace
    };
    let seeds = [0, 4, 7];
    let alone: Vec<String> = seeds.iter().map(|seed| trace(*seed)).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for (seed, alone) in seeds.iter().zip(&alone).rev() {
                    assert!(trace(*seed) == *alone, "seed {seed} ran otherwise");
                }
            });
        }
    });
}

/// What shrinking works on is the run itself: the operations that clients drew, written down as a
/// script, give the same bytes.
#[test]
fn the_script_of_a_run_is_the_run() {
    let seeds = [3, 6, 9].into_iter();
    for (seed, (tier, _)) in seeds.flat_map(|seed| TIERS.map(|tier| (seed, tier))) {
        let mut scenario = generate(seed, Length::SHORT, tier);
        let drawn = sim::run(&scenario, RunOptions::traced());
        scenario.workload.script = Some(drawn.script.clone());
        let scripted = sim::run(&scenario, RunOptions::traced());
        assert!(drawn.script.len() > 100);
        assert!(
            drawn.trace == scripted.trace,
            "seed {seed}: the traces differ"
        );
        assert_eq!(drawn.history, scripted.history, "seed {seed}");
    }
}

#[test]
fn the_comparison_takes_the_world_that_it_is_given_and_says_what_it_came_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let compared = |flags: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
            .args("sim determinism --tier bare --seeds 2 --start 4 --json -".split(' '))
            .args(flags.split_whitespace())
            .current_dir(folder.path())
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{flags}");
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let seeds = serde_json::json!({"start": 4, "end": 6, "compared": 2});
        assert_eq!(
            (&value["seeds"], value["differ"].as_array()),
            (&seeds, Some(&Vec::new()))
        );
        value["trace_bytes"].as_u64().expect("a count")
    };
    let short = compared("");
    assert!(short > 100_000);
    assert!(compared("--length long --judges clients") > 2 * short);
}

/// A terminal sends Ctrl-C to a whole group of processes.
#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_ends_the_comparison_undecided_with_what_was_compared() {
    let comparing = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args("sim determinism --tier bare --seeds 1000000 --jobs 1".split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("the binary runs");
    let group = comparing.id();
    let has_a_run = || {
        let tasks = std::fs::read_dir(format!("/proc/{group}/task")).expect("it runs");
        tasks.flatten().any(|task| {
            let children = std::fs::read_to_string(task.path().join("children"));
            children.is_ok_and(|children| !children.trim().is_empty())
        })
    };
    while !has_a_run() {
        std::thread::yield_now();
    }
    let killed = Command::new("kill")
        .args(["-INT", "--", &format!("-{group}")])
        .status();
    assert!(killed.expect("kill runs").success());
    let output = comparing.wait_with_output().expect("it ends");
    let (said, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(3), "{said}{told}");
    assert!(said.contains("of 1000000 seeds"), "{said}");
}
