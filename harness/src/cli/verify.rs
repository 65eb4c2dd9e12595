//! `plumb verify`: the main job.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use super::ci::{Case, Kind, Problem, Reports};
use super::sim::all_cores;
use super::{CliError, Exit, files, interrupt};
use crate::verify::{Layer, Order, Profile, Verdict, verify};

/// Checks everything: the specification and its ablations, the real server in simulation, and every
/// history that its clients recorded.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  plumb verify\n  plumb verify --profile ci\n  plumb verify --seeds 20 \
                  --start 1000 --out /tmp/report\n  plumb verify --profile ci --junit verify.xml --sarif \
                  verify.sarif\n\nWrites report.html, report.json and, where a run \
                  fails, failures/seed-N/.\n\nExit codes: 0 everything asked for holds, 1 a violation \
                  was found, 2 usage or unreadable input, 3 undecided."
)]
pub struct VerifyArgs {
    /// How much is done.
    #[arg(long, value_enum, default_value = "quick")]
    profile: ProfileArg,
    /// How many seeds are simulated; the profile's own number if not given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How many threads; all cores if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Where report and failures go.
    #[arg(long, default_value = "target/plumb", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    reports: Reports,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProfileArg {
    /// Under 90 s on two cores.
    Quick,
    /// A few minutes.
    Ci,
    /// As long as it takes.
    Nightly,
}

#[derive(Debug, Parser)]
struct Defaults {
    #[command(flatten)]
    args: VerifyArgs,
}

/// What bare `plumb` does.
///
/// # Errors
/// As [`run_command`].
pub fn run_default() -> Result<Exit, CliError> {
    run_command(&Defaults::parse_from(["plumb"]).args)
}

/// Runs the command.
///
/// # Errors
/// If the output folder can't be written.
pub fn run_command(args: &VerifyArgs) -> Result<Exit, CliError> {
    let profile = match args.profile {
        ProfileArg::Quick => Profile::QUICK,
        ProfileArg::Ci => Profile::CI,
        ProfileArg::Nightly => Profile::NIGHTLY,
    };
    let order = Order {
        profile,
        seeds: args.seeds,
        first_seed: args.start,
        jobs: args.jobs.map_or_else(all_cores, usize::from),
        out: args.out.clone(),
    };
    if args.reports.on_stdout() {
        return Err(CliError::new(
            "standard output carries the table",
            "name files for --junit and --sarif",
        ));
    }
    files::probe(None, args.reports.paths())?;
    let report = verify(&order, interrupt::flag())?;
    let page = args.out.join("report.html").display().to_string();
    let cases: Vec<Case> = report
        .layers
        .iter()
        .map(|layer| case(layer, &page))
        .collect();
    let exit = report.verdict.into();
    args.reports.write("plumb verify", &cases, exit)?;
    Ok(exit)
}

/// A layer as a case; what has no file of its own is in the report.
fn case(layer: &Layer, page: &str) -> Case {
    let mut problems: Vec<Problem> = layer
        .findings
        .iter()
        .map(|finding| Problem {
            kind: Kind::Violation,
            rule: finding.rule.clone(),
            text: match &finding.replay {
                Some(replay) => format!("{}\nreplay: {replay}", finding.what),
                None => finding.what.clone(),
            },
            file: Some(finding.file.clone().unwrap_or_else(|| page.to_owned())),
            line: None,
        })
        .collect();
    if layer.verdict == Verdict::Undecided {
        problems.push(Problem {
            kind: Kind::Undecided,
            rule: "unknown".to_owned(),
            text: format!("undecided: {}", layer.covered),
            file: Some(page.to_owned()),
            line: None,
        });
    }
    Case {
        name: layer.name.to_owned(),
        seconds: layer.seconds,
        problems,
    }
}
