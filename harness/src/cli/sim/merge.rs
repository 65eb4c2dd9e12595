//! `plumb sim merge`: the shards of a sweep as one report. It refuses shards that overlap, are missing, or are not of
//! one sweep; what a shard has not run yet makes the whole undecided.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::cases::cases;
use super::record::{self, Record};
use super::sweeping::{report, sweep_exit};
use super::words::{summary_json, words_of_sweep};
use crate::cli::ci::Reports;
use crate::cli::{CliError, Exit, files};
use crate::sim::System;
use crate::sim::sweep::{Shard, Summary};

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The files that `plumb sim sweep --shard K/N --jsonl FILE` has written, one of each shard.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the summary as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    reports: Reports,
}

pub(super) fn merge(system: System, args: &MergeArgs) -> Result<Exit, CliError> {
    let files = args.files.iter().map(PathBuf::as_path);
    let outputs = args.json.as_deref().into_iter().chain(args.reports.paths());
    files::probe(files, outputs)?;
    let records: Vec<Record> = args
        .files
        .iter()
        .map(|path| record::read(system, path))
        .collect::<Result<_, _>>()?;
    check_together(&records)?;
    let asked = records[0].asked.whole();
    let mut missing = String::new();
    for record in &records {
        let (due, name) = (
            record.asked.shard.count(&asked.seeds()),
            record.path.display(),
        );
        if let Some((line, _)) = record.torn {
            missing.push_str(&format!(
                "{name}:{line}: the line is cut short and left out\n"
            ));
        }
        if (record.seen.len() as u64) < due {
            missing.push_str(&format!(
                "{name}: {} of {due} seeds of shard {}; go on with `{} sweep --resume {name}`\n",
                record.seen.len(),
                record.asked.shard,
                system.name()
            ));
        }
    }
    let mut seen: Vec<_> = records.into_iter().flat_map(|record| record.seen).collect();
    seen.sort_by_key(|seen| seen.seed);
    let mut summary = Summary::default();
    seen.into_iter().for_each(|seen| summary.add(seen));
    let plan = asked.plan(system, Vec::new());
    let words = words_of_sweep(&plan, &summary, None) + &missing;
    let json = summary_json(&plan, &summary, None);
    report(&words, &json, args.json.as_deref(), &args.reports, false)?;
    let exit = sweep_exit(&summary, summary.runs == plan.count());
    let cases = cases(&plan, 0.0, &summary, &[], exit);
    args.reports.write("plumb sim merge", &cases, exit)?;
    Ok(exit)
}

/// Whether these are the shards of one sweep, each once.
fn check_together(records: &[Record]) -> Result<(), CliError> {
    let first = &records[0];
    let mut shards: BTreeMap<u64, &Record> = BTreeMap::new();
    for record in records {
        let (one, other) = (first.path.display(), record.path.display());
        if record.asked.shard.of != first.asked.shard.of
            || record.asked.whole() != first.asked.whole()
        {
            return Err(CliError::new(
                format!("{one} and {other} are not of one sweep: their first lines differ"),
                "merge shards that were asked for with the same seeds, tier, length and judges",
            ));
        }
        let shard = record.asked.shard;
        if let Some(twin) = shards.insert(shard.number, record) {
            return Err(CliError::new(
                format!("{} and {other} are both shard {shard}", twin.path.display()),
                "name each shard once",
            ));
        }
    }
    let of = first.asked.shard.of;
    let missing: Vec<String> = (1..=of)
        .filter(|number| !shards.contains_key(number))
        .map(|number| Shard { number, of }.to_string())
        .take(10)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(CliError::new(
        format!(
            "{} of {of} shards are here; missing: {}",
            shards.len(),
            missing.join(", ")
        ),
        "run those with `plumb sim sweep --shard K/N --jsonl FILE` and name their files, too",
    ))
}
