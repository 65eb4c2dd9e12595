//! `plumb mutants replay`: entries of the corpus run again, each with its bug put back. What is committed was
//! seen by an earlier build; here is the answer to whether this one sees it too, and its recording.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use clap::Args;
use serde_json::Value;

use super::{Exit, root};
use crate::cli::{CliError, files, interrupt, progress};
use crate::mutants::{Mutant, Workshop, build_plumb, read_all, write_entry};

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Which entries; all of them if none is named.
    names: Vec<String>,
    /// The corpus; the checkout's own if not given.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Write what was seen into the entries that show what they tell of: history, servers, verdict and words.
    #[arg(long)]
    record: bool,
    /// Where the private copy, its builds and the runs go.
    #[arg(long, default_value = "target/plumb/mutants", value_name = "DIR")]
    out: PathBuf,
    /// The checkout; the one around the current folder if not given.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// What came of an entry's scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// The same run, byte for byte as clients saw it.
    Same,
    /// The property breaks as it did, in another history.
    Moved,
    /// Another property breaks.
    Other(String),
    /// Nothing breaks.
    Nothing,
}

impl Seen {
    /// Whether the entry tells the truth still.
    fn holds(&self) -> bool {
        matches!(self, Seen::Same | Seen::Moved)
    }

    fn words(&self) -> String {
        match self {
            Seen::Same => "the same history".to_owned(),
            Seen::Moved => "the same property breaks, in another history".to_owned(),
            Seen::Other(property) => format!("ANOTHER PROPERTY breaks: {property}"),
            Seen::Nothing => "NOTHING breaks".to_owned(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If an entry or its mutant can't be read, does not build, or can't be written.
pub(super) fn replay(args: &ReplayArgs) -> Result<Exit, CliError> {
    let root = root(args.root.as_ref())?;
    let corpus = args.corpus.clone();
    let corpus = corpus.unwrap_or_else(|| root.join("histories/corpus"));
    let mutants = read_all(&root)?;
    let entries = choose(&corpus, &mutants, &args.names)?;
    let mut workshop = Workshop::open(&root, &args.out)?;
    let stop = interrupt::flag();
    let bar = progress::bar(entries.len() as u64, "entries");
    let mut all_hold = true;
    for (entry, mutant) in entries {
        bar.set_message(mutant.name.clone());
        workshop.apply(mutant)?;
        build_plumb(&workshop, stop)?;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let run = args.out.join("replayed").join(&mutant.name);
        let seen = run_again(&workshop.binary(), &entry, &run)?;
        let line = format!("{:<36} {}\n", mutant.name, seen.words());
        bar.suspend(|| files::print(line));
        if args.record && seen.holds() {
            write_entry(&corpus, mutant, &run)?;
        }
        all_hold &= seen.holds();
        bar.inc(1);
    }
    workshop.restore()?;
    bar.finish_and_clear();
    Ok(match (stop.load(Ordering::Relaxed), all_hold) {
        (true, _) => Exit::Undecided,
        (false, true) => Exit::Holds,
        (false, false) => Exit::Violation,
    })
}

/// The entries that are meant, in the order of their names, each with its bug.
fn choose<'a>(
    corpus: &Path,
    mutants: &'a [Mutant],
    names: &[String],
) -> Result<Vec<(PathBuf, &'a Mutant)>, CliError> {
    let entry = |mutant: &'a Mutant| {
        let entry = corpus.join(&mutant.name);
        entry
            .join("scenario.json")
            .is_file()
            .then_some((entry, mutant))
    };
    if names.is_empty() {
        return Ok(mutants.iter().filter_map(entry).collect());
    }
    let named = |name: &String| {
        let mutant = mutants.iter().find(|mutant| mutant.name == *name);
        mutant.and_then(entry).ok_or_else(|| {
            CliError::new(
                format!("{} has no entry {name}", corpus.display()),
                "each of its folders is one; name the corpus with --corpus",
            )
        })
    };
    names.iter().map(named).collect()
}

/// Runs an entry's scenario with a `plumb` that has the bug, and saves the run if something breaks.
fn run_again(plumb: &Path, entry: &Path, run: &Path) -> Result<Seen, CliError> {
    drop(std::fs::remove_dir_all(run));
    // With no run left to shrink by, it saves the scenario as it is, with all that belongs to a saved run.
    let output = Command::new(plumb)
        .args(["sim", "shrink", "--runs", "0", "--out"])
        .arg(run)
        .arg(entry.join("scenario.json"))
        .output()
        .map_err(|error| {
            CliError::new(
                format!("cannot run {}: {error}", plumb.display()),
                "see that the folder named with --out is on a disk whose programs may run",
            )
        })?;
    match output.status.code() {
        Some(0) => Ok(Seen::Nothing),
        Some(1) => compare(entry, run),
        _ => Err(CliError::new(
            format!(
                "{}: {}",
                entry.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            ),
            "see that its scenario can be replayed",
        )),
    }
}

fn compare(entry: &Path, run: &Path) -> Result<Seen, CliError> {
    let (told, seen) = (property(entry)?, property(run)?);
    if told != seen {
        return Ok(Seen::Other(seen));
    }
    let history = |folder: &Path| std::fs::read(folder.join("history.jsonl")).unwrap_or_default();
    Ok(if history(entry) == history(run) {
        Seen::Same
    } else {
        Seen::Moved
    })
}

/// The property that a saved run or an entry says is broken.
fn property(folder: &Path) -> Result<String, CliError> {
    let path = folder.join("verdict.json");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let verdict: Value = serde_json::from_str(&text).unwrap_or_default();
    let property = verdict["violation"]["property"].as_str();
    property.map(ToOwned::to_owned).ok_or_else(|| {
        CliError::new(
            format!("{} names no property that broke", path.display()),
            "an entry is of a run that failed: run the mutant again with --corpus",
        )
    })
}
