//! `plumb verify`: every layer does its job in turn, and one table says what was covered. A layer
//! that could not finish is undecided, and undecided is no pass.

mod core;
mod layers;
mod page;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::artifacts::{create_folder, write_file};
use crate::cli::ci::github;
use crate::cli::{CliError, Exit};
use crate::nemesis::Length;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// The scopes of the specification that are exhausted.
    pub scopes: &'static [&'static str],
    /// How many seeds are simulated with the whole server.
    pub seeds: u64,
    /// How many seeds are simulated with bare replicas, for each seed of the whole server.
    pub bare_per_seed: u64,
    /// How many logs of simulated servers are tortured, at least.
    pub tortured_logs: u64,
    /// How long each run is.
    #[serde(skip)]
    pub length: Length,
}

/// Elections, replication and crashes; then each optional part of Raft by itself, and most of them together.
const QUICK_SCOPES: [&str; 10] = [
    "quick",
    "reads",
    "leases",
    "snapshots",
    "one-by-one",
    "joint",
    "pre-vote",
    "sessions",
    "progress",
    "together",
];
/// The parts among servers that restart, and some of them with each other, besides.
const CI_SCOPES: [&str; 17] = [
    "quick",
    "reads",
    "reads-terms",
    "leases",
    "leases-crash",
    "snapshots",
    "snapshots-crash",
    "one-by-one",
    "joint",
    "joint-crash",
    "joint-reads",
    "joint-snapshots",
    "pre-vote",
    "sessions",
    "progress",
    "progress-crash",
    "together",
];
/// All but the largest.
const NIGHTLY_SCOPES: [&str; 24] = [
    "quick",
    "figure8",
    "two-crashes",
    "five",
    "reads",
    "reads-terms",
    "leases",
    "leases-crash",
    "leases-terms",
    "snapshots",
    "snapshots-terms",
    "snapshots-crash",
    "one-by-one",
    "joint",
    "joint-crash",
    "joint-four",
    "joint-reads",
    "joint-snapshots",
    "pre-vote",
    "sessions",
    "progress",
    "progress-crash",
    "together",
    "all-parts",
];

impl Profile {
    /// Under 90 s on two cores: for a person who waits.
    pub const QUICK: Profile = Profile {
        name: "quick",
        scopes: &QUICK_SCOPES,
        seeds: 300,
        tortured_logs: 10,
        bare_per_seed: 10,
        length: Length::SHORT,
    };
    /// A few minutes: for a gate.
    pub const CI: Profile = Profile {
        name: "ci",
        scopes: &CI_SCOPES,
        seeds: 1_000,
        tortured_logs: 100,
        bare_per_seed: 20,
        length: Length::SHORT,
    };
    /// As long as it takes.
    pub const NIGHTLY: Profile = Profile {
        name: "nightly",
        scopes: &NIGHTLY_SCOPES,
        seeds: 10_000,
        tortured_logs: 2_000,
        bare_per_seed: 20,
        length: Length::LONG,
    };
}

/// What a layer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All that was covered holds.
    Holds,
    /// Something broke.
    Violation,
    /// It did not finish.
    Undecided,
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Exit {
        match verdict {
            Verdict::Holds => Exit::Holds,
            Verdict::Violation => Exit::Violation,
            Verdict::Undecided => Exit::Undecided,
        }
    }
}

/// A layer's result.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// Its name.
    pub name: &'static str,
    /// What was covered, in a line.
    pub covered: String,
    /// What it came to.
    pub verdict: Verdict,
    /// How long it took.
    pub seconds: f64,
    /// What broke, in words, each with how to see it again.
    pub findings: Vec<Finding>,
    /// Figures, by name.
    pub figures: Vec<(String, String)>,
}

/// Something that broke.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The property that broke, by its name.
    pub rule: String,
    /// The property and what was seen.
    pub what: String,
    /// The scenario that shows it, where there is one.
    pub file: Option<String>,
    /// The command that shows it again.
    pub replay: Option<String>,
    /// The steps that lead there, where they are few enough to read.
    pub story: Option<String>,
}

/// The whole result.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this schema.
    pub plumb_report: u32,
    /// Which build spoke.
    pub build: String,
    /// How much was done.
    pub profile: Profile,
    /// The first seed.
    pub first_seed: u64,
    /// The layers, in the order they ran; those after a violation did not run.
    pub layers: Vec<Layer>,
    /// The worst of them.
    pub verdict: Verdict,
    /// How long it took in all.
    pub seconds: f64,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// How much.
    pub profile: Profile,
    /// How many seeds, if not the profile's own number.
    pub seeds: Option<u64>,
    /// The first seed.
    pub first_seed: u64,
    /// How many threads.
    pub jobs: usize,
    /// Where report and failures go.
    pub out: PathBuf,
}

/// Time as the user feels it; it is reported and decides nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "measures how long layers take, for people"
)]
pub(crate) fn stopwatch() -> impl Fn() -> Duration {
    let started = Instant::now();
    move || started.elapsed()
}

/// Runs the layers, prints the table, writes `report.json` and `report.html`, and returns the report.
///
/// # Errors
/// If the output folder can't be written: found out before the work starts.
pub fn verify(order: &Order, stop: &AtomicBool) -> Result<Report, CliError> {
    create_folder(&order.out)?;
    let probe = order.out.join(".writable");
    write_file(&probe, b"")?;
    drop(std::fs::remove_file(&probe));

    let elapsed = stopwatch();
    let mut report = Report {
        plumb_report: 2,
        build: build(),
        profile: order.profile,
        first_seed: order.first_seed,
        layers: Vec::new(),
        verdict: Verdict::Holds,
        seconds: 0.0,
    };
    // Which seeds: so that whoever reads a log can do exactly this again.
    println!(
        "plumb verify --profile {} --start {}, {}",
        order.profile.name, order.first_seed, report.build
    );
    print_header();
    for layer in layers::ALL {
        if report.verdict == Verdict::Violation || stop.load(Ordering::Relaxed) {
            break;
        }
        for layer in layer(order, stop)? {
            print_row(&layer);
            let worst = Exit::from(report.verdict).worst(layer.verdict.into());
            if worst != Exit::from(report.verdict) {
                report.verdict = layer.verdict;
            }
            report.layers.push(layer);
        }
    }
    if stop.load(Ordering::Relaxed) && report.verdict == Verdict::Holds {
        report.verdict = Verdict::Undecided;
    }
    report.seconds = elapsed().as_secs_f64();
    finish(order, &report)?;
    Ok(report)
}

fn finish(order: &Order, report: &Report) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(report).unwrap_or_default();
    write_file(
        &order.out.join("report.json"),
        format!("{json}\n").as_bytes(),
    )?;
    let page = order.out.join("report.html");
    write_file(&page, page::render(report).as_bytes())?;
    println!();
    for finding in report.layers.iter().flat_map(|layer| &layer.findings) {
        println!("{}", finding.what);
        if let Some(story) = &finding.story {
            println!("{story}");
        }
        if let Some(replay) = &finding.replay {
            println!("  replay: {replay}");
        }
    }
    github::summarize(&summary(report));
    let words = match report.verdict {
        Verdict::Holds => "everything asked for holds",
        Verdict::Violation => "a violation was found",
        Verdict::Undecided => "undecided: not everything asked for was finished",
    };
    println!(
        "{words} ({:.1} s); report: {}",
        report.seconds,
        display(&page)
    );
    Ok(())
}

/// The table as Markdown.
fn summary(report: &Report) -> String {
    let mut text = format!(
        "### plumb verify --profile {}: {}\n\n| layer | verdict | time | covered |\n|---|---|---|---|\n",
        report.profile.name,
        word(report.verdict)
    );
    for layer in &report.layers {
        let (name, covered) = (layer.name, &layer.covered);
        let row = format!(
            "| {name} | {} | {:.1} s | {covered} |\n",
            word(layer.verdict),
            layer.seconds
        );
        text.push_str(&row);
    }
    for finding in report.layers.iter().flat_map(|layer| &layer.findings) {
        text.push_str(&format!("\n```text\n{}\n```\n", finding.what));
    }
    text
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Violation => "VIOLATION",
        Verdict::Undecided => "undecided",
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// Package version and, where the build knew it, the commit.
fn build() -> String {
    format!("plumb {}", env!("CARGO_PKG_VERSION"))
}

fn print_header() {
    println!("{:<24} {:<10} {:>7}  covered", "layer", "verdict", "time");
}

fn print_row(layer: &Layer) {
    use std::io::IsTerminal;
    let (word, colour) = match layer.verdict {
        Verdict::Holds => ("holds", "32"),
        Verdict::Violation => ("VIOLATION", "31"),
        Verdict::Undecided => ("undecided", "33"),
    };
    let word = format!("{word:<10}");
    let word = if std::io::stdout().is_terminal() {
        format!("\x1b[{colour}m{word}\x1b[0m")
    } else {
        word
    };
    println!(
        "{:<24} {word} {:>6.1}s  {}",
        layer.name, layer.seconds, layer.covered
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_names_scopes_that_exist_and_a_larger_one_has_those_of_the_smaller() {
        let [quick, ci, nightly] = [Profile::QUICK, Profile::CI, Profile::NIGHTLY];
        for name in nightly.scopes {
            assert!(plumb_model::scope(name).is_some(), "{name}");
        }
        assert!(ci.scopes.iter().all(|name| nightly.scopes.contains(name)));
        assert!(quick.scopes.iter().all(|name| ci.scopes.contains(name)));
    }
}
