//! One mutant's exam: it is built, and the layers of the harness, as they stand for everybody, have a go at
//! it in turn. A layer kills by exit code and a named property or test; what is undecided or hangs kills
//! nothing.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::workshop::{PROFILE, Workshop};
use crate::artifacts::create_folder;
use crate::cli::CliError;
use crate::verify::stopwatch;

/// What may kill a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// A sweep of bare replicas.
    Bare,
    /// The core, explored exhaustively in small scopes.
    Core,
    /// A sweep of bare replicas that is judged by what clients saw, and nothing else.
    Clients,
    /// A sweep of the whole server.
    Full,
    /// The log cut, torn and corrupted.
    Storage,
    /// Every interleaving of the group commit.
    Loom,
    /// The unit tests of the implementation: for comparison, they never count as a kill.
    Unit,
}

impl Layer {
    /// All of them, in the order in which they sit.
    pub const ALL: [Layer; 7] = [
        Layer::Bare,
        Layer::Core,
        Layer::Clients,
        Layer::Full,
        Layer::Storage,
        Layer::Loom,
        Layer::Unit,
    ];

    /// Its name in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Layer::Core => "core",
            Layer::Bare => "bare",
            Layer::Clients => "clients",
            Layer::Full => "full",
            Layer::Storage => "storage",
            Layer::Loom => "loom",
            Layer::Unit => "unit",
        }
    }

    /// Whether its kills count.
    #[must_use]
    pub fn counts(self) -> bool {
        self != Layer::Unit
    }

    /// Whether it runs any of the code of these files: else it would see what it sees of clean code.
    fn reaches<'a>(self, mut files: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Layer::Core => files.any(|file| file.starts_with("impl/src/core")),
            Layer::Bare | Layer::Clients => files.any(|file| {
                let in_the_log = file.starts_with("impl/src/storage");
                let around = ["impl/src/net", "impl/src/client", "impl/src/server/runtime"];
                !in_the_log && !around.iter().any(|outside| file.starts_with(outside))
            }),
            Layer::Full | Layer::Unit => true,
            Layer::Storage => files.any(|file| file.starts_with("impl/src/storage")),
            Layer::Loom => files.any(|file| {
                let parts = ["group_commit", "writer", "snapshots"];
                let file = file.strip_prefix("impl/src/storage/");
                file.is_some_and(|file| parts.iter().any(|part| file.starts_with(part)))
            }),
        }
    }
}

/// What came of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It found the bug.
    Killed {
        /// The property that broke, or the test that failed.
        by: String,
        /// What was seen.
        what: String,
        /// The seed, where there is one.
        seed: Option<u64>,
    },
    /// It saw nothing wrong.
    Survived,
    /// It does not run the code that was changed.
    NotReached,
    /// It did not come to an end in time, or came to no verdict.
    Undecided {
        /// Why.
        why: String,
    },
}

/// A layer's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerResult {
    /// The layer.
    pub layer: Layer,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took with all cores, in seconds, builds excluded.
    pub seconds: f64,
}

impl LayerResult {
    /// Whether this is a kill that counts.
    #[must_use]
    pub fn kills(&self) -> bool {
        self.layer.counts() && matches!(self.outcome, Outcome::Killed { .. })
    }
}

/// How the exam is held.
#[derive(Clone, Debug)]
pub struct Sitting<'a> {
    /// Which layers sit.
    pub layers: &'a [Layer],
    /// How long the simulations may take, together; and each layer that is none.
    pub budget: Duration,
    /// How many kills are enough: layers after these do not sit.
    pub enough: usize,
    /// Where what they find is kept.
    pub out: PathBuf,
    /// Set to stop early.
    pub stop: &'a AtomicBool,
}

/// How the budget of the simulations is shared out.
const SHARES: [(Layer, f64); 3] = [
    (Layer::Bare, 0.3),
    (Layer::Clients, 0.2),
    (Layer::Full, 0.5),
];
/// How long a build may take.
const BUILD_MAY_TAKE: Duration = Duration::from_secs(900);
/// What a sweep gets beyond its time, to finish and save the run it is in.
const GRACE: Duration = Duration::from_secs(60);

/// What is in the workshop sits the exam; `files` are what was changed there, none for clean code.
///
/// # Errors
/// If it does not build, or nothing can be run.
pub fn sit(
    workshop: &Workshop,
    files: &[&str],
    sitting: &Sitting<'_>,
) -> Result<Vec<LayerResult>, CliError> {
    create_folder(&sitting.out)?;
    let mut results = Vec::new();
    let share = |layer: Layer| SHARES.iter().find(|(simulation, _)| *simulation == layer);
    let runs_plumb = |layer: &Layer| *layer == Layer::Core || share(*layer).is_some();
    if sitting.layers.iter().any(runs_plumb) {
        build_plumb(workshop, sitting.stop)?;
    }
    let mut kills = 0;
    for layer in sitting.layers {
        if kills >= sitting.enough || sitting.stop.load(Ordering::Relaxed) {
            break;
        }
        if !files.is_empty() && !layer.reaches(files.iter().copied()) {
            results.push(LayerResult {
                layer: *layer,
                outcome: Outcome::NotReached,
                seconds: 0.0,
            });
            continue;
        }
        let result = match layer {
            Layer::Core => explore(workshop, sitting)?,
            Layer::Bare | Layer::Clients | Layer::Full => {
                let share = share(*layer).map_or(0.0, |(_, share)| *share);
                sweep(workshop, sitting, *layer, share)?
            }
            Layer::Storage => {
                let tests = ["--test", "storage_*"];
                test(workshop, Layer::Storage, &tests, sitting)?
            }
            Layer::Loom => {
                let tests = ["--features", "loom", "--test", "loom"];
                test(workshop, Layer::Loom, &tests, sitting)?
            }
            Layer::Unit => test(workshop, Layer::Unit, &["--lib"], sitting)?,
        };
        kills += usize::from(result.kills());
        results.push(result);
    }
    Ok(results)
}

/// Builds `plumb` with what is in the workshop.
///
/// # Errors
/// If it does not build.
pub fn build_plumb(workshop: &Workshop, stop: &AtomicBool) -> Result<(), CliError> {
    let plumb = ["build", "-p", "plumb-harness", "--bin", "plumb"];
    build(workshop, &plumb, stop)
}

fn build(workshop: &Workshop, arguments: &[&str], stop: &AtomicBool) -> Result<(), CliError> {
    let mut command = workshop.cargo(arguments);
    command.args(["--profile", PROFILE, "--locked", "--quiet"]);
    let ended = run(command, BUILD_MAY_TAKE, stop)?;
    // Whoever stopped it looks at nothing that comes after.
    if ended.code == Some(0) || stop.load(Ordering::Relaxed) {
        return Ok(());
    }
    let from = ended.text.find("error").unwrap_or(0);
    let shown: String = ended.text[from..]
        .lines()
        .take(12)
        .collect::<Vec<_>>()
        .join("\n");
    Err(CliError::new(
        format!("it does not build:\n{shown}"),
        "correct the patch: a mutant is wrong, not ill-typed",
    ))
}

fn sweep(
    workshop: &Workshop,
    sitting: &Sitting<'_>,
    layer: Layer,
    share: f64,
) -> Result<LayerResult, CliError> {
    let time = sitting.budget.mul_f64(share);
    let folder = sitting.out.join(layer.name());
    drop(std::fs::remove_dir_all(&folder));
    create_folder(&folder)?;
    let json = folder.join("sweep.json");
    let mut command = Command::new(workshop.binary());
    command
        .args([
            "sim",
            "sweep",
            "--seeds",
            "100000000",
            "--tier",
            if layer == Layer::Full { "full" } else { "bare" },
            "--judges",
            if layer == Layer::Clients {
                "clients"
            } else {
                "all"
            },
        ])
        .args(["--time", &time.as_secs().max(1).to_string()])
        .arg("--json")
        .arg(&json)
        .arg("--out")
        .arg(&folder);
    let ended = run(command, time + GRACE, sitting.stop)?;
    let outcome = match ended.code {
        Some(0) => Outcome::Survived,
        Some(1) => found(&json).unwrap_or_else(|| undecided("it failed without a finding")),
        Some(3) => undecided("the checker did not decide a history"),
        Some(code) => undecided(&format!("exit code {code}: {}", last_line(&ended.text))),
        None => undecided("it did not end in time"),
    };
    Ok(LayerResult {
        layer,
        outcome,
        seconds: ended.seconds,
    })
}

/// The command that `plumb verify` explores the core by.
fn explore(workshop: &Workshop, sitting: &Sitting<'_>) -> Result<LayerResult, CliError> {
    let json = sitting.out.join("core.json");
    drop(std::fs::remove_file(&json));
    let mut command = Command::new(workshop.binary());
    command
        .args(["core", "check", "--timeout"])
        .arg(format!("{}s", sitting.budget.as_secs().max(1)))
        .arg("--json")
        .arg(&json);
    let ended = run(command, sitting.budget + GRACE, sitting.stop)?;
    let outcome = match ended.code {
        Some(0) => Outcome::Survived,
        Some(1) => broken(&json).unwrap_or_else(|| undecided("it failed without a finding")),
        Some(3) => undecided("a scope was not explored to its end"),
        Some(code) => undecided(&format!("exit code {code}: {}", last_line(&ended.text))),
        None => undecided("it did not end in time"),
    };
    Ok(LayerResult {
        layer: Layer::Core,
        outcome,
        seconds: ended.seconds,
    })
}

/// The first scope in which a property broke, or which did not reach what it claims.
fn broken(json: &Path) -> Option<Outcome> {
    let text = std::fs::read_to_string(json).ok()?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).ok()?;
    rows.iter().find_map(|row| {
        let scope = row["scope"]["name"].as_str()?;
        let verdict = &row["outcome"]["verdict"];
        let (by, what) = if let Some(story) = verdict.get("violation") {
            let steps = story["steps"].as_array()?.len();
            let reason = story["reason"].as_str()?;
            (
                story["property"].as_str()?.to_owned(),
                format!("{reason} ({steps} steps, scope {scope})"),
            )
        } else {
            let missed = verdict.get("vacuous")?.get(0)?.as_str()?;
            (
                "Nothing Is Vacuous".to_owned(),
                format!("never reached: {missed} (scope {scope})"),
            )
        };
        Some(Outcome::Killed {
            by,
            what,
            seed: None,
        })
    })
}

fn undecided(why: &str) -> Outcome {
    Outcome::Undecided {
        why: why.to_owned(),
    }
}

/// The first failure in a sweep's own report.
fn found(json: &Path) -> Option<Outcome> {
    let text = std::fs::read_to_string(json).ok()?;
    let report: serde_json::Value = serde_json::from_str(&text).ok()?;
    let first = report["failures"].get(0)?;
    Some(Outcome::Killed {
        by: first["property"].as_str()?.to_owned(),
        what: first["what"].as_str()?.to_owned(),
        seed: first["seed"].as_u64(),
    })
}

fn test(
    workshop: &Workshop,
    layer: Layer,
    which: &[&str],
    sitting: &Sitting<'_>,
) -> Result<LayerResult, CliError> {
    let mut arguments = vec!["test", "-p", "plumb-raft"];
    arguments.extend_from_slice(which);
    let mut without_running = arguments.clone();
    without_running.push("--no-run");
    build(workshop, &without_running, sitting.stop)?;
    let mut command = workshop.cargo(&arguments);
    command.args([
        "--profile",
        PROFILE,
        "--locked",
        "--quiet",
        "--no-fail-fast",
    ]);
    let ended = run(command, sitting.budget, sitting.stop)?;
    let outcome = match ended.code {
        Some(0) => Outcome::Survived,
        Some(_) => match failed_test(&ended.text) {
            Some(by) => Outcome::Killed {
                what: panic_message(&ended.text).unwrap_or_default(),
                by,
                seed: None,
            },
            None => undecided(&last_line(&ended.text)),
        },
        None => undecided("it did not end in time"),
    };
    Ok(LayerResult {
        layer,
        outcome,
        seconds: ended.seconds,
    })
}

fn failed_test(text: &str) -> Option<String> {
    let list = text.split("failures:").last()?;
    let name = list.lines().map(str::trim).find(|line| !line.is_empty())?;
    let listed = (!name.contains(' ')).then(|| name.to_owned());
    listed.or_else(|| panicked_thread(text))
}

/// A test that aborts leaves no list, but a thread of its name has panicked.
fn panicked_thread(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains("panicked at"))?;
    let name = line.strip_prefix("thread '")?.split('\'').next()?;
    (name != "main").then(|| name.to_owned())
}

fn panic_message(text: &str) -> Option<String> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.contains("panicked at"));
    lines.next();
    lines.next().map(str::to_owned)
}

fn last_line(text: &str) -> String {
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("it said nothing").to_owned()
}

/// A process that ended, or was ended.
struct Ended {
    /// `None` if it did not end by itself.
    code: Option<i32>,
    text: String,
    seconds: f64,
}

/// Runs a command for at most this long, or until it is to stop; what it says is kept.
fn run(mut command: Command, at_most: Duration, stop: &AtomicBool) -> Result<Ended, CliError> {
    let elapsed = stopwatch();
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| {
        CliError::new(
            format!("cannot run {program}: {error}"),
            "the exam needs cargo, and an earlier build of it",
        )
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // What it starts is ended with it: cargo's tests would outlive it, and hold its pipes.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let readers = [
        child.stdout.take().map(|pipe| read_all(Box::new(pipe))),
        child.stderr.take().map(|pipe| read_all(Box::new(pipe))),
    ];
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break Some(status);
        }
        if elapsed() > at_most || stop.load(Ordering::Relaxed) {
            end_with_its_children(&mut child);
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let texts = readers.into_iter().flatten().map(|reader| {
        let bytes = reader.join().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    Ok(Ended {
        code: status.and_then(|status| status.code()),
        text: texts.collect::<Vec<_>>().join("\n"),
        seconds: elapsed().as_secs_f64(),
    })
}

fn end_with_its_children(child: &mut Child) {
    let group = format!("-{}", child.id());
    drop(Command::new("kill").args(["-KILL", "--", &group]).status());
    drop(child.kill());
    drop(child.wait());
}

fn read_all(mut pipe: Box<dyn Read + Send>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_reaches_what_it_runs() {
        let reaches = |layer: Layer, file: &str| layer.reaches([file].into_iter());
        assert!(reaches(Layer::Bare, "impl/src/core/election.rs"));
        assert!(reaches(Layer::Bare, "impl/src/server/replica.rs"));
        assert!(!reaches(Layer::Bare, "impl/src/storage/wal.rs"));
        assert!(reaches(Layer::Full, "impl/src/client/mod.rs"));
        assert!(reaches(Layer::Core, "impl/src/core/log.rs"));
        assert!(!reaches(Layer::Core, "impl/src/server/replica.rs"));
        assert!(reaches(Layer::Loom, "impl/src/storage/group_commit.rs"));
        assert!(reaches(Layer::Loom, "impl/src/storage/snapshots.rs"));
        assert!(!reaches(Layer::Loom, "impl/src/core/election.rs"));
    }

    #[test]
    fn the_failed_test_and_its_message_are_found_in_what_cargo_says() {
        let text = "running 2 tests\nthread 'a::b' panicked at x.rs:1:2:\nleft is right\n\nfailures:\n\n\
                    ---- a::b stdout ----\n\n\nfailures:\n    a::b\n\ntest result: FAILED.";
        assert_eq!(failed_test(text).as_deref(), Some("a::b"));
        assert_eq!(panic_message(text).as_deref(), Some("left is right"));
        assert_eq!(failed_test("error: no such thing"), None);
        let text =
            "thread 'a::c' (12) panicked at x.rs:1:2:\nleft is right\n\nprocess abort signal: 6";
        assert_eq!(failed_test(text).as_deref(), Some("a::c"));
    }

    #[test]
    fn a_command_that_does_not_end_is_ended_and_says_so() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; sleep 30; echo ended"]);
        let ended = run(command, Duration::from_millis(200), &AtomicBool::new(false))
            .expect("there is a shell");
        assert_eq!(ended.code, None);
        assert!(ended.text.contains("begun"));
    }
}
