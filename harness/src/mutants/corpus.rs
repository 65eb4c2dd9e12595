//! From a kill to an entry of the corpus: the shrunk run with its history, and a README that tells a
//! reviewer what happened, why it is wrong, and which rule prevents it.

use std::fmt::Write as _;
use std::path::Path;

use plumb_checkers::{Options, check};
use serde_json::{Value, json};

use super::Mutant;
use crate::artifacts::{create_folder, write_file};
use crate::cli::CliError;

/// The files of a saved run that an entry has unchanged.
const KEPT: [&str; 3] = ["history.jsonl", "scenario.json", "lanes.json"];
/// Lines of a story that a README shows; what is before them is left out.
const STORY_LINES: usize = 60;

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
    let seen: Value = serde_json::from_str(&read(&run.join("verdict.json"))?).unwrap_or_default();
    let verdict = json!({
        "plumb_verdict": 1,
        "violation": seen["violation"],
        "explanation": seen["explanation"],
        "undecided": seen["undecided"],
        "mutant": mutant.name,
        "linearizability": linearizability(&run.join("history.jsonl"))?,
        "replay": replay(mutant),
    });
    let text = serde_json::to_string_pretty(&verdict).unwrap_or_default();
    write_file(&folder.join("verdict.json"), format!("{text}\n").as_bytes())?;
    let story = read(&run.join("story.txt"))?;
    let words = readme(mutant, &verdict, &story);
    write_file(&folder.join("README.md"), words.as_bytes())
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| {
        CliError::new(
            format!("cannot read {}: {error}", path.display()),
            "an entry is made of a saved run: run the mutant again, without --no-shrink",
        )
    })
}

/// What the checker says of the history alone: a bug that was caught early may not have reached clients.
fn linearizability(history: &Path) -> Result<&'static str, CliError> {
    let wrong = |error: String| {
        CliError::new(
            format!("{}: {error}", history.display()),
            "run the mutant again: its history does not fit its spec",
        )
    };
    let history = plumb_histories::read(history).map_err(|error| wrong(error.to_string()))?;
    let options = Options::from_header(history.header()).map_err(|e| wrong(e.to_string()))?;
    let options = options.ok_or_else(|| wrong("its header names no spec".to_owned()))?;
    let report = check(&history, &options).map_err(|error| wrong(error.to_string()))?;
    Ok(report.verdict.name())
}

fn replay(mutant: &Mutant) -> String {
    format!("plumb mutants run {} --layers bare,clients", mutant.name)
}

fn readme(mutant: &Mutant, verdict: &Value, story: &str) -> String {
    let about = &mutant.about;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let violation = &verdict["violation"];
    let mut out = format!(
        "# {}\n\nA Raft in which this bug was put back, and the smallest run found in which it shows. Class: \
         {}. Seen in the wild: {}.\n\n## Why it is wrong\n\n**{}** is broken: {}.\n",
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
        "\nWhat the bug breaks in general: {}. To clients alone this history is **{}**.\n\n## Which rule \
         prevents it\n\n{}\n\n```diff\n",
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
    out.push_str("```\n\n## What happened\n\n```text\n");
    let lines: Vec<&str> = story.lines().collect();
    let skipped = lines.len().saturating_sub(STORY_LINES);
    if skipped > 0 {
        let _ = writeln!(out, "({skipped} lines before)");
    }
    for line in &lines[skipped..] {
        let _ = writeln!(out, "{line}");
    }
    let _ = write!(
        out,
        "```\n\nTimes are simulated milliseconds. `plumb browse histories/corpus/{0}` shows it as a page, \
         `plumb check histories/corpus/{0}/history.jsonl` judges the history, and `{1}` puts the bug back and \
         finds it again.\n",
        mutant.name,
        replay(mutant),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::About;

    #[test]
    fn a_readme_tells_what_is_wrong_and_keeps_the_end_of_a_long_story() {
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
        let story: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let words = readme(&mutant, &verdict, &story);
        assert!(words.starts_with("# A vote is forgotten\n"));
        assert!(words.contains("**Election Safety** is broken: two lead term 2."));
        assert!(words.contains("(40 lines before)\nline 40\n") && words.contains("line 99\n"));
        assert!(words.contains("linearizable still") && words.contains("Votes are durable."));
    }
}
