//! The examples for CI systems are what these systems would run: their YAML is read, and every command in it is
//! run in a shell, with fewer seeds; of `verify`, which takes minutes, the command line is tried.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A commit.
const SHA: &str = "3f2a91c04b7de5586d20b1f4a9c3e7700d1e2f3a";
/// What a seed's history would be among the failures.
const FAILURE: &str = "report/failures/bare-seed-7/history.jsonl";

fn root() -> &'static Path {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness
        .parent()
        .expect("the workspace is around its packages")
}

fn example(name: &str) -> Value {
    let path = root().join("docs/ci").join(name);
    let text = std::fs::read_to_string(&path).expect("the example is there");
    serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A checkout as far as the commands need one: the binary where cargo would put it, and something that failed.
fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("target/release");
    std::fs::create_dir_all(&target).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_plumb"), target.join("plumb")).expect("a link");
    let failure = folder.path().join(FAILURE);
    std::fs::create_dir_all(failure.parent().expect("it has one")).expect("a folder");
    let history = root().join("histories/corpus/commit-older-term/history.jsonl");
    std::fs::copy(history, failure).expect("a copy");
    folder
}

/// A script as it is run here.
fn reduced(script: &str) -> String {
    let lines = script.lines().map(|line| {
        let line = line
            .replace("cargo run --release --locked --", "target/release/plumb")
            .replace("--seeds 80000", "--seeds 8");
        // Flags that do not exist are refused before help is given.
        let tried = line.contains(" verify ");
        if tried { line + " --help" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn run(script: &str, folder: &Path, environment: &[(&str, String)]) -> String {
    let script = reduced(script);
    let output = Command::new("bash")
        .args(["-e", "-c", &script])
        .current_dir(folder)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env_remove("GITHUB_ACTIONS")
        .output()
        .expect("there is a shell");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{words}\n{trouble}");
    words
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{what} is no text"))
}

/// Texts of a list.
fn lines(value: &Value) -> String {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What both must have come to: all seeds, in one report, and the pages of what failed.
fn look(folder: &Path) {
    let read = |name: &str| {
        let path: PathBuf = folder.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let sweep: Value = serde_json::from_str(&read("parts/sweep.json")).expect("it is JSON");
    let first = i64::from_str_radix(&SHA[..7], 16).expect("a number");
    assert_eq!(sweep["seeds"]["run"], 8, "{sweep}");
    assert_eq!(sweep["shard"]["of"], 1, "{sweep}");
    assert!(sweep["seeds"]["start"].as_i64() >= Some(first), "{sweep}");
    assert!(read("parts/sweep.xml").contains("<testsuite"));
    assert!(read("report/pages/index.html").contains("Plumbline"));
}

#[test]
fn the_workflow_for_github_gates_shards_merges_and_keeps_pages() {
    let workflow = example("github.yml");
    let folder = checkout();
    let environment = [("GITHUB_SHA", SHA.to_owned())];
    let mut printed = 0;
    for job in ["gate", "sweep", "merge"] {
        let job = &workflow["jobs"][job];
        let once = vec![Value::Null];
        let shards = job["strategy"]["matrix"]["shard"]
            .as_array()
            .unwrap_or(&once);
        let steps = job["steps"].as_array().expect("a job has steps");
        for (shard, step) in shards
            .iter()
            .flat_map(|shard| steps.iter().map(move |step| (shard, step)))
        {
            assert!(
                step["uses"].is_string() != step["run"].is_string(),
                "{step}"
            );
            let Some(script) = step["run"].as_str() else {
                continue;
            };
            let script = script.replace("${{ matrix.shard }}", &shard.to_string());
            assert!(!script.contains("${{"), "{script}");
            let words = run(&script, folder.path(), &environment);
            printed += usize::from(words.contains("the first seed is 66234652"));
        }
    }
    assert_eq!(
        printed,
        1 + 4,
        "every job that takes seeds prints the first"
    );
    assert_eq!(workflow["jobs"]["merge"]["needs"], "sweep");
    look(folder.path());
}

#[test]
fn the_example_for_gitlab_gates_shards_merges_and_keeps_pages() {
    let all = example("gitlab.yml");
    let folder = checkout();
    let before = lines(&all["default"]["before_script"]);
    for name in ["gate", "sweep", "merge"] {
        let job = &all[name];
        let stages = all["stages"].as_array().expect("there are stages");
        assert!(stages.contains(&job["stage"]), "{name}");
        let parts = job["parallel"].as_u64().unwrap_or(1);
        for part in 1..=parts {
            let environment = [
                ("CI_COMMIT_SHORT_SHA", SHA[..8].to_owned()),
                ("CI_NODE_INDEX", part.to_string()),
                ("CI_NODE_TOTAL", parts.to_string()),
            ];
            let script = format!("{before}\n{}", lines(&job["script"]));
            let words = run(&script, folder.path(), &environment);
            assert!(
                words.contains("the first seed is 1059754432"),
                "{name}: {words}"
            );
            // GitLab runs this in a shell of its own, whatever came of the script.
            run(&lines(&job["after_script"]), folder.path(), &environment);
        }
        let kept = text(&job["artifacts"]["paths"][0], "what is kept");
        assert!(folder.path().join(kept).is_dir(), "{name} keeps {kept}");
    }
    look(folder.path());
}

#[test]
fn the_nightly_workflow_names_tests_and_settings_that_there_are() {
    let workflow = example("nightly.yml");
    let folder = checkout();
    let steps = |job: &str| workflow["jobs"][job]["steps"].as_array().cloned();
    let script = |job: &str| {
        let steps = steps(job).expect("a job has steps");
        let found = steps.iter().find_map(|step| step["run"].as_str());
        found.expect("it runs something").to_owned()
    };
    let checkers = script("checkers");
    let tests = checkers.split("--test ").skip(1);
    let names: Vec<&str> = tests
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    assert_eq!(names, ["differential", "explanations", "transactions"]);
    for name in names {
        let path = root()
            .join("checkers/tests")
            .join(name)
            .with_extension("rs");
        let test = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        for setting in ["PLUMB_DIFFERENTIAL_SEED", "PLUMB_DIFFERENTIAL_COUNT"] {
            assert!(test.contains(setting), "{setting} in {name}");
            assert!(
                checkers.contains(&format!("export {setting}=")),
                "{setting}"
            );
        }
    }
    let words = run(&script("verify"), folder.path(), &[]);
    assert!(words.contains("the first seed is "), "{words}");
}
