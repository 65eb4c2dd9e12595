//! `plumb sim run` and `plumb sim replay`: one run, with everything that can be seen of it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{ScenarioArgs, WorldArgs};
use crate::artifacts::{replay_command, save_failure, save_run};
use crate::cli::{CliError, Exit, files};
use crate::conformance::trace::StepRecorder;
use crate::scenario::Scenario;
use crate::sim::table::table;
use crate::sim::view::{Part, as_json_lines, as_text};
use crate::sim::{Run, RunOptions, System};

/// Where to put what was seen; `-` is standard output.
#[derive(Debug, Args)]
struct Outputs {
    /// Write the trace, a line an event: `text` or `json` to standard output; else to a file, as JSON Lines if its name
    /// ends in .json or .jsonl.
    #[arg(long, value_name = "text|json|FILE")]
    trace: Option<PathBuf>,
    /// Print role, term and commit index of the servers side by side, a row for each change.
    #[arg(long)]
    lanes: bool,
    /// Show only these servers, in trace and lanes; may be given several times.
    #[arg(long, value_name = "N", value_parser = server)]
    node: Vec<u64>,
    /// Show nothing before this moment, in simulated milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0.0, value_parser = moment)]
    from: f64,
    /// Show nothing after this moment.
    #[arg(long, value_name = "MS", value_parser = moment)]
    to: Option<f64>,
    /// Write the client history as JSON Lines.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Write every step of every server as JSON Lines, for `plumb conform`.
    #[arg(long, value_name = "FILE")]
    record_steps: Option<PathBuf>,
    /// Write the verdict as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Save the whole run in this folder, whatever came of it, for `plumb browse`.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
}

/// A server by its number, with the `n` before it or without.
fn server(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix('n').unwrap_or(text);
    let id = number.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| "name a server by its number: 2, or n2".to_owned())
}

fn moment(text: &str) -> Result<f64, String> {
    let ms = text.parse().ok().filter(|ms: &f64| *ms >= 0.0);
    ms.ok_or_else(|| "give simulated milliseconds, such as 4442 or 4442.5".to_owned())
}

/// How a trace is written, and where.
enum TraceTo<'a> {
    Text(Option<&'a Path>),
    Json(Option<&'a Path>),
}

impl Outputs {
    fn part(&self) -> Part {
        Part {
            servers: self.node.clone(),
            from_ms: self.from,
            to_ms: self.to,
        }
    }

    fn trace_to(&self) -> Option<TraceTo<'_>> {
        let path = self.trace.as_deref()?;
        let ending = path.extension().and_then(|ending| ending.to_str());
        Some(match (path.to_str(), ending) {
            (Some("text" | "-"), _) => TraceTo::Text(None),
            (Some("json"), _) => TraceTo::Json(None),
            (_, Some("json" | "jsonl")) => TraceTo::Json(Some(path)),
            _ => TraceTo::Text(Some(path)),
        })
    }

    /// Whether standard output is taken by what was asked for.
    fn take_stdout(&self) -> bool {
        let files = [&self.history, &self.record_steps, &self.json];
        let traced = matches!(
            self.trace_to(),
            Some(TraceTo::Text(None) | TraceTo::Json(None))
        );
        let mut files = files.into_iter().flatten();
        self.lanes || traced || files.any(|path| files::is_stdout(Some(path)))
    }

    /// What goes to files and to standard output. Text for people may stand there side by side, and with nothing else.
    fn places(&self) -> Result<Vec<&Path>, CliError> {
        let files = [&self.history, &self.record_steps, &self.json];
        let mut places: Vec<&Path> = files.into_iter().flatten().map(PathBuf::as_path).collect();
        let mut shown = self.lanes;
        match self.trace_to() {
            Some(TraceTo::Text(None)) => shown = true,
            Some(TraceTo::Json(None)) => places.push(Path::new("-")),
            Some(TraceTo::Text(Some(path)) | TraceTo::Json(Some(path))) => places.push(path),
            None => {}
        }
        if shown && places.iter().any(|path| files::is_stdout(Some(path))) {
            return Err(CliError::new(
                "standard output would carry text for people among lines for machines",
                "name a file for one of the two",
            ));
        }
        Ok(places)
    }

    /// A server that is asked for and not there is a slip of the pen, as is a part of what is not shown.
    fn check(&self, scenario: &Scenario) -> Result<(), CliError> {
        let narrowed = !self.node.is_empty() || self.from > 0.0 || self.to.is_some();
        if narrowed && self.trace.is_none() && !self.lanes {
            return Err(CliError::new(
                "--node, --from and --to say which part is shown, and nothing is",
                "add --lanes, or --trace text",
            ));
        }
        if let Some(to) = self.to.filter(|to| *to < self.from) {
            return Err(CliError::new(
                format!("--to {to} comes before --from {}", self.from),
                "name the earlier moment with --from",
            ));
        }
        let servers = scenario.servers;
        match self.node.iter().find(|id| **id > servers) {
            Some(id) => Err(CliError::new(
                format!("--node {id}: the scenario has {servers} servers"),
                format!("name one from 1 to {servers}"),
            )),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    outputs: Outputs,
    /// Where a failing run is saved.
    #[arg(long, default_value = "target/plumb/failures", value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A scenario that was saved.
    #[arg(required_unless_present = "seed")]
    scenario: Option<PathBuf>,
    /// A seed in place of a saved scenario.
    #[arg(long, conflicts_with = "scenario")]
    seed: Option<u64>,
    #[command(flatten)]
    world: WorldArgs,
    #[command(flatten)]
    outputs: Outputs,
}

pub(super) fn run(system: System, args: &RunArgs) -> Result<Exit, CliError> {
    let scenario = args.scenario.generate(system)?;
    files::probe(None, args.outputs.places()?)?;
    let (result, exit) = one(system, &scenario, &args.outputs)?;
    if exit != Exit::Holds {
        let folder = save_failure(system, &args.out, &scenario, &result)?;
        eprintln!(
            "saved   {}\nreplay  {}",
            folder.display(),
            replay_command(system, &folder)
        );
    }
    Ok(exit)
}

pub(super) fn replay(system: System, args: &ReplayArgs) -> Result<Exit, CliError> {
    let scenario = match (&args.scenario, args.seed) {
        (Some(path), _) if args.world.is_given() => {
            return Err(CliError::new(
                format!(
                    "{} says itself in which world it runs and what goes wrong",
                    path.display()
                ),
                "leave --tier, --length, --judges and --nemesis out, or name a --seed in place of the file",
            ));
        }
        (Some(path), _) => Scenario::read(path)?,
        (None, seed) => args.world.generate(system, seed.unwrap_or(0))?,
    };
    files::probe(args.scenario.as_deref(), args.outputs.places()?)?;
    Ok(one(system, &scenario, &args.outputs)?.1)
}

fn one(system: System, scenario: &Scenario, outputs: &Outputs) -> Result<(Run, Exit), CliError> {
    outputs.check(scenario)?;
    let result = run_once(system, scenario, outputs)?;
    let written = write_outputs(system, outputs, scenario, &result);
    // What was seen is told, even if it could not be written.
    let exit = report(scenario, &result, outputs.take_stdout());
    written?;
    Ok((result, exit))
}

fn run_once(system: System, scenario: &Scenario, outputs: &Outputs) -> Result<Run, CliError> {
    let options = RunOptions {
        trace: outputs.trace.is_some() || outputs.lanes,
        ..RunOptions::default()
    };
    let Some(path) = &outputs.record_steps else {
        return Ok((system.run)(scenario, options));
    };
    let Some(run_recorded) = system.run_recorded else {
        return Err(CliError::new(
            "--record-steps writes the steps of the shipped Raft only",
            "leave it out, and look at --trace instead",
        ));
    };
    let out = files::create(path)?;
    let steps = Arc::new(StepRecorder::new(out));
    let result = run_recorded(scenario, options, Some(Arc::clone(&steps)));
    steps
        .finish()
        .map_err(|error| files::not_written(path, &error))?;
    Ok(result)
}

fn write_outputs(
    system: System,
    outputs: &Outputs,
    scenario: &Scenario,
    result: &Run,
) -> Result<(), CliError> {
    if let Some(folder) = &outputs.save {
        save_run(system, folder, scenario, result)?;
    }
    write_trace(outputs, scenario, result)?;
    if let Some(path) = &outputs.history {
        files::write(path, result.history.to_jsonl())?;
    }
    if let Some(path) = &outputs.json {
        let [ok, fail, info] = result.operations;
        let value = json!({
            "plumb_run": 1,
            "seed": scenario.seed,
            "violation": result.violation,
            "explanation": result.explanation,
            "undecided": result.undecided,
            "operations": { "ok": ok, "fail": fail, "info": info },
            "live_after_ms": result.live_after_ms,
            "coverage": result.coverage,
        });
        files::write_json(path, &value)?;
    }
    Ok(())
}

/// The trace, and the servers side by side.
fn write_trace(outputs: &Outputs, scenario: &Scenario, result: &Run) -> Result<(), CliError> {
    let (part, violation) = (outputs.part(), result.violation.as_ref());
    let put =
        |path: Option<&Path>, text: String| files::write(path.unwrap_or(Path::new("-")), text);
    match outputs.trace_to() {
        None => {}
        Some(TraceTo::Text(path)) => put(path, as_text(&result.trace, violation, &part))?,
        Some(TraceTo::Json(path)) => {
            let header = json!({
                "plumb_trace": 1,
                "seed": scenario.seed,
                "tier": scenario.tier,
                "servers": scenario.servers,
            });
            put(
                path,
                as_json_lines(&header, &result.trace, violation, &part),
            )?;
        }
    }
    if outputs.lanes {
        files::print(table(&result.lanes, &result.history, violation, &part));
    }
    Ok(())
}

/// Says what was seen of one run.
fn report(scenario: &Scenario, result: &Run, quiet: bool) -> Exit {
    let [ok, fail, info] = result.operations;
    let summary = format!(
        "seed {}: {} servers, {} faults, {} simulated ms, {} operations ({ok} ok, {fail} fail, \
         {info} info)",
        scenario.seed,
        scenario.servers,
        scenario.faults.len(),
        result.simulated.as_millis(),
        ok + fail + info,
    );
    let (verdict, exit) = match (&result.violation, &result.undecided) {
        (Some(violation), _) => {
            let at_ms = violation.at_ns / 1_000_000;
            let mut text = format!(
                "VIOLATION of {} at {at_ms} ms: {}",
                violation.property, violation.what
            );
            if let Some(explanation) = &result.explanation {
                text.push('\n');
                text.push_str(explanation);
            }
            (text, Exit::Violation)
        }
        (None, Some(why)) => (format!("UNDECIDED: {why}"), Exit::Undecided),
        (None, None) => ("holds".to_owned(), Exit::Holds),
    };
    let colour = |text: &str| match (std::io::stdout().is_terminal(), exit) {
        (true, Exit::Holds) => format!("\x1b[32m{text}\x1b[0m"),
        (true, _) => format!("\x1b[31m{text}\x1b[0m"),
        (false, _) => text.to_owned(),
    };
    if quiet {
        eprintln!("{summary}\n{verdict}");
    } else {
        files::print(format!("{summary}\n{}\n", colour(&verdict)));
    }
    exit
}
