//! A private copy of the workspace in which one mutant at a time is built. The user's own tree is only
//! read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Mutant;
use crate::artifacts::{create_folder, write_file};
use crate::cli::CliError;

/// What a copy needs: the workspace's files and its packages.
const FILES: [&str; 2] = ["Cargo.toml", "Cargo.lock"];
// The docs are built in: the report shows the table of the last sitting.
const FOLDERS: [&str; 6] = ["model", "impl", "harness", "checkers", "histories", "docs"];
/// The build profile for mutants: fast to link, fast enough to run.
pub(super) const PROFILE: &str = "mutants";

/// The workspace that contains a folder.
///
/// # Errors
/// If none does.
pub fn workspace_root(from: &Path) -> Result<PathBuf, CliError> {
    let from = std::path::absolute(from).unwrap_or_else(|_| from.to_owned());
    from.ancestors()
        .find(|folder| folder.join("harness/mutants").is_dir())
        .map(Path::to_path_buf)
        .ok_or_else(|| {
            CliError::new(
                format!("{} is not within a checkout of Plumbline", from.display()),
                "change into one, or name it with --root",
            )
        })
}

/// The copy.
pub struct Workshop {
    root: PathBuf,
    tree: PathBuf,
    target: PathBuf,
    /// The original text of what the present mutant changed.
    changed: BTreeMap<String, String>,
}

impl Workshop {
    /// Copies the workspace to `folder/tree`; builds go to `folder/target`, which survives.
    ///
    /// # Errors
    /// If something can't be read or written.
    pub fn open(root: &Path, folder: &Path) -> Result<Workshop, CliError> {
        let tree = folder.join("tree");
        create_folder(&tree)?;
        for file in FILES {
            copy_file(&root.join(file), &tree.join(file))?;
        }
        for name in FOLDERS {
            copy_folder(&root.join(name), &tree.join(name))?;
        }
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Ok(Workshop {
            root: root.to_owned(),
            tree: absolute(tree),
            target: absolute(folder.join("target")),
            changed: BTreeMap::new(),
        })
    }

    /// Puts a mutant in, in place of the one before.
    ///
    /// # Errors
    /// If its diff does not apply, or a file can't be written.
    pub fn apply(&mut self, mutant: &Mutant) -> Result<(), CliError> {
        self.restore()?;
        for edit in &mutant.edits {
            let path = self.tree.join(&edit.file);
            let original = read(&path)?;
            let mutated = edit.apply(&original).map_err(|error| {
                CliError::new(
                    format!("mutant {}: {error}", mutant.name),
                    format!("correct harness/mutants/{}.patch", mutant.name),
                )
            })?;
            write_file(&path, mutated.as_bytes())?;
            self.changed.insert(edit.file.clone(), original);
        }
        Ok(())
    }

    /// Puts the clean code back.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn restore(&mut self) -> Result<(), CliError> {
        for (file, original) in std::mem::take(&mut self.changed) {
            write_file(&self.tree.join(&file), original.as_bytes())?;
        }
        Ok(())
    }

    /// The workspace that was copied.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// cargo on the copy.
    pub(super) fn cargo(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(arguments)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_TERM_COLOR", "never")
            // What a build says of unused things that a bug leaves behind is no concern.
            .env("RUSTFLAGS", "--cap-lints warn");
        command
    }

    /// The `plumb` that was built last.
    #[must_use]
    pub fn binary(&self) -> PathBuf {
        self.target.join(PROFILE).join("plumb")
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| {
        CliError::new(
            format!("cannot read {}: {error}", path.display()),
            "see that the checkout is whole",
        )
    })
}

/// Copies unless the copy is the same already: what is not touched is not built again.
fn copy_file(from: &Path, to: &Path) -> Result<(), CliError> {
    let bytes = std::fs::read(from).map_err(|error| {
        CliError::new(
            format!("cannot read {}: {error}", from.display()),
            "see that the checkout is whole",
        )
    })?;
    if std::fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    write_file(to, &bytes)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), CliError> {
    create_folder(to)?;
    let unreadable = |error| {
        CliError::new(
            format!("cannot read {}: {error}", from.display()),
            "see that the checkout is whole",
        )
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(from).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            copy_folder(&path, &to.join(&name))?;
        } else {
            copy_file(&path, &to.join(&name))?;
        }
        names.push(name);
    }
    // What an earlier copy had and the workspace has no more.
    for entry in std::fs::read_dir(to).into_iter().flatten().flatten() {
        if !names.contains(&entry.file_name()) {
            let path = entry.path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            drop(removed);
        }
    }
    Ok(())
}
