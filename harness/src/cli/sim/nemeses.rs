//! `--nemesis`: what goes wrong, in place of what a seed draws by itself.

use clap::Args;

use crate::cli::CliError;
use crate::nemesis::{self, Nemesis};
use crate::scenario::{FaultName, Tier};
use crate::sim::System;

/// What goes wrong.
#[derive(Clone, Debug, Default, Args)]
pub struct NemesisArgs {
    /// What goes wrong, in place of what the seed draws; several are composed. KIND[+KIND…][:OPTION=VALUE,…], or none. Kinds as
    /// in docs/faults.md; options: every=500ms, from=1s, to=3s, for=50ms..2s, at=leader, upon=voted, waits=50%, skip=3,
    /// share=30%, flaps=15%, replaces=30%.
    #[arg(long, value_name = "SPEC")]
    nemesis: Vec<Nemesis>,
}

impl NemesisArgs {
    /// Whether any was named.
    pub(super) fn is_given(&self) -> bool {
        !self.nemesis.is_empty()
    }

    /// What was named, if anything was.
    ///
    /// # Errors
    /// If a system can't meet one of them in this tier.
    pub fn given(&self, system: System, tier: Tier) -> Result<Option<Vec<Nemesis>>, CliError> {
        if let Some(kind) = nemesis::beyond(&self.nemesis, tier) {
            return Err(CliError::new(
                format!("--nemesis {kind} needs the full tier: the bare one has no files"),
                "leave --tier bare out, or name others",
            ));
        }
        let mut kinds = self.nemesis.iter().flat_map(|nemesis| &nemesis.kinds);
        let beyond = |kind: &&FaultName| !system.is_shipped() && !kind.strikes_guests();
        if let Some(kind) = kinds.find(beyond) {
            return Err(CliError::new(
                format!(
                    "--nemesis {kind} is nothing that {} can meet",
                    system.name()
                ),
                "name others: a guest's members stay, and nobody tells it when to take a snapshot",
            ));
        }
        Ok(self.is_given().then(|| self.nemesis.clone()))
    }
}

/// These as on the command line, with a space before each.
pub fn as_flags(nemeses: Option<&[Nemesis]>) -> String {
    let flags = nemeses.unwrap_or_default().iter();
    flags.map(|it| format!(" --nemesis {it}")).collect()
}
