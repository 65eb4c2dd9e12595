//! Porcupine, timed on the same histories in the same run: a driver of a hundred lines of Go, built on demand
//! against a copy of its source. Nothing but this benchmark needs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use plumb_checkers::Options;
use plumb_histories::{History, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifacts::{create_folder, write_file};
use crate::cli::CliError;

const DRIVER: &str = include_str!("../../../checkers/benches/porcupine/main.go");
/// What Porcupine can be asked about.
const SPECS: [&str; 3] = ["register", "cas-register", "kv-append"];
/// How often small histories are checked; the best counts, as for ours.
const RUNS: u32 = 5;

/// The driver, built.
pub struct Porcupine {
    binary: PathBuf,
    timeout: Duration,
}

/// What Porcupine came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// `Ok`, `Illegal` or `Unknown`.
    pub verdict: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What it allocated, in bytes.
    pub allocated: u64,
}

impl Porcupine {
    /// Builds the driver in `folder` against the module's source.
    ///
    /// # Errors
    /// If there is no Go, or the source is not Porcupine's.
    pub fn build(source: &Path, folder: &Path, timeout: Duration) -> Result<Porcupine, CliError> {
        if !source.join("checker.go").is_file() {
            return Err(CliError::new(
                format!("{} does not hold Porcupine's source", source.display()),
                "name a checkout of github.com/anishathalye/porcupine with --porcupine",
            ));
        }
        create_folder(folder)?;
        let source = std::path::absolute(source).unwrap_or_else(|_| source.to_owned());
        let module = format!(
            "module plumbline\n\ngo 1.16\n\nrequire github.com/anishathalye/porcupine v0.0.0\n\nreplace \
             github.com/anishathalye/porcupine => {}\n",
            source.display()
        );
        write_file(&folder.join("go.mod"), module.as_bytes())?;
        write_file(&folder.join("main.go"), DRIVER.as_bytes())?;
        let output = Command::new("go")
            .args(["build", "-mod=mod", "-o", "driver", "."])
            .env("GOFLAGS", "")
            .env("GOPROXY", "off")
            .current_dir(folder)
            .output()
            .map_err(|error| {
                CliError::new(
                    format!("cannot run go: {error}"),
                    "install a Go toolchain, or leave --against out",
                )
            })?;
        if !output.status.success() {
            return Err(CliError::new(
                format!(
                    "the driver does not build: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                ),
                "does the checkout hold a whole module of a version that this Go builds?",
            ));
        }
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Ok(Porcupine {
            binary: folder.join("driver"),
            timeout,
        })
    }

    /// Checks a history; `None` for a specification of which the driver has no model.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn check(&self, history: &History, options: &Options) -> Result<Option<Peer>, CliError> {
        let spec = options.spec.name();
        if !SPECS.contains(&spec) {
            return Ok(None);
        }
        let end = history.events().len();
        let operations: Vec<_> = history
            .operations()
            .filter(|operation| operation.outcome() != Outcome::Fail)
            .map(|operation| {
                json!({
                    "client": operation.process(),
                    "call": operation.invoked_at,
                    "return": operation.completed_at.unwrap_or(end + operation.number),
                    "f": operation.f(),
                    "key": operation.key().map(|key| json!(key).to_string()).unwrap_or_default(),
                    "argument": operation.argument(),
                    "result": operation.result(),
                    "known": operation.outcome() == Outcome::Ok,
                })
            })
            .collect();
        let case = json!({
            "spec": spec,
            "init": options.init,
            "partition": options.partition,
            "timeout": self.timeout.as_secs_f64(),
            "runs": RUNS,
            "operations": operations,
        });
        let failed = |why: String| {
            CliError::new(
                format!("the Porcupine driver failed: {why}"),
                "leave --against out, or report it",
            )
        };
        let mut child = Command::new(&self.binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let mut pipe = child.stdin.take().expect("its standard input is a pipe");
        // A driver that ends early says why itself.
        drop(pipe.write_all(case.to_string().as_bytes()));
        drop(pipe);
        let output = child
            .wait_with_output()
            .map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&output.stdout)
            .map(Some)
            .map_err(|_| failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
