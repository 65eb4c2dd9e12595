//! `plumb wal`: looks at a server's log without changing it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use plumb_raft::storage::{Inspection, RealDisk, RecordSummary, inspect};
use serde_json::json;

use super::{CliError, Exit, files};

/// Looks at a server's write-ahead log.
#[derive(Debug, Args)]
pub struct WalArgs {
    #[command(subcommand)]
    command: WalCommand,
}

#[derive(Debug, Subcommand)]
enum WalCommand {
    /// Lists the records of a data folder and says whether it is whole.
    #[command(
        after_help = "Examples:\n  plumb wal inspect /var/lib/plumb/n1\n  plumb wal inspect DIR --json \
                      -\n\nReads only; run it on a folder whose server is not running.\n\nExit codes: 0 \
                      whole, a torn tail included; 1 damaged; 2 not readable."
    )]
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// The data folder of a server.
    folder: PathBuf,
    /// Write what is found as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the folder can't be read, or the result not written.
pub fn run(args: &WalArgs) -> Result<Exit, CliError> {
    match &args.command {
        WalCommand::Inspect(args) => look(args),
    }
}

fn look(args: &InspectArgs) -> Result<Exit, CliError> {
    if !args.folder.is_dir() {
        return Err(CliError::new(
            format!("{} is no folder", args.folder.display()),
            "name the data folder of a server",
        ));
    }
    let disk = RealDisk::open(&args.folder).map_err(|error| {
        CliError::new(
            error.to_string(),
            "stop the server that uses the folder, or inspect a copy of it",
        )
    })?;
    let mut records = Vec::new();
    let result = inspect(&disk, &mut |record| records.push(record));
    let damage = result.as_ref().err().map(ToString::to_string);
    let whole = result.as_ref().ok();
    if let Some(path) = &args.json {
        let value = as_json(&records, whole, damage.as_deref());
        files::write_json(path, &value)?;
    }
    if !files::is_stdout(args.json.as_deref()) {
        files::print(as_text(&records, whole, damage.as_deref()));
    }
    Ok(if damage.is_some() {
        Exit::Violation
    } else {
        Exit::Holds
    })
}

fn as_text(records: &[RecordSummary], whole: Option<&Inspection>, damage: Option<&str>) -> String {
    let mut out = format!(
        "{:<32} {:>10} {:>8} {:>10}  writes\n",
        "file", "offset", "bytes", "synced"
    );
    for record in records {
        out.push_str(&format!(
            "{:<32} {:>10} {:>8} {:>10}  {}\n",
            record.file, record.offset, record.bytes, record.synced, record.writes
        ));
    }
    if let Some(found) = whole {
        let vote = found.hard_state.voted_for;
        out.push_str(&format!(
            "\n{} records in {} segments; term {}, vote {}, last entry {}\ndurable up to byte {} of {}, \
             valid up to {}{}\n",
            found.records,
            found.segments,
            found.hard_state.current_term,
            vote.map_or("none".to_owned(), |id| id.to_string()),
            found.last_index,
            found.durable,
            if found.file.is_empty() { "nothing" } else { &found.file },
            found.end,
            match found.torn_bytes {
                0 => String::new(),
                bytes => format!("; a torn tail of {bytes} bytes, which nobody was promised"),
            }
        ));
    }
    if let Some(damage) = damage {
        out.push_str(&format!("\nDAMAGED: {damage}\n"));
    }
    out
}

fn as_json(
    records: &[RecordSummary],
    whole: Option<&Inspection>,
    damage: Option<&str>,
) -> serde_json::Value {
    let records: Vec<_> = records
        .iter()
        .map(|record| {
            json!({
                "file": record.file,
                "offset": record.offset,
                "bytes": record.bytes,
                "synced": record.synced,
                "writes": record.writes,
            })
        })
        .collect();
    let end = whole.map(|found| {
        json!({
            "segments": found.segments,
            "records": found.records,
            "term": found.hard_state.current_term.0,
            "vote": found.hard_state.voted_for.map(|id| id.0),
            "last_index": found.last_index,
            "file": found.file,
            "end": found.end,
            "durable": found.durable,
            "torn_bytes": found.torn_bytes,
        })
    });
    json!({ "plumb_wal": 1, "records": records, "whole": end, "damage": damage })
}
