//! The layers of simulated runs: invariants and clients' histories of bare replicas and of the whole server.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::charts::Chart;
use super::layers::slowest;
use super::{Finding, Layer, Order, ShownRun, Verdict, stopwatch};
use crate::artifacts::replay_command;
use crate::cli::CliError;
use crate::cli::sim::{shrink_and_save, sweep_and_save, words_of};
use crate::nemesis::Length;
use crate::scenario::{Scenario, Tier, WORKLOADS};
use crate::sim::System;
use crate::sim::sweep::{Failure, Plan, Summary};

/// How many runs the shrinking of a finding may take: some seconds.
const SHRINK_RUNS: u64 = 600;

/// What came of a sweep, its failures by who found them.
struct Swept {
    summary: Summary,
    seeds: Range<u64>,
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
        length: order.profile.length,
        jobs: order.jobs,
        stop_at_failure: true,
        ..Plan::new(System::SHIPPED, tier, order.first_seed..end)
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
        seeds: plan.seeds,
        summary,
        seconds,
        of_runs,
        of_steps,
        of_histories,
    })
}

/// Bare replicas: invariants and histories in one row.
pub(super) fn bare_simulation(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
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
        charts: simulation_charts(&swept.summary, Tier::Bare),
        slowest: slowest_seeds(&swept.summary, "bare seed"),
        seeds: Some(swept.seeds),
        ..Layer::default()
    }])
}

/// The whole server: what its judges saw, and what the checker says of its clients' histories.
pub(super) fn simulation(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
    let seeds = order.seeds.unwrap_or(order.profile.seeds);
    let Swept {
        summary,
        seeds,
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
            charts: simulation_charts(&summary, Tier::Full),
            slowest: slowest_seeds(&summary, "seed"),
            seeds: Some(seeds),
            shown_run: shown_run(order, &summary),
        },
        Layer {
            name: "conformance",
            covered: format!(
                "{} steps of {} runs, each one that the specification allows",
                summary.coverage.steps, summary.runs
            ),
            verdict: verdict_of(!of_steps.is_empty(), whole || !of_histories.is_empty()),
            findings: of_steps,
            ..Layer::default()
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
            ..Layer::default()
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

/// The name by which a run's judge calls a history that no order explains.
const LINEARIZABILITY: &str = "Linearizability";

/// The name by which a run's judge calls a step that the specification does not allow.
const CONFORMANCE: &str = "Conformance";

fn covered_by(summary: &Summary, seconds: f64) -> String {
    let given_up = summary.given_up.iter();
    let given_up: String = given_up
        .map(|seed| format!("; seed {seed} did not end"))
        .collect();
    format!(
        "{} seeds ({:.0} a minute), {} simulated s, {} faults, {} elections{given_up}",
        summary.runs,
        summary.runs as f64 / seconds.max(1e-3) * 60.0,
        summary.simulated.as_secs(),
        summary.faults,
        summary.coverage.elections
    )
}

fn simulation_charts(summary: &Summary, tier: Tier) -> Vec<Chart> {
    let workloads = WORKLOADS.iter().map(|kind| {
        let runs = summary.workloads.get(kind).copied().unwrap_or(0);
        (kind.name(), runs)
    });
    vec![
        Chart::of_counts("What clients did", "runs", workloads),
        Chart::of_coverage(&summary.coverage, tier),
    ]
}

fn slowest_seeds(summary: &Summary, name: &str) -> Vec<(String, f64)> {
    slowest(
        summary
            .slowest
            .iter()
            .map(|(time, seed)| (format!("{name} {seed}"), *time)),
    )
}

/// The run to look at, with the command that runs it again.
fn shown_run(order: &Order, summary: &Summary) -> Option<ShownRun> {
    let (seed, operations) = summary.busiest?;
    let length = if order.profile.length == Length::LONG {
        " --length long"
    } else {
        ""
    };
    Some(ShownRun {
        seed,
        operations,
        replay: format!("cargo run --release -- sim run --seed {seed}{length}"),
    })
}

fn simulation_figures(summary: &Summary) -> Vec<(String, String)> {
    let slowest = Duration::from_millis(summary.slowest_to_live_ms);
    let [ok, fail, info] = summary.operations;
    vec![
        (
            "operations of clients".to_owned(),
            format!("{ok} ok, {fail} fail, {info} info"),
        ),
        (
            "slowest commit after healing".to_owned(),
            format!("{slowest:?} simulated"),
        ),
    ]
}

fn verdict_of(violated: bool, whole: bool) -> Verdict {
    if violated {
        Verdict::Violation
    } else if whole {
        Verdict::Holds
    } else {
        Verdict::Undecided
    }
}
