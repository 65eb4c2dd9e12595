//! Which histories a command line means.

use std::path::{Path, PathBuf};

use crate::artifacts::{HISTORY_ENDINGS, is_history};
use crate::cli::CliError;

/// The histories that are meant: files as named, and those of folders in order.
pub(super) fn histories(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if let Some(pattern) = pattern(path) {
            matching(pattern, &mut files)?;
            continue;
        }
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        collect(path, &mut files)?;
        if files.len() == before {
            return Err(CliError::new(
                format!("{}: no history in this folder", path.display()),
                format!("histories end in .{}", HISTORY_ENDINGS.join(", .")),
            ));
        }
    }
    Ok(files)
}

/// The path as a pattern, if it is one and there is no file of that name.
fn pattern(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    (text.contains(['*', '?', '[']) && !path.exists()).then_some(text)
}

/// What a pattern matches, in order; folders with all that is in them.
fn matching(pattern: &str, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let remedy =
        "`*` and `?` match within a name, `**` matches folders, `[ab]` one of these letters";
    let paths = glob::glob(pattern)
        .map_err(|error| CliError::new(format!("{pattern}: {}", error.msg), remedy))?;
    let before = files.len();
    for path in paths {
        let path = path.map_err(|error| {
            CliError::new(
                format!("cannot read {}: {}", error.path().display(), error.error()),
                "check the path and the permissions",
            )
        })?;
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    if files.len() == before {
        let what = format!("{pattern}: nothing matches this pattern");
        return Err(CliError::new(what, remedy));
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::new(
            format!("cannot read the folder {}: {error}", folder.display()),
            "check the path and the permissions",
        )
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links to folders are not followed: they may lead back here.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(&path, files)?;
        } else if is_history(&path) {
            files.push(path);
        }
    }
    Ok(())
}
