//! `plumb bench raft`: our server under load, beside etcd if that is asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, ValueEnum};
use plumb_raft::types::NodeId;
use serde_json::json;

use super::{CliError, Exit, files, interrupt, progress};
use crate::bench::raft::{Operation, Order, Report, Row, measure, node, process};

/// More would not be a cluster that anybody runs on one machine.
const MOST_CLIENTS: u16 = 2048;
/// etcd takes requests up to 1.5 MiB, our server commands up to 1 MiB.
const MOST_BYTES: u32 = 512 << 10;

#[derive(Debug, Args)]
pub(super) struct RaftArgs {
    /// How many clients at once, a case each.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256", value_name = "N,…",
          value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_CLIENTS)))]
    clients: Vec<u16>,
    /// How many bytes a value has, a case each.
    #[arg(long, value_delimiter = ',', default_value = "16,1024", value_name = "BYTES,…",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_BYTES)))]
    values: Vec<u32>,
    /// How long each measurement takes, behind a fifth of it that warms up.
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// How often each case is measured; the median of each figure counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// How many nodes a cluster has.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// How many keys there are; each belongs to one client.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: u32,
    /// Measure this server in the same run: the same nodes, clients, keys, values and disk, in turns.
    #[arg(long, value_enum)]
    against: Option<PeerArg>,
    /// Data folders are made in here and removed in the end; it should be on the disk that is meant.
    #[arg(long, default_value = "target/plumb", value_name = "DIR")]
    dir: PathBuf,
    /// Write the figures as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PeerArg {
    /// etcd, from the PATH.
    Etcd,
}

/// A node of the cluster that is measured.
#[derive(Debug, Args)]
pub(super) struct NodeArgs {
    id: u64,
    folder: PathBuf,
    #[arg(value_delimiter = ',', required = true)]
    addrs: Vec<String>,
}

/// A program that ends when standard input does.
#[derive(Debug, Args)]
pub(super) struct GuardArgs {
    program: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("between 0.01 and 3600".to_owned()),
    }
}

pub(super) fn run(args: &RaftArgs) -> Result<Exit, CliError> {
    files::probe(None, args.json.as_deref())?;
    let order = Order {
        clients: args.clients.iter().copied().map(usize::from).collect(),
        values: args.values.iter().map(|bytes| *bytes as usize).collect(),
        measured: Duration::from_secs_f64(args.seconds),
        warm_up: Duration::from_secs_f64(args.seconds / 5.0),
        rounds: usize::from(args.rounds),
        nodes: args.nodes,
        keys: args.keys as usize,
        etcd: args.against == Some(PeerArg::Etcd),
        folder: args.dir.clone(),
    };
    let quiet = files::is_stdout(args.json.as_deref());
    let cases = order.clients.len() * order.values.len() * Operation::ALL.len();
    let bar = progress::bar(cases as u64, "cases");
    let stop = interrupt::flag();
    let mut first = true;
    let report = measure(&order, stop, |row| {
        if !quiet {
            let heading = if first { Row::heading() } else { String::new() };
            first = false;
            bar.suspend(|| files::print(heading + &row.lines()));
        }
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    if !quiet {
        files::print(words(&report));
    }
    if let Some(path) = &args.json {
        let value = json!({ "plumb_bench": 1, "raft": report });
        files::write_json(path, &value)?;
    }
    let whole = report.rows.len() == cases && !stop.load(Ordering::Relaxed);
    Ok(if whole { Exit::Holds } else { Exit::Undecided })
}

/// What stands below the table: what the figures are figures of.
fn words(report: &Report) -> String {
    let place = match report.file_system.as_deref() {
        Some(kind @ ("tmpfs" | "ramfs")) => {
            format!("logs on {kind}, WHERE A SYNC COSTS NOTHING: choose another --dir")
        }
        Some(kind) => format!("logs on {kind}"),
        None => "logs on an unknown file system".to_owned(),
    };
    let peer = report.etcd.as_ref().map_or(String::new(), |version| {
        format!("\netcd {version} with its defaults, in turns with ours; ratios are ours by etcd's")
    });
    format!(
        "\n{} nodes as processes on one machine with {} cores, {place}; {} keys, each with one client\n\
         closed loop, a connection and one operation at a time a client; {} × {} s a case, medians\n\
         read: the leader asks a majority; lease-read: it counts on its lease{peer}\n",
        report.nodes,
        report.cores,
        report.keys,
        report.rounds,
        report.measured.as_secs_f64()
    )
}

pub(super) fn serve(args: &NodeArgs) -> Result<Exit, CliError> {
    let addrs: BTreeMap<NodeId, String> =
        (1..).map(NodeId).zip(args.addrs.iter().cloned()).collect();
    let id = NodeId(args.id);
    if !addrs.contains_key(&id) {
        return Err(CliError::new(
            format!("node {id} has no address"),
            "this is a part of `plumb bench raft`, not for use by hand",
        ));
    }
    node::serve(id, &addrs, &args.folder).map(|()| Exit::Holds)
}

pub(super) fn guard(args: &GuardArgs) -> Result<Exit, CliError> {
    let guarded = process::guard(&args.program, &args.arguments);
    guarded.map(|()| Exit::Holds).map_err(|error| {
        CliError::new(
            format!("{}: {error}", args.program),
            "is it on the PATH, and executable?",
        )
    })
}
