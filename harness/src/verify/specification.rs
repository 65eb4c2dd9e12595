//! The layers of the specification: its scopes to their ends, and one rule removed at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plumb_model::{
    Ablation, Ablations, Exam, Limits, Outcome, Progress, Scope, Verdict as ModelVerdict, check,
    exams, scope,
};

use super::charts::Chart;
use super::layers::{VACUOUS, slowest};
use super::{Finding, Layer, Order, Verdict, stopwatch};
use crate::cli::{CliError, progress};

pub(super) fn specification(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
    let spinner = progress::spinner("specification");
    let limits = Limits {
        threads: order.jobs,
        ..Limits::default()
    };
    let elapsed = stopwatch();
    let mut findings = Vec::new();
    let mut figures = Vec::new();
    let mut verdict = Verdict::Holds;
    let mut done: Vec<(&str, u64, Duration)> = Vec::new();
    let mut steps = 0;
    for name in order.profile.scopes {
        let scope = scope(name).expect("a profile names scopes that exist");
        let watch = &mut |seen: Progress| {
            spinner.set_message(format!(
                "{name}: depth {}, {} states",
                seen.depth, seen.unique
            ));
        };
        let outcome = check(scope, Ablations::NONE, &limits, watch, stop).map_err(bounds_error)?;
        findings.extend(what_is_wrong(scope, &outcome));
        if matches!(outcome.verdict, ModelVerdict::Stopped(_)) {
            verdict = Verdict::Undecided;
            break;
        }
        done.push((name, outcome.unique, outcome.elapsed));
        steps += outcome.generated;
        figures.extend(model_figures(scope, &outcome));
    }
    spinner.finish_and_clear();
    if !findings.is_empty() {
        verdict = Verdict::Violation;
    }
    let seconds = elapsed().as_secs_f64();
    let rate = steps as f64 / seconds.max(1e-3) / 1e6;
    let states: u64 = done.iter().map(|(_, states, _)| states).sum();
    Ok(vec![Layer {
        name: "specification",
        covered: format!(
            "{} of {} scopes exhausted: {states} states, {steps} steps, {rate:.1} M steps/s",
            done.len(),
            order.profile.scopes.len()
        ),
        verdict,
        seconds,
        findings,
        figures,
        charts: vec![Chart::of_counts(
            "Scopes of the specification",
            "states",
            done.iter().map(|(name, states, _)| (*name, *states)),
        )],
        slowest: slowest(
            done.iter()
                .map(|(name, _, time)| (format!("scope {name}"), *time)),
        ),
        ..Layer::default()
    }])
}

/// What a scope shows to be wrong with the specification, if anything.
fn what_is_wrong(scope: &Scope, outcome: &Outcome) -> Option<Finding> {
    let (rule, what, story) = match &outcome.verdict {
        ModelVerdict::Exhausted | ModelVerdict::Stopped(_) => return None,
        ModelVerdict::Violation(story) => (
            story.property.to_owned(),
            format!("The specification breaks {}.", story.property),
            Some(story.to_string()),
        ),
        ModelVerdict::Vacuous(missed) => (
            VACUOUS.to_owned(),
            format!("The specification never reaches: {}.", missed.join("; ")),
            None,
        ),
    };
    let replay = format!("cargo run --release -- model check --scope {}", scope.name);
    Some(Finding {
        rule,
        what,
        file: None,
        replay: Some(replay),
        story,
    })
}

/// What was seen of a scope, in two lines.
fn model_figures(scope: &Scope, outcome: &Outcome) -> [(String, String); 2] {
    let reached = outcome.sometimes.iter().filter(|(_, reached)| *reached);
    let reached: Vec<&str> = reached.map(|(claim, _)| *claim).collect();
    let taken = outcome.rules.iter().filter(|(_, count)| *count > 0);
    let taken: Vec<String> = taken.map(|(rule, n)| format!("{rule} {n}")).collect();
    let summary = format!(
        "{} ({}): {} states, {} steps, depth {}, {} MB, {:.1} s; reached: {}",
        scope.about,
        scope.bounds,
        outcome.unique,
        outcome.generated,
        outcome.max_depth,
        outcome.peak_memory >> 20,
        outcome.elapsed.as_secs_f64(),
        reached.join("; ")
    );
    [
        (format!("scope: {}", scope.name), summary),
        (
            format!("scope: {}, steps by rule", scope.name),
            taken.join(", "),
        ),
    ]
}

pub(super) fn ablations(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
    let elapsed = stopwatch();
    let bar = progress::bar(Ablation::ALL.len() as u64, "ablations");
    // An exam is searched by one thread, so that its story is always the same: the exams share out.
    let outcomes = sit_all(order.jobs, stop, &|| bar.inc(1))?;
    bar.finish_and_clear();
    let mut findings = Vec::new();
    let mut figures = Vec::new();
    let mut decided = 0;
    for (exam, outcome) in &outcomes {
        let name = exam.ablation.name();
        match &outcome.verdict {
            ModelVerdict::Violation(story) => {
                decided += 1;
                figures.push((name.to_owned(), story.to_string()));
            }
            ModelVerdict::Exhausted | ModelVerdict::Vacuous(_) => {
                decided += 1;
                findings.push(Finding {
                    rule: format!("{} rests on its rule", exam.breaks),
                    file: None,
                    what: format!(
                        "Without the rule \"{}\" {} still holds: the specification does not show \
                         what the rule is for.",
                        exam.ablation.removed_rule(),
                        exam.breaks
                    ),
                    replay: Some(format!("cargo run --release -- model ablate {name}")),
                    story: None,
                });
            }
            ModelVerdict::Stopped(_) => {}
        }
    }
    let verdict = if !findings.is_empty() {
        Verdict::Violation
    } else if decided < Ablation::ALL.len() {
        Verdict::Undecided
    } else {
        Verdict::Holds
    };
    Ok(vec![Layer {
        name: "ablations",
        covered: format!(
            "{} of {} removed rules break the property that rests on them",
            decided - findings.len(),
            Ablation::ALL.len()
        ),
        verdict,
        seconds: elapsed().as_secs_f64(),
        findings,
        figures,
        slowest: slowest(outcomes.iter().map(|(exam, outcome)| {
            (
                format!("ablation {}", exam.ablation.name()),
                outcome.elapsed,
            )
        })),
        ..Layer::default()
    }])
}

fn sit_all(
    jobs: usize,
    stop: &AtomicBool,
    sat: &(dyn Fn() + Sync),
) -> Result<Vec<(Exam, Outcome)>, CliError> {
    let exams: Vec<Exam> = exams().collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let sit = || {
        let mut mine = Vec::new();
        while let Some(exam) = exams.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = check(
                &exam.scope(),
                exam.ablations(),
                &Limits::default(),
                &mut |_| {},
                stop,
            );
            sat();
            mine.push((*exam, outcome.map_err(bounds_error)?));
        }
        Ok::<_, CliError>(mine)
    };
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(sit)).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Result<Vec<_>, _>>()
    })?
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    all.sort_by_key(|(exam, _)| Ablation::ALL.iter().position(|one| *one == exam.ablation));
    Ok(all)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err asks for"
)]
fn bounds_error(error: plumb_model::BoundsError) -> CliError {
    CliError::new(
        error.to_string(),
        "this is a bug: the bounds are built in; please report it",
    )
}
