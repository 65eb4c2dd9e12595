//! `plumb model`: the specification, explored exhaustively within stated bounds.

mod ablate;
mod again;
mod check;
mod page;
mod table;
pub(super) mod units;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use plumb_model::{
    Ablation, Ablations, Bounds, CheckError, Features, QUICK, SCOPES, Scope, Verdict, Width, scope,
};
use serde_json::Value;

use super::files::{self, is_stdout, print};
use super::{CliError, Exit, interrupt, progress};
use ablate::run_ablate;
pub(super) use check::Meter;
use check::run_check;
use table::run_scopes;
use units::{parse_size, parse_time};

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
                            model scopes --verify tiny small quick\n  plumb model scopes --records\n\nExit codes: 0 as committed, \
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
    /// Whether states that differ in the servers' names only are taken as one [default: on, but with membership,
    /// whose configurations name servers].
    #[arg(long, value_enum)]
    symmetry: Option<Switch>,
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
    /// states, if any [default: a record's own, else 0].
    #[arg(long)]
    salt: Option<u64>,
    /// Bits of a state's fingerprint, 64 or 72; the outcome has the chance that two states shared one
    /// [default: a record's own, else 64].
    #[arg(long, value_name = "BITS", value_parser = parse_width)]
    fingerprint: Option<Width>,
    /// Write the outcome as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
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
    /// Explore the named scopes again, all but the records if none is named: their counts must be as
    /// committed.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    verify: Option<Vec<String>>,
    /// Explore the records again, as they were run: hours.
    #[arg(long)]
    records: bool,
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

pub(super) fn named_scope(name: &str) -> Result<Scope, CliError> {
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

fn exit_of(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Exhausted => Exit::Holds,
        Verdict::Violation(_) | Verdict::Vacuous(_) => Exit::Violation,
        Verdict::Stopped(_) => Exit::Undecided,
    }
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
    path.map_or(Ok(()), |path| files::write_json(path, value))
}
