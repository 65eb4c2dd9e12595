//! Where commands write: a file, whole or not at all, or standard output for `-`.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::CliError;
use crate::artifacts::{create_folder, write_file};

/// Whether a path stands for standard output.
pub(super) fn is_stdout(path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.as_os_str() == "-")
}

/// Prints to standard output; a reader that went away (`| head`) is no error of ours.
pub(super) fn print(text: impl AsRef<[u8]>) {
    drop(std::io::stdout().write_all(text.as_ref()));
}

/// Creates the folder that a file is to be in.
pub(super) fn create_folder_of(path: &Path) -> Result<(), CliError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or(Ok(()), create_folder)
}

/// Writes to a file, creating its folder, or to standard output for `-`.
pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), CliError> {
    if is_stdout(Some(path)) {
        print(bytes);
        return Ok(());
    }
    create_folder_of(path)?;
    write_file(path, bytes.as_ref())
}

/// Opens a file to be written bit by bit, creating its folder, or standard output for `-`.
pub(crate) fn create(path: &Path) -> Result<Box<dyn Write + Send>, CliError> {
    if is_stdout(Some(path)) {
        return Ok(Box::new(std::io::stdout()));
    }
    create_folder_of(path)?;
    let file = File::create(path).map_err(|error| not_written(path, &error))?;
    Ok(Box::new(file))
}

/// A file that could not be written.
pub(crate) fn not_written(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(
        format!("{}: {error}", path.display()),
        "name a file that can be written, on a disk with room",
    )
}

/// Finds out before the work, not after it, that a file can't be written.
pub(super) fn probe<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), CliError> {
    paths
        .into_iter()
        .filter(|path| !is_stdout(Some(path)))
        .try_for_each(|path| write(path, b""))
}
