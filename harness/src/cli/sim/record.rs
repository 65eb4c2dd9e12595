//! A sweep's file: a line that says what was asked for, then one for each seed that has run, in any order. What a crash
//! tore off is named and run again. One process at a time writes it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::{CliError, files};
use crate::nemesis::{Length, Nemesis};
use crate::scenario::{Judges, Tier};
use crate::sim::System;
use crate::sim::sweep::{Plan, Seen, Shard};

/// The version of the format. Coverage has other counts now and then: then it changes.
const VERSION: u32 = 2;

/// What was asked for: shards that differ in it can't be put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    plumb_sweep_seeds: u32,
    /// Which build ran it: another one gives the same seeds another meaning.
    build: String,
    tier: Tier,
    judges: Judges,
    faults_ms: u64,
    healed_ms: u64,
    start: u64,
    end: u64,
    pub(super) shard: Shard,
    /// What went wrong, if not what seeds draw by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nemeses: Option<Vec<Nemesis>>,
}

impl Asked {
    pub(super) fn of(plan: &Plan) -> Asked {
        Asked {
            plumb_sweep_seeds: VERSION,
            build: plan.system.build(),
            tier: plan.tier,
            judges: plan.judges,
            faults_ms: plan.length.faults_ms,
            healed_ms: plan.length.healed_ms,
            start: plan.seeds.start,
            end: plan.seeds.end,
            shard: plan.shard,
            nemeses: plan.nemeses.clone(),
        }
    }

    /// The plan that this was, with what has run of it.
    pub(super) fn plan(&self, system: System, before: Vec<Seen>) -> Plan {
        Plan {
            shard: self.shard,
            before,
            length: Length {
                faults_ms: self.faults_ms,
                healed_ms: self.healed_ms,
            },
            judges: self.judges,
            nemeses: self.nemeses.clone(),
            ..Plan::new(system, self.tier, self.seeds())
        }
    }

    pub(super) fn seeds(&self) -> Range<u64> {
        self.start..self.end
    }

    /// The same but for the shard.
    pub(super) fn whole(&self) -> Asked {
        Asked {
            shard: Shard::WHOLE,
            ..self.clone()
        }
    }
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) path: PathBuf,
    pub(super) asked: Asked,
    pub(super) seen: Vec<Seen>,
    /// The line that a crash cut short, and where it begins in the file.
    pub(super) torn: Option<(usize, u64)>,
}

/// Reads a sweep's file.
///
/// # Errors
/// If it can't be read, is of another version, or holds what no sweep writes.
pub(super) fn read(system: System, path: &Path) -> Result<Record, CliError> {
    let bytes = std::fs::read(path).map_err(|error| cannot_read(path, &error))?;
    parse(system, path, &bytes)
}

fn parse(system: System, path: &Path, bytes: &[u8]) -> Result<Record, CliError> {
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut lines = (1..).zip(bytes[..whole].split_inclusive(|byte| *byte == b'\n'));
    let asked = header(system, path, lines.next().map(|(_, line)| line))?;
    let wrong = |line: usize, what: String, remedy: &str| {
        CliError::new(format!("{}:{line}: {what}", path.display()), remedy)
    };
    let mut seen: BTreeMap<u64, (usize, Seen)> = BTreeMap::new();
    let mut last = 1;
    for (number, line) in lines {
        last = number;
        let again = "take this line out of the file: `sweep --resume` runs its seed again";
        let one: Seen = serde_json::from_slice(line)
            .map_err(|error| wrong(number, format!("not a seed's line: {error}"), again))?;
        let seed = one.seed;
        if !asked.shard.has(&asked.seeds(), seed) {
            let what = format!("seed {seed} is none of shard {}", asked.shard);
            return Err(wrong(number, what, again));
        }
        if one.signature != one.broke() {
            let what = format!(
                "seed {seed} is signed `{}`, and what the line says of it is `{}`",
                one.signature,
                one.broke()
            );
            return Err(wrong(number, what, again));
        }
        if let Some((other, _)) = seen.insert(seed, (number, one)) {
            return Err(wrong(
                number,
                format!("seed {seed} is there twice: line {other} has it, too"),
                "take one of the two lines out of the file",
            ));
        }
    }
    Ok(Record {
        path: path.to_owned(),
        asked,
        seen: seen.into_values().map(|(_, one)| one).collect(),
        torn: (whole < bytes.len()).then_some((last + 1, whole as u64)),
    })
}

/// The first line, if this program can go on with it.
fn header(system: System, path: &Path, line: Option<&[u8]>) -> Result<Asked, CliError> {
    let wrong = |what: String| {
        CliError::new(
            format!("{}:1: {what}", path.display()),
            "name a file that `plumb sim sweep --jsonl` has written",
        )
    };
    let line = line.ok_or_else(|| wrong("the file has no first line".to_owned()))?;
    let asked: Asked = serde_json::from_slice(line)
        .map_err(|error| wrong(format!("not the first line of a sweep's file: {error}")))?;
    if asked.plumb_sweep_seeds != VERSION {
        let found = asked.plumb_sweep_seeds;
        return Err(wrong(format!(
            "version {found}, and this program reads {VERSION}"
        )));
    }
    let build = system.build();
    if asked.build != build {
        let what = format!("written by {}, and this is {build}", asked.build);
        return Err(CliError::new(
            format!("{}:1: {what}", path.display()),
            "use the program that wrote it: another one gives seeds another meaning",
        ));
    }
    if !asked.shard.exists() {
        return Err(wrong(format!("there is no shard {}", asked.shard)));
    }
    if asked.seeds().is_empty() {
        let Asked { start, end, .. } = asked;
        return Err(wrong(format!(
            "no seed is from {start} on and before {end}"
        )));
    }
    let mut nemeses = asked.nemeses.iter().flatten();
    if let Some(what) = nemeses.find_map(|nemesis| nemesis.check().err()) {
        return Err(wrong(format!("no sweep had such a nemesis: {what}")));
    }
    Ok(asked)
}

/// A file that is written, line by line.
pub(super) struct Writer {
    path: PathBuf,
    out: Box<dyn Write>,
}

impl Writer {
    /// A new file, or standard output for `-`. What is there already is an hour's work of somebody: it stays.
    pub(super) fn create(path: &Path, plan: &Plan) -> Result<Writer, CliError> {
        // A device or a pipe is written to, and keeps nothing.
        let special = files::is_stdout(Some(path)) || (path.exists() && !path.is_file());
        let out = if special {
            files::create(path)?
        } else {
            files::create_folder_of(path)?;
            let created = OpenOptions::new().write(true).create_new(true).open(path);
            let file = created.map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => is_there(plan.system, path),
                _ => cannot_write(path, &error),
            })?;
            lock(path, &file)?;
            Box::new(file)
        };
        let mut writer = Writer {
            path: path.to_owned(),
            out,
        };
        writer.line(&Asked::of(plan))?;
        Ok(writer)
    }

    /// A file that is there, with what it holds; what was torn off is cut away. Nobody else may write it meanwhile.
    pub(super) fn go_on(system: System, path: &Path) -> Result<(Record, Writer), CliError> {
        let open = OpenOptions::new().read(true).append(true).open(path);
        let mut file = open.map_err(|error| cannot_read(path, &error))?;
        lock(path, &file)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| cannot_read(path, &error))?;
        let record = parse(system, path, &bytes)?;
        if let Some((_, at)) = record.torn {
            file.set_len(at)
                .map_err(|error| cannot_write(path, &error))?;
        }
        let writer = Writer {
            path: path.to_owned(),
            out: Box::new(file),
        };
        Ok((record, writer))
    }

    /// Writes one line with one call, so that a crash tears the last one at most.
    pub(super) fn line(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(value).expect("plain data always serialises");
        line.push(b'\n');
        let written = self.out.write_all(&line).and_then(|()| self.out.flush());
        written.map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Takes the file for this process until it ends. Where a file system knows no locks, there is none.
fn lock(path: &Path, file: &File) -> Result<(), CliError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(CliError::new(
            format!("another sweep is writing {}", path.display()),
            "wait until it has ended",
        )),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn is_there(system: System, path: &Path) -> CliError {
    let name = path.display();
    CliError::new(
        format!("{name} is there already"),
        format!(
            "go on with it: `{} sweep --resume {name}`; or name another file with --jsonl",
            system.name()
        ),
    )
}

fn cannot_read(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(
        format!("cannot read {}: {error}", path.display()),
        "name a file that `plumb sim sweep --jsonl` has written",
    )
}

fn cannot_write(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(
        format!("cannot write {}: {error}", path.display()),
        "free some space, correct the permissions, or name another place",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_being_written_is_nobody_elses_until_it_is_let_go() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mine.jsonl");
        let plan = Plan::new(System::SHIPPED, Tier::Bare, 0..4);
        let told = |tried: Result<(Record, Writer), CliError>| tried.err().map(|error| error.what);
        let created = Writer::create(&path, &plan).expect("a new file");
        let refused = told(Writer::go_on(System::SHIPPED, &path)).expect("it is taken");
        assert!(refused.contains("another sweep is writing"), "{refused}");
        drop(created);
        let (_, writer) = Writer::go_on(System::SHIPPED, &path).expect("it was let go");
        let refused = told(Writer::go_on(System::SHIPPED, &path)).expect("it is taken");
        assert!(refused.contains("another sweep is writing"), "{refused}");
        drop(writer);
    }
}
