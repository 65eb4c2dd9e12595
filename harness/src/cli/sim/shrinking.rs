//! `plumb sim shrink`: a failing scenario made as small as can be, told while it is under way and when it is done.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::all_cores;
use crate::artifacts::{create_folder, replay_command, save_run};
use crate::cli::{CliError, Exit, files, interrupt, progress};
use crate::scenario::Scenario;
use crate::sim::System;
use crate::sim::shrink::{Effort, Progress, Shrunk, Size, shrink, usual_runs};

#[derive(Debug, Args)]
pub(super) struct ShrinkArgs {
    /// A failing scenario that was saved.
    scenario: PathBuf,
    /// How many runs it may take; 20000 in the bare tier and 2000 in the full one if not given.
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// How many runs at a time; all cores if not given. It changes nothing in what is found.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    jobs: Option<u64>,
    /// Where the smallest scenario is saved; `shrunk` beside the given one if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write sizes before and after, and what each pass came to, as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the scenario can't be read or the result can't be written.
pub(super) fn one(system: System, args: &ShrinkArgs) -> Result<Exit, CliError> {
    let scenario = Scenario::read(&args.scenario)?;
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => args
            .scenario
            .parent()
            .unwrap_or(Path::new(""))
            .join("shrunk"),
    };
    create_folder(&folder)?;
    files::probe(Some(args.scenario.as_path()), args.json.as_deref())?;
    let runs = args.runs.unwrap_or_else(|| usual_runs(scenario.tier));
    let jobs = args.jobs.map_or_else(all_cores, |jobs| {
        usize::try_from(jobs).unwrap_or(usize::MAX)
    });
    // What is written to standard output is the JSON alone.
    let say = |text: &str| {
        if files::is_stdout(args.json.as_deref()) {
            eprintln!("{text}");
        } else {
            files::print(format!("{text}\n"));
        }
    };
    let Some((shrunk, story)) = shrink_with(system, &scenario, runs, jobs, &folder)? else {
        say("the scenario does not fail: there is nothing to shrink");
        if let Some(path) = &args.json {
            write_json(path, None)?;
        }
        return Ok(Exit::Holds);
    };
    let told = format!(
        "{story}\n{}{}\nsaved   {}\nreplay  {}",
        passes_of(&shrunk),
        words_of(&shrunk),
        folder.display(),
        replay_command(system, &folder)
    );
    say(&told);
    if let Some(path) = &args.json {
        write_json(path, Some(&shrunk))?;
    }
    Ok(Exit::Violation)
}

/// How far shrinking came, in words.
#[must_use]
pub fn words_of(shrunk: &Shrunk) -> String {
    let (before, after) = (shrunk.before, shrunk.after);
    let words = |size: Size| {
        format!(
            "{} servers, {} faults, {} operations of {} clients, {} ms",
            size.servers, size.faults, size.operations, size.clients, size.end_at_ms
        )
    };
    let runs_out = if shrunk.minimal {
        ""
    } else {
        ", and the budget ran out"
    };
    format!(
        "from {} to {}; {} runs{runs_out}",
        words(before),
        words(after),
        shrunk.runs
    )
}

/// The passes that helped, a line each.
fn passes_of(shrunk: &Shrunk) -> String {
    let line = |step: &crate::sim::shrink::Step| {
        let Size {
            servers,
            clients,
            operations,
            faults,
            end_at_ms,
        } = step.after;
        format!(
            "{:<18}{:>7} runs  {faults:>3} faults {operations:>4} operations {servers:>2} servers {clients:>2} clients \
             {end_at_ms:>6} ms\n",
            step.pass, step.runs
        )
    };
    shrunk.steps.iter().map(line).collect()
}

fn write_json(path: &Path, shrunk: Option<&Shrunk>) -> Result<(), CliError> {
    let value = json!({
        "plumb_shrink": 1,
        "violation": shrunk.and_then(|shrunk| shrunk.run.violation.as_ref()),
        "before": shrunk.map(|shrunk| shrunk.before),
        "after": shrunk.map(|shrunk| shrunk.after),
        "runs": shrunk.map_or(1, |shrunk| shrunk.runs),
        "minimal": shrunk.map(|shrunk| shrunk.minimal),
        "steps": shrunk.map_or(&[][..], |shrunk| &shrunk.steps),
    });
    files::write_json(path, &value)
}

/// Shrinks a failing scenario on all cores and saves what is left, with its story; `None` if it does not fail.
///
/// # Errors
/// If the folder can't be written.
pub fn shrink_and_save(
    system: System,
    scenario: &Scenario,
    runs: u64,
    folder: &Path,
) -> Result<Option<(Shrunk, String)>, CliError> {
    shrink_with(system, scenario, runs, all_cores(), folder)
}

fn shrink_with(
    system: System,
    scenario: &Scenario,
    runs: u64,
    jobs: usize,
    folder: &Path,
) -> Result<Option<(Shrunk, String)>, CliError> {
    let spinner = progress::spinner("shrinking");
    let effort = Effort {
        runs,
        jobs,
        stop: interrupt::flag(),
    };
    let shrunk = shrink(system, scenario, effort, &mut |now: Progress| {
        spinner.set_message(format!(
            "{} runs: {} faults, {} operations, {} ms; {}",
            now.runs, now.best.faults, now.best.operations, now.best.end_at_ms, now.pass
        ));
    });
    spinner.finish_and_clear();
    let Some(shrunk) = shrunk else {
        return Ok(None);
    };
    let story = save_run(system, folder, &shrunk.scenario, &shrunk.run)?;
    Ok(Some((shrunk, story)))
}
