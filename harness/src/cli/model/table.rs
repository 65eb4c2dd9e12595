//! `plumb model scopes`: the table of named scopes.

use std::sync::atomic::Ordering;

use plumb_model::{Ablations, Limits, Outcome, SCOPES, Scope, Verdict, check};
use serde_json::{Value, json};

use super::units::grouped;
use super::{
    CliError, Exit, ScopesArgs, bad_bounds, exit_of, interrupt, is_stdout, named_scope, print,
    progress, write_json,
};

pub(super) fn run_scopes(args: &ScopesArgs) -> Result<Exit, CliError> {
    if let Some(names) = &args.verify {
        return verify_counts(names, args);
    }
    let rows: Vec<Value> = SCOPES
        .iter()
        .map(|scope| {
            json!({
                "name": scope.name,
                "about": scope.about,
                "bounds": scope.bounds,
                "symmetry": scope.symmetry,
                "unique": scope.counted.map(|c| c.unique),
                "generated": scope.counted.map(|c| c.generated),
                "depth": scope.counted.map(|c| c.depth),
                "seconds": scope.counted.map(|c| c.seconds),
            })
        })
        .collect();
    if !is_stdout(args.json.as_deref()) {
        let mut text = format!(
            "{:<12} {:>7} {:>5} {:>4} {:>8} {:>7} {:>12} {:>13} {:>5} {:>7}  {}\n",
            "scope",
            "servers",
            "terms",
            "log",
            "requests",
            "crashes",
            "states",
            "steps",
            "depth",
            "time",
            "about"
        );
        for scope in SCOPES {
            let b = scope.bounds;
            let figure =
                |f: fn(plumb_model::Counted) -> String| scope.counted.map_or("?".to_owned(), f);
            text.push_str(&format!(
                "{:<12} {:>7} {:>5} {:>4} {:>8} {:>7} {:>12} {:>13} {:>5} {:>7}  {}\n",
                scope.name,
                b.servers,
                b.max_term,
                b.max_log,
                b.requests,
                b.crashes,
                figure(|c| grouped(c.unique)),
                figure(|c| grouped(c.generated)),
                figure(|c| c.depth.to_string()),
                figure(|c| format!("{:.1} s", c.seconds)),
                scope.about
            ));
        }
        text.push_str(
            "\nStates are counted up to renaming servers, but where configurations name them; times as last measured on two cores.\n",
        );
        print(text);
    }
    let all = json!({ "plumb_model_scopes": 1, "scopes": rows });
    write_json(args.json.as_deref(), &all)?;
    Ok(Exit::Holds)
}

/// Explores scopes to their end and compares what is counted with what is committed.
fn verify_counts(names: &[String], args: &ScopesArgs) -> Result<Exit, CliError> {
    let named: Result<Vec<Scope>, CliError> = names.iter().map(|name| named_scope(name)).collect();
    let mut scopes = named?;
    if scopes.is_empty() {
        scopes = SCOPES.to_vec();
    }
    let show = !is_stdout(args.json.as_deref());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits {
        threads: cores,
        ..Limits::default()
    };
    let mut exit = Exit::Holds;
    let mut rows = Vec::new();
    for scope in &scopes {
        let spinner = progress::spinner(&format!("scope {}", scope.name));
        let outcome = check(
            scope,
            Ablations::NONE,
            &limits,
            &mut |_| {},
            interrupt::flag(),
        )
        .map_err(bad_bounds)?;
        spinner.finish_and_clear();
        let (end, words) = compare(scope, &outcome);
        exit = exit.worst(end);
        if show {
            print(format!(
                "{:<12} {:>13} states {:>14} steps  depth {:>3} {:>7.1} s {:>6} MB  {words}\n",
                scope.name,
                grouped(outcome.unique),
                grouped(outcome.generated),
                outcome.max_depth,
                outcome.elapsed.as_secs_f64(),
                outcome.peak_memory >> 20
            ));
        }
        rows.push(json!({ "scope": scope.name, "agrees": end == Exit::Holds, "outcome": outcome }));
        if interrupt::flag().load(Ordering::Relaxed) {
            exit = exit.worst(Exit::Undecided);
            break;
        }
    }
    let all = json!({ "plumb_model_scopes": 1, "verified": rows });
    write_json(args.json.as_deref(), &all)?;
    Ok(exit)
}

fn compare(scope: &Scope, outcome: &Outcome) -> (Exit, String) {
    if outcome.verdict != Verdict::Exhausted {
        return (exit_of(&outcome.verdict), "NOT EXHAUSTED".to_owned());
    }
    let Some(counted) = scope.counted else {
        return (
            Exit::Violation,
            "never counted: commit these figures".to_owned(),
        );
    };
    let seen = (outcome.unique, outcome.generated, outcome.max_depth);
    if seen == (counted.unique, counted.generated, counted.depth) {
        (Exit::Holds, "as committed".to_owned())
    } else {
        let committed = grouped(counted.unique);
        (
            Exit::Violation,
            format!("DIFFERS: {committed} states are committed"),
        )
    }
}
