//! The layer that explores the shipped core.

use std::sync::atomic::AtomicBool;

use super::charts::Chart;
use super::layers::{VACUOUS, slowest};
use super::{Finding, Layer, Order, Verdict, stopwatch};
use crate::cli::core::check_all;
use crate::cli::{CliError, progress};
use crate::conformance::exhaustive::{Limits, Outcome, SCOPES, Scope, Verdict as CoreVerdict};

/// Every quick scope to its end.
pub(super) fn exhaustive(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
    let elapsed = stopwatch();
    let spinner = progress::spinner("core");
    let scopes: Vec<&Scope> = SCOPES.iter().filter(|scope| scope.quick).collect();
    let say = |line| spinner.set_message(line);
    let outcomes = check_all(&scopes, Limits::default(), order.jobs, &say, stop);
    spinner.finish_and_clear();
    let seconds = elapsed().as_secs_f64();
    let whole = |outcome: &Option<Outcome>| {
        outcome
            .as_ref()
            .is_some_and(|outcome| !matches!(outcome.verdict, CoreVerdict::Stopped(_)))
    };
    let findings: Vec<Finding> = scopes
        .iter()
        .zip(&outcomes)
        .filter_map(|(scope, outcome)| finding(scope, outcome.as_ref()?))
        .collect();
    let verdict = if !findings.is_empty() {
        Verdict::Violation
    } else if outcomes.iter().all(whole) {
        Verdict::Holds
    } else {
        Verdict::Undecided
    };
    let done: Vec<(&&Scope, &Outcome)> = scopes
        .iter()
        .zip(&outcomes)
        .filter_map(|(scope, outcome)| Some((scope, outcome.as_ref()?)))
        .collect();
    let states: u64 = done.iter().map(|(_, outcome)| outcome.unique).sum();
    let steps: u64 = done.iter().map(|(_, outcome)| outcome.steps).sum();
    Ok(vec![Layer {
        name: "core, exhaustive",
        covered: format!(
            "{} scopes: {states} states, {:.1} M steps/s",
            done.len(),
            steps as f64 / seconds.max(1e-3) / 1e6
        ),
        verdict,
        seconds,
        findings,
        figures: done
            .iter()
            .map(|(scope, outcome)| {
                let figure = format!(
                    "{}: {} states, depth {}",
                    scope.bounds(),
                    outcome.unique,
                    outcome.depth
                );
                (scope.name.to_owned(), figure)
            })
            .collect(),
        charts: vec![Chart::of_counts(
            "Scopes of the core",
            "states",
            done.iter()
                .map(|(scope, outcome)| (scope.name, outcome.unique)),
        )],
        slowest: slowest(
            done.iter()
                .map(|(scope, outcome)| (format!("core scope {}", scope.name), outcome.elapsed)),
        ),
        ..Layer::default()
    }])
}

fn finding(scope: &Scope, outcome: &Outcome) -> Option<Finding> {
    let (rule, what, story) = match &outcome.verdict {
        CoreVerdict::Violation(story) => (
            story.property.to_string(),
            format!("The core breaks {}: {}", story.property, story.reason),
            Some(story.to_string()),
        ),
        CoreVerdict::Vacuous(missed) => (
            VACUOUS.to_owned(),
            format!("The core never reaches: {}.", missed.join("; ")),
            None,
        ),
        CoreVerdict::Exhausted | CoreVerdict::Stopped(_) => return None,
    };
    Some(Finding {
        rule,
        what,
        file: None,
        replay: Some(format!("cargo run --release -- core check {}", scope.name)),
        story,
    })
}
