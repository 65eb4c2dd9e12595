//! The layers of `plumb verify`, each an ordinary command's work with its figures gathered.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plumb_model::{
    Ablation, Ablations, Exam, Limits, Outcome, Progress, Scope, Verdict as ModelVerdict, check,
    exams, scope,
};

use super::{Finding, Layer, Order, Verdict, stopwatch};
use crate::artifacts::replay_command;
use crate::cli::sim::{shrink_and_save, sweep_and_save, words_of};
use crate::cli::{CliError, progress};
use crate::scenario::{Judges, Scenario, Tier};
use crate::sim::System;
use crate::sim::sweep::{Failure, Plan, Shard, Summary};

/// A layer's work; one command may fill several rows of the table.
pub(super) type Work = fn(&Order, &AtomicBool) -> Result<Vec<Layer>, CliError>;

/// How many runs the shrinking of a finding may take: some seconds.
const SHRINK_RUNS: u64 = 600;

/// All layers, in the order in which a failure is cheapest to understand.
pub(super) const ALL: [Work; 6] = [
    specification,
    ablations,
    super::core::exhaustive,
    super::storage::torture,
    bare_simulation,
    simulation,
];

fn specification(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
    let spinner = progress::spinner("specification");
    let limits = Limits {
        threads: order.jobs,
        ..Limits::default()
    };
    let elapsed = stopwatch();
    let mut findings = Vec::new();
    let mut figures = Vec::new();
    let mut verdict = Verdict::Holds;
    let (mut scopes, mut states, mut steps) = (0, 0, 0);
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
        scopes += 1;
        states += outcome.unique;
        steps += outcome.generated;
        figures.extend(model_figures(scope, &outcome));
    }
    spinner.finish_and_clear();
    if !findings.is_empty() {
        verdict = Verdict::Violation;
    }
    let seconds = elapsed().as_secs_f64();
    let rate = steps as f64 / seconds.max(1e-3) / 1e6;
    Ok(vec![Layer {
        name: "specification",
        covered: format!(
            "{scopes} of {} scopes exhausted: {states} states, {steps} steps, {rate:.1} M steps/s",
            order.profile.scopes.len()
        ),
        verdict,
        seconds,
        findings,
        figures,
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

fn ablations(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
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

/// What came of a sweep, its failures by who found them.
struct Swept {
    summary: Summary,
    seconds: f64,
    /// Every seed has run.
    whole: bool,
    of_runs: Vec<Finding>,
    of_steps: Vec<Finding>,
    of_histories: Vec<Finding>,
}

fn swept(order: &Order, stop: &AtomicBool, tier: Tier, seeds: u64) -> Result<Swept, CliError> {
    let elapsed = stopwatch();
    let end = order.first_seed.checked_add(seeds).ok_or_else(|| {
        CliError::new(
            "the seeds go beyond the last one",
            "choose a smaller --start or --seeds",
        )
    })?;
    let plan = Plan {
        system: System::SHIPPED,
        seeds: order.first_seed..end,
        shard: Shard::WHOLE,
        before: Vec::new(),
        length: order.profile.length,
        tier,
        judges: Judges::All,
        jobs: order.jobs,
        stop_at_failure: true,
        for_time: None,
    };
    let (summary, saved) = sweep_and_save(&plan, stop, &order.out.join("failures"))?;
    let seconds = elapsed().as_secs_f64();
    let (mut of_runs, mut of_steps, mut of_histories) = (Vec::new(), Vec::new(), Vec::new());
    for (failure, folder) in summary.failures.iter().zip(&saved) {
        let of = match failure.violation.property.as_str() {
            LINEARIZABILITY => &mut of_histories,
            CONFORMANCE => &mut of_steps,
            _ => &mut of_runs,
        };
        of.push(finding(failure, folder)?);
    }
    Ok(Swept {
        whole: summary.runs == seeds,
        summary,
        seconds,
        of_runs,
        of_steps,
        of_histories,
    })
}

/// Bare replicas: invariants and histories in one row.
fn bare_simulation(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
    let seeds = order.seeds.unwrap_or(order.profile.seeds);
    let seeds = seeds.saturating_mul(order.profile.bare_per_seed);
    let mut swept = swept(order, stop, Tier::Bare, seeds)?;
    swept.of_runs.append(&mut swept.of_steps);
    swept.of_runs.append(&mut swept.of_histories);
    Ok(vec![Layer {
        name: "simulation, bare",
        covered: covered_by(&swept.summary, swept.seconds),
        verdict: verdict_of(
            !swept.of_runs.is_empty(),
            swept.whole && swept.summary.undecided.is_empty(),
        ),
        seconds: swept.seconds,
        findings: swept.of_runs,
        figures: simulation_figures(&swept.summary),
    }])
}

/// The whole server: what its judges saw, and what the checker says of its clients' histories.
fn simulation(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
    let seeds = order.seeds.unwrap_or(order.profile.seeds);
    let Swept {
        summary,
        seconds,
        whole,
        of_runs,
        of_steps,
        of_histories,
    } = swept(order, stop, Tier::Full, seeds)?;
    let checked = summary.checking.as_secs_f64() / order.jobs.max(1) as f64;
    Ok(vec![
        Layer {
            name: "simulation",
            covered: covered_by(&summary, seconds),
            verdict: verdict_of(
                !of_runs.is_empty(),
                whole || !of_histories.is_empty() || !of_steps.is_empty(),
            ),
            seconds: (seconds - checked).max(0.0),
            findings: of_runs,
            figures: simulation_figures(&summary),
        },
        Layer {
            name: "conformance",
            covered: format!(
                "{} steps of {} runs, each one that the specification allows",
                summary.coverage.steps, summary.runs
            ),
            verdict: verdict_of(!of_steps.is_empty(), whole || !of_histories.is_empty()),
            seconds: 0.0,
            findings: of_steps,
            figures: Vec::new(),
        },
        Layer {
            name: "linearizability",
            covered: format!(
                "{} recorded histories, {} operations, {} undecided",
                summary.runs,
                summary.operations.iter().sum::<u64>(),
                summary.undecided.len()
            ),
            verdict: verdict_of(
                !of_histories.is_empty(),
                whole && summary.undecided.is_empty(),
            ),
            seconds: checked,
            findings: of_histories,
            figures: Vec::new(),
        },
    ])
}

/// A failing run, made as small as a short budget allows.
fn finding(failure: &Failure, folder: &Path) -> Result<Finding, CliError> {
    let scenario = Scenario::read(&folder.join("scenario.json"))?;
    let small = folder.join("shrunk");
    let Failure {
        seed,
        violation,
        explanation,
    } = failure;
    let mut what = format!(
        "Seed {seed} breaks {}: {}",
        violation.property, violation.what
    );
    let Some((shrunk, story)) = shrink_and_save(System::SHIPPED, &scenario, SHRINK_RUNS, &small)?
    else {
        what.push_str("\nand did not when it was run again, which is a bug of the simulator");
        let replay = Some(replay_command(System::SHIPPED, folder));
        return Ok(Finding {
            rule: violation.property.clone(),
            what,
            file: Some(folder.join("scenario.json").display().to_string()),
            replay,
            story: explanation.clone(),
        });
    };
    let mut rule = violation.property.clone();
    if let Some(violation) = &shrunk.run.violation {
        rule.clone_from(&violation.property);
        what = format!(
            "Seed {seed} breaks {}: {}",
            violation.property, violation.what
        );
    }
    what.push_str(&format!("\nshrunk {}", words_of(&shrunk)));
    let mut told = story;
    if let Some(explanation) = &shrunk.run.explanation {
        told.push('\n');
        told.push_str(explanation);
    }
    Ok(Finding {
        rule,
        what,
        file: Some(small.join("scenario.json").display().to_string()),
        replay: Some(replay_command(System::SHIPPED, &small)),
        story: Some(told),
    })
}

/// The rule that a scope breaks in which what it is for never happens.
pub(super) const VACUOUS: &str = "A scope reaches what it is for";

/// The name by which a run's judge calls a history that no order explains.
const LINEARIZABILITY: &str = "Linearizability";

/// The name by which a run's judge calls a step that the specification does not allow.
const CONFORMANCE: &str = "Conformance";

fn verdict_of(violated: bool, whole: bool) -> Verdict {
    if violated {
        Verdict::Violation
    } else if whole {
        Verdict::Holds
    } else {
        Verdict::Undecided
    }
}

fn covered_by(summary: &Summary, seconds: f64) -> String {
    format!(
        "{} seeds ({:.0} a minute), {} simulated s, {} faults, {} elections",
        summary.runs,
        summary.runs as f64 / seconds.max(1e-3) * 60.0,
        summary.simulated.as_secs(),
        summary.faults,
        summary.coverage.elections
    )
}

fn simulation_figures(summary: &Summary) -> Vec<(String, String)> {
    let mut figures: Vec<(String, String)> = summary
        .coverage
        .named()
        .into_iter()
        .map(|(name, count)| {
            let never = if count == 0 {
                " (never seen: not covered)"
            } else {
                ""
            };
            (name.to_owned(), format!("{count}{never}"))
        })
        .collect();
    let slowest = Duration::from_millis(summary.slowest_to_live_ms);
    figures.push((
        "slowest commit after healing".to_owned(),
        format!("{slowest:?} simulated"),
    ));
    figures
}
