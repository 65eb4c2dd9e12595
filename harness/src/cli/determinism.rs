//! `plumb sim determinism`: the same seed gives the same bytes in another process, or the simulator is wrong.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;

use super::sim::{NemesisArgs, TierArg, all_cores, as_flags};
use crate::sim::System;

use super::{CliError, Exit, files, interrupt, progress};

/// What is asked of it.
#[derive(Debug, Args)]
pub struct DeterminismArgs {
    /// How many seeds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// In which world.
    #[arg(long, value_enum, default_value = "full")]
    tier: TierArg,
    #[command(flatten)]
    nemeses: NemesisArgs,
    /// How many processes at a time; one for each core if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

/// Runs each seed in two processes and compares their traces.
///
/// # Errors
/// If this program can't be started again.
pub(super) fn run(system: System, args: &DeterminismArgs) -> Result<Exit, CliError> {
    let end = args.start.checked_add(args.seeds).ok_or_else(|| {
        CliError::new(
            "--start and --seeds go beyond the last seed",
            "choose smaller numbers",
        )
    })?;
    let nemeses = args.nemeses.given(system, system.tier(args.tier.into()))?;
    let nemeses = as_flags(nemeses.as_deref());
    let (next, bytes) = (AtomicU64::new(args.start), AtomicU64::new(0));
    let (differ, error) = (Mutex::new(Vec::new()), Mutex::new(None));
    let bar = progress::bar(args.seeds, "seeds");
    let stop = interrupt::flag();
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.map_or_else(all_cores, usize::from) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) && lock(&error).is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    match (
                        trace(system, seed, args.tier, &nemeses),
                        trace(system, seed, args.tier, &nemeses),
                    ) {
                        (Ok(one), Ok(other)) if one == other => {
                            bytes.fetch_add(one.len() as u64, Ordering::Relaxed);
                        }
                        (Ok(_), Ok(_)) => lock(&differ).push(seed),
                        (Err(why), _) | (_, Err(why)) => *lock(&error) = Some(why),
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    if let Some(error) = lock(&error).take() {
        return Err(error);
    }
    let done = next.load(Ordering::Relaxed).min(end) - args.start;
    let mut differ = std::mem::take(&mut *lock(&differ));
    differ.sort_unstable();
    let mut words = format!(
        "{done} of {} seeds, each in two processes: {} differ; {} MB of traces compared\n",
        args.seeds,
        differ.len(),
        bytes.load(Ordering::Relaxed) >> 20
    );
    for seed in &differ {
        let command = system.name();
        words.push_str(&format!(
            "differs  {command} run --seed {seed}{nemeses} --trace -\n"
        ));
    }
    files::print(words);
    Ok(match (differ.is_empty(), stop.load(Ordering::Relaxed)) {
        (false, _) => Exit::Violation,
        (true, true) => Exit::Undecided,
        (true, false) => Exit::Holds,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A seed's trace, by a process of its own.
fn trace(system: System, seed: u64, tier: TierArg, nemeses: &str) -> Result<Vec<u8>, CliError> {
    let failed = |why: String| {
        CliError::new(
            format!("cannot run seed {seed} in a process of its own: {why}"),
            "see that this program may start itself, and that there is memory for it",
        )
    };
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let folder = std::env::temp_dir().join(format!("plumb-determinism-{}", std::process::id()));
    let output = Command::new(program)
        .args(system.is_shipped().then_some("sim"))
        .args(["run", "--trace", "-", "--seed", &seed.to_string()])
        .args(nemeses.split_whitespace())
        .args(["--tier", tier.name(), "--out"])
        .arg(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.stdout.is_empty() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    Ok(output.stdout)
}
