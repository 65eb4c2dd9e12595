//! `plumb bench model`: how fast the specification is explored.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Args;
use plumb_model::Scope;
use serde_json::json;

use super::model::{Meter, named_scope};
use super::sim::all_cores;
use super::{CliError, Exit, files, interrupt, progress};
use crate::bench::model::{Explorer, LEAST_WITH, LEAST_WITHOUT, Row, ours, stateright};

#[derive(Debug, Args)]
pub(super) struct ModelBenchArgs {
    /// The scope that is explored with symmetry.
    #[arg(long, default_value = "deep", value_name = "NAME")]
    with: String,
    /// The scope that is explored without: six times the states.
    #[arg(long, default_value = "quick", value_name = "NAME")]
    without: String,
    /// The scope that stateright's checkers explore, too; they take long and much memory.
    #[arg(long, default_value = "small", value_name = "NAME")]
    beside: String,
    /// Threads [default: all cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Write the figures as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If there is no such scope, or the figures can't be written.
pub(super) fn run(args: &ModelBenchArgs) -> Result<Exit, CliError> {
    files::probe(None, args.json.as_deref())?;
    let (with, without) = (symmetric(&args.with)?, named_scope(&args.without)?);
    let beside = symmetric(&args.beside)?;
    let threads = args.threads.map_or_else(all_cores, usize::from);
    let stop = interrupt::flag();
    let quiet = files::is_stdout(args.json.as_deref());
    let explore = |explorer: Explorer, scope: &Scope, symmetry: bool| {
        let spinner = progress::spinner(&format!("scope {}", scope.name));
        let mut meter = Meter::default();
        let mut tell = |seen| {
            if let Some(line) = meter.line(&seen, spinner.elapsed()) {
                spinner.set_message(line);
            }
        };
        let row = if explorer == Explorer::Ours {
            ours(scope, symmetry, threads, &mut tell, stop)
        } else {
            stateright(scope, symmetry, threads, stop)
        };
        spinner.finish_and_clear();
        if let (Some(row), false) = (&row, quiet) {
            files::print(line(row));
        }
        row
    };
    let orders = [
        (Explorer::Ours, with, true),
        (Explorer::Ours, without, false),
        (Explorer::Ours, beside, true),
        (Explorer::StaterightDfs, beside, true),
        (Explorer::Ours, beside, false),
        (Explorer::StaterightBfs, beside, false),
    ];
    let rows: Vec<Row> = orders
        .iter()
        .map_while(|(explorer, scope, symmetry)| explore(*explorer, scope, *symmetry))
        .collect();
    if !quiet {
        files::print(bars(&rows));
    }
    if let Some(path) = &args.json {
        files::write(
            path,
            format!("{:#}\n", json!({ "plumb_bench": 1, "model": rows })),
        )?;
    }
    Ok(if stop.load(Ordering::Relaxed) {
        Exit::Undecided
    } else {
        Exit::Holds
    })
}

/// A scope in which servers can be renamed.
fn symmetric(name: &str) -> Result<Scope, CliError> {
    let scope = named_scope(name)?;
    if scope.symmetry {
        return Ok(scope);
    }
    Err(CliError::new(
        format!("scope {name} has no symmetry: its configurations name servers"),
        "choose one without membership",
    ))
}

fn line(row: &Row) -> String {
    let explorer = match row.explorer {
        Explorer::Ours => "ours",
        Explorer::StaterightBfs => "stateright BFS",
        Explorer::StaterightDfs => "stateright DFS",
    };
    let memory = row
        .bytes_per_state
        .map_or(String::new(), |bytes| format!(", {bytes:.1} bytes a state"));
    format!(
        "{explorer:14} {:11} {:16} {:>10} states {:>11} steps {:>7.2} s {:>6.2} M steps/s{memory}\n",
        row.scope,
        if row.symmetry {
            "symmetry"
        } else {
            "without symmetry"
        },
        row.unique,
        row.generated,
        row.seconds,
        row.rate / 1e6,
    )
}

/// The bars, and how many times as fast as stateright we are.
fn bars(rows: &[Row]) -> String {
    let mut text = format!(
        "The bars, on two cores and scopes of millions: {} M steps/s with symmetry, {} M without.\n",
        LEAST_WITH / 1e6,
        LEAST_WITHOUT / 1e6
    );
    for pair in rows.windows(2) {
        let [own, peer] = pair else { continue };
        if own.explorer == Explorer::Ours && peer.explorer != Explorer::Ours {
            text.push_str(&format!(
                "{}, {}: {:.1} times as many steps a second as stateright.\n",
                own.scope,
                if own.symmetry { "symmetry" } else { "without" },
                own.rate / peer.rate.max(1e-9),
            ));
        }
    }
    text
}
