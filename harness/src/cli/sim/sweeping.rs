//! `plumb sim sweep`: many seeds on all cores, with their results in a file that a later call can go on with.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::cases::cases;
use super::record::Writer;
use super::words::{Pace, command_of, counted_of, summary_json, words_of_sweep};
use super::{JudgesArg, LengthArg, NemesisArgs, TierArg, all_cores};
use crate::artifacts::{replay_command, save_failure};
use crate::cli::ci::{Reports, github};
use crate::cli::{CliError, Exit, files, interrupt, progress};
use crate::sim::System;
use crate::sim::sweep::{GIVE_UP, Plan, Shard, Summary, sweep};
use crate::verify::stopwatch;

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    /// How many seeds.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How many runs at a time; all cores if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// How long each run is.
    #[arg(long, value_enum, default_value = "short")]
    length: LengthArg,
    /// In which world.
    #[arg(long, value_enum, default_value = "full")]
    tier: TierArg,
    /// Whose rulings count.
    #[arg(long, value_enum, default_value = "all")]
    judges: JudgesArg,
    #[command(flatten)]
    nemeses: NemesisArgs,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// As many of the seeds as fit in this many seconds; all of them if not given.
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Give a run up that takes longer than this, on the wall's clock: the sweep is undecided then. No verdict but this one
    /// depends on time.
    #[arg(long, value_name = "SECONDS", default_value_t = GIVE_UP.as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
    give_up: u64,
    /// Say where the time went: core, judges, checker, world, and the slowest seeds.
    #[arg(long)]
    profile: bool,
    /// Run part K of N only: every Nth seed.
    #[arg(long, value_name = "K/N", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// Write a line for each seed as soon as it and those before it have run.
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// Go on with a sweep that was interrupted: what to run is in its file, and what has run is not run again.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "start", "length", "tier", "judges", "nemesis", "shard", "jsonl"])]
    resume: Option<PathBuf>,
    /// Write the summary as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    reports: Reports,
    /// Where failing runs are saved.
    #[arg(long, default_value = "target/plumb/failures", value_name = "DIR")]
    out: PathBuf,
}

impl SweepArgs {
    fn plan(&self, system: System) -> Result<Plan, CliError> {
        let end = self.start.checked_add(self.seeds).ok_or_else(|| {
            CliError::new(
                "--start and --seeds go beyond the last seed",
                "choose smaller numbers",
            )
        })?;
        let tier = system.tier(self.tier.into());
        Ok(Plan {
            shard: self.shard,
            length: self.length.into(),
            judges: self.judges.into(),
            nemeses: self.nemeses.given(system, tier)?,
            ..Plan::new(system, tier, self.start..end)
        })
    }
}

pub(super) fn many(system: System, args: &SweepArgs) -> Result<Exit, CliError> {
    let on_stdout = files::is_stdout(args.jsonl.as_deref());
    let files = [&args.json, &args.jsonl].into_iter().flatten();
    let outputs = files.map(PathBuf::as_path).chain(args.reports.paths());
    files::probe(args.resume.as_deref(), outputs)?;
    let (mut plan, writer) = match &args.resume {
        Some(path) => {
            let (record, writer) = Writer::go_on(system, path)?;
            if let Some((line, _)) = record.torn {
                let name = path.display();
                eprintln!("{name}:{line}: the line is cut short; its seed runs again");
            }
            (record.asked.plan(system, record.seen), Some(writer))
        }
        None => {
            let plan = args.plan(system)?;
            let writer = args
                .jsonl
                .as_deref()
                .map(|path| Writer::create(path, &plan));
            (plan, writer.transpose()?)
        }
    };
    plan.jobs = args.jobs.map_or_else(all_cores, usize::from);
    plan.stop_at_failure = !args.keep_going;
    plan.for_time = args.time.map(Duration::from_secs);
    plan.profile = args.profile;
    plan.give_up = Duration::from_secs(args.give_up);
    let stop = interrupt::flag();
    let elapsed = stopwatch();
    let (summary, saved) = sweep_into(&plan, stop, &args.out, writer)?;
    let seconds = elapsed().as_secs_f64();
    let mut last = String::new();
    for folder in &saved {
        let replay = replay_command(system, folder);
        last.push_str(&format!("failed  {}\nreplay  {replay}\n", folder.display()));
    }
    for failure in summary.failures.iter().filter(|failure| {
        let before = &plan.before;
        before.iter().any(|seen| seen.seed == failure.seed)
    }) {
        let (seed, replay) = (failure.seed, command_of(&plan, "replay", failure.seed));
        last.push_str(&format!(
            "failed  seed {seed}, on record\nreplay  {replay}\n"
        ));
    }
    if plan.count() == 0 {
        last.push_str(&format!("shard {} has none of the seeds\n", plan.shard));
    }
    let whole = summary.runs == plan.count();
    if let Some(path) = args
        .resume
        .as_ref()
        .or(args.jsonl.as_ref().filter(|_| !on_stdout))
        .filter(|_| !whole)
    {
        // Without it, nothing runs after a failure.
        let keep_going = if summary.failures.is_empty() {
            ""
        } else {
            " --keep-going"
        };
        last.push_str(&format!(
            "go on   {} sweep --resume {}{keep_going}\n",
            plan.system.name(),
            path.display()
        ));
    }
    let pace = Pace {
        seeds: summary.runs - plan.before.len() as u64,
        seconds,
    };
    // Ctrl-C leaves less than was asked for; the end of the time that was asked for does not.
    let in_time = plan.for_time.is_some() && pace.seeds > 0 && !stop.load(Ordering::Relaxed);
    let exit = sweep_exit(&summary, in_time || whole || !summary.failures.is_empty());
    let cases = cases(&plan, seconds, &summary, &saved, exit);
    let words = words_of_sweep(&plan, &summary, Some(pace)) + &last;
    let json = summary_json(&plan, &summary, Some(pace));
    report(
        &words,
        &json,
        args.json.as_deref(),
        &args.reports,
        on_stdout,
    )?;
    args.reports.write("plumb sim sweep", &cases, exit)?;
    Ok(exit)
}

/// Says what came of a sweep, and writes its summary where that was asked for.
pub(super) fn report(
    words: &str,
    summary: &Value,
    json: Option<&Path>,
    reports: &Reports,
    lines_on_stdout: bool,
) -> Result<(), CliError> {
    if lines_on_stdout || files::is_stdout(json) || reports.on_stdout() {
        // Whoever asked for JSON there gets nothing else.
        eprint!("{words}");
    } else {
        files::print(words);
    }
    github::summarize(&format!("### plumb sim sweep\n\n```text\n{words}```\n"));
    match json {
        Some(path) => files::write_json(path, summary),
        None => Ok(()),
    }
}

/// How a sweep ends: less than was asked for is no pass.
pub(super) fn sweep_exit(summary: &Summary, whole: bool) -> Exit {
    if !summary.failures.is_empty() {
        Exit::Violation
    } else if !summary.undecided.is_empty()
        || !summary.given_up.is_empty()
        || summary.runs == 0
        || !whole
    {
        Exit::Undecided
    } else {
        Exit::Holds
    }
}

/// Runs a sweep with a progress bar and saves what fails; returns the folders.
///
/// # Errors
/// If a failure can't be saved.
pub fn sweep_and_save(
    plan: &Plan,
    stop: &AtomicBool,
    out: &Path,
) -> Result<(Summary, Vec<PathBuf>), CliError> {
    sweep_into(plan, stop, out, None)
}

/// The same, and keeps each seed in a file. A file that can't be written any more ends the sweep: nobody wants an hour's
/// work without its results.
fn sweep_into(
    plan: &Plan,
    stop: &AtomicBool,
    out: &Path,
    mut writer: Option<Writer>,
) -> Result<(Summary, Vec<PathBuf>), CliError> {
    let bar = progress::bar(plan.count(), "seeds");
    let elapsed = stopwatch();
    let before = plan.before.len() as u64;
    let mut saved = Vec::new();
    let mut error = None;
    let broken = AtomicBool::new(false);
    let summary = sweep(plan, &[stop, &broken], |seen, broke, summary| {
        bar.set_position(summary.runs);
        let failed: Vec<String> = summary
            .signatures()
            .into_iter()
            .map(|(property, (count, _))| format!(", {property} {count}"))
            .collect();
        let counts = counted_of(plan, summary);
        bar.set_message(format!(
            "{:.1} seeds/s, {} simulated s, {} faults, {} of {} things seen, {} failed{}",
            (summary.runs - before) as f64 / elapsed().as_secs_f64().max(1e-3),
            summary.simulated.as_secs(),
            summary.faults,
            counts.iter().filter(|(_, count)| *count > 0).count(),
            counts.len(),
            summary.failures.len(),
            failed.concat()
        ));
        if error.is_some() {
            return;
        }
        // The folder first: what has a line is not run again.
        let failed = broke.map(|(scenario, run)| {
            save_failure(plan.system, out, scenario, run).map_err(|error| {
                let (seed, broken) = (seen.seed, seen.broke());
                let what = format!(
                    "seed {seed} broke {broken}, and is not saved: {}",
                    error.what
                );
                CliError::new(what, error.remedy)
            })
        });
        let kept = failed.transpose().and_then(|folder| {
            saved.extend(folder);
            writer.as_mut().map_or(Ok(()), |writer| writer.line(seen))
        });
        if let Err(e) = kept {
            broken.store(true, Ordering::Relaxed);
            error = Some(e);
        }
    });
    bar.finish_and_clear();
    error.map_or(Ok((summary, saved)), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::Violation;
    use crate::scenario::{Scenario, Tier};
    use crate::sim::{Run, RunOptions};

    fn fails_at_1(scenario: &Scenario, options: RunOptions) -> Run {
        let mut run = (System::SHIPPED.run)(scenario, options);
        run.violation = (scenario.seed == 1).then(|| Violation {
            property: "Liveness".to_owned(),
            what: "made up".to_owned(),
            at_ns: 5,
        });
        run
    }

    #[test]
    fn a_failure_that_cannot_be_saved_has_no_line_and_runs_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let record = folder.path().join("record.jsonl");
        let system = System {
            run: fails_at_1,
            ..System::SHIPPED
        };
        let mut plan = Plan::new(system, Tier::Bare, 0..3);
        let never = AtomicBool::new(false);
        let out = folder.path().join("failures");
        std::fs::write(&out, "a file in the way").expect("written");
        let writer = Writer::create(&record, &plan).expect("a new file");
        let error = sweep_into(&plan, &never, &out, Some(writer)).expect_err("it can't be saved");
        assert!(
            error.what.contains("seed 1 broke Liveness"),
            "{}",
            error.what
        );
        let (kept, writer) = Writer::go_on(system, &record).expect("a record");
        let seeds: Vec<u64> = kept.seen.iter().map(|seen| seen.seed).collect();
        assert_eq!(seeds, [0], "what failed has no line, and nothing after it");

        std::fs::remove_file(&out).expect("it is there");
        plan.before = kept.seen;
        let done = sweep_into(&plan, &never, &out, Some(writer));
        let (_, saved) = done.expect("nothing is in the way");
        assert_eq!(saved, [out.join("bare-seed-1")]);
        let kept = crate::cli::sim::record::read(system, &record).expect("a record");
        assert_eq!(kept.seen.len(), 3);
    }
}
