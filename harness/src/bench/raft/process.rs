//! Processes that end with us, however we end: each holds our pipe as its standard input, and its end is the
//! pipe's end. A program that does not look at its input gets a guard that does.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::cli::CliError;
use crate::verify::stopwatch;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A child of ours. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its standard input.
    pub(super) input: Option<ChildStdin>,
}

impl Process {
    /// Runs this very binary with these arguments; what it says on standard error goes to a file.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn of_ourselves(
        arguments: &[String],
        output: Stdio,
        errors: &Path,
    ) -> Result<Process, CliError> {
        let failed = |error: io::Error| {
            CliError::new(
                format!("cannot start a node: {error}"),
                "is the binary still where it was started from?",
            )
        };
        let errors = File::create(errors).map_err(failed)?;
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C in a terminal is for us alone: we end our children.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let input = child.stdin.take();
        Ok(Process { child, input })
    }

    /// Its standard output, if it is a pipe and was not asked for before.
    pub(super) fn output(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let elapsed = stopwatch();
        while elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a process that wrote its errors to this file said in the end, as a remedy for whoever waits for it.
pub(super) fn last_words(errors: &Path) -> String {
    let log = std::fs::read_to_string(errors).unwrap_or_default();
    let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    match lines.len() {
        0 => "it said nothing: is the machine very busy?".to_owned(),
        n => format!(
            "it said last: {}",
            lines[n.saturating_sub(3)..].join("\n        ")
        ),
    }
}

/// The guard: runs a program until standard input ends, then kills it.
///
/// # Errors
/// If the program can't be started or killed.
pub fn guard(program: &str, arguments: &[String]) -> io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()?;
    // An error is an end as well.
    drop(io::stdin().lock().read_to_end(&mut Vec::new()));
    child.kill()?;
    child.wait().map(drop)
}
