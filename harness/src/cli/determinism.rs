//! `plumb sim determinism`: the same seed gives the same bytes in another process, or the simulator is wrong.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Args;
use serde_json::{Value, json};

use super::sim::{WorldArgs, all_cores, as_flags, words_of_world};
use crate::nemesis::Length;
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
    #[command(flatten)]
    world: WorldArgs,
    /// How many processes at a time; one for each core if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Write which seeds differ as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What the comparison has come to.
#[derive(Debug, Default)]
struct Compared {
    /// How many seeds ran twice.
    seeds: u64,
    /// Bytes of their traces, each counted once.
    bytes: u64,
    /// Seeds whose traces differ.
    differ: Vec<u64>,
    /// Why a run gave no trace.
    error: Option<CliError>,
    /// Somebody has ended a run.
    interrupted: bool,
}

/// Runs each seed in two processes and compares their traces.
///
/// # Errors
/// If this program can't be started again, or a run in a process of its own does not end.
pub(super) fn run(system: System, args: &DeterminismArgs) -> Result<Exit, CliError> {
    let end = args.start.checked_add(args.seeds).ok_or_else(|| {
        CliError::new(
            "--start and --seeds go beyond the last seed",
            "choose smaller numbers",
        )
    })?;
    files::probe(None, args.json.as_deref())?;
    let flags = flags(system, &args.world)?;
    let next = AtomicU64::new(args.start);
    let compared = Mutex::new(Compared::default());
    let bar = progress::bar(args.seeds, "seeds");
    let stop = interrupt::flag();
    let done = || {
        let compared = lock(&compared);
        stop.load(Ordering::Relaxed) || compared.error.is_some() || compared.interrupted
    };
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.map_or_else(all_cores, usize::from) {
            scope.spawn(|| {
                while !done() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let traces = two_traces(system, seed, &flags, stop);
                    let mut compared = lock(&compared);
                    match traces {
                        Ok(Some([one, other])) => {
                            compared.seeds += 1;
                            compared.bytes += one.len() as u64;
                            if one != other {
                                compared.differ.push(seed);
                            }
                        }
                        Ok(None) => compared.interrupted = true,
                        Err(why) => compared.error = Some(why),
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut compared = std::mem::take(&mut *lock(&compared));
    compared.differ.sort_unstable();
    let words = words(system, args, &flags, &compared);
    if files::is_stdout(args.json.as_deref()) {
        eprint!("{words}");
    } else {
        files::print(words);
    }
    if let Some(path) = &args.json {
        files::write_json(path, &as_json(system, args, &compared))?;
    }
    match (compared.differ.is_empty(), compared.error) {
        (true, Some(error)) => Err(error),
        (true, None) if compared.seeds < args.seeds => Ok(Exit::Undecided),
        (true, None) => Ok(Exit::Holds),
        (false, error) => {
            error.iter().for_each(|error| eprintln!("{error}"));
            Ok(Exit::Violation)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn words(system: System, args: &DeterminismArgs, flags: &str, compared: &Compared) -> String {
    let mut words = format!(
        "{} of {} seeds, each in two processes: {} differ; {} MB of traces compared\n",
        compared.seeds,
        args.seeds,
        compared.differ.len(),
        compared.bytes >> 20
    );
    for seed in &compared.differ {
        let command = system.name();
        words.push_str(&format!(
            "differs  {command} run --seed {seed}{flags} --trace -\n"
        ));
    }
    words
}

/// The flags that name the world of the runs.
fn flags(system: System, world: &WorldArgs) -> Result<String, CliError> {
    let nemeses = world.nemeses(system)?;
    let mut flags = words_of_world(world.length(), system.tier(world.tier()), world.judges());
    flags.push_str(&as_flags(nemeses.as_deref()));
    Ok(flags)
}

fn as_json(system: System, args: &DeterminismArgs, compared: &Compared) -> Value {
    json!({
        "plumb_determinism": 1,
        "tier": system.tier(args.world.tier()),
        "judges": args.world.judges(),
        "length": if args.world.length() == Length::LONG { "long" } else { "short" },
        "seeds": { "start": args.start, "end": args.start + args.seeds, "compared": compared.seeds },
        "differ": compared.differ,
        "trace_bytes": compared.bytes,
    })
}

/// A seed's trace, twice; `None` if somebody has stopped the runs.
fn two_traces(
    system: System,
    seed: u64,
    flags: &str,
    stop: &AtomicBool,
) -> Result<Option<[Vec<u8>; 2]>, CliError> {
    let Some(one) = trace(system, seed, flags)? else {
        return Ok(None);
    };
    if stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let other = trace(system, seed, flags)?;
    Ok(other.map(|other| [one, other]))
}

/// A seed's trace, by a process of its own. Its group is its own, too: Ctrl-C in a terminal goes to a whole group, and
/// what is under way is to end.
fn trace(system: System, seed: u64, flags: &str) -> Result<Option<Vec<u8>>, CliError> {
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
        .args(flags.split_whitespace())
        .arg("--out")
        .arg(&folder)
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    whole(output).map_err(failed)
}

/// What a run has printed, if it came to its end: half a trace is none. `None` if somebody has ended it.
fn whole(output: Output) -> Result<Option<Vec<u8>>, String> {
    const SIGINT: i32 = 2;
    const SIGTERM: i32 = 15;
    let verdicts = [Exit::Holds, Exit::Violation, Exit::Undecided].map(|exit| exit.code().into());
    match (output.status.code(), output.status.signal()) {
        (_, Some(SIGINT | SIGTERM)) => Ok(None),
        (Some(code), _) if verdicts.contains(&code) && !output.stdout.is_empty() => {
            Ok(Some(output.stdout))
        }
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{}: {}", output.status, said.trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DeterminismArgs,
    }

    fn ended(raw: i32, stdout: &str) -> Result<Option<Vec<u8>>, String> {
        whole(Output {
            status: ExitStatus::from_raw(raw),
            stdout: stdout.into(),
            stderr: b"said".into(),
        })
    }

    #[test]
    fn half_a_trace_is_none() {
        let exited = |code: i32| code << 8;
        for code in [0, 1, 3] {
            assert_eq!(ended(exited(code), "trace"), Ok(Some(b"trace".to_vec())));
        }
        for raw in [exited(2), exited(101), 9, 6] {
            let why = ended(raw, "tra").expect_err("it did not come to its end");
            assert!(why.ends_with(": said"), "{why}");
        }
        ended(exited(0), "").expect_err("no trace is empty");
        for signal in [2, 15] {
            assert_eq!(ended(signal, "tra"), Ok(None), "somebody stopped it");
        }
    }

    #[test]
    fn what_differs_is_told_with_the_world_in_which_it_does() {
        let line = "determinism --tier bare --length long --judges clients --nemesis pause";
        let args = Line::parse_from(line.split(' ')).args;
        let compared = Compared {
            seeds: 9,
            differ: vec![7],
            ..Compared::default()
        };
        let flags = flags(System::SHIPPED, &args.world).expect("they are known");
        let words = words(System::SHIPPED, &args, &flags, &compared);
        let told =
            "run --seed 7 --length long --tier bare --judges clients --nemesis pause --trace -";
        assert!(words.contains(told), "{words}");
    }
}
