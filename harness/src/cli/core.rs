//! `plumb core`: the shipped core, explored exhaustively within stated bounds.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::files::{self, is_stdout, print};
use super::model::units::{grouped, parse_size, parse_time};
use super::{CliError, Exit, interrupt, progress};
use crate::conformance::exhaustive::{
    Limits, Outcome, Progress, SCOPES, Scope, Verdict, check, scope,
};
use crate::verify::stopwatch;

/// Explores the real core exhaustively: every order of inputs, arrivals, syncs and crashes within a scope.
#[derive(Debug, Args)]
pub struct CoreArgs {
    #[command(subcommand)]
    command: CoreCommand,
}

#[derive(Debug, Subcommand)]
enum CoreCommand {
    /// Explores scopes to their end and checks every property at every step.
    #[command(
        after_help = "Examples:\n  plumb core check\n  plumb core check pair votes --counts\n  plumb \
                      core check all --timeout 10m --max-memory 8G\n  plumb core check pair --json -\n\n\
                      Exit codes: 0 all properties hold and all that is claimed was reached, 1 not \
                      so, 2 usage, 3 not finished."
    )]
    Check(CheckArgs),
    /// Lists the scopes with their bounds and counts.
    #[command(after_help = "Example:\n  plumb core scopes")]
    Scopes(ScopesArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The scopes, or `all` [default: those that `plumb verify` explores].
    #[arg(value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The counts must be the committed ones: another count is another behaviour.
    #[arg(long)]
    counts: bool,
    /// How many scopes to explore at once [default: all cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Give up on a scope after this time, as in 500ms, 60s or 5m; exit code 3.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,
    /// Give up on a scope once it takes this much memory, as in 512M or 4G; exit code 3.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_memory: Option<usize>,
    /// Write the outcomes as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ScopesArgs {
    /// Write the table as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs `plumb core`.
///
/// # Errors
/// If names or output files are no good.
pub fn run(args: &CoreArgs) -> Result<Exit, CliError> {
    match &args.command {
        CoreCommand::Check(args) => run_check(args),
        CoreCommand::Scopes(args) => run_scopes(args),
    }
}

fn named(name: &str) -> Result<&'static Scope, CliError> {
    scope(name).ok_or_else(|| {
        let names: Vec<_> = SCOPES.iter().map(|scope| scope.name).collect();
        CliError::new(
            format!("there is no scope named {name:?}"),
            format!(
                "the scopes are {}; `plumb core scopes` describes them",
                names.join(", ")
            ),
        )
    })
}

fn run_check(args: &CheckArgs) -> Result<Exit, CliError> {
    let chosen: Vec<&Scope> = if args.scopes.is_empty() {
        SCOPES.iter().filter(|scope| scope.quick).collect()
    } else if args.scopes == ["all"] {
        SCOPES.iter().collect()
    } else {
        let named: Result<_, _> = args.scopes.iter().map(|name| named(name)).collect();
        named?
    };
    let limits = Limits {
        max_memory: args.max_memory,
        timeout: args.timeout,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let show = !is_stdout(args.json.as_deref());
    let spinner = progress::spinner("core");
    let outcomes = check_all(
        &chosen,
        limits,
        args.jobs.map_or(cores, usize::from),
        &|line| spinner.set_message(line),
        interrupt::flag(),
    );
    spinner.finish_and_clear();
    let mut exit = Exit::Holds;
    let mut rows = Vec::new();
    for (scope, outcome) in chosen.iter().zip(&outcomes) {
        let Some(outcome) = outcome else {
            exit = exit.worst(Exit::Undecided);
            continue;
        };
        let (end, words) = judged(scope, outcome, args.counts);
        exit = exit.worst(end);
        if show {
            print(describe(scope, outcome, &words));
        }
        rows.push(json!({ "scope": scope, "outcome": outcome, "says": words }));
    }
    if let Some(path) = &args.json {
        let all = json!({ "plumb_core_check": 1, "scopes": rows });
        files::write_json(path, &all)?;
    }
    Ok(exit)
}

/// Explores scopes, so many at once, until something is found wrong; `None` for one that was not begun.
pub(crate) fn check_all(
    scopes: &[&Scope],
    limits: Limits,
    jobs: usize,
    say: &(dyn Fn(String) + Sync),
    stop: &AtomicBool,
) -> Vec<Option<Outcome>> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Outcome>>> = scopes.iter().map(|_| Mutex::new(None)).collect();
    let found = AtomicBool::new(false);
    let over = || stop.load(Ordering::Relaxed) || found.load(Ordering::Relaxed);
    let work = || {
        while !over() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(scope) = scopes.get(at) else { return };
            let clock = stopwatch();
            let mut shown = Duration::ZERO;
            let mut tell = |seen: Progress| {
                let elapsed = clock();
                if elapsed > shown + Duration::from_millis(200) {
                    shown = elapsed;
                    say(meter(scope, &seen, elapsed));
                }
            };
            let outcome = check(scope, limits, &mut tell, &over);
            if matches!(outcome.verdict, Verdict::Violation(_) | Verdict::Vacuous(_)) {
                found.store(true, Ordering::Relaxed);
            }
            *outcomes[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..jobs.clamp(1, scopes.len().max(1)) {
            threads.spawn(work);
        }
    });
    outcomes
        .into_iter()
        .map(|outcome| outcome.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

fn meter(scope: &Scope, seen: &Progress, elapsed: Duration) -> String {
    format!(
        "{}: depth {}, {} states, {:.1} M steps/s, frontier {}, {} MB",
        scope.name,
        seen.depth,
        grouped(seen.unique),
        seen.steps as f64 / elapsed.as_secs_f64().max(1e-3) / 1e6,
        grouped(seen.frontier as u64),
        seen.memory >> 20
    )
}

/// What an outcome comes to.
fn judged(scope: &Scope, outcome: &Outcome, counts: bool) -> (Exit, String) {
    match &outcome.verdict {
        Verdict::Violation(story) => (Exit::Violation, format!("violated: {}", story.property)),
        Verdict::Vacuous(missed) => (
            Exit::Violation,
            format!("vacuous: never reached: {}", missed.join(", ")),
        ),
        Verdict::Stopped(why) => (
            Exit::Undecided,
            format!(
                "unknown: {why}; nothing broke within {} steps",
                outcome.covered
            ),
        ),
        Verdict::Exhausted if counts && (outcome.unique, outcome.steps) != scope.counts => (
            Exit::Violation,
            format!(
                "holds, but {} states and {} steps are committed: the core behaves otherwise than \
                 when they were; see why, then commit the new ones",
                grouped(scope.counts.0),
                grouped(scope.counts.1)
            ),
        ),
        Verdict::Exhausted if scope.steps > 0 => (
            Exit::Holds,
            format!("holds: every run of up to {} steps was seen", scope.steps),
        ),
        Verdict::Exhausted => (
            Exit::Holds,
            "holds: every reachable state was seen".to_owned(),
        ),
    }
}

fn describe(scope: &Scope, outcome: &Outcome, words: &str) -> String {
    let seconds = outcome.elapsed.as_secs_f64();
    let mut text = match &outcome.verdict {
        Verdict::Violation(story) => format!("{story}\n"),
        _ => String::new(),
    };
    text.push_str(&format!(
        "{:<14} {:>11} states {:>12} steps  depth {:>3} {seconds:>6.1} s ({:.1} M steps/s) {:>5} MB \
         {:>6} servers {:>5} messages  {words}\n",
        scope.name,
        grouped(outcome.unique),
        grouped(outcome.steps),
        outcome.depth,
        outcome.steps as f64 / seconds.max(1e-3) / 1e6,
        outcome.peak_memory >> 20,
        outcome.servers,
        outcome.messages,
    ));
    text
}

fn run_scopes(args: &ScopesArgs) -> Result<Exit, CliError> {
    if !is_stdout(args.json.as_deref()) {
        let mut text = format!("{:<14} {:>12} {:>13}  about\n", "scope", "states", "steps");
        for scope in SCOPES {
            text.push_str(&format!(
                "{:<14} {:>12} {:>13}  {}\n{:44}{}\n",
                scope.name,
                grouped(scope.counts.0),
                grouped(scope.counts.1),
                scope.about,
                "",
                scope.bounds()
            ));
        }
        print(text);
    }
    if let Some(path) = &args.json {
        let all = json!({ "plumb_core_scopes": 1, "scopes": SCOPES });
        files::write_json(path, &all)?;
    }
    Ok(Exit::Holds)
}
