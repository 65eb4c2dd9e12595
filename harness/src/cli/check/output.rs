//! The verdicts of `plumb check` as text, as JSON, and as cases for reports.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal};

use plumb_checkers::{Limit, Verdict};
use serde_json::{Value, json};

use super::{Checked, Exit};
use crate::cli::ci::{Case, Kind, Problem};
use crate::cli::files::print;

/// The version of the JSON.
const SCHEMA: u32 = 1;

/// Says what a history came to: to standard output, or to standard error where that carries JSON.
pub(super) fn say(checked: &Checked, several: bool, quiet: bool) {
    let mut text = String::new();
    for warning in &checked.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    match &checked.result {
        Err(error) => {
            eprintln!("{text}{error}");
            return;
        }
        Ok(report) => {
            let word = coloured(&report.verdict, !quiet && std::io::stdout().is_terminal());
            let algorithms: Vec<String> = report
                .algorithms()
                .iter()
                .map(ToString::to_string)
                .collect();
            let parts = match report.parts.len() {
                0 | 1 => String::new(),
                parts => format!(" in {parts} parts"),
            };
            let _ = writeln!(
                text,
                "{word}  {}: {} against {}, {} operations{parts}, {} steps of {}, {}",
                checked.file,
                report.consistency,
                report.spec,
                report.operations,
                report.steps(),
                if algorithms.is_empty() {
                    "none".to_owned()
                } else {
                    algorithms.join(", ")
                },
                milliseconds(checked.took),
            );
            match &report.verdict {
                Verdict::Valid(_) => {}
                Verdict::Violation(counterexample) => {
                    let _ = writeln!(text, "{}", indented(&counterexample.to_string()));
                }
                Verdict::Unknown(reason) => {
                    let help = match reason.limit {
                        Limit::Open { .. } => "be content with that, as Elle is, by --acyclic",
                        _ => "give it more with --timeout and --memory",
                    };
                    let _ = writeln!(text, "  {reason}\n  help: {help}");
                }
            }
        }
    }
    if several && text.lines().count() > 1 {
        text.push('\n');
    }
    if quiet {
        eprint!("{text}");
    } else {
        print(text);
    }
}

fn coloured(verdict: &Verdict, colour: bool) -> String {
    let (word, code) = match verdict {
        Verdict::Valid(_) => ("valid    ", 32),
        Verdict::Violation(_) => ("VIOLATION", 31),
        Verdict::Unknown(_) => ("unknown  ", 33),
    };
    if colour {
        format!("\x1b[{code}m{word}\x1b[0m")
    } else {
        word.to_owned()
    }
}

fn milliseconds(took: std::time::Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The count of verdicts, for several files.
pub(super) fn summary(all: &[Checked], asked: usize) {
    print(format!("{}\n", counted(all, asked)));
}

fn counted(all: &[Checked], asked: usize) -> String {
    let count = |exit: Exit| all.iter().filter(|checked| checked.exit() == exit).count();
    format!(
        "{} of {asked} histories: {} valid, {} violated, {} unknown, {} unreadable",
        all.len(),
        count(Exit::Holds),
        count(Exit::Violation),
        count(Exit::Undecided),
        count(Exit::Usage)
    )
}

/// The summary of a job: the count, and what did not pass.
pub(super) fn markdown(all: &[Checked], asked: usize) -> String {
    let mut text = format!("### plumb check\n\n{}\n", counted(all, asked));
    for case in cases(all) {
        for problem in &case.problems {
            let _ = write!(text, "\n```text\n{}\n{}\n```\n", case.name, problem.text);
        }
    }
    text
}

/// All verdicts as JSON; `SCHEMA` changes when a reader would have to.
pub(super) fn json(all: &[Checked], exit: Exit) -> String {
    let histories: Vec<Value> = all
        .iter()
        .map(|checked| {
            let mut history = json!({
                "file": checked.file,
                "format": checked.format,
                "warnings": checked.warnings,
                "seconds": checked.took.as_secs_f64(),
            });
            match &checked.result {
                Ok(report) => history["report"] = json!(report),
                Err(error) => {
                    history["error"] = json!({ "what": error.what, "remedy": error.remedy });
                }
            }
            history
        })
        .collect();
    let verdict = match exit {
        Exit::Holds => "valid",
        Exit::Violation => "violation",
        Exit::Undecided => "unknown",
        Exit::Usage => "error",
    };
    let value = json!({ "plumb_check": SCHEMA, "verdict": verdict, "histories": histories });
    format!("{value:#}\n")
}

/// Each history as a case of a report for machines.
pub(super) fn cases(all: &[Checked]) -> Vec<Case> {
    all.iter()
        .map(|checked| Case {
            name: checked.file.clone(),
            seconds: checked.took.as_secs_f64(),
            problems: problem(checked).into_iter().collect(),
        })
        .collect()
}

fn problem(checked: &Checked) -> Option<Problem> {
    let (kind, rule, text, line) = match &checked.result {
        Ok(report) => match &report.verdict {
            Verdict::Valid(_) => return None,
            Verdict::Violation(counterexample) => (
                Kind::Violation,
                report.consistency.to_string(),
                counterexample.to_string(),
                counterexample
                    .prefix
                    .as_ref()
                    .and_then(|prefix| line_of(checked, prefix.last_event)),
            ),
            Verdict::Unknown(reason) => (
                Kind::Undecided,
                "unknown".to_owned(),
                reason.to_string(),
                None,
            ),
        },
        Err(error) if checked.unknown => (
            Kind::Undecided,
            "unknown".to_owned(),
            error.to_string(),
            None,
        ),
        Err(error) => (
            Kind::Unreadable,
            "unreadable".to_owned(),
            error.to_string(),
            None,
        ),
    };
    Some(Problem {
        kind,
        rule,
        text,
        file: Some(checked.file.clone()),
        line,
    })
}

/// The line of an event in a file of JSON Lines; other formats say nothing of lines and indexes.
fn line_of(checked: &Checked, index: u64) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Indexed {
        index: u64,
    }
    if checked.format.as_deref() != Some("plumbline") {
        return None;
    }
    let file = std::io::BufReader::new(std::fs::File::open(&checked.file).ok()?);
    (1..)
        .zip(file.lines())
        .find(|(_, line)| {
            let line = line.as_deref().unwrap_or_default();
            serde_json::from_str::<Indexed>(line).is_ok_and(|event| event.index == index)
        })
        .map(|(number, _)| number)
}
