//! `plumb sim`: the real server in a simulated world.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{CliError, Exit, determinism, files, interrupt, progress};
use crate::artifacts::{create_folder, replay_command, save_failure, save_run};
use crate::nemesis::Length;
use crate::scenario::{Judges, Scenario, Tier};
use crate::sim::shrink::{Shrunk, shrink};
use crate::sim::sweep::{Plan, Summary, sweep};
use crate::sim::{Run, RunOptions, System};

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
                            - --history h.jsonl\n  plumb sim run --seed 7 --length long --json -"
    )]
    Run(RunArgs),
    /// Runs many seeds on all cores.
    #[command(
        after_help = "Examples:\n  plumb sim sweep --seeds 1000\n  plumb sim sweep --start \
                            5000 --seeds 200 --keep-going --json sweep.json\n  plumb sim \
                            sweep --tier bare --seeds 1000000 --time 60"
    )]
    Sweep(SweepArgs),
    /// Makes a failing scenario as small as can be, and tells its story.
    #[command(after_help = "Examples:\n  plumb sim shrink \
                            target/plumb/failures/seed-7/scenario.json\n  plumb sim shrink s.json \
                            --runs 500 --out /tmp/small\n\nExit codes: 1 it fails, and here is the \
                            smallest found; 0 it does not fail; 2 usage.")]
    Shrink(ShrinkArgs),
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
    /// Write the verdict as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
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

#[derive(Debug, Args)]
struct ShrinkArgs {
    /// A failing scenario that was saved.
    scenario: PathBuf,
    /// How many runs it may take.
    #[arg(long, default_value_t = 2_000)]
    runs: u64,
    /// Where the smallest scenario is saved; `shrunk` beside the given one if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SweepArgs {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How many runs at a time; all cores if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// How long each run is.
    #[arg(long, value_enum, default_value = "short")]
    length: LengthArg,
    /// In which world.
    #[arg(long, value_enum, default_value = "full")]
    tier: TierArg,
    /// Whose rulings count.
    #[arg(long, value_enum, default_value = "all")]
    judges: JudgesArg,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// As many of the seeds as fit in this many seconds; all of them if not given.
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Write the summary as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where failing runs are saved.
    #[arg(long, default_value = "target/plumb/failures", value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command for a system.
///
/// # Errors
/// If a scenario can't be read or a result can't be written.
pub fn run_command(system: System, args: &SimArgs) -> Result<Exit, CliError> {
    match &args.command {
        SimCommand::Run(args) => one(system, args),
        SimCommand::Sweep(args) => many(system, args),
        SimCommand::Replay(args) => replay(system, args),
        SimCommand::Shrink(args) => shrink_one(system, args),
        SimCommand::Determinism(args) => determinism::run(system, args),
        SimCommand::Scenario(args) => {
            print!("{}", args.generate(system).to_json());
            Ok(Exit::Holds)
        }
    }
}

fn one(system: System, args: &RunArgs) -> Result<Exit, CliError> {
    let scenario = args.scenario.generate(system);
    let result = (system.run)(
        &scenario,
        RunOptions {
            trace: args.outputs.trace.is_some(),
        },
    );
    write_outputs(&args.outputs, &scenario, &result)?;
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

fn replay(system: System, args: &ReplayArgs) -> Result<Exit, CliError> {
    let scenario = Scenario::read(&args.scenario)?;
    let result = (system.run)(
        &scenario,
        RunOptions {
            trace: args.outputs.trace.is_some(),
        },
    );
    write_outputs(&args.outputs, &scenario, &result)?;
    Ok(report(&scenario, &result, quiet(&args.outputs)))
}

fn shrink_one(system: System, args: &ShrinkArgs) -> Result<Exit, CliError> {
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
    let Some((shrunk, story)) = shrink_and_save(system, &scenario, args.runs, &folder)? else {
        println!("the scenario does not fail: there is nothing to shrink");
        return Ok(Exit::Holds);
    };
    print!("{story}");
    println!("\n{}", words_of(&shrunk));
    println!(
        "saved   {}\nreplay  {}",
        folder.display(),
        replay_command(system, &folder)
    );
    Ok(Exit::Violation)
}

/// How far shrinking came, in words.
#[must_use]
pub fn words_of(shrunk: &Shrunk) -> String {
    let (before, after) = (shrunk.before, shrunk.after);
    format!(
        "from {} servers, {} faults, {} operations of {} clients, {} ms to {} servers, {} faults, {} \
         operations of {} clients, {} ms; {} runs{}",
        before.servers,
        before.faults,
        before.operations,
        before.clients,
        before.end_at_ms,
        after.servers,
        after.faults,
        after.operations,
        after.clients,
        after.end_at_ms,
        shrunk.runs,
        if shrunk.minimal {
            ""
        } else {
            ", and the budget ran out"
        }
    )
}

/// Shrinks a failing scenario and saves what is left, with its story; `None` if it does not fail.
///
/// # Errors
/// If the folder can't be written.
pub fn shrink_and_save(
    system: System,
    scenario: &Scenario,
    runs: u64,
    folder: &Path,
) -> Result<Option<(Shrunk, String)>, CliError> {
    let spinner = progress::spinner("shrinking");
    let shrunk = shrink(
        system,
        scenario,
        runs,
        interrupt::flag(),
        &mut |runs, size| {
            spinner.set_message(format!(
                "{runs} runs: {} faults, {} operations, {} ms",
                size.faults, size.operations, size.end_at_ms
            ));
        },
    );
    spinner.finish_and_clear();
    let Some(shrunk) = shrunk else {
        return Ok(None);
    };
    let story = save_run(system, folder, &shrunk.scenario, &shrunk.run)?;
    Ok(Some((shrunk, story)))
}

fn many(system: System, args: &SweepArgs) -> Result<Exit, CliError> {
    if let Some(path) = &args.json {
        files::probe([path.as_path()])?;
    }
    let end = args.start.checked_add(args.seeds).ok_or_else(|| {
        CliError::new(
            "--start and --seeds go beyond the last seed",
            "choose smaller numbers",
        )
    })?;
    let plan = Plan {
        system,
        seeds: args.start..end,
        length: args.length.into(),
        tier: args.tier.into(),
        judges: args.judges.into(),
        jobs: args.jobs.unwrap_or_else(all_cores),
        stop_at_failure: !args.keep_going,
        for_time: args.time.map(Duration::from_secs),
    };
    let stop = interrupt::flag();
    let (summary, saved) = sweep_and_save(&plan, stop, &args.out)?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&summary_json(&plan, &summary)).unwrap_or_default();
        files::write(path, format!("{text}\n").as_bytes())?;
    }
    let mut words = words_of_sweep(&plan, &summary);
    for folder in saved {
        let replay = replay_command(system, &folder);
        words.push_str(&format!("failed  {}\nreplay  {replay}\n", folder.display()));
    }
    if files::is_stdout(args.json.as_deref()) {
        // Whoever asked for JSON there gets nothing else.
        eprint!("{words}");
    } else {
        files::print(&words);
    }
    // Ctrl-C leaves less than was asked for; the end of the time that was asked for does not.
    let in_time = plan.for_time.is_some() && summary.runs > 0 && !stop.load(Ordering::Relaxed);
    let whole = in_time || summary.runs == args.seeds || !summary.failures.is_empty();
    Ok(sweep_exit(&summary, whole))
}

/// How a sweep ends: less than was asked for is no pass.
#[must_use]
pub fn sweep_exit(summary: &Summary, whole: bool) -> Exit {
    if !summary.failures.is_empty() {
        Exit::Violation
    } else if !summary.undecided.is_empty() || !whole {
        Exit::Undecided
    } else {
        Exit::Holds
    }
}

/// Runs a sweep with a progress bar and saves what fails; returns the folders.
///
/// # Errors
/// If a failure can't be saved.
pub fn sweep_and_save(
    plan: &Plan,
    stop: &AtomicBool,
    out: &Path,
) -> Result<(Summary, Vec<PathBuf>), CliError> {
    let bar = progress::bar(plan.seeds.end - plan.seeds.start, "seeds");
    let mut saved = Vec::new();
    let mut error = None;
    let summary = sweep(plan, stop, |_, scenario, result, summary| {
        bar.set_position(summary.runs);
        bar.set_message(format!(
            "{} simulated s, {} operations, {} failed",
            summary.simulated.as_secs(),
            summary.operations.iter().sum::<u64>(),
            summary.failures.len()
        ));
        if result.violation.is_some() {
            match save_failure(plan.system, out, scenario, result) {
                Ok(folder) => saved.push(folder),
                Err(e) => error = Some(e),
            }
        }
    });
    bar.finish_and_clear();
    error.map_or(Ok((summary, saved)), Err)
}

/// All cores of this machine.
#[must_use]
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn words_of_sweep(plan: &Plan, summary: &Summary) -> String {
    let [ok, fail, info] = summary.operations;
    let mut words = format!(
        "{} of {} seeds: {} failed, {} undecided; {} simulated s, {} faults, {} operations ({ok} \
         ok, {fail} fail, {info} info)\n",
        summary.runs,
        plan.seeds.end - plan.seeds.start,
        summary.failures.len(),
        summary.undecided.len(),
        summary.simulated.as_secs(),
        summary.faults,
        ok + fail + info,
    );
    for (name, count) in summary.coverage.named() {
        let never = if count == 0 {
            "   never seen: this sweep does not cover it"
        } else {
            ""
        };
        words.push_str(&format!("  {count:>10}  {name}{never}\n"));
    }
    let length = if plan.length == Length::LONG {
        " --length long"
    } else {
        ""
    };
    let tier = match plan.tier {
        Tier::Full => "",
        Tier::Bare => " --tier bare",
    };
    let judges = match plan.judges {
        Judges::All => "",
        Judges::Clients => " --judges clients",
    };
    for seed in &summary.undecided {
        words.push_str(&format!(
            "undecided  {} run --seed {seed}{length}{tier}{judges}\n",
            plan.system.command
        ));
    }
    words
}

/// A sweep's summary, as documented in README.md.
#[must_use]
pub fn summary_json(plan: &Plan, summary: &Summary) -> serde_json::Value {
    let [ok, fail, info] = summary.operations;
    json!({
        "plumb_sweep": 1,
        "tier": plan.tier,
        "judges": plan.judges,
        "seeds": { "start": plan.seeds.start, "end": plan.seeds.end, "run": summary.runs },
        "failed": summary.failures.iter().map(|failure| failure.seed).collect::<Vec<_>>(),
        "failures": summary.failures.iter().map(|failure| json!({
            "seed": failure.seed,
            "property": failure.violation.property,
            "what": failure.violation.what,
        })).collect::<Vec<_>>(),
        "undecided": summary.undecided,
        "operations": { "ok": ok, "fail": fail, "info": info },
        "faults": summary.faults,
        "simulated_ms": u64::try_from(summary.simulated.as_millis()).unwrap_or(u64::MAX),
        "slowest_to_live_ms": summary.slowest_to_live_ms,
        "coverage": summary.coverage,
    })
}

fn quiet(outputs: &Outputs) -> bool {
    [&outputs.trace, &outputs.history, &outputs.json]
        .into_iter()
        .flatten()
        .any(|path| files::is_stdout(Some(path)))
}

fn write_outputs(outputs: &Outputs, scenario: &Scenario, result: &Run) -> Result<(), CliError> {
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
