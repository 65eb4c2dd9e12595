//! `plumb bench sim`: how fast runs are simulated, and where their time goes.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::sim::TierArg;
use super::{CliError, Exit, files, interrupt, progress};
use crate::bench::sim::{Measured, Order, Row, Runs, measure};
use crate::scenario::Tier;
use crate::sim::profile::Shares;

#[derive(Debug, Args)]
pub(super) struct SimArgs {
    /// In which world; in both if not given.
    #[arg(long, value_enum)]
    tier: Option<TierArg>,
    /// Which runs; all kinds if not given.
    #[arg(long, value_enum)]
    runs: Option<RunsArg>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How often each seed is run with each set of judges; the fastest counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// How long each world and kind of runs is measured; at least one seed is run.
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Write the figures as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RunsArg {
    /// As a sweep draws them.
    Drawn,
    /// Five servers, a minute with all faults, more than 1,000 operations.
    Minute,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("between 0 and 3600".to_owned()),
    }
}

pub(super) fn run(args: &SimArgs) -> Result<Exit, CliError> {
    files::probe(None, args.json.as_deref())?;
    let order = Order {
        tiers: args
            .tier
            .map_or(vec![Tier::Bare, Tier::Full], |tier| vec![tier.into()]),
        runs: match args.runs {
            None => Runs::ALL.to_vec(),
            Some(RunsArg::Drawn) => vec![Runs::Drawn],
            Some(RunsArg::Minute) => vec![Runs::Minute],
        },
        start: args.start,
        rounds: args.rounds,
        measured: Duration::from_secs_f64(args.seconds),
    };
    let quiet = files::is_stdout(args.json.as_deref());
    let kinds = order.tiers.len() * order.runs.len();
    let bar = progress::bar(kinds as u64, "kinds of runs");
    let stop = interrupt::flag();
    let mut first = true;
    let all = measure(&order, stop, |measured| {
        if !quiet {
            let heading = if first { heading() } else { String::new() };
            first = false;
            bar.suspend(|| files::print(heading + &words(measured)));
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
    if let Some(path) = &args.json {
        let value = json!({ "plumb_bench": 1, "sim": all });
        files::write_json(path, &value)?;
    }
    let found = all
        .iter()
        .flat_map(|measured| &measured.rows)
        .any(|row| row.failed > 0);
    Ok(if found {
        Exit::Violation
    } else if all.len() < kinds || stop.load(Ordering::Relaxed) {
        Exit::Undecided
    } else {
        Exit::Holds
    })
}

fn heading() -> String {
    "one thread; seconds are its processor's; of each seed's runs the fastest counts\n\n\
     tier  runs    who looks                runs  ops a run  steps a simulated s    \
     simulated s/s     runs/s  ns a step\n"
        .to_owned()
}

fn words(measured: &Measured) -> String {
    let rows = measured.rows.iter().map(line);
    rows.collect::<String>() + &shares(&measured.shares) + "\n"
}

fn line(row: &Row) -> String {
    let tier = match row.tier {
        Tier::Bare => "bare",
        Tier::Full => "full",
    };
    let failed = if row.failed > 0 {
        format!("   {} FAILED", row.failed)
    } else {
        String::new()
    };
    format!(
        "{tier}  {:6}  {:21}  {:>6}  {:>9}  {:>19.0}  {:>15.0}  {:>9.1}  {:>9.0}{failed}\n",
        row.runs.name(),
        row.looks.name(),
        row.count,
        row.operations / row.count.max(1),
        row.steps as f64 / row.simulated.max(1e-9),
        row.per_second,
        row.runs_per_second,
        row.seconds * 1e9 / row.steps.max(1) as f64,
    )
}

fn shares(shares: &Shares) -> String {
    format!("  of the last row: {}\n", shares.in_words())
}
