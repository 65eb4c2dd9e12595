//! The command line: parsing, dispatch and exit codes. Each command has a file of its own.

mod bench;
mod bench_conform;
mod bench_model;
mod bench_raft;
mod bench_sim;
mod browse;
mod check;
pub(crate) mod ci;
mod conform;
pub(crate) mod core;
mod determinism;
pub(crate) mod files;
mod interrupt;
mod kv;
mod model;
mod mutants;
mod outcome;
mod peer;
pub(crate) mod progress;
mod serve;
pub(crate) mod sim;
mod verify;
mod wal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::sim::System;

pub use outcome::{CliError, Exit};
pub use peer::peer_main;

/// Is your Raft right? And if not, what is the shortest story of how it fails?
#[derive(Debug, Parser)]
#[command(
    name = "plumb",
    version,
    max_term_width = 100,
    after_help = "Without a command: verify, quick profile.\n\nExit codes: 0 everything asked for \
                  holds, 1 a violation was found, 2 usage or unreadable input, 3 undecided."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::VerifyArgs),
    Browse(browse::BrowseArgs),
    Check(check::CheckArgs),
    Conform(conform::ConformArgs),
    Bench(bench::BenchArgs),
    Core(core::CoreArgs),
    Kv(kv::KvArgs),
    Model(model::ModelArgs),
    Mutants(mutants::MutantsArgs),
    Serve(serve::ServeArgs),
    Sim(sim::SimArgs),
    Wal(wal::WalArgs),
}

/// Parses the arguments, runs the command, reports errors; the body of `main`.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    files::exit_of(dispatch(&cli)).into()
}

fn dispatch(cli: &Cli) -> Result<Exit, CliError> {
    match &cli.command {
        None => verify::run_default(),
        Some(Command::Verify(args)) => verify::run_command(args),
        Some(Command::Browse(args)) => browse::run(args),
        Some(Command::Bench(args)) => bench::run(args),
        Some(Command::Core(args)) => core::run(args),
        Some(Command::Check(args)) => check::run(args),
        Some(Command::Conform(args)) => conform::run(args),
        Some(Command::Model(args)) => model::run(args),
        Some(Command::Mutants(args)) => mutants::run(args),
        Some(Command::Kv(args)) => kv::run(args),
        Some(Command::Serve(args)) => serve::run(args),
        Some(Command::Sim(args)) => sim::run_command(System::SHIPPED, args),
        Some(Command::Wal(args)) => wal::run(args),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    const PAGE: &str = include_str!("../../../docs/commands.md");

    /// The part of the reference that is about a command: under the heading that names it.
    fn section(command: &str) -> &'static str {
        let is_about = |part: &&str| {
            let heading = part.lines().next().unwrap_or_default();
            heading.split(' ').any(|word| word == command)
        };
        let mut parts = PAGE.split("\n## ").skip(1);
        parts
            .find(is_about)
            .unwrap_or_else(|| panic!("docs/commands.md has no section for {command}"))
    }

    /// All flags that some lines name.
    fn flags<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
        let words = lines.flat_map(|line| line.split([' ', '`', '|']));
        words
            .filter_map(|word| word.strip_prefix("--")?.split(|c| !is_part(c)).next())
            .filter(|flag| flag.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect()
    }

    /// Every command below this one, with the words by which it is called.
    fn walk(command: &clap::Command, called: &str, see: &mut impl FnMut(&clap::Command, &str)) {
        see(command, called);
        let inner = command.get_subcommands().filter(|one| !one.is_hide_set());
        for one in inner.filter(|one| one.get_name() != "help") {
            walk(one, &format!("{called} {}", one.get_name()), see);
        }
    }

    /// Whoever asks a command for help sees how it is called; and of a simulation, how it ends.
    #[test]
    fn every_commands_help_has_an_example_and_simulations_name_their_exit_codes() {
        let mut cli = Cli::command();
        cli.build();
        walk(&cli, "plumb", &mut |one, called| {
            let help = one.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let is_group = one.get_subcommands().next().is_some();
            let has_example = help.lines().any(|line| line.starts_with("Example"));
            assert!(is_group || has_example, "{called} --help has no example");
            let prints = called == "plumb sim scenario";
            if called.starts_with("plumb sim ") && !prints {
                let codes = help.lines().find(|line| line.starts_with("Exit codes: "));
                let codes = codes.unwrap_or_else(|| panic!("{called} --help has no exit codes"));
                // Whatever shrinking has found by then stands: it is never undecided.
                let most = if called.ends_with("shrink") { 2 } else { 3 };
                for code in 0..=most {
                    assert!(codes.contains(&format!("{code} ")), "{called}: {codes}");
                }
            }
        });
    }

    fn own_flags(command: &clap::Command) -> BTreeSet<String> {
        let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
        let long = shown.filter_map(|flag| flag.get_long());
        long.filter(|flag| !matches!(*flag, "help" | "version"))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_command_and_every_flag_is_in_the_reference_and_it_names_no_other() {
        let mut cli = Cli::command();
        cli.build();
        for top in cli.get_subcommands().filter(|one| !one.is_hide_set()) {
            if top.get_name() == "help" {
                continue;
            }
            let text = section(top.get_name());
            let said = flags(text.lines());
            let mut known = BTreeSet::new();
            walk(
                top,
                &format!("plumb {}", top.get_name()),
                &mut |one, called| {
                    let flags = own_flags(one);
                    for flag in &flags {
                        assert!(
                            said.contains(flag.as_str()),
                            "{called} --{flag} is not in docs/commands.md"
                        );
                    }
                    known.extend(flags);
                    let is_group = one.get_subcommands().next().is_some();
                    let told = PAGE.contains(&format!("\n{called} --help\n"));
                    assert!(is_group || told, "{called} is not in docs/commands.md");
                },
            );
            // Two commands share a section; elsewhere a table's flags are the command's own.
            let table = text.lines().filter(|line| line.starts_with('|'));
            for flag in flags(table).iter().filter(|_| !text.starts_with("serve")) {
                assert!(
                    known.contains(*flag),
                    "plumb {} has no --{flag}",
                    top.get_name()
                );
            }
        }
    }
}
