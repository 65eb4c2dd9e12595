//! The verdicts of `plumb check` as text, JSON and JUnit XML.

use std::fmt::Write as _;
use std::io::IsTerminal;

use plumb_checkers::{Limit, Verdict};
use serde_json::{Value, json};

use super::{Checked, Exit};
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
    let count = |exit: Exit| all.iter().filter(|checked| checked.exit() == exit).count();
    println!(
        "{} of {asked} histories: {} valid, {} violated, {} unknown, {} unreadable",
        all.len(),
        count(Exit::Holds),
        count(Exit::Violation),
        count(Exit::Undecided),
        count(Exit::Usage)
    );
}

/// All verdicts as JSON, as documented in README.md.
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

/// All verdicts as JUnit XML: a violation is a failure; what is unknown or unreadable is an error,
/// never a success.
pub(super) fn junit(all: &[Checked]) -> String {
    let failures = all
        .iter()
        .filter(|checked| checked.exit() == Exit::Violation)
        .count();
    let errors = all
        .iter()
        .filter(|checked| matches!(checked.exit(), Exit::Undecided | Exit::Usage))
        .count();
    let seconds: f64 = all.iter().map(|checked| checked.took.as_secs_f64()).sum();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"plumb check\" \
         tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\">\n",
        all.len()
    );
    for checked in all {
        let _ = write!(
            xml,
            "<testcase classname=\"plumb.check\" name=\"{}\" time=\"{:.3}\">",
            escape(&checked.file),
            checked.took.as_secs_f64()
        );
        let problem = match &checked.result {
            Ok(report) => match &report.verdict {
                Verdict::Valid(_) => None,
                Verdict::Violation(counterexample) => {
                    Some(("failure", "violation", counterexample.to_string()))
                }
                Verdict::Unknown(reason) => Some(("error", "unknown", reason.to_string())),
            },
            Err(error) => Some(("error", "unreadable", error.to_string())),
        };
        if let Some((element, kind, text)) = problem {
            let first = text.lines().next().unwrap_or_default();
            let _ = write!(
                xml,
                "<{element} type=\"{kind}\" message=\"{}\">{}</{element}>",
                escape(first),
                escape(&text)
            );
        }
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// Text for an attribute or an element; what XML 1.0 cannot carry becomes a question mark.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_history_can_not_break_the_xml() {
        assert_eq!(
            escape("<a b=\"&\">\u{0}\n"),
            "&lt;a b=&quot;&amp;&quot;&gt;?\n"
        );
    }
}
