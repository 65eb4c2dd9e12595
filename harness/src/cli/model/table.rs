//! `plumb model scopes`: the table of named scopes.

use plumb_model::{Counted, Record, SCOPES, Scope, VERIFIED};
use serde_json::{Value, json};

use super::units::grouped;
use super::{CliError, Exit, ScopesArgs, again, is_stdout, print, write_json};

pub(super) fn run_scopes(args: &ScopesArgs) -> Result<Exit, CliError> {
    if args.verify.is_some() || args.records {
        return again::verify_counts(args);
    }
    if !is_stdout(args.json.as_deref()) {
        print(table());
    }
    let rows: Vec<Value> = SCOPES.iter().map(row).collect();
    let all = json!({ "plumb_model_scopes": 1, "scopes": rows });
    write_json(args.json.as_deref(), &all)?;
    Ok(Exit::Holds)
}

fn row(scope: &Scope) -> Value {
    let counted = scope.figures.counted();
    let record = scope.figures.record();
    json!({
        "name": scope.name,
        "about": scope.about,
        "bounds": scope.bounds,
        "symmetry": scope.symmetry,
        "unique": counted.map(|c| c.unique),
        "generated": counted.map(|c| c.generated),
        "depth": counted.map(|c| c.depth),
        "seconds": counted.map(|c| c.seconds),
        "verified": verified(scope),
        "cut_off": scope.bounds.cut_off(),
        "record": record.map(|r| json!({
            "fingerprint_bits": r.width.bits(),
            "salt": r.salt,
            "chance_of_a_collision": r.chance_of_a_collision(),
            "max_memory": r.max_memory,
            "bytes_per_state": r.bytes_per_state,
        })),
    })
}

fn verified(scope: &Scope) -> &'static str {
    scope.figures.record().map_or(VERIFIED, |r| r.verified)
}

fn table() -> String {
    let head = [
        "scope", "servers", "terms", "log", "requests", "crashes", "states", "steps", "depth",
        "time", "B/state", "verified", "about",
    ];
    let mut text = line(head);
    for scope in SCOPES {
        let b = scope.bounds;
        let small = |number: u8| number.to_string();
        let figure = |of: fn(Counted) -> String| scope.figures.counted().map_or("?".to_owned(), of);
        let memory = |r: Record| format!("{:.1}", r.bytes_per_state);
        let cells = [
            scope.name.to_owned(),
            small(b.servers),
            small(b.max_term),
            small(b.max_log),
            small(b.requests),
            small(b.crashes),
            figure(|c| grouped(c.unique)),
            figure(|c| grouped(c.generated)),
            figure(|c| c.depth.to_string()),
            figure(|c| time(c.seconds)),
            scope.figures.record().map_or(String::new(), memory),
            verified(scope).to_owned(),
            scope.about.to_owned(),
        ];
        text.push_str(&line(cells.each_ref().map(String::as_str)));
    }
    text.push_str(
        "\nStates are counted up to renaming servers, but where configurations name them; times as last measured on two cores.\n",
    );
    text.push_str(&records());
    text
}

fn line(cells: [&str; 13]) -> String {
    let [
        name,
        servers,
        terms,
        log,
        requests,
        crashes,
        states,
        steps,
        depth,
        time,
        memory,
        day,
        about,
    ] = cells;
    format!(
        "{name:<17} {servers:>7} {terms:>5} {log:>4} {requests:>8} {crashes:>7} {states:>13} {steps:>14} \
         {depth:>5} {time:>8} {memory:>7} {day:>10}  {about}\n"
    )
}

fn time(seconds: f32) -> String {
    if seconds < 120.0 {
        return format!("{seconds:.1} s");
    }
    format!("{:.0} min", seconds / 60.0)
}

/// What the figures of records rest on.
fn records() -> String {
    let mut text = String::from(
        "\nRecords are not run by default, nor by --verify without their names: --records runs them all.\n",
    );
    for scope in SCOPES {
        let Some(record) = scope.figures.record() else {
            continue;
        };
        text.push_str(&format!(
            "\n  {}: {} bits, salt {}: two states shared a fingerprint with a chance below {:.1e}; {} GB of memory\n\
             \x20   cut off: {}\n",
            scope.name,
            record.width.bits(),
            record.salt,
            record.chance_of_a_collision(),
            record.max_memory >> 30,
            scope.bounds.cut_off().join(", ")
        ));
    }
    text
}
