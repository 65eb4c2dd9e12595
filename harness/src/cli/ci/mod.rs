//! Verdicts for machines that gate on them: one list of cases, written as JUnit XML and as SARIF. What a
//! command judges (histories, layers, seeds) becomes cases here, so that all commands say it alike.

pub(crate) mod github;
mod junit;
mod sarif;

use std::path::{Path, PathBuf};

use clap::Args;

use super::{CliError, Exit, files};

pub(super) use junit::junit;
pub(super) use sarif::sarif;

/// Where reports for machines go.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Reports {
    /// Write the verdicts as JUnit XML; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write what is wrong as SARIF 2.1.0, for code scanning; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
}

impl Reports {
    /// The files that will be written.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.junit, &self.sarif]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }

    /// Whether one of them is standard output, which then carries nothing else.
    pub(super) fn on_stdout(&self) -> bool {
        self.paths().any(|path| files::is_stdout(Some(path)))
    }

    /// Writes them, and annotates the change where GitHub runs this.
    ///
    /// # Errors
    /// If a file can't be written.
    pub(super) fn write(&self, suite: &str, cases: &[Case], exit: Exit) -> Result<(), CliError> {
        if let Some(path) = &self.junit {
            files::write(path, junit(suite, cases))?;
        }
        if let Some(path) = &self.sarif {
            files::write(path, sarif(suite, cases, exit))?;
        }
        for problem in cases.iter().flat_map(|case| &case.problems) {
            github::annotate(suite, problem);
        }
        Ok(())
    }
}

/// Something that was judged: a history, a layer, a seed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    /// Its name, the same from run to run.
    pub(super) name: String,
    /// How long it took.
    pub(super) seconds: f64,
    /// What is wrong with it; nothing if it passed.
    pub(super) problems: Vec<Problem>,
}

/// What keeps a case from passing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// What kind of problem.
    pub(super) kind: Kind,
    /// The rule that it is about: a property's name, `unknown`, `unreadable`.
    pub(super) rule: String,
    /// What was seen, in words; the first line stands for the rest.
    pub(super) text: String,
    /// The file to look at.
    pub(super) file: Option<String>,
    /// The line in it, from 1.
    pub(super) line: Option<u64>,
}

/// Kinds of problems: JUnit counts violations as failures, all else as errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It broke.
    Violation,
    /// Nobody knows: no pass.
    Undecided,
    /// It could not be read.
    Unreadable,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Violation => "violation",
            Kind::Undecided => "unknown",
            Kind::Unreadable => "unreadable",
        }
    }
}

impl Problem {
    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}
