//! `plumb sim`: the real server in a simulated world.

use clap::{Args, Subcommand, ValueEnum};

mod cases;
mod merge;
mod nemeses;
mod one;
mod record;
mod shrinking;
mod sweeping;
mod words;

use super::{CliError, Exit, determinism, files};
use crate::nemesis::{self, Length, Nemesis};
use crate::scenario::{Judges, Scenario, Tier};
use crate::sim::System;

pub(super) use nemeses::{NemesisArgs, as_flags};
pub use shrinking::{shrink_and_save, words_of};
pub use sweeping::sweep_and_save;
pub(super) use words::words_of_world;

/// Runs the real server on a simulated network, clock and disk, with faults, and judges it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  plumb sim sweep --seeds 1000\n  plumb sim sweep --tier bare --seeds 1000000 --time \
                  60\n  plumb sim replay target/plumb/failures/seed-7/scenario.json --lanes\n  plumb sim shrink \
                  target/plumb/failures/seed-7/scenario.json"
)]
pub struct SimArgs {
    #[command(subcommand)]
    command: SimCommand,
}

#[derive(Debug, Subcommand)]
enum SimCommand {
    /// Runs one seed and says what was seen.
    #[command(
        after_help = "Examples:\n  plumb sim run --seed 7\n  plumb sim run --seed 7 --trace \
                            - --history h.jsonl\n  plumb sim run --seed 7 --length long --json -\n  plumb sim run \
                            --seed 7 --save run && plumb browse run\n  plumb sim run --seed 7 --nemesis \
                            partition --nemesis crash:every=500ms,from=1s,to=3s\n\nExit codes: 0 it holds; 1 a property broke; 2 usage, or a \
                            result that can't be written; 3 undecided."
    )]
    Run(one::RunArgs),
    /// Runs many seeds on all cores.
    #[command(
        after_help = "Examples:\n  plumb sim sweep --seeds 1000\n  plumb sim sweep --start \
                            5000 --seeds 200 --keep-going --json sweep.json\n  plumb sim \
                            sweep --tier bare --seeds 1000000 --time 60\n  plumb sim sweep --seeds 100000 --shard \
                            3/8 --jsonl 3.jsonl\n  plumb sim sweep --resume 3.jsonl\n  plumb sim sweep --nemesis \
                            crash+pause:at=subject,upon=voted --nemesis noise:share=50%    (nothing else goes wrong)\n  \
                            plumb sim sweep --nemesis none\n\nA --nemesis takes the place of the faults that seeds draw by \
                            themselves, and several are composed: docs/faults.md.\n\nExit codes: 0 all seeds that were asked for hold; 1 some do \
                            not; 2 usage, or a file that can't be read or written; 3 undecided: stopped, a run that \
                            could not be decided or did not end, or nothing ran."
    )]
    Sweep(sweeping::SweepArgs),
    /// Puts the shards of a sweep together into one report.
    #[command(
        after_help = "Examples:\n  plumb sim sweep --seeds 100000 --shard 1/2 --jsonl 1.jsonl    (on one \
                            machine)\n  plumb sim sweep --seeds 100000 --shard 2/2 --jsonl 2.jsonl    (on \
                            another)\n  plumb sim merge 1.jsonl 2.jsonl --json sweep.json\n\nExit codes: 0 all \
                            seeds hold; 1 some do not; 2 shards are missing, there twice, or of another sweep; 3 \
                            undecided, or not all has run."
    )]
    Merge(merge::MergeArgs),
    /// Makes a failing scenario as small as can be, and tells its story.
    #[command(
        after_help = "Examples:\n  plumb sim shrink target/plumb/failures/seed-7/scenario.json\n  plumb sim shrink \
                            s.json --runs 100000 --out small    (longer, for the hard ones)\n  plumb sim shrink \
                            s.json --jobs 1 --json -\n\nTakes faults, operations, clients, servers, time and settings \
                            away as long as the same property breaks, each cut with several draws of luck, and tries \
                            tiny scenarios of the same kinds of faults. The result follows from the scenario and \
                            --runs, on any machine with any --jobs; Ctrl-C keeps the smallest so far.\n\nExit codes: 1 \
                            it fails, and here is the smallest found; 0 it does not fail; 2 usage."
    )]
    Shrink(shrinking::ShrinkArgs),
    /// Runs a saved scenario or a seed again, up to the first property that breaks, and shows what happened.
    #[command(
        after_help = "Examples:\n  plumb sim replay target/plumb/failures/seed-7/scenario.json\n  plumb sim \
                            replay s.json --lanes\n  plumb sim replay s.json --trace text --node 2 --from 4400 \
                            --to 4500\n  plumb sim replay --seed 7 --tier bare --trace json | jq \
                            'select(.kind == \"state\")'\n  plumb sim replay s.json --trace trace.jsonl\n\nExit codes: 0 it holds; 1 a property \
                            broke; 2 usage, or a scenario that can't be read; 3 undecided."
    )]
    Replay(one::ReplayArgs),
    /// Runs each seed in two processes and compares their traces byte by byte.
    #[command(
        after_help = "Examples:\n  plumb sim determinism\n  plumb sim determinism --seeds 1000 --tier \
                            bare\n  plumb sim determinism --length long --json d.json\n  plumb sim determinism --nemesis disk:every=2s\n\nExit codes: 0 all are the \
                            same; 1 some differ; 2 usage, or a run that did not end; 3 stopped before the end."
    )]
    Determinism(determinism::DeterminismArgs),
    /// Prints the scenario of a seed as JSON, to be edited and replayed.
    #[command(
        after_help = "Examples:\n  plumb sim scenario --seed 7 > s.json && plumb sim replay s.json\n  plumb sim \
                            scenario --seed 7 --tier bare --length long\n  plumb sim scenario --seed 7 --nemesis \
                            isolate:at=leader,every=2s > s.json && plumb sim replay s.json --lanes"
    )]
    Scenario(ScenarioArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LengthArg {
    /// 10 simulated seconds of faults, 6 of health.
    Short,
    /// 54 simulated seconds of faults, 6 of health.
    Long,
}

impl From<LengthArg> for Length {
    fn from(length: LengthArg) -> Length {
        match length {
            LengthArg::Short => Length::SHORT,
            LengthArg::Long => Length::LONG,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TierArg {
    /// The shipped server with its log and framing, on turmoil.
    Full,
    /// Bare replicas on a queue of events: some twelve times the seeds.
    Bare,
}

impl From<TierArg> for Tier {
    fn from(tier: TierArg) -> Tier {
        match tier {
            TierArg::Full => Tier::Full,
            TierArg::Bare => Tier::Bare,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum JudgesArg {
    /// All: those that see every step of every server, too.
    All,
    /// Those that see what clients saw, and no more.
    Clients,
}

impl From<JudgesArg> for Judges {
    fn from(judges: JudgesArg) -> Judges {
        match judges {
            JudgesArg::All => Judges::All,
            JudgesArg::Clients => Judges::Clients,
        }
    }
}

#[derive(Debug, Args)]
struct ScenarioArgs {
    /// The seed.
    #[arg(long)]
    seed: u64,
    #[command(flatten)]
    world: WorldArgs,
}

impl ScenarioArgs {
    fn generate(&self, system: System) -> Result<Scenario, CliError> {
        self.world.generate(system, self.seed)
    }
}

/// What a seed is drawn for.
#[derive(Debug, Args)]
pub(super) struct WorldArgs {
    /// How long the run is [default: short].
    #[arg(long, value_enum)]
    length: Option<LengthArg>,
    /// In which world [default: full].
    #[arg(long, value_enum)]
    tier: Option<TierArg>,
    /// Whose rulings count [default: all].
    #[arg(long, value_enum)]
    judges: Option<JudgesArg>,
    #[command(flatten)]
    nemeses: NemesisArgs,
}

impl WorldArgs {
    /// Whether any of it was said.
    fn is_given(&self) -> bool {
        let world = self.length.is_some() || self.tier.is_some() || self.judges.is_some();
        world || self.nemeses.is_given()
    }

    pub(super) fn length(&self) -> Length {
        self.length.unwrap_or(LengthArg::Short).into()
    }

    pub(super) fn tier(&self) -> Tier {
        self.tier.unwrap_or(TierArg::Full).into()
    }

    pub(super) fn judges(&self) -> Judges {
        self.judges.unwrap_or(JudgesArg::All).into()
    }

    /// What goes wrong, if that was said.
    pub(super) fn nemeses(&self, system: System) -> Result<Option<Vec<Nemesis>>, CliError> {
        self.nemeses.given(system, system.tier(self.tier()))
    }

    fn generate(&self, system: System, seed: u64) -> Result<Scenario, CliError> {
        let mut scenario = Scenario {
            judges: self.judges(),
            ..(system.generate)(seed, self.length(), system.tier(self.tier()))
        };
        if let Some(nemeses) = self.nemeses(system)? {
            nemesis::instead(&mut scenario, &nemeses);
        }
        Ok(scenario)
    }
}

/// Runs the command for a system.
///
/// # Errors
/// If a scenario can't be read or a result can't be written.
pub fn run_command(system: System, args: &SimArgs) -> Result<Exit, CliError> {
    match &args.command {
        SimCommand::Run(args) => one::run(system, args),
        SimCommand::Sweep(args) => sweeping::many(system, args),
        SimCommand::Merge(args) => merge::merge(system, args),
        SimCommand::Replay(args) => one::replay(system, args),
        SimCommand::Shrink(args) => shrinking::one(system, args),
        SimCommand::Determinism(args) => determinism::run(system, args),
        SimCommand::Scenario(args) => {
            files::print(args.generate(system)?.to_json());
            Ok(Exit::Holds)
        }
    }
}

/// All cores of this machine.
#[must_use]
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
