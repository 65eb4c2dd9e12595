//! `plumb mutants`: the exam that tells what the harness is worth.

mod replay;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{CliError, Exit, files, interrupt, progress};
use crate::artifacts::replay_command;
use crate::mutants::{
    Layer, LayerResult, Matrix, Mutant, Outcome, Row, Sitting, Workshop, read_all, sit,
    workspace_root, write_entry,
};
use crate::sim::System;

/// Puts real bugs of consensus systems back into the implementation, one at a time, and counts which
/// layers kill them.
#[derive(Debug, Args)]
pub struct MutantsArgs {
    #[command(subcommand)]
    command: MutantsCommand,
}

#[derive(Debug, Subcommand)]
enum MutantsCommand {
    /// Lists the mutants, and whether each still applies.
    #[command(after_help = "Examples:\n  plumb mutants list\n  plumb mutants list --json -")]
    List(ListArgs),
    /// Builds and examines mutants, all of them if none is named, and the clean code first.
    #[command(
        after_help = "Examples:\n  plumb mutants run\n  plumb mutants run commit-older-term --budget \
                      30\n  plumb mutants run --layers bare --out /tmp/exam --resume\n  plumb \
                      mutants run --layers bare,full,core,loom,storage,clients --enough 2 --no-shrink\n\nWrites \
                      OUT/matrix.{txt,md,html,json}, OUT/results.jsonl and what each layer found.\n\n\
                      Exit codes: 0 every mutant was killed and the clean code survived; 1 one of \
                      these does not hold; 2 usage; 3 stopped before the end."
    )]
    Run(RunArgs),
    /// Runs entries of the corpus again, each with its bug put back.
    #[command(
        after_help = "Examples:\n  plumb mutants replay local-read\n  plumb mutants replay --record\n\nExit \
                      codes: 0 each shows again what it tells of; 1 one of them does not; 2 usage; 3 stopped \
                      before the end."
    )]
    Replay(replay::ReplayArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print as JSON to this file, or `-`.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The checkout; the one around the current folder if not given.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Which mutants; `clean` is the code as it is.
    names: Vec<String>,
    /// How long the simulations have for each mutant, in seconds of all cores.
    #[arg(long, default_value_t = 120)]
    budget: u64,
    /// Which layers sit.
    #[arg(long, value_enum, value_delimiter = ',')]
    layers: Vec<LayerArg>,
    /// Once so many layers have killed a mutant, the others need not sit; all sit if not given. The clean code
    /// sits before all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    enough: Option<u64>,
    /// The clean code sits for this many budgets.
    #[arg(long, default_value_t = 1)]
    clean_budgets: u32,
    /// Keep the results that are there already, layer by layer.
    #[arg(long)]
    resume: bool,
    /// Do not make what was found as small as can be.
    #[arg(long)]
    no_shrink: bool,
    /// Write the shrunk finding of each mutant, with its story, as an entry of this corpus; needs a kill by a
    /// simulation. What clients saw goes before what was seen within the servers.
    #[arg(long, value_name = "DIR", conflicts_with = "no_shrink")]
    corpus: Option<PathBuf>,
    /// Where the private copy, its builds and the results go.
    #[arg(long, default_value = "target/plumb/mutants", value_name = "DIR")]
    out: PathBuf,
    /// The checkout; the one around the current folder if not given.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LayerArg {
    /// The core, explored exhaustively in small scopes
    Core,
    /// A sweep of bare replicas.
    Bare,
    /// A sweep of bare replicas that is judged by what clients saw, and nothing else.
    Clients,
    /// A sweep of the whole server.
    Full,
    /// The log cut, torn and corrupted.
    Storage,
    /// Every interleaving of the group commit.
    Loom,
    /// The implementation's unit tests: for comparison, they count as no kill.
    Unit,
}

impl From<LayerArg> for Layer {
    fn from(layer: LayerArg) -> Layer {
        match layer {
            LayerArg::Core => Layer::Core,
            LayerArg::Bare => Layer::Bare,
            LayerArg::Clients => Layer::Clients,
            LayerArg::Full => Layer::Full,
            LayerArg::Storage => Layer::Storage,
            LayerArg::Loom => Layer::Loom,
            LayerArg::Unit => Layer::Unit,
        }
    }
}

/// The name of the code as it is.
const CLEAN: &str = "clean";

/// Runs the command.
///
/// # Errors
/// If the checkout, a patch or an output can't be read or written, or a mutant does not build.
pub fn run(args: &MutantsArgs) -> Result<Exit, CliError> {
    match &args.command {
        MutantsCommand::List(args) => list(args),
        MutantsCommand::Run(args) => examine(args),
        MutantsCommand::Replay(args) => replay::replay(args),
    }
}

fn root(given: Option<&PathBuf>) -> Result<PathBuf, CliError> {
    match given {
        Some(root) => Ok(root.clone()),
        None => workspace_root(&PathBuf::from(".")),
    }
}

fn list(args: &ListArgs) -> Result<Exit, CliError> {
    let root = root(args.root.as_ref())?;
    let mutants = read_all(&root)?;
    let mut stale = 0;
    let mut words = String::new();
    let mut values = Vec::new();
    for mutant in &mutants {
        let why = mutant.edits.iter().find_map(|edit| {
            let text = std::fs::read_to_string(root.join(&edit.file)).unwrap_or_default();
            edit.apply(&text).err().map(|error| error.to_string())
        });
        stale += u32::from(why.is_some());
        let about = &mutant.about;
        words.push_str(&format!(
            "{:<36} {:<12} {}\n",
            mutant.name, about.class, about.title
        ));
        if let Some(why) = &why {
            words.push_str(&format!("    STALE: {why}\n"));
        }
        values.push(serde_json::json!({ "name": mutant.name, "about": about, "stale": why }));
    }
    words.push_str(&format!("{} mutants, {stale} stale\n", mutants.len()));
    match &args.json {
        Some(path) => {
            let value = serde_json::json!({ "plumb_mutants_list": 1, "mutants": values });
            files::write_json(path, &value)?;
        }
        None => files::print(words),
    }
    Ok(if stale == 0 { Exit::Holds } else { Exit::Usage })
}

fn examine(args: &RunArgs) -> Result<Exit, CliError> {
    let root = root(args.root.as_ref())?;
    let all = read_all(&root)?;
    let chosen = choose(&all, &args.names)?;
    let layers: Vec<Layer> = if args.layers.is_empty() {
        Layer::ALL.to_vec()
    } else {
        args.layers.iter().map(|layer| (*layer).into()).collect()
    };
    let results = args.out.join("results.jsonl");
    let mut matrix = Matrix::new(args.budget, layers.clone());
    if args.resume {
        matrix.rows = earlier(&results)?;
        let sat = |layer: &Layer| {
            let mut all = matrix.rows.iter().flat_map(|row| &row.results);
            layers.contains(layer) || all.any(|result| result.layer == *layer)
        };
        matrix.layers = Layer::ALL.into_iter().filter(sat).collect();
    }
    let mut workshop = Workshop::open(&root, &args.out)?;
    let stop = interrupt::flag();
    let bar = progress::bar(chosen.len() as u64, "mutants");
    for mutant in chosen {
        let name = mutant.map_or(CLEAN, |mutant| mutant.name.as_str());
        bar.set_message(name.to_owned());
        // What has sat already stays; a layer that is new since then sits alone.
        let before = matrix.rows.iter().position(|row| row.name == name);
        let sat_before = |layer: &Layer| {
            before.is_some_and(|at| {
                matrix.rows[at]
                    .results
                    .iter()
                    .any(|one| one.layer == *layer)
            })
        };
        let enough = match (args.enough, mutant) {
            (Some(enough), Some(_)) => usize::try_from(enough).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let kills = before.map_or(0, |at| matrix.rows[at].killers());
        let due: Vec<Layer> = layers
            .iter()
            .copied()
            .filter(|one| kills < enough && !sat_before(one))
            .collect();
        if due.is_empty() {
            bar.inc(1);
            continue;
        }
        let budgets = if mutant.is_some() {
            1
        } else {
            args.clean_budgets
        };
        let sitting = Sitting {
            layers: &due,
            budget: Duration::from_secs(args.budget) * budgets,
            enough: enough - kills,
            out: args.out.join("found").join(name),
            stop,
        };
        let files: Vec<&str> = match mutant {
            Some(mutant) => {
                workshop.apply(mutant)?;
                mutant.edits.iter().map(|edit| edit.file.as_str()).collect()
            }
            // It may have been named behind a mutant.
            None => {
                workshop.restore()?;
                Vec::new()
            }
        };
        let sat = sit(&workshop, &files, &sitting);
        let sat = match (sat, mutant) {
            (Ok(sat), _) => sat,
            // One that does not build is no reason to leave the others out, and no kill.
            (Err(error), Some(_)) => {
                bar.suspend(|| eprintln!("{name}: {}\n{}", error.what, error.remedy));
                due.iter()
                    .map(|layer| LayerResult {
                        layer: *layer,
                        outcome: Outcome::Undecided {
                            why: error.what.clone(),
                        },
                        seconds: 0.0,
                    })
                    .collect()
            }
            (Err(error), None) => return Err(error),
        };
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let shrunk = if args.no_shrink {
            None
        } else {
            shrink(&workshop, &sitting, &sat)
        };
        if let (Some(corpus), Some(mutant), Some(run)) = (&args.corpus, mutant, &shrunk) {
            write_entry(corpus, mutant, run)?;
        }
        let mut row = Row {
            name: name.to_owned(),
            about: mutant.map(|mutant| mutant.about.clone()),
            results: sat,
        };
        if let Some(at) = before {
            row.results.append(&mut matrix.rows[at].results);
            row.results.sort_by_key(|result| result.layer);
            matrix.rows[at] = row.clone();
        } else {
            matrix.rows.push(row.clone());
        }
        bar.suspend(|| eprintln!("{}", told(&row)));
        save(&args.out, &results, &matrix)?;
        bar.inc(1);
    }
    workshop.restore()?;
    bar.finish_and_clear();
    save(&args.out, &results, &matrix)?;
    files::print(matrix.text());
    files::print(format!(
        "written to {}\n",
        args.out.join("matrix.{txt,md,html,json}").display()
    ));
    let wrong = matrix.survivors().count() + matrix.false_alarms().count() > 0;
    Ok(match (stop.load(Ordering::Relaxed), wrong) {
        (true, _) => Exit::Undecided,
        (false, true) => Exit::Violation,
        (false, false) => Exit::Holds,
    })
}

/// The clean code first, then the mutants by name.
fn choose<'a>(all: &'a [Mutant], names: &[String]) -> Result<Vec<Option<&'a Mutant>>, CliError> {
    if names.is_empty() {
        return Ok(std::iter::once(None).chain(all.iter().map(Some)).collect());
    }
    names
        .iter()
        .map(|name| {
            if name == CLEAN {
                return Ok(None);
            }
            let found = all.iter().find(|mutant| mutant.name == *name);
            found.map(Some).ok_or_else(|| {
                CliError::new(
                    format!("there is no mutant {name}"),
                    "`plumb mutants list` names them all",
                )
            })
        })
        .collect()
}

fn earlier(results: &std::path::Path) -> Result<Vec<Row>, CliError> {
    let Ok(text) = std::fs::read_to_string(results) else {
        return Ok(Vec::new());
    };
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                CliError::new(
                    format!("{}:{}: {error}", results.display(), number + 1),
                    "leave --resume out, or remove the line",
                )
            })
        })
        .collect()
}

fn save(out: &std::path::Path, results: &std::path::Path, matrix: &Matrix) -> Result<(), CliError> {
    let lines: Vec<String> = matrix
        .rows
        .iter()
        .map(|row| serde_json::to_string(row).expect("plain data always serialises") + "\n")
        .collect();
    files::write(results, lines.concat())?;
    files::write(&out.join("matrix.txt"), matrix.text())?;
    files::write(&out.join("matrix.md"), matrix.markdown())?;
    files::write(&out.join("matrix.html"), matrix.html())?;
    let json = serde_json::to_string_pretty(matrix).expect("plain data always serialises");
    files::write(&out.join("matrix.json"), format!("{json}\n"))
}

/// Makes a finding of a simulation as small as can be, one that clients saw if there is one, and returns
/// where it is; it may not succeed, and the finding stands.
fn shrink(workshop: &Workshop, sitting: &Sitting<'_>, results: &[LayerResult]) -> Option<PathBuf> {
    let found = results.iter().filter_map(|result| match &result.outcome {
        Outcome::Killed {
            seed: Some(seed), ..
        } => Some((result.layer, *seed)),
        _ => None,
    });
    let (layer, seed) = found.min_by_key(|(layer, _)| (*layer != Layer::Clients, *layer))?;
    let folder = match layer {
        Layer::Bare | Layer::Clients => format!("bare-seed-{seed}"),
        _ => format!("seed-{seed}"),
    };
    let folder = sitting.out.join(layer.name()).join(folder);
    let shrunk = sitting.out.join("shrunk");
    let done = std::process::Command::new(workshop.binary())
        .args(["sim", "shrink", "--out"])
        .arg(&shrunk)
        .arg(folder.join("scenario.json"))
        .output();
    match done {
        Ok(output) if output.status.code() == Some(1) => {
            let text = String::from_utf8_lossy(&output.stdout);
            if let Some(words) = text.lines().find(|line| line.starts_with("from ")) {
                eprintln!("  shrunk {words}");
            }
            Some(shrunk)
        }
        _ => {
            eprintln!(
                "  could not be shrunk: {}",
                replay_command(System::SHIPPED, &folder)
            );
            None
        }
    }
}

fn told(row: &Row) -> String {
    match (row.kill(), &row.about) {
        (Some((layer, seconds)), Some(_)) => {
            format!(
                "{:<36} killed by {} in {seconds:.1} s",
                row.name,
                layer.name()
            )
        }
        (Some((layer, _)), None) => format!("{:<36} FALSE ALARM of {}", row.name, layer.name()),
        (None, Some(_)) => format!("{:<36} SURVIVED", row.name),
        (None, None) => format!("{:<36} survived, as it must", row.name),
    }
}
