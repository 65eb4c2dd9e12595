//! `plumb sim sweep`: many seeds on all cores, with their results in a file that a later call can go on with.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::cases::cases;
use super::record::{self, Writer};
use super::{JudgesArg, LengthArg, NemesisArgs, TierArg, all_cores, as_flags};
use crate::artifacts::{replay_command, save_failure};
use crate::cli::ci::{Reports, github};
use crate::cli::{CliError, Exit, files, interrupt, progress};
use crate::nemesis::Length;
use crate::scenario::{Judges, Tier, WORKLOADS};
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
            system,
            seeds: self.start..end,
            shard: self.shard,
            before: Vec::new(),
            length: self.length.into(),
            tier,
            judges: self.judges.into(),
            nemeses: self.nemeses.given(system, tier)?,
            jobs: 1,
            stop_at_failure: false,
            profile: false,
            for_time: None,
            give_up: GIVE_UP,
        })
    }
}

pub(super) fn many(system: System, args: &SweepArgs) -> Result<Exit, CliError> {
    files::probe(args.json.as_deref().into_iter().chain(args.reports.paths()))?;
    let (mut plan, writer) = match &args.resume {
        Some(path) => {
            let record = record::read(system, path)?;
            if let Some((line, _)) = record.torn {
                let name = path.display();
                eprintln!("{name}:{line}: the line is cut short; its seed runs again");
            }
            let writer = Writer::go_on(&record)?;
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
    let whole = summary.runs == plan.count();
    if let Some(path) = args
        .resume
        .as_ref()
        .or(args.jsonl.as_ref())
        .filter(|_| !whole)
    {
        last.push_str(&format!(
            "go on   {} sweep --resume {}\n",
            plan.system.name(),
            path.display()
        ));
    }
    // Ctrl-C leaves less than was asked for; the end of the time that was asked for does not.
    let in_time = plan.for_time.is_some() && summary.runs > 0 && !stop.load(Ordering::Relaxed);
    let exit = sweep_exit(&summary, in_time || whole || !summary.failures.is_empty());
    let cases = cases(&plan, seconds, &summary, &saved, exit);
    report(&plan, &summary, args.json.as_deref(), &args.reports, &last)?;
    args.reports.write("plumb sim sweep", &cases, exit)?;
    Ok(exit)
}

/// Says what came of a sweep, with some last words, and writes its summary where that was asked for.
pub(super) fn report(
    plan: &Plan,
    summary: &Summary,
    json: Option<&Path>,
    reports: &Reports,
    last: &str,
) -> Result<(), CliError> {
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&summary_json(plan, summary)).unwrap_or_default();
        files::write(path, format!("{text}\n").as_bytes())?;
    }
    let mut words = words_of_sweep(plan, summary);
    words.push_str(last);
    if files::is_stdout(json) || reports.on_stdout() {
        // Whoever asked for JSON there gets nothing else.
        eprint!("{words}");
    } else {
        files::print(&words);
    }
    github::summarize(&format!("### plumb sim sweep\n\n```text\n{words}```\n"));
    Ok(())
}

/// How a sweep ends: less than was asked for is no pass.
pub(super) fn sweep_exit(summary: &Summary, whole: bool) -> Exit {
    if !summary.failures.is_empty() {
        Exit::Violation
    } else if !summary.undecided.is_empty() || !summary.given_up.is_empty() || !whole {
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
        let kept = writer.as_mut().map_or(Ok(()), |writer| writer.line(seen));
        let folder = kept.and_then(|()| {
            let failed = broke.map(|(scenario, run)| save_failure(plan.system, out, scenario, run));
            failed.transpose()
        });
        match folder {
            Ok(folder) => saved.extend(folder),
            Err(e) => {
                broken.store(true, Ordering::Relaxed);
                error.get_or_insert(e);
            }
        }
    });
    bar.finish_and_clear();
    error.map_or(Ok((summary, saved)), Err)
}

fn words_of_sweep(plan: &Plan, summary: &Summary) -> String {
    let [ok, fail, info] = summary.operations;
    let given_up = match summary.given_up.len() {
        0 => String::new(),
        count => format!(
            ", {count} given up that had not ended after {} s",
            plan.give_up.as_secs()
        ),
    };
    let mut words = format!(
        "{} of {} seeds: {} failed, {} undecided{given_up}; {} simulated s, {} faults, {} operations ({ok} \
         ok, {fail} fail, {info} info)\n",
        summary.runs,
        plan.count(),
        summary.failures.len(),
        summary.undecided.len(),
        summary.simulated.as_secs(),
        summary.faults,
        ok + fail + info,
    );
    for (property, (count, first)) in summary.signatures() {
        words.push_str(&format!("  {property}: {count} seeds, the first {first}\n"));
    }
    for kind in WORKLOADS {
        let count = summary.workloads.get(&kind).copied().unwrap_or(0);
        words.push_str(&counted(
            count,
            &format!("runs of workload {}", kind.name()),
        ));
    }
    for (name, count) in counted_of(plan, summary) {
        words.push_str(&counted(count, name));
    }
    let length = if plan.length == Length::LONG {
        " --length long"
    } else {
        ""
    };
    let tier = match plan.tier {
        Tier::Full => "",
        Tier::Bare => " --tier bare",
    };
    let judges = match plan.judges {
        Judges::All => "",
        Judges::Clients => " --judges clients",
    };
    let nemeses = as_flags(plan.nemeses.as_deref());
    words.push_str(&words_of_profile(summary));
    let undecided = summary.undecided.iter().map(|seed| ("undecided", seed));
    let given_up = summary.given_up.iter().map(|seed| ("given up", seed));
    for (what, seed) in undecided.chain(given_up) {
        words.push_str(&format!(
            "{what:<10} {} run --seed {seed}{length}{tier}{judges}{nemeses}\n",
            plan.system.name()
        ));
    }
    words
}

/// What is counted of such runs, by name.
fn counted_of(plan: &Plan, summary: &Summary) -> Vec<(&'static str, u64)> {
    if plan.system.is_shipped() {
        summary.coverage.named_in(plan.tier)
    } else {
        summary.coverage.named_of_guests()
    }
}

/// Where the time went, if that was asked for.
fn words_of_profile(summary: &Summary) -> String {
    let Some(spent) = &summary.spent else {
        return String::new();
    };
    let seconds = spent.all().as_secs_f64();
    let mut words = format!(
        "{seconds:.1} s of processors, {:.0} simulated s for one of them: {}\n",
        spent.simulated().as_secs_f64() / seconds.max(1e-9),
        spent.shares().in_words()
    );
    for (time, seed) in &summary.slowest {
        words.push_str(&format!("  {:>8.3} s  seed {seed}\n", time.as_secs_f64()));
    }
    words
}

fn counted(count: u64, name: &str) -> String {
    let never = if count == 0 {
        "   never seen: this sweep does not cover it"
    } else {
        ""
    };
    format!("  {count:>10}  {name}{never}\n")
}

/// A sweep's summary, as documented in README.md.
fn summary_json(plan: &Plan, summary: &Summary) -> serde_json::Value {
    let [ok, fail, info] = summary.operations;
    let mut value = json!({
        "plumb_sweep": 2,
        "tier": plan.tier,
        "judges": plan.judges,
        "nemeses": plan.nemeses,
        "seeds": { "start": plan.seeds.start, "end": plan.seeds.end, "run": summary.runs },
        "shard": { "number": plan.shard.number, "of": plan.shard.of },
        "signatures": summary.signatures().into_iter().map(|(property, (count, first))| json!({
            "property": property, "seeds": count, "first": first,
        })).collect::<Vec<_>>(),
        "workloads": summary.workloads,
        "failed": summary.failures.iter().map(|failure| failure.seed).collect::<Vec<_>>(),
        "failures": summary.failures.iter().map(|failure| json!({
            "seed": failure.seed,
            "property": failure.violation.property,
            "what": failure.violation.what,
        })).collect::<Vec<_>>(),
        "undecided": summary.undecided,
        "given_up": summary.given_up,
        "operations": { "ok": ok, "fail": fail, "info": info },
        "faults": summary.faults,
        "simulated_ms": u64::try_from(summary.simulated.as_millis()).unwrap_or(u64::MAX),
        "slowest_to_live_ms": summary.slowest_to_live_ms,
        "coverage": summary.coverage,
    });
    if let Some(spent) = &summary.spent {
        value["profile"] = json!({
            "processor_s": spent.all().as_secs_f64(),
            "simulated_s": spent.simulated().as_secs_f64(),
            "shares": spent.shares(),
            "slowest": summary.slowest.iter().map(|(time, seed)| json!({
                "seed": seed, "seconds": time.as_secs_f64(),
            })).collect::<Vec<_>>(),
        });
    }
    value
}
