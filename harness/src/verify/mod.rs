//! `plumb verify`: every layer does its job in turn, and one table says what was covered. A layer
//! that could not finish is undecided, and undecided is no pass.

mod charts;
mod core;
mod layers;
mod page;
mod profile;
mod simulation;
mod specification;
mod storage;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::BUILD;
use crate::artifacts::{create_folder, write_file};
use crate::cli::ci::github;
use crate::cli::files::print;
use crate::cli::{CliError, Exit};

pub use charts::{Bar, Chart, Measure};
pub use profile::Profile;

/// The version of the report as JSON.
const VERSION: u32 = 3;

/// What a layer came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All that was covered holds.
    Holds,
    /// Something broke.
    Violation,
    /// It did not finish.
    #[default]
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
#[derive(Clone, Debug, Default, Serialize)]
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
    /// Numbers that are better looked at.
    pub charts: Vec<Chart>,
    /// What took longest in it, in seconds, the slowest first.
    pub slowest: Vec<(String, f64)>,
    /// The seeds that it was to run, where it runs seeds.
    pub seeds: Option<Range<u64>>,
    /// The run whose plots the page shows: the one whose clients did most.
    pub shown_run: Option<ShownRun>,
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
    /// How many seeds of the whole server, if not the profile's own number.
    pub seeds: Option<u64>,
    /// The first seed.
    pub first_seed: u64,
    /// The layers, in the order they ran; those after a violation did not run.
    pub layers: Vec<Layer>,
    /// The worst of them.
    pub verdict: Verdict,
    /// How long it took in all.
    pub seconds: f64,
}

/// A simulated run that is looked at more closely.
#[derive(Clone, Debug, Serialize)]
pub struct ShownRun {
    /// Its seed.
    pub seed: u64,
    /// How many operations its clients began.
    pub operations: u64,
    /// The command that runs it again.
    pub replay: String,
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
        plumb_report: VERSION,
        build: BUILD.to_owned(),
        profile: order.profile,
        seeds: order.seeds,
        first_seed: order.first_seed,
        layers: Vec::new(),
        verdict: Verdict::Holds,
        seconds: 0.0,
    };
    // Which seeds: so that whoever reads a log can do exactly this again.
    print(format!(
        "plumb verify --profile {} --start {}, {}\n",
        order.profile.name, order.first_seed, report.build
    ));
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
    let json = serde_json::to_string_pretty(report).expect("plain data always serialises");
    write_file(
        &order.out.join("report.json"),
        format!("{json}\n").as_bytes(),
    )?;
    let page = order.out.join("report.html");
    write_file(&page, page::render(report, order.profile.length).as_bytes())?;
    print("\n");
    for finding in report.layers.iter().flat_map(|layer| &layer.findings) {
        print(format!("{}\n", finding.what));
        if let Some(story) = &finding.story {
            print(format!("{story}\n"));
        }
        if let Some(replay) = &finding.replay {
            print(format!("  replay: {replay}\n"));
        }
    }
    github::summarize(&summary(report));
    let words = match report.verdict {
        Verdict::Holds => "everything asked for holds",
        Verdict::Violation => "a violation was found",
        Verdict::Undecided => "undecided: not everything asked for was finished",
    };
    print(format!(
        "{words} ({:.1} s); report: {}\n",
        report.seconds,
        display(&page)
    ));
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

fn print_header() {
    print(format!(
        "{:<24} {:<10} {:>7}  covered\n",
        "layer", "verdict", "time"
    ));
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
    print(format!(
        "{:<24} {word} {:>6.1}s  {}\n",
        layer.name, layer.seconds, layer.covered
    ));
}
