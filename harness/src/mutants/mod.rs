//! Mutants: real bugs of consensus systems, put back into our Raft one at a time, and the exam that counts
//! which layers of the harness kill them. The correct code carries no trace of them: each is a patch file
//! in `harness/mutants`.

mod corpus;
mod exam;
mod matrix;
mod patch;
mod sitting;
mod workshop;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use corpus::{RULE_HEADING, entry_readme, layer_that_kills, write_entry};
pub use exam::{Layer, LayerResult, Outcome, Sitting, build_plumb, sit};
pub use matrix::{Matrix, Row};
pub use patch::{Edit, PatchError};
pub use sitting::{Cell, LastSitting, SittingRow, last_sitting};
pub use workshop::{Workshop, workspace_root};

use crate::cli::CliError;

/// One bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The patch file's name without its ending.
    pub name: String,
    /// What the patch file's header says.
    pub about: About,
    /// What it changes.
    pub edits: Vec<Edit>,
}

/// A patch file's header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The bug in a sentence.
    pub title: String,
    /// Which part of the system it is in.
    pub class: String,
    /// The property that it breaks.
    pub breaks: String,
    /// Where it was seen.
    pub seen: String,
    /// The rule that the correct code keeps, for the reader of a counterexample.
    pub rule: String,
}

/// Reads all mutants of a source tree, in the order of their names.
///
/// # Errors
/// If the folder can't be read, or a file in it is no mutant.
pub fn read_all(root: &Path) -> Result<Vec<Mutant>, CliError> {
    let folder = root.join("harness/mutants");
    let unreadable = |error| {
        CliError::new(
            format!("cannot read {}: {error}", folder.display()),
            "run this within a checkout of Plumbline, or name one with --root",
        )
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(unreadable)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "patch"))
        .collect();
    paths.sort();
    paths.iter().map(|path| patch::read(path)).collect()
}
