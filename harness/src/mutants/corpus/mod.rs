//! From a kill to an entry of the corpus: the shrunk run with its history, and a README that tells a
//! reviewer what happened, why it is wrong, and which rule prevents it.

mod beats;
mod tale;

use std::fmt::Write as _;
use std::path::Path;

use plumb_checkers::{Options, Report, Verdict, check};
use plumb_histories::History;
use plumb_histories::browser::ServerLanes;
use serde_json::{Value, json};

use super::{Cell, Layer, Mutant, last_sitting};
use crate::artifacts::{create_folder, write_file};
use crate::cli::CliError;
use crate::scenario::{Judges, Scenario, Tier};

/// The files of a saved run that an entry has unchanged.
const KEPT: [&str; 3] = ["history.jsonl", "scenario.json", "lanes.json"];

/// Under this heading a README tells the rule that the bug takes away.
pub const RULE_HEADING: &str = "Which rule prevents it";

/// Writes `corpus/NAME/` from a saved run in which a mutant broke a property.
///
/// # Errors
/// If the run can't be read, or the entry can't be written.
pub fn write_entry(corpus: &Path, mutant: &Mutant, run: &Path) -> Result<(), CliError> {
    let folder = corpus.join(&mutant.name);
    create_folder(&folder)?;
    for file in KEPT {
        write_file(&folder.join(file), read(&run.join(file))?.as_bytes())?;
    }
    let (_, report) = judged(&run.join("history.jsonl"))?;
    let seen: Value = serde_json::from_str(&read(&run.join("verdict.json"))?).unwrap_or_default();
    let verdict = json!({
        "plumb_verdict": 1,
        "violation": seen["violation"],
        "explanation": seen["explanation"],
        "undecided": seen["undecided"],
        "mutant": mutant.name,
        "linearizability": report.verdict.name(),
        "replay": replay(mutant),
    });
    let text = serde_json::to_string_pretty(&verdict).unwrap_or_default();
    write_file(&folder.join("verdict.json"), format!("{text}\n").as_bytes())?;
    write_file(
        &folder.join("README.md"),
        entry_readme(&folder, mutant)?.as_bytes(),
    )
}

/// What an entry's README says: it follows from the entry's other files and the mutant's header.
///
/// # Errors
/// If the entry can't be read.
pub fn entry_readme(entry: &Path, mutant: &Mutant) -> Result<String, CliError> {
    let verdict: Value =
        serde_json::from_str(&read(&entry.join("verdict.json"))?).unwrap_or_default();
    let lanes: ServerLanes =
        serde_json::from_str(&read(&entry.join("lanes.json"))?).unwrap_or_default();
    let (history, report) = judged(&entry.join("history.jsonl"))?;
    let core: Vec<usize> = match &report.verdict {
        Verdict::Violation(found) => {
            let numbers = found.operations.iter().map(|one| one.number as usize);
            numbers.collect()
        }
        Verdict::Valid(_) | Verdict::Unknown(_) => Vec::new(),
    };
    let broke_ns = verdict["violation"]["at_ns"].as_u64().unwrap_or(u64::MAX);
    let tale = tale::tale(&history, &lanes, &core, broke_ns);
    let scenario = Scenario::read(&entry.join("scenario.json"))?;
    let layer = layer_that_kills(&mutant.name, &scenario);
    Ok(readme(mutant, &verdict, &tale, layer))
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| {
        CliError::new(
            format!("cannot read {}: {error}", path.display()),
            "an entry is made of a saved run: run the mutant again, without --no-shrink",
        )
    })
}

/// A history and what the checker says of it alone: a bug that was caught early may not have reached clients.
fn judged(path: &Path) -> Result<(History, Report), CliError> {
    let wrong = |error: String| {
        CliError::new(
            format!("{}: {error}", path.display()),
            "run the mutant again: its history does not fit its spec",
        )
    };
    let history = plumb_histories::read(path).map_err(|error| wrong(error.to_string()))?;
    let options = Options::from_header(history.header()).map_err(|e| wrong(e.to_string()))?;
    let options = options.ok_or_else(|| wrong("its header names no spec".to_owned()))?;
    let report = check(&history, &options).map_err(|error| wrong(error.to_string()))?;
    Ok((history, report))
}

/// The command that shows this very run again: a sweep would find another one.
fn replay(mutant: &Mutant) -> String {
    format!("plumb mutants replay {}", mutant.name)
}

/// The layer that looks for a mutant anew with success: the one whose kind of run its entry is, unless that saw
/// nothing at the last sitting, where another did.
#[must_use]
pub fn layer_that_kills(mutant: &str, scenario: &Scenario) -> &'static str {
    let own = match (scenario.tier, scenario.judges) {
        (Tier::Full, _) => Layer::Full,
        (Tier::Bare, Judges::Clients) => Layer::Clients,
        (Tier::Bare, Judges::All) => Layer::Bare,
    };
    let killer = || {
        let sitting = last_sitting()?;
        let row = sitting.rows.iter().find(|row| row.name == mutant)?;
        let cells = || sitting.layers.iter().copied().zip(&row.cells);
        let at_own = cells().find(|(layer, _)| *layer == own.name());
        let (layer, _) = match at_own {
            Some((_, Cell::Killed(_) | Cell::DidNotSit)) => at_own?,
            _ => cells().find(|(_, cell)| matches!(cell, Cell::Killed(_)))?,
        };
        Some(layer)
    };
    killer().unwrap_or_else(|| own.name())
}

fn readme(mutant: &Mutant, verdict: &Value, tale: &str, layer: &str) -> String {
    let about = &mutant.about;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let violation = &verdict["violation"];
    let mut out = format!(
        "# {}\n\nA Raft in which this bug was put back, and the smallest run found in which it shows. Class: \
         {}. Seen in the wild: {}.\n\n## What happened\n\n{tale}\nTimes are simulated.\n\n## Why it is \
         wrong\n\n**{}** is broken: {}.\n",
        about.title,
        about.class,
        about.seen.trim_end_matches('.'),
        text(&violation["property"]),
        text(&violation["what"]).trim_end_matches('.'),
    );
    if let Some(explanation) = verdict["explanation"].as_str() {
        let _ = write!(out, "\n```text\n{}\n```\n", explanation.trim_end());
    }
    let _ = write!(
        out,
        "\nWhat the bug breaks in general: {}. To clients alone this history is **{}**.\n\n## {RULE_HEADING}\n\n{}\n\nThe \
         bug takes it away:\n\n```diff\n",
        about.breaks.trim_end_matches('.'),
        match verdict["linearizability"].as_str() {
            Some("valid") =>
                "linearizable still: the harm was seen within the servers before it reached them",
            Some("violation") => "not linearizable",
            _ => "undecided",
        },
        about.rule,
    );
    for line in mutant.edits.iter().flat_map(|edit| edit.changed_lines()) {
        let _ = writeln!(out, "{line}");
    }
    let _ = write!(
        out,
        "```\n\n## See it\n\n`plumb browse histories/corpus/{0}` shows the run as a page, with every change of \
         every server and every message between them; `plumb check histories/corpus/{0}/history.jsonl` judges the \
         history; `{1}` puts the bug back and runs this scenario again; `plumb mutants run {0} --layers {2}` looks \
         for the bug anew.\n",
        mutant.name,
        replay(mutant),
        layer,
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::About;

    #[test]
    fn a_readme_tells_what_happened_then_why_it_is_wrong_then_the_rule() {
        let mutant = Mutant {
            name: "m".to_owned(),
            about: About {
                title: "A vote is forgotten".to_owned(),
                class: "voting".to_owned(),
                breaks: "Election Safety".to_owned(),
                seen: "somewhere.".to_owned(),
                rule: "Votes are durable.".to_owned(),
            },
            edits: Vec::new(),
        };
        let verdict = json!({
            "violation": {"property": "Election Safety", "what": "two lead term 2"},
            "explanation": null,
            "linearizability": "valid",
        });
        let words = readme(&mutant, &verdict, "- n1 leads.\n", "clients");
        let places = [
            "# A vote is forgotten\n",
            "- n1 leads.",
            "**Election Safety** is broken: two lead term 2.",
            "linearizable still",
            "Votes are durable.",
            "`plumb mutants replay m`",
            "`plumb mutants run m --layers clients`",
        ]
        .map(|told| {
            words
                .find(told)
                .unwrap_or_else(|| panic!("{told}: {words}"))
        });
        assert!(places.is_sorted(), "{places:?}");
    }
}
