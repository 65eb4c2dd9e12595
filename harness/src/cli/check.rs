//! `plumb check`: a verdict on recorded histories, for people and for CI.

mod named;
mod output;
mod taking;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{HumanCount, ProgressBar};
use plumb_checkers::{
    Budget, Consistency, Options, Report, Spec, Verdict, WitnessError, check_until, verify_witness,
};
use plumb_histories::{Header, Kind, ReadError, Source, StreamError, Value, read_source, stream};

use super::ci::{Reports, github};
use super::model::units::{parse_size, parse_time};
use super::sim::all_cores;
use super::{CliError, Exit, files, interrupt, progress};
use crate::verify::stopwatch;
use named::histories;
use taking::Taking;

/// Judges recorded histories: is there an order of the operations that explains what clients saw?
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  plumb check history.jsonl\n  plumb check store/ --spec cas-register\n  \
                  plumb check etcd.log --spec cas-register --init null\n  plumb check kv.txt --spec \
                  kv-append --init '\"\"' --json - | jq .verdict\n  plumb check \
                  store/ --junit verdicts.xml --sarif verdicts.sarif\n  cat history.edn | plumb check - \
                  --spec register --init 0\n\nReads Plumbline's JSON Lines, Jepsen and Knossos EDN, \
                  jepsen.util log lines and Porcupine's kv text.\n\nExit codes: 0 all are valid, 1 one \
                  is not, 2 usage or unreadable input, 3 undecided."
)]
pub struct CheckArgs {
    /// Histories, folders of histories, patterns such as 'store/*/history.edn', or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The specification to hold them against; if not given, what each history's header says.
    #[arg(long, value_name = "NAME")]
    spec: Option<String>,
    /// The initial value of every object, as JSON; if not given, the header's, or null.
    #[arg(long, value_name = "JSON", value_parser = parse_init)]
    init: Option<Value>,
    /// How strong a promise is judged.
    #[arg(long, value_name = "NAME", default_value = "linearizable")]
    consistency: String,
    /// Of transactions on registers, be content with the absence of cycles, as Elle is; else a serial order must be
    /// found, or the verdict is unknown.
    #[arg(long)]
    acyclic: bool,
    /// Values are pairs of key and value, as jepsen.independent writes them.
    #[arg(long)]
    independent: bool,
    /// Give up on a history after this time, as in 500ms, 60s or 5m; exit code 3.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,
    /// Give up on a history once its check takes this much memory, as in 512M or 4G; exit code 3.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<usize>,
    /// How many threads; all cores if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Let a history pass in which no operation succeeded. Whatever a system does, such a one is valid; without this flag
    /// the verdict is unknown, exit code 3.
    #[arg(long)]
    allow_empty: bool,
    /// Check the order that proves a history valid once more, by code that knows no search.
    #[arg(long)]
    verify_witness: bool,
    /// Write verdicts and explanations as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    reports: Reports,
}

pub(super) fn parse_init(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("not JSON ({error}): a string needs its quotes, as in --init '\"\"'")
    })
}

/// What one file came to.
struct Checked {
    file: String,
    /// The format, once it was found out.
    format: Option<String>,
    warnings: Vec<String>,
    result: Result<Report, CliError>,
    /// The history can be read, but nothing is known of it: it was asked to stop, or nothing happened there.
    unknown: bool,
    took: Duration,
}

impl Checked {
    fn exit(&self) -> Exit {
        match self.result.as_ref().map(|report| &report.verdict) {
            Ok(Verdict::Valid(_)) => Exit::Holds,
            Ok(Verdict::Violation(_)) => Exit::Violation,
            Ok(Verdict::Unknown(_)) => Exit::Undecided,
            Err(_) if self.unknown => Exit::Undecided,
            Err(_) => Exit::Usage,
        }
    }
}

/// Runs `plumb check`.
///
/// # Errors
/// If flags are no good, no history is named, or a result can't be written. A history that can't be
/// read is reported among the others, and ends the command with 2.
pub fn run(args: &CheckArgs) -> Result<Exit, CliError> {
    let asked = Asked::from(args)?;
    let json = args.json.iter().map(PathBuf::as_path);
    let histories = histories(&args.files)?;
    files::probe(
        histories.iter().map(PathBuf::as_path),
        json.chain(args.reports.paths()),
    )?;
    let quiet = files::is_stdout(args.json.as_deref()) || args.reports.on_stdout();
    let stop = interrupt::flag();
    let bar = progress::bar(histories.len() as u64, "histories");
    let mut exit = Exit::Holds;
    let mut all = Vec::new();
    for file in &histories {
        bar.set_message(file.display().to_string());
        let checked = one(file, &asked, stop, &bar);
        exit = exit.worst(checked.exit());
        bar.suspend(|| output::say(&checked, histories.len() > 1, quiet));
        all.push(checked);
        bar.inc(1);
        if stop.load(Ordering::Relaxed) {
            exit = exit.worst(Exit::Undecided);
            break;
        }
    }
    bar.finish_and_clear();
    if let Some(path) = &args.json {
        files::write(path, output::json(&all, exit))?;
    }
    let cases = output::cases(&all);
    args.reports.write("plumb check", &cases, exit)?;
    if histories.len() > 1 && !quiet {
        output::summary(&all, histories.len());
    }
    github::summarize(&output::markdown(&all, histories.len()));
    Ok(exit)
}

/// What is asked of every file.
struct Asked<'a> {
    args: &'a CheckArgs,
    spec: Option<Spec>,
    consistency: Consistency,
}

impl<'a> Asked<'a> {
    fn from(args: &'a CheckArgs) -> Result<Asked<'a>, CliError> {
        let bad = |error: plumb_checkers::CheckError| {
            CliError::new(error.to_string(), "see `plumb check --help`")
        };
        let spec = args
            .spec
            .as_deref()
            .map(Spec::by_name)
            .transpose()
            .map_err(bad)?;
        let consistency = Consistency::by_name(&args.consistency).map_err(bad)?;
        Ok(Asked {
            args,
            spec,
            consistency,
        })
    }

    /// The question for one history: flags come before its header.
    fn options(&self, file: &str, header: &Header) -> Result<Options, CliError> {
        let of_header = || {
            Options::from_header(header).map_err(|error| {
                CliError::new(format!("{file}: {error}"), "name another with --spec")
            })
        };
        let options = match &self.spec {
            Some(spec) => {
                Options::new(spec.clone()).with_init(header.init.clone().unwrap_or_default())
            }
            None => of_header()?.ok_or_else(|| {
                CliError::new(
                    format!("{file}: the history does not say what it is to be held against"),
                    format!(
                        "name a specification with --spec: {}",
                        Spec::names().join(", ")
                    ),
                )
            })?,
        };
        let options = match &self.args.init {
            Some(init) => options.with_init(init.clone()),
            None => options,
        };
        let default = Budget::default();
        let budget = Budget {
            time: self.args.timeout,
            memory: self.args.memory.or(default.memory),
            // Whoever gives it time does not count its steps.
            steps: if self.args.timeout.is_some() {
                None
            } else {
                default.steps
            },
        };
        let mut options = options;
        options.acyclic = self.args.acyclic;
        let jobs = self.args.jobs.map_or_else(all_cores, usize::from);
        Ok(options
            .with_budget(budget)
            .with_jobs(jobs)
            .with_consistency(self.consistency))
    }
}

fn one(path: &Path, asked: &Asked<'_>, stop: &AtomicBool, bar: &ProgressBar) -> Checked {
    let file = if path.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let elapsed = stopwatch();
    let mut checked = Checked {
        file,
        format: None,
        warnings: Vec::new(),
        result: Err(CliError::new("", "")),
        unknown: false,
        took: Duration::ZERO,
    };
    checked.result = judge(path, asked, stop, bar, &mut checked);
    checked.took = elapsed();
    checked
}

fn judge(
    path: &Path,
    asked: &Asked<'_>,
    stop: &AtomicBool,
    bar: &ProgressBar,
    checked: &mut Checked,
) -> Result<Report, CliError> {
    let file = checked.file.clone();
    let reader = open(path, &file)?;
    if !asked.args.verify_witness {
        let mut taking = Taking {
            file: &file,
            asked,
            intake: None,
            stop,
            bar,
            lines: 0,
            succeeded: 0,
        };
        let read = stream(&file, reader, &mut taking);
        let (format, warnings) = read.map_err(|error| match error {
            StreamError::Read(error) => unreadable(&error),
            StreamError::Sink(Some(error)) => error,
            StreamError::Sink(None) => {
                checked.unknown = true;
                let what = format!("{file}: stopped while it was read");
                CliError::new(what, "nothing is known of it: let it be read to its end")
            }
        })?;
        checked.format = Some(format.to_string());
        checked.warnings = warnings;
        let succeeded = taking.succeeded;
        let intake = taking.intake.expect("a history that was read has begun");
        let operations = HumanCount(intake.operations() as u64);
        bar.set_message(format!("{file}: judging {operations} operations"));
        let report = intake
            .finish_until(stop)
            .map_err(|error| misfit(&file, &error))?;
        return unless_empty(report, succeeded, asked, checked);
    }
    let Source {
        mut history,
        format,
        warnings,
    } = read_source(&file, reader).map_err(|error| unreadable(&error))?;
    checked.format = Some(format.to_string());
    checked.warnings = warnings;
    if asked.args.independent {
        history = history.with_independent_keys();
    }
    let options = asked.options(&file, history.header())?;
    let report = check_until(&history, &options, stop).map_err(|error| misfit(&file, &error))?;
    if let Verdict::Valid(witness) = &report.verdict {
        verify_witness(&history, &options, witness).map_err(|error| {
            let remedy = match error {
                WitnessError::NoOrder { .. } => "leave out --verify-witness",
                _ => "this is a bug of the checker: please report it with the history",
            };
            let what = format!("{file}: the proof of validity can't be checked: {error}");
            CliError::new(what, remedy)
        })?;
    }
    let succeeded = history
        .events()
        .iter()
        .filter(|event| event.kind == Kind::Ok);
    unless_empty(report, succeeded.count() as u64, asked, checked)
}

/// Where nothing succeeded there was nothing to see: a recorder that was not connected must not turn a gate green.
fn unless_empty(
    report: Report,
    succeeded: u64,
    asked: &Asked<'_>,
    checked: &mut Checked,
) -> Result<Report, CliError> {
    let is_valid = matches!(report.verdict, Verdict::Valid(_));
    if !is_valid || succeeded > 0 || asked.args.allow_empty {
        return Ok(report);
    }
    checked.unknown = true;
    let (file, operations) = (&checked.file, report.operations);
    Err(CliError::new(
        format!(
            "{file}: none of {operations} operations succeeded: whatever the system does, that is valid"
        ),
        "did the clients reach it, and was the recorder connected? --allow-empty lets it pass",
    ))
}

fn misfit(file: &str, error: &plumb_checkers::CheckError) -> CliError {
    CliError::new(
        format!("{file}: {error}"),
        "is it the right --spec, with the right --init? `plumb check --help` lists them",
    )
}

fn unreadable(error: &ReadError) -> CliError {
    CliError::new(error.to_string(), error.remedy())
}

fn open(path: &Path, file: &str) -> Result<impl BufRead + use<>, CliError> {
    let io = |source| {
        unreadable(&ReadError::Io {
            file: file.to_owned(),
            source,
        })
    };
    let reader: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(io)?)
    };
    Ok(BufReader::with_capacity(1 << 16, reader))
}
