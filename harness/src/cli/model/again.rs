//! `plumb model scopes --verify`: named scopes explored again, their counts compared with the committed ones.

use std::sync::atomic::Ordering;

use plumb_model::{Ablations, Limits, Outcome, SCOPES, Scope, Storage, Verdict, check_with_files};
use serde_json::json;

use super::units::grouped;
use super::{
    CliError, Exit, Meter, ScopesArgs, bad_check, exit_of, interrupt, is_stdout, named_scope,
    print, progress, write_json,
};

/// Explores scopes to their end and compares what is counted with what is committed.
pub(super) fn verify_counts(args: &ScopesArgs) -> Result<Exit, CliError> {
    let scopes = asked_for(args)?;
    let show = !is_stdout(args.json.as_deref());
    let mut exit = Exit::Holds;
    let mut rows = Vec::new();
    for scope in &scopes {
        let outcome = explore(scope)?;
        let (end, words) = compare(scope, &outcome);
        exit = exit.worst(end);
        if show {
            print(format!(
                "{:<17} {:>13} states {:>14} steps  depth {:>3} {:>7.1} s {:>6} MB  {words}\n",
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
    let all_others = args.verify.as_ref().is_some_and(Vec::is_empty);
    if show && all_others && !args.records {
        print(left_out());
    }
    let all = json!({ "plumb_model_scopes": 1, "verified": rows });
    write_json(args.json.as_deref(), &all)?;
    Ok(exit)
}

/// Those that are named, and the records or the others if all of them are asked for.
fn asked_for(args: &ScopesArgs) -> Result<Vec<Scope>, CliError> {
    let names = args.verify.as_deref();
    let named = names
        .unwrap_or_default()
        .iter()
        .map(|name| named_scope(name));
    let mut scopes = named.collect::<Result<Vec<Scope>, CliError>>()?;
    let all_others = names.is_some_and(<[String]>::is_empty);
    scopes.extend(SCOPES.iter().filter(|scope| {
        if scope.figures.record().is_some() {
            args.records
        } else {
            all_others
        }
    }));
    Ok(scopes)
}

/// A record is explored as it was when its figures were taken.
fn explore(scope: &Scope) -> Result<Outcome, CliError> {
    let record = scope.figures.record();
    let usual = Limits {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ..Limits::default()
    };
    let limits = record.map_or(usual, |record| Limits {
        width: record.width,
        salt: record.salt,
        max_memory: Some(record.max_memory),
        ..usual
    });
    let spinner = progress::spinner(&format!("scope {}", scope.name));
    let mut meter = Meter::default();
    let outcome = check_with_files(
        scope,
        Ablations::NONE,
        &limits,
        &Storage::default(),
        &mut |seen| {
            if let Some(line) = meter.line(&seen, spinner.elapsed()) {
                spinner.set_message(format!("{}: {line}", scope.name));
            }
        },
        interrupt::flag(),
    )
    .map_err(bad_check)?;
    spinner.finish_and_clear();
    Ok(outcome)
}

/// Says which records were not run.
fn left_out() -> String {
    let records = SCOPES
        .iter()
        .filter(|scope| scope.figures.record().is_some());
    let names: Vec<&str> = records.map(|scope| scope.name).collect();
    format!(
        "not run: the records {} (--records runs them)\n",
        names.join(", ")
    )
}

fn compare(scope: &Scope, outcome: &Outcome) -> (Exit, String) {
    if outcome.verdict != Verdict::Exhausted {
        return (exit_of(&outcome.verdict), "NOT EXHAUSTED".to_owned());
    }
    let counted = scope
        .figures
        .counted()
        .expect("every named scope has figures, as their table's types and tests see to");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(verify: Option<&[&str]>, records: bool) -> Vec<&'static str> {
        let args = ScopesArgs {
            verify: verify.map(|names| names.iter().map(ToString::to_string).collect()),
            records,
            json: None,
        };
        let scopes = asked_for(&args).expect("names of scopes");
        scopes.iter().map(|scope| scope.name).collect()
    }

    #[test]
    fn records_are_run_only_if_somebody_asks_for_them() {
        let is_record = |name: &&&str| name.starts_with("record-");
        let all = names(Some(&[]), false);
        assert!(all.contains(&"five-crash") && all.iter().find(is_record).is_none());
        let records = names(None, true);
        assert!(!records.is_empty() && records.iter().all(|name| is_record(&name)));
        assert_eq!(names(Some(&[]), true).len(), SCOPES.len());
        assert_eq!(names(Some(&["record-crash"]), false), ["record-crash"]);
        assert!(left_out().contains("record-crash"));
    }
}
