//! `plumb conform`: holds recorded steps of a server's core to the specification, without the server.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{CliError, Exit, files, interrupt, progress};
use crate::conformance::trace::{Judged, judge};

/// Holds recorded steps of servers to the specification: each must be one that it allows.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  plumb sim run --seed 7 --record-steps steps.jsonl\n  plumb conform \
                  steps.jsonl\n  plumb conform n1.jsonl n2.jsonl --json -\n  zcat steps.gz | plumb conform \
                  -\n\nA divergence is told with both sides of the step and the rule that came \
                  closest.\n\nExit codes: 0 every step conforms, 1 one does not, 2 usage or unreadable \
                  input, 3 undecided: stopped before the end, or there was no step."
)]
pub struct ConformArgs {
    /// Files that `--record-steps` wrote, or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write what was found as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command. A file that can't be read is reported among the others, and ends the command with 2.
///
/// # Errors
/// If a result can't be written.
pub fn run(args: &ConformArgs) -> Result<Exit, CliError> {
    files::probe(
        args.files.iter().map(PathBuf::as_path),
        args.json.as_deref(),
    )?;
    let quiet = files::is_stdout(args.json.as_deref());
    let mut exit = Exit::Holds;
    let mut all = Vec::new();
    for path in &args.files {
        let name = name_of(path);
        let judged = one(path, &name);
        exit = exit.worst(exit_of(judged.as_ref()));
        match &judged {
            Ok(judged) if quiet => eprint!("{}", words(&name, judged)),
            Ok(judged) => files::print(words(&name, judged)),
            Err(error) => eprintln!("{error}"),
        }
        let stopped = judged.as_ref().is_ok_and(|it| it.stopped);
        all.push(as_json(&name, judged.as_ref()));
        if stopped {
            break;
        }
    }
    if let Some(path) = &args.json {
        let value = json!({ "plumb_conform": 1, "exit": exit.code(), "files": all });
        files::write_json(path, &value)?;
    }
    Ok(exit)
}

fn name_of(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

fn one(path: &Path, name: &str) -> Result<Judged, CliError> {
    let from: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| {
            CliError::new(format!("{name}: {error}"), "name a file of recorded steps")
        })?;
        Box::new(file)
    };
    let spinner = progress::spinner("reading");
    let judged = judge(BufReader::new(from), interrupt::flag(), &mut |lines| {
        spinner.set_message(format!("{name}: {lines} lines"));
    });
    spinner.finish_and_clear();
    judged.map_err(|error| CliError::new(format!("{name}: {error}"), error.remedy()))
}

fn exit_of(judged: Result<&Judged, &CliError>) -> Exit {
    match judged {
        Err(_) => Exit::Usage,
        Ok(judged) if judged.diverged > 0 => Exit::Violation,
        Ok(judged) if judged.stopped || judged.steps == 0 => Exit::Undecided,
        Ok(_) => Exit::Holds,
    }
}

fn words(name: &str, judged: &Judged) -> String {
    let mut text = String::new();
    for (line, divergence) in &judged.divergences {
        text.push_str(&format!("{name}:{line}: {divergence}\n"));
    }
    if let Some(line) = judged.torn {
        text.push_str(&format!(
            "{name}:{line}: the last line is torn, and is left out\n"
        ));
    }
    let said = match exit_of(Ok(judged)) {
        Exit::Violation => format!("{} that the specification does not allow", judged.diverged),
        Exit::Undecided if judged.stopped => "UNDECIDED: stopped before the end".to_owned(),
        Exit::Undecided => "UNDECIDED: there is no step in it".to_owned(),
        _ => "each one that the specification allows".to_owned(),
    };
    text.push_str(&format!(
        "{name}: {} steps of {} servers, {} starts, {} requests applied: {said}\n",
        judged.steps,
        judged.servers.len(),
        judged.starts,
        judged.applied
    ));
    text
}

fn as_json(name: &str, judged: Result<&Judged, &CliError>) -> serde_json::Value {
    let exit = exit_of(judged).code();
    match judged {
        Err(error) => json!({
            "file": name, "exit": exit, "error": error.what, "remedy": error.remedy,
        }),
        Ok(judged) => json!({
            "file": name,
            "exit": exit,
            "steps": judged.steps,
            "starts": judged.starts,
            "applied": judged.applied,
            "servers": judged.servers,
            "diverged": judged.diverged,
            "torn_line": judged.torn,
            "stopped": judged.stopped,
            "divergences": judged.divergences.iter().map(|(line, divergence)| json!({
                "line": line, "divergence": divergence,
            })).collect::<Vec<_>>(),
        }),
    }
}
