//! `plumb model`: the specification, explored exhaustively within stated bounds.

mod ablate;
mod page;
mod table;
pub(super) mod units;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use plumb_model::{
    Ablation, Ablations, Bounds, CheckError, Features, Limits, Outcome, Progress, QUICK, SCOPES,
    Scope, Storage, Verdict, Width, check_with_files, scope,
};
use serde_json::{Value, json};

use super::files::{self, is_stdout, print};
use super::{CliError, Exit, interrupt, progress};
use ablate::run_ablate;
use table::run_scopes;
use units::{grouped, parse_size, parse_time};

/// Explores the specification of Raft exhaustively, and examines it by removing its rules.
#[derive(Debug, Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Explores a scope to its end and checks every property in every state.
    #[command(
        after_help = "Examples:\n  plumb model check\n  plumb model check --scope tiny\n  \
                            plumb model check --servers 3 --terms 3 --log 2 --requests 2 \
                            --crashes 1 --timeout 60s\n  plumb model check --terms 2 --requests 1 \
                            --crashes 0 --with reads,snapshots\n  plumb model check --scope \
                            quick --json -\n  plumb model check --terms 4 --log 3 --crashes 2 --fingerprint 72 \
                            --max-memory 9G --checkpoint long.ck   # go on: --resume long.ck\n\
                            \nExit codes: 0 all properties hold and all that is claimed was \
                            reached, 1 not so, 2 usage, 3 not finished."
    )]
    Check(CheckArgs),
    /// Lists the named scopes, or explores them again and compares the counts.
    #[command(
        after_help = "Examples:\n  plumb model scopes\n  plumb model scopes --verify\n  plumb \
                            model scopes --verify tiny small quick\n\nExit codes: 0 as committed, \
                            1 not so, 2 usage, 3 not finished."
    )]
    Scopes(ScopesArgs),
    /// Removes rules one by one: each time, the property that rests on it must break.
    #[command(after_help = "Examples:\n  plumb model ablate\n  plumb model ablate \
                            count-earlier-terms\n  plumb model ablate --pages stories\n  plumb model ablate \
                            --json ablations.json\n\n\
                            Exit codes: 0 every removed rule broke the property it should, 1 one \
                            did not, 2 usage, 3 not finished.")]
    Ablate(AblateArgs),
    /// Serves stateright's Explorer: a scope's states and steps in a browser.
    #[command(
        after_help = "Example:\n  plumb model explore --scope tiny   # then open \
                            http://127.0.0.1:3000"
    )]
    Explore(ExploreArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Threads [default: all cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Give up after this time, as in 500ms, 60s or 5m; exit code 3.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,
    /// Give up once the search takes this much memory, as in 512M or 4G, though its frontier is on disk;
    /// exit code 3.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_memory: Option<usize>,
    /// Keep what is too much of the frontier in files here [default with --max-memory: the folder for
    /// temporary files].
    #[arg(long, value_name = "DIR")]
    spill: Option<PathBuf>,
    /// Write what was done to this file when the search stops unfinished, and every quarter of an hour.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Go on from a file that --checkpoint wrote, with the same scope, salt and fingerprints.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Another function for the fingerprints of states: two runs with different salts miss different
    /// states, if any.
    #[arg(long, default_value_t = 0)]
    salt: u64,
    /// Bits of a state's fingerprint, 64 or 72; the outcome has the chance that two states shared one.
    #[arg(long, value_name = "BITS", default_value = "64", value_parser = parse_width)]
    fingerprint: Width,
    /// Write the outcome as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A named scope, or bounds of one's own.
#[derive(Debug, Args)]
struct ScopeArgs {
    /// A named scope: see `plumb model scopes`.
    #[arg(long, value_name = "NAME", conflicts_with = "bounds")]
    scope: Option<String>,
    #[command(flatten)]
    bounds: BoundsArgs,
}

/// What is not given is as in the quick scope.
#[derive(Debug, Args)]
#[group(id = "bounds", multiple = true)]
struct BoundsArgs {
    /// Servers in the cluster.
    #[arg(long)]
    servers: Option<u8>,
    /// Highest term.
    #[arg(long)]
    terms: Option<u8>,
    /// Longest log.
    #[arg(long)]
    log: Option<u8>,
    /// Client requests, each a value of its own.
    #[arg(long)]
    requests: Option<u8>,
    /// Crashes, over all servers.
    #[arg(long)]
    crashes: Option<u8>,
    /// Optional parts of Raft, each at the smallest bounds that show it at work, as in
    /// `reads,check-quorum`.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    with: Vec<String>,
}

#[derive(Debug, Args)]
struct ScopesArgs {
    /// Explore the named scopes again, all if none is named: their counts must be as committed.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    verify: Option<Vec<String>>,
    /// Write the table as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct AblateArgs {
    /// Rules to remove, each by itself; the whole story is told of each [default: all, in a table].
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Write each story as a page, DIR/NAME.html: a sequence diagram that opens from disk.
    #[arg(long, value_name = "DIR")]
    pages: Option<PathBuf>,
    /// Write the outcomes with their counterexamples as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ExploreArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// A rule to remove.
    #[arg(long, value_name = "NAME")]
    ablation: Option<String>,
    /// Where to listen; other machines can connect only if this says so.
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
}

/// Runs `plumb model`.
///
/// # Errors
/// If names, bounds or output files are no good.
pub fn run(args: &ModelArgs) -> Result<Exit, CliError> {
    match &args.command {
        ModelCommand::Check(args) => run_check(args),
        ModelCommand::Scopes(args) => run_scopes(args),
        ModelCommand::Ablate(args) => run_ablate(args),
        ModelCommand::Explore(args) => run_explore(args),
    }
}

impl ScopeArgs {
    fn resolve(&self) -> Result<Scope, CliError> {
        let BoundsArgs {
            servers,
            terms,
            log,
            requests,
            crashes,
            ref with,
        } = self.bounds;
        if [servers, terms, log, requests, crashes]
            .iter()
            .all(Option::is_none)
            && with.is_empty()
        {
            return named_scope(self.scope.as_deref().unwrap_or(QUICK));
        }
        let quick = named_scope(QUICK)?.bounds;
        let bounds = Bounds {
            servers: servers.unwrap_or(quick.servers),
            max_term: terms.unwrap_or(quick.max_term),
            max_log: log.unwrap_or(quick.max_log),
            requests: requests.unwrap_or(quick.requests),
            crashes: crashes.unwrap_or(quick.crashes),
            features: with.iter().try_fold(Features::NONE, named_part)?,
        };
        bounds.validate().map_err(bad_bounds)?;
        Ok(Scope::custom(bounds))
    }
}

fn named_scope(name: &str) -> Result<Scope, CliError> {
    scope(name).copied().ok_or_else(|| {
        let names: Vec<_> = SCOPES.iter().map(|scope| scope.name).collect();
        CliError::new(
            format!("there is no scope named {name:?}"),
            format!(
                "the scopes are {}; `plumb model scopes` describes them",
                names.join(", ")
            ),
        )
    })
}

fn named_part(features: Features, name: &String) -> Result<Features, CliError> {
    features.with(name).ok_or_else(|| {
        CliError::new(
            format!("there is no part of Raft named {name:?}"),
            format!("the parts are {}", Features::NAMES.join(", ")),
        )
    })
}

fn named_ablation(name: &str) -> Result<Ablation, CliError> {
    Ablation::by_name(name).ok_or_else(|| {
        let names: Vec<_> = Ablation::ALL
            .iter()
            .map(|ablation| ablation.name())
            .collect();
        CliError::new(
            format!("there is no rule to remove named {name:?}"),
            format!("the names are {}", names.join(", ")),
        )
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err asks for"
)]
fn bad_bounds(error: plumb_model::BoundsError) -> CliError {
    CliError::new(
        error.to_string(),
        "choose smaller bounds; `plumb model scopes` shows some",
    )
}

fn parse_width(text: &str) -> Result<Width, String> {
    let bits = text.parse().ok().and_then(Width::of_bits);
    bits.ok_or_else(|| "expected 64 or 72".to_owned())
}

fn bad_check(error: CheckError) -> CliError {
    match error {
        CheckError::Bounds(error) => bad_bounds(error),
        CheckError::Storage(error) => CliError::new(
            error.to_string(),
            "give a file of this very search and a folder with room; without --resume it begins anew",
        ),
    }
}

fn run_check(args: &CheckArgs) -> Result<Exit, CliError> {
    let scope = args.scope.resolve()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits {
        threads: args.threads.map_or(cores, usize::from),
        timeout: args.timeout,
        max_memory: args.max_memory,
        width: args.fingerprint,
        salt: args.salt,
    };
    let storage = Storage {
        spill: args.spill.clone(),
        checkpoint: args.checkpoint.clone(),
        resume: args.resume.clone(),
        ..Storage::default()
    };
    let spinner = progress::spinner(&format!("scope {}", scope.name));
    let mut meter = Meter::default();
    let outcome = check_with_files(
        &scope,
        Ablations::NONE,
        &limits,
        &storage,
        &mut |seen| {
            if let Some(line) = meter.line(&seen, spinner.elapsed()) {
                spinner.set_message(line);
            }
        },
        interrupt::flag(),
    )
    .map_err(bad_check)?;
    spinner.finish_and_clear();
    let exit = exit_of(&outcome.verdict);
    if !is_stdout(args.json.as_deref()) {
        print(describe(&scope, &outcome));
    }
    write_json(args.json.as_deref(), &outcome_json(&scope, &outcome))?;
    Ok(exit)
}

fn exit_of(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Exhausted => Exit::Holds,
        Verdict::Violation(_) | Verdict::Vacuous(_) => Exit::Violation,
        Verdict::Stopped(_) => Exit::Undecided,
    }
}

/// Live figures, a few times a second.
#[derive(Default)]
struct Meter {
    shown: Duration,
}

impl Meter {
    fn line(&mut self, seen: &Progress, elapsed: Duration) -> Option<String> {
        if elapsed < self.shown + Duration::from_millis(200) {
            return None;
        }
        self.shown = elapsed;
        let rate = seen.generated as f64 / elapsed.as_secs_f64().max(1e-3) / 1e6;
        Some(format!(
            "depth {}, {} states, {rate:.1} M steps/s, frontier {}, {} MB",
            seen.depth,
            grouped(seen.unique),
            grouped(seen.frontier as u64),
            seen.memory >> 20
        ))
    }
}

/// The outcome of a check in words.
fn describe(scope: &Scope, outcome: &Outcome) -> String {
    let seconds = outcome.elapsed.as_secs_f64();
    let symmetry = if scope.symmetry {
        ", up to renaming servers"
    } else {
        ""
    };
    let mut text = format!(
        "scope {}: {}; loss, duplication and reordering of messages without bound{symmetry}\n\n",
        scope.name, scope.bounds
    );
    match &outcome.verdict {
        Verdict::Violation(story) => text.push_str(&format!("{story}\n")),
        Verdict::Vacuous(missed) => {
            for claim in missed {
                text.push_str(&format!("never reached: {claim}\n"));
            }
        }
        Verdict::Exhausted | Verdict::Stopped(_) => {
            for (claim, reached) in &outcome.sometimes {
                let verb = if *reached { "reached" } else { "not reached" };
                text.push_str(&format!("  {verb}: {claim}\n"));
            }
        }
    }
    if let Some(from) = outcome.continuations {
        text.push_str(&format!(
            "\n  from {} states more can be committed; from {} only a bound is in the way\n",
            grouped(from.live),
            grouped(from.bounded)
        ));
    }
    text.push_str(&format!(
        "\n{} states, {} steps, depth {}, {seconds:.1} s ({:.1} M steps/s), {} MB\n",
        grouped(outcome.unique),
        grouped(outcome.generated),
        outcome.max_depth,
        outcome.generated as f64 / seconds.max(1e-3) / 1e6,
        outcome.peak_memory >> 20
    ));
    text.push_str(&match &outcome.verdict {
        Verdict::Exhausted => "holds: every reachable state was seen\n".to_owned(),
        Verdict::Violation(story) => format!("violated: {}\n", story.property),
        Verdict::Vacuous(_) => "vacuous: no property broke, but the scope does not reach what it \
                                claims to\n"
            .to_owned(),
        Verdict::Stopped(reason) => format!(
            "unknown: {reason}; nothing broke within {} steps, which were covered in full\n",
            outcome.depth_covered
        ),
    });
    text
}

fn outcome_json(scope: &Scope, outcome: &Outcome) -> Value {
    json!({
        "plumb_model_check": 1,
        "scope": scope.name,
        "bounds": scope.bounds,
        "symmetry": scope.symmetry,
        "outcome": outcome,
    })
}

fn run_explore(args: &ExploreArgs) -> Result<Exit, CliError> {
    let scope = args.scope.resolve()?;
    let ablations = match &args.ablation {
        Some(name) => Ablations::from(named_ablation(name)?),
        None => Ablations::NONE,
    };
    eprintln!(
        "exploring scope {} on http://{}/ (Ctrl-C ends)",
        scope.name, args.addr
    );
    plumb_model::explore(&scope, ablations, args.addr).map_err(|error| {
        CliError::new(
            format!("cannot serve the Explorer on {}: {error}", args.addr),
            "choose another address with --addr",
        )
    })?;
    Ok(Exit::Holds)
}

fn write_json(path: Option<&Path>, value: &Value) -> Result<(), CliError> {
    path.map_or(Ok(()), |path| files::write(path, format!("{value:#}\n")))
}
