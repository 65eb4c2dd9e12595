//! `plumb bench conform`: what it costs to hold every step to the specification.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{CliError, Exit, files, progress};
use crate::bench::conform::{Beside, LEAST_RATE, MOST_RATIO, Offline, beside, offline};
use crate::scenario::Tier;

#[derive(Debug, Args)]
pub(super) struct ConformBenchArgs {
    /// How many seeds of the bare tier; of the full tier a tenth of them.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    seeds: u64,
    /// Write the figures as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the figures can't be written.
pub(super) fn run(args: &ConformBenchArgs) -> Result<Exit, CliError> {
    files::probe(None, args.json.as_deref())?;
    let bar = progress::bar(args.seeds * 2 + args.seeds / 10, "runs");
    let step = || bar.inc(1);
    let bare = beside(Tier::Bare, 0..args.seeds, step);
    let full = beside(Tier::Full, 0..args.seeds / 10, step);
    let read = offline(0..args.seeds, step).map_err(|error| {
        CliError::new(
            error.to_string(),
            "a recorder and a reader of one build disagree: tell us",
        )
    })?;
    bar.finish_and_clear();
    if !files::is_stdout(args.json.as_deref()) {
        files::print(words(&[bare, full], &read));
    }
    if let Some(path) = &args.json {
        let value = json!({
            "plumb_bench": 1,
            "conform": { "beside": [row(&bare), row(&full)], "offline": read, "offline_rate": read.rate() },
        });
        files::write_json(path, &value)?;
    }
    Ok(Exit::Holds)
}

fn row(seen: &Beside) -> Value {
    json!({ "figures": seen, "ratio": seen.ratio(), "rate": seen.rate() })
}

fn words(tiers: &[Beside], read: &Offline) -> String {
    let mut text = String::new();
    for seen in tiers {
        text.push_str(&format!(
            "{:4} tier: {} runs, {} steps: {:.2} s with conformance, {:.2} s without: {:.2} times the time{}, \
             {:.0} steps/s conform{}\n",
            format!("{:?}", seen.tier).to_lowercase(),
            seen.runs,
            seen.steps,
            seen.with,
            seen.without,
            seen.ratio(),
            bar(seen.ratio() <= MOST_RATIO),
            seen.rate(),
            bar(seen.rate() >= LEAST_RATE),
        ));
    }
    text.push_str(&format!(
        "offline: {} steps, {} MB: {:.2} s: {:.0} steps/s conform{}\n",
        read.steps,
        read.bytes >> 20,
        read.seconds,
        read.rate(),
        bar(read.rate() >= LEAST_RATE),
    ));
    text.push_str(&format!(
        "One thread's processor time. The bars: at most {MOST_RATIO} times the time, at least {LEAST_RATE} steps/s.\n"
    ));
    text
}

fn bar(is_held: bool) -> &'static str {
    if is_held { "" } else { " (beyond its bar)" }
}
