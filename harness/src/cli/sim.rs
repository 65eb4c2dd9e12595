//! `plumb sim`: the real server in a simulated world.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

mod cases;
mod merge;
mod record;
mod shrinking;
mod sweeping;

use super::{CliError, Exit, determinism, files};
use crate::artifacts::{replay_command, save_failure, save_run};
use crate::conformance::trace::StepRecorder;
use crate::nemesis::Length;
use crate::scenario::{Judges, Scenario, Tier};
use crate::sim::{Run, RunOptions, System};

pub use shrinking::{shrink_and_save, words_of};
pub use sweeping::sweep_and_save;

/// Runs the real server on a simulated network, clock and disk, with faults, and judges it.
#[derive(Debug, Args)]
pub struct SimArgs {
    #[command(subcommand)]
    command: SimCommand,
}

#[derive(Debug, Subcommand)]
enum SimCommand {
    /// Runs one seed and says what was seen.
    #[command(
        after_help = "Examples:\n  plumb sim run --seed 7\n  plumb sim run --seed 7 --trace \
                            - --history h.jsonl\n  plumb sim run --seed 7 --length long --json -\n  plumb sim run \
                            --seed 7 --save run && plumb browse run"
    )]
    Run(RunArgs),
    /// Runs many seeds on all cores.
    #[command(
        after_help = "Examples:\n  plumb sim sweep --seeds 1000\n  plumb sim sweep --start \
                            5000 --seeds 200 --keep-going --json sweep.json\n  plumb sim \
                            sweep --tier bare --seeds 1000000 --time 60\n  plumb sim sweep --seeds 100000 --shard \
                            3/8 --jsonl 3.jsonl\n  plumb sim sweep --resume 3.jsonl"
    )]
    Sweep(sweeping::SweepArgs),
    /// Puts the shards of a sweep together into one report.
    #[command(
        after_help = "Examples:\n  plumb sim sweep --seeds 100000 --shard 1/2 --jsonl 1.jsonl    (on one \
                            machine)\n  plumb sim sweep --seeds 100000 --shard 2/2 --jsonl 2.jsonl    (on \
                            another)\n  plumb sim merge 1.jsonl 2.jsonl --json sweep.json\n\nExit codes: 0 all \
                            seeds hold; 1 some do not; 2 shards are missing, there twice, or of another sweep; 3 \
                            undecided, or not all has run."
    )]
    Merge(merge::MergeArgs),
    /// Makes a failing scenario as small as can be, and tells its story.
    #[command(
        after_help = "Examples:\n  plumb sim shrink target/plumb/failures/seed-7/scenario.json\n  plumb sim shrink \
                            s.json --runs 100000 --out small    (longer, for the hard ones)\n  plumb sim shrink \
                            s.json --jobs 1 --json -\n\nTakes faults, operations, clients, servers, time and settings \
                            away as long as the same property breaks, each cut with several draws of luck, and tries \
                            tiny scenarios of the same kinds of faults. The result follows from the scenario and \
                            --runs, on any machine with any --jobs; Ctrl-C keeps the smallest so far.\n\nExit codes: 1 \
                            it fails, and here is the smallest found; 0 it does not fail; 2 usage."
    )]
    Shrink(shrinking::ShrinkArgs),
    /// Runs a saved scenario again, with its trace.
    #[command(after_help = "Examples:\n  plumb sim replay \
                            target/plumb/failures/seed-7/scenario.json\n  plumb sim replay s.json \
                            --trace trace.txt")]
    Replay(ReplayArgs),
    /// Runs each seed in two processes and compares their traces byte by byte.
    #[command(
        after_help = "Examples:\n  plumb sim determinism\n  plumb sim determinism --seeds 1000 --tier \
                            bare\n\nExit codes: 0 all are the same; 1 some differ; 3 stopped before the end."
    )]
    Determinism(determinism::DeterminismArgs),
    /// Prints the scenario of a seed as JSON, to be edited and replayed.
    Scenario(ScenarioArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LengthArg {
    /// 10 simulated seconds of faults, 6 of health.
    Short,
    /// 54 simulated seconds of faults, 6 of health.
    Long,
}

impl From<LengthArg> for Length {
    fn from(length: LengthArg) -> Length {
        match length {
            LengthArg::Short => Length::SHORT,
            LengthArg::Long => Length::LONG,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TierArg {
    /// The shipped server with its log and framing, on turmoil.
    Full,
    /// Bare replicas on a queue of events: some fifty times the seeds.
    Bare,
}

impl TierArg {
    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            TierArg::Full => "full",
            TierArg::Bare => "bare",
        }
    }
}

impl From<TierArg> for Tier {
    fn from(tier: TierArg) -> Tier {
        match tier {
            TierArg::Full => Tier::Full,
            TierArg::Bare => Tier::Bare,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum JudgesArg {
    /// All: those that see every step of every server, too.
    All,
    /// Those that see what clients saw, and no more.
    Clients,
}

impl From<JudgesArg> for Judges {
    fn from(judges: JudgesArg) -> Judges {
        match judges {
            JudgesArg::All => Judges::All,
            JudgesArg::Clients => Judges::Clients,
        }
    }
}

#[derive(Debug, Args)]
struct ScenarioArgs {
    /// The seed.
    #[arg(long)]
    seed: u64,
    /// How long the run is.
    #[arg(long, value_enum, default_value = "short")]
    length: LengthArg,
    /// In which world.
    #[arg(long, value_enum, default_value = "full")]
    tier: TierArg,
    /// Whose rulings count.
    #[arg(long, value_enum, default_value = "all")]
    judges: JudgesArg,
}

impl ScenarioArgs {
    fn generate(&self, system: System) -> Scenario {
        Scenario {
            judges: self.judges.into(),
            ..(system.generate)(self.seed, self.length.into(), self.tier.into())
        }
    }
}

/// Where to put what was seen; `-` is standard output.
#[derive(Debug, Args)]
struct Outputs {
    /// Write the trace, a line an event.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
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

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    outputs: Outputs,
    /// Where a failing run is saved.
    #[arg(long, default_value = "target/plumb/failures", value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// A scenario that was saved.
    scenario: PathBuf,
    #[command(flatten)]
    outputs: Outputs,
}

/// Runs the command for a system.
///
/// # Errors
/// If a scenario can't be read or a result can't be written.
pub fn run_command(system: System, args: &SimArgs) -> Result<Exit, CliError> {
    match &args.command {
        SimCommand::Run(args) => one(system, args),
        SimCommand::Sweep(args) => sweeping::many(system, args),
        SimCommand::Merge(args) => merge::merge(system, args),
        SimCommand::Replay(args) => replay(system, args),
        SimCommand::Shrink(args) => shrinking::one(system, args),
        SimCommand::Determinism(args) => determinism::run(system, args),
        SimCommand::Scenario(args) => {
            print!("{}", args.generate(system).to_json());
            Ok(Exit::Holds)
        }
    }
}

fn one(system: System, args: &RunArgs) -> Result<Exit, CliError> {
    let scenario = args.scenario.generate(system);
    let result = run_once(system, &scenario, &args.outputs)?;
    write_outputs(system, &args.outputs, &scenario, &result)?;
    let exit = report(&scenario, &result, quiet(&args.outputs));
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

fn run_once(system: System, scenario: &Scenario, outputs: &Outputs) -> Result<Run, CliError> {
    let options = RunOptions {
        trace: outputs.trace.is_some(),
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

fn replay(system: System, args: &ReplayArgs) -> Result<Exit, CliError> {
    let scenario = Scenario::read(&args.scenario)?;
    let result = run_once(system, &scenario, &args.outputs)?;
    write_outputs(system, &args.outputs, &scenario, &result)?;
    Ok(report(&scenario, &result, quiet(&args.outputs)))
}

/// All cores of this machine.
#[must_use]
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn quiet(outputs: &Outputs) -> bool {
    [
        &outputs.trace,
        &outputs.history,
        &outputs.record_steps,
        &outputs.json,
    ]
    .into_iter()
    .flatten()
    .any(|path| files::is_stdout(Some(path)))
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
    if let Some(path) = &outputs.trace {
        files::write(path, result.trace.as_bytes())?;
    }
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
        let text = serde_json::to_string_pretty(&value).unwrap_or_default();
        files::write(path, format!("{text}\n").as_bytes())?;
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
        println!("{summary}\n{}", colour(&verdict));
    }
    exit
}
