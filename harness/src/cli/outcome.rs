//! How a command ends: the exit codes that CI relies on, and errors that say what to do.

use std::fmt;
use std::process::ExitCode;

/// The end of a command that ran. Ordered by how bad it is for a caller that merges several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything asked for holds: 0.
    Holds,
    /// The budget ran out before a verdict: 3, never 0.
    Undecided,
    /// The question could not be read: 2.
    Usage,
    /// A violation was found: 1.
    Violation,
}

impl Exit {
    /// The process exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Holds => 0,
            Exit::Violation => 1,
            Exit::Usage => 2,
            Exit::Undecided => 3,
        }
    }

    /// The worse of two ends: a violation outweighs unreadable input, which outweighs no verdict.
    #[must_use]
    pub fn worst(self, other: Exit) -> Exit {
        self.max(other)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command could not do what was asked: always exit code 2.
#[derive(Debug)]
pub struct CliError {
    /// What went wrong, naming the file and line where there is one.
    pub what: String,
    /// What the user can do about it.
    pub remedy: String,
}

impl CliError {
    /// An error with its remedy.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> CliError {
        CliError {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  help: {}", self.what, self.remedy)
    }
}

impl std::error::Error for CliError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_outweighs_everything_and_undecided_is_never_success() {
        assert_eq!(Exit::Holds.worst(Exit::Undecided), Exit::Undecided);
        assert_eq!(Exit::Undecided.worst(Exit::Usage), Exit::Usage);
        assert_eq!(Exit::Usage.worst(Exit::Violation), Exit::Violation);
        assert_eq!(
            [Exit::Holds, Exit::Violation, Exit::Usage, Exit::Undecided].map(Exit::code),
            [0, 1, 2, 3]
        );
    }
}
