//! What a failing run leaves behind: one folder with everything that is needed to see it again.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::CliError;
use crate::scenario::{Scenario, Tier};
use crate::sim::story::story;
use crate::sim::{Run, RunOptions, System};

/// The endings by which a folder's histories are known.
pub const HISTORY_ENDINGS: [&str; 4] = ["jsonl", "edn", "log", "txt"];
/// Files beside a saved history that only look like one.
const NOT_HISTORIES: [&str; 3] = ["trace.txt", "story.txt", "README.txt"];

/// Whether a file in a folder is taken for a history.
#[must_use]
pub fn is_history(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let name = path.file_name().and_then(|name| name.to_str());
    ending.is_some_and(|ending| HISTORY_ENDINGS.contains(&ending))
        && !name.is_some_and(|name| NOT_HISTORIES.contains(&name))
}

/// Saves a failing run as `DIR/seed-N/`, or `DIR/bare-seed-N/`. Returns the folder.
///
/// # Errors
/// If the folder can't be written.
pub fn save_failure(
    system: System,
    dir: &Path,
    scenario: &Scenario,
    failed: &Run,
) -> Result<PathBuf, CliError> {
    let name = match scenario.tier {
        Tier::Full => format!("seed-{}", scenario.seed),
        Tier::Bare => format!("bare-seed-{}", scenario.seed),
    };
    let folder = dir.join(name);
    save_run(system, &folder, scenario, failed)?;
    Ok(folder)
}

/// Saves a failing run as `FOLDER/{scenario.json, history.jsonl, trace.txt, story.txt, lanes.json,
/// verdict.json}`; runs it once more for trace and lanes. Returns the story.
///
/// # Errors
/// If the folder can't be written.
pub fn save_run(
    system: System,
    folder: &Path,
    scenario: &Scenario,
    failed: &Run,
) -> Result<String, CliError> {
    let traced = (system.run)(scenario, RunOptions::traced());
    let told = story(&traced.trace, &failed.history, failed.violation.as_ref());
    let verdict = json!({
        "plumb_verdict": 1,
        "violation": failed.violation,
        "explanation": failed.explanation,
        "undecided": failed.undecided,
        "replay": replay_command(system, folder),
        "replayed_identically": traced.violation == failed.violation,
    });
    let verdict = format!("{verdict:#}\n");
    create_folder(folder)?;
    write_file(&folder.join("scenario.json"), scenario.to_json().as_bytes())?;
    write_file(&folder.join("history.jsonl"), &failed.history.to_jsonl())?;
    write_file(&folder.join("trace.txt"), traced.trace.as_bytes())?;
    write_file(&folder.join("story.txt"), told.as_bytes())?;
    let lanes = serde_json::to_string(&traced.lanes).expect("plain data always serialises");
    write_file(&folder.join("lanes.json"), lanes.as_bytes())?;
    write_file(&folder.join("verdict.json"), verdict.as_bytes())?;
    Ok(told)
}

/// The command that runs a saved failure again.
#[must_use]
pub fn replay_command(system: System, folder: &Path) -> String {
    format!(
        "{} replay {}",
        system.command,
        folder.join("scenario.json").display()
    )
}

/// Creates a folder with its parents.
///
/// # Errors
/// If that is not possible, with what to do.
pub fn create_folder(folder: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        CliError::new(
            format!("cannot create the folder {}: {error}", folder.display()),
            "name a folder that can be written with --out, or correct its permissions",
        )
    })
}

/// Writes a file whole: under another name first, so that an interruption leaves the old or the new.
///
/// # Errors
/// If that is not possible, with what to do.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let written = if is_special(path) {
        std::fs::write(path, bytes)
    } else {
        let partial = partial(path);
        std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path))
    };
    written.map_err(|error| cannot_write(path, &error))
}

/// Finds out whether [`write_file`] could write a file, and leaves what is there as it is.
///
/// # Errors
/// If it could not, with what to do.
pub fn probe_file(path: &Path) -> Result<(), CliError> {
    let tried = if path.is_dir() {
        Err(std::io::ErrorKind::IsADirectory.into())
    } else if is_special(path) {
        // Whoever reads a pipe would take this for the end.
        Ok(())
    } else {
        let open = |path: &Path, create| {
            let mut options = std::fs::OpenOptions::new();
            options.append(true).create(create).open(path).map(drop)
        };
        let partial = partial(path);
        let here = if path.exists() {
            open(path, false)
        } else {
            Ok(())
        };
        here.and_then(|()| open(&partial, true))
            .and_then(|()| std::fs::remove_file(&partial))
    };
    tried.map_err(|error| cannot_write(path, &error))
}

/// A device or a pipe is written to, not replaced.
fn is_special(path: &Path) -> bool {
    path.exists() && !path.is_file()
}

/// The other name.
fn partial(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    partial.into()
}

fn cannot_write(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(
        format!("cannot write {}: {error}", path.display()),
        "free some space, correct the permissions, or name another place",
    )
}
