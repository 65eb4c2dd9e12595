//! Where commands write: a file, whole or not at all, or standard output for `-`.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;

use super::{CliError, Exit};
use crate::artifacts::{create_folder, probe_file, write_file};

/// Why standard output took something no more, if it did not.
static LOST: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Whether a path stands for standard output.
pub(super) fn is_stdout(path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.as_os_str() == "-")
}

/// Prints to standard output; a reader that went away (`| head`) is no error of ours. Any other is kept for
/// [`exit_of`], so that what was found is told all the same.
pub(crate) fn print(text: impl AsRef<[u8]>) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_ref()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let mut lost = LOST
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        lost.get_or_insert(error);
    }
}

/// How a command ends whose words may have been lost: an answer that nobody got is no pass.
pub(super) fn exit_of(ended: Result<Exit, CliError>) -> Exit {
    let exit = ended.unwrap_or_else(|error| {
        eprintln!("{error}");
        Exit::Usage
    });
    let mut lost = LOST
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match lost.take() {
        None => exit,
        Some(error) => {
            eprintln!("{}", not_written(Path::new("standard output"), &error));
            exit.worst(Exit::Usage)
        }
    }
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

/// Writes a document, as [`write`] does.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), CliError> {
    write(path, format!("{value:#}\n"))
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

/// Finds out before the work, not after it, that a file can't be written, that two results would go to one place, or that
/// one would take the place of what is read. It changes no file.
pub(super) fn probe<'a>(
    inputs: impl IntoIterator<Item = &'a Path>,
    outputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), CliError> {
    let inputs: Vec<PathBuf> = inputs.into_iter().filter_map(place).collect();
    let mut taken: Vec<PathBuf> = Vec::new();
    for path in outputs {
        if !is_stdout(Some(path)) {
            create_folder_of(path)?;
            probe_file(path)?;
        }
        let Some(place) = place(path) else {
            continue;
        };
        let twice = taken.contains(&place);
        if twice || (inputs.contains(&place) && !is_stdout(Some(path))) {
            let name = if is_stdout(Some(path)) {
                "standard output".to_owned()
            } else {
                path.display().to_string()
            };
            let what = if twice {
                format!("{name} is to be written twice")
            } else {
                format!("{name} is to be read, and would be written over")
            };
            return Err(CliError::new(what, "name a file of its own for each"));
        }
        taken.push(place);
    }
    Ok(())
}

/// By what a file is known, whatever its name; `None` for devices and pipes, which can be shared.
fn place(path: &Path) -> Option<PathBuf> {
    if is_stdout(Some(path)) {
        return Some(path.to_owned());
    }
    if path.exists() {
        return path.canonicalize().ok().filter(|path| path.is_file());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}
