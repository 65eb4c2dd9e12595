//! The corpus: what the exam found, made small, as folders that anyone can open: the history, the scenario
//! that leads there, the verdict, and a page of words for a reviewer who has never seen the run.

use std::path::Path;

use plumb_histories::History;
use serde::{Deserialize, Serialize};

use super::Mutant;
use crate::artifacts::{create_folder, write_file};
use crate::cli::CliError;
use crate::invariants::Violation;

/// The version of `verdict.json`.
const VERSION: u32 = 1;
/// A story of more lines is for `story.txt` only.
const STORY_LINES: usize = 60;

/// An entry's `verdict.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusVerdict {
    /// The version of this schema.
    pub plumb_corpus: u32,
    /// The mutant that was in the code.
    pub mutant: String,
    /// What broke.
    pub violation: Violation,
    /// What checkers say of the clients' history alone: `valid` or `violation`. Many bugs show on the servers
    /// before any client can tell.
    pub history: String,
}

/// What a run of a mutant left behind.
struct Found {
    scenario: String,
    history: Vec<u8>,
    lanes: Vec<u8>,
    story: String,
    violation: Violation,
}

fn read(folder: &Path) -> Result<Found, CliError> {
    let read = |name: &str| {
        std::fs::read(folder.join(name)).map_err(|error| {
            CliError::new(
                format!("cannot read {}: {error}", folder.join(name).display()),
                "run the mutant again, with shrinking",
            )
        })
    };
    let text = |name: &str| read(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    #[derive(Deserialize)]
    struct Saved {
        violation: Violation,
    }
    let saved: Saved = serde_json::from_slice(&read("verdict.json")?).map_err(|error| {
        CliError::new(
            format!("{}: {error}", folder.join("verdict.json").display()),
            "run the mutant again: what it left does not name what broke",
        )
    })?;
    Ok(Found {
        scenario: text("scenario.json")?,
        history: read("history.jsonl")?,
        lanes: read("lanes.json")?,
        story: text("story.txt")?,
        violation: saved.violation,
    })
}

/// Writes an entry from what a mutant's run left in `found`; `judge` says what checkers make of its history.
///
/// # Errors
/// If something can't be read or written.
pub fn write_entry(
    corpus: &Path,
    mutant: &Mutant,
    found: &Path,
    judge: impl FnOnce(&History) -> Result<String, CliError>,
) -> Result<(), CliError> {
    let folder = corpus.join(&mutant.name);
    let left = read(found)?;
    let history = plumb_histories::read(found.join("history.jsonl")).map_err(|error| {
        CliError::new(
            error.to_string(),
            "run the mutant again: its history is not whole",
        )
    })?;
    let verdict = CorpusVerdict {
        plumb_corpus: VERSION,
        mutant: mutant.name.clone(),
        violation: left.violation.clone(),
        history: judge(&history)?,
    };
    create_folder(&folder)?;
    let json = serde_json::to_string_pretty(&verdict).unwrap_or_default();
    write_file(&folder.join("verdict.json"), format!("{json}\n").as_bytes())?;
    write_file(&folder.join("scenario.json"), left.scenario.as_bytes())?;
    write_file(&folder.join("history.jsonl"), &left.history)?;
    write_file(&folder.join("lanes.json"), &left.lanes)?;
    write_file(&folder.join("story.txt"), left.story.as_bytes())?;
    write_file(
        &folder.join("README.md"),
        words(mutant, &left, &verdict).as_bytes(),
    )
}

fn words(mutant: &Mutant, left: &Found, verdict: &CorpusVerdict) -> String {
    let about = &mutant.about;
    let name = &mutant.name;
    let changes: Vec<&str> = mutant
        .edits
        .iter()
        .flat_map(super::Edit::changed_lines)
        .collect();
    let story = if left.story.lines().count() <= STORY_LINES {
        left.story.trim_end().to_owned()
    } else {
        "It is long: see story.txt.".to_owned()
    };
    let told = match verdict.history.as_str() {
        "violation" => "No order of what the clients were told explains it: they can see the bug.",
        _ => {
            "What the clients were told is still explained by an order: the servers are wrong before any \
              client can tell."
        }
    };
    format!(
        "# {}\n\n- **Broken**: {} ({} ms into the run)\n- **What was seen**: {}\n- **The rule that prevents \
         it**: {}\n- **Seen in the wild**: {}\n\n{told}\n\n## The bug\n\n```diff\n{}\n```\n\n## What \
         happened\n\n```text\n{story}\n```\n\n## See it\n\n```sh\nplumb browse histories/corpus/{name}\nplumb \
         mutants run {name}      # puts the bug back, and finds it again\nplumb sim replay \
         histories/corpus/{name}/scenario.json      # the code as it is: holds\n```\n",
        about.title,
        about.breaks,
        left.violation.at_ns / 1_000_000,
        left.violation.what,
        about.rule,
        about.seen,
        changes.join("\n"),
    )
}
