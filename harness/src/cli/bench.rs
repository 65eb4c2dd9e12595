//! `plumb bench`: what things cost, measured here and now.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::sim::all_cores;
use super::{
    CliError, Exit, bench_conform, bench_model, bench_raft, bench_sim, files, interrupt, progress,
};
use crate::bench::checkers::{Case, Row, Scale, families, shared};
use crate::bench::porcupine::Porcupine;

/// Measures what things cost.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Times verdicts on shared histories and on generated families.
    #[command(
        after_help = "Examples:\n  plumb bench checkers\n  plumb bench checkers --full --json \
                            bench.json\n  plumb bench checkers --only 'five values'\n  plumb bench \
                            checkers --against porcupine --porcupine ~/src/porcupine"
    )]
    Checkers(CheckersArgs),
    /// Measures our server under load: three processes, real disks, clients in closed loops.
    #[command(
        after_help = "Examples:\n  plumb bench raft\n  plumb bench raft --clients 64 --values 1024 \
                            --seconds 5\n  plumb bench raft --against etcd --json bench.json"
    )]
    Raft(bench_raft::RaftArgs),
    /// Measures what it costs to hold every step to the specification.
    #[command(
        after_help = "Examples:\n  plumb bench conform\n  plumb bench conform --seeds 1000 --json bench.json"
    )]
    Conform(bench_conform::ConformBenchArgs),
    /// Measures how fast the specification is explored, by our engine and by stateright's.
    #[command(
        after_help = "Examples:\n  plumb bench model\n  plumb bench model --with quick --without small --beside \
                            tiny --json bench.json"
    )]
    Model(bench_model::ModelBenchArgs),
    /// Measures how fast runs are simulated, with more and fewer judges, and where their time goes.
    #[command(
        after_help = "Examples:\n  plumb bench sim\n  plumb bench sim --tier bare --seconds 30\n  plumb \
                            bench sim --runs minute --json bench.json"
    )]
    Sim(bench_sim::SimArgs),
    #[command(hide = true)]
    RaftNode(bench_raft::NodeArgs),
    #[command(hide = true)]
    RaftGuard(bench_raft::GuardArgs),
}

#[derive(Debug, Args)]
struct CheckersArgs {
    /// Measure the large families too, up to ten million operations.
    #[arg(long)]
    full: bool,
    /// Measure only cases whose name holds this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// A folder of histories with an expected.tsv; if not given, shared/data/histories above here.
    #[arg(long, value_name = "DIR")]
    histories: Option<PathBuf>,
    /// Ask this peer about the same histories in the same run.
    #[arg(long, value_enum, requires = "porcupine")]
    against: Option<PeerArg>,
    /// A checkout of github.com/anishathalye/porcupine; needs a Go toolchain.
    #[arg(long, value_name = "DIR")]
    porcupine: Option<PathBuf>,
    /// How long the peer may take for one history, in seconds.
    #[arg(long, default_value_t = 8, value_name = "SECONDS")]
    peer_timeout: u64,
    /// How many threads; all cores if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Write the figures as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PeerArg {
    /// Porcupine, by a driver that is built with Go.
    Porcupine,
}

/// Runs `plumb bench`.
///
/// # Errors
/// If a folder holds no histories, a server does not serve, or the figures can't be written.
pub fn run(args: &BenchArgs) -> Result<Exit, CliError> {
    match &args.command {
        BenchCommand::Checkers(args) => checkers(args),
        BenchCommand::Raft(args) => bench_raft::run(args),
        BenchCommand::Conform(args) => bench_conform::run(args),
        BenchCommand::Model(args) => bench_model::run(args),
        BenchCommand::Sim(args) => bench_sim::run(args),
        BenchCommand::RaftNode(args) => bench_raft::serve(args),
        BenchCommand::RaftGuard(args) => bench_raft::guard(args),
    }
}

fn checkers(args: &CheckersArgs) -> Result<Exit, CliError> {
    files::probe(None, args.json.as_deref())?;
    let cases = cases(args)?;
    let jobs = args.jobs.map_or_else(all_cores, usize::from);
    let peer = match (&args.against, &args.porcupine) {
        (Some(PeerArg::Porcupine), Some(source)) => {
            let folder =
                std::env::temp_dir().join(format!("plumb-porcupine-{}", std::process::id()));
            let timeout = Duration::from_secs(args.peer_timeout);
            Some(Porcupine::build(source, &folder, timeout)?)
        }
        _ => None,
    };
    let quiet = files::is_stdout(args.json.as_deref());
    let bar = progress::bar(cases.len() as u64, "cases");
    let mut rows = Vec::new();
    let mut exit = Exit::Holds;
    for case in &cases {
        bar.set_message(case.name().to_owned());
        let row = case.measure(jobs).map_err(|error| {
            CliError::new(
                format!("{}: {error}", case.name()),
                "does its expected.tsv name the right model?",
            )
        })?;
        if let Some(mut row) = row {
            if let Some(peer) = &peer {
                row.peer = case.against(peer)?;
            }
            if !quiet {
                bar.suspend(|| files::print(line(&row)));
            }
            rows.push(row);
        }
        bar.inc(1);
        if interrupt::flag().load(Ordering::Relaxed) {
            exit = Exit::Undecided;
            break;
        }
    }
    bar.finish_and_clear();
    if let Some(path) = &args.json {
        let value = json!({ "plumb_bench": 1, "checkers": rows });
        files::write_json(path, &value)?;
    }
    Ok(exit)
}

fn cases(args: &CheckersArgs) -> Result<Vec<Case>, CliError> {
    let mut cases = match &args.histories {
        None => std::env::current_dir()
            .ok()
            .and_then(|here| {
                here.ancestors()
                    .map(|above| above.join("shared/data/histories"))
                    .find(|folder| folder.is_dir())
            })
            .map_or_else(Vec::new, |folder| shared(&folder)),
        Some(folder) => named(folder)?,
    };
    let scale = if args.full { Scale::Full } else { Scale::Quick };
    cases.extend(families(scale));
    if let Some(only) = &args.only {
        cases.retain(|case| case.name().contains(only.as_str()));
    }
    if cases.is_empty() {
        return Err(CliError::new(
            "no case is left to measure",
            "choose another --only; without it all names are printed",
        ));
    }
    Ok(cases)
}

fn named(folder: &Path) -> Result<Vec<Case>, CliError> {
    let cases = shared(folder);
    if cases.is_empty() {
        return Err(CliError::new(
            format!("{}: no expected.tsv that names histories", folder.display()),
            "name a folder that holds one: file, model, init and expected, parted by tabs",
        ));
    }
    Ok(cases)
}

/// A row of the table.
fn line(row: &Row) -> String {
    let against = row.peer.as_ref().map_or(String::new(), |peer| {
        let ours = row.decide.unwrap_or(row.intake + row.check).as_secs_f64();
        format!(
            "  porcupine {:>9} {:>6} MB  {:8} ratio {:.3}",
            time(Duration::from_secs_f64(peer.seconds)),
            peer.allocated >> 20,
            peer.verdict,
            ours / peer.seconds.max(1e-9)
        )
    });
    let decide = row.decide.map_or(String::new(), |decide| {
        format!("  verdict alone {:>9}", time(decide))
    });
    format!(
        "{:58} {:>9} ops  intake {:>9}  check {:>9}{decide}  {:>5} MB  {:9}{against}  {}\n",
        row.name,
        row.operations,
        time(row.intake),
        time(row.check),
        row.peak >> 20,
        row.verdict,
        row.algorithms.join(", ")
    )
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 1e-3 => format!("{:.2} ms", seconds * 1e3),
        seconds => format!("{:.0} µs", seconds * 1e6),
    }
}
