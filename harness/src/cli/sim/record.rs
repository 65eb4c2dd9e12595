//! A sweep's file: a line that says what was asked for, then one for each seed that has run, in order. What a crash
//! tore off is named and run again.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::artifacts::create_folder;
use crate::cli::CliError;
use crate::nemesis::{Length, Nemesis};
use crate::scenario::{Judges, Tier};
use crate::sim::System;
use crate::sim::sweep::{GIVE_UP, Plan, Seen, Shard};

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
            system,
            seeds: self.seeds(),
            shard: self.shard,
            before,
            length: Length {
                faults_ms: self.faults_ms,
                healed_ms: self.healed_ms,
            },
            tier: self.tier,
            judges: self.judges,
            nemeses: self.nemeses.clone(),
            jobs: 1,
            stop_at_failure: false,
            profile: false,
            for_time: None,
            give_up: GIVE_UP,
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
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        CliError::new(
            format!("cannot read {name}: {error}"),
            "name a file that `plumb sim sweep --jsonl` has written",
        )
    })?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let (lines, tail) = bytes.split_at(whole);
    let wrong = |line: usize, what: String| {
        CliError::new(
            format!("{name}:{line}: {what}"),
            "remove the file and run the sweep again",
        )
    };
    let text = std::str::from_utf8(lines).map_err(|_| wrong(1, "this is no text".to_owned()))?;
    let mut lines = (1..).zip(text.lines());
    let (_, first) = lines
        .next()
        .ok_or_else(|| wrong(1, "the file has no first line".to_owned()))?;
    let asked: Asked = serde_json::from_str(first)
        .map_err(|error| wrong(1, format!("not the first line of a sweep's file: {error}")))?;
    if asked.plumb_sweep_seeds != VERSION {
        let found = asked.plumb_sweep_seeds;
        return Err(wrong(
            1,
            format!("version {found}, and this program reads {VERSION}"),
        ));
    }
    let build = system.build();
    if asked.build != build {
        let what = format!("written by {}, and this is {build}", asked.build);
        return Err(CliError::new(
            format!("{name}:1: {what}"),
            "use the program that wrote it: another one gives seeds another meaning",
        ));
    }
    if !asked.shard.exists() {
        return Err(wrong(1, format!("there is no shard {}", asked.shard)));
    }
    let mut nemeses = asked.nemeses.iter().flatten();
    if let Some(what) = nemeses.find_map(|nemesis| nemesis.check().err()) {
        return Err(wrong(1, format!("no sweep had such a nemesis: {what}")));
    }
    let mut seen: Vec<Seen> = Vec::new();
    for (number, line) in lines {
        let one: Seen = serde_json::from_str(line)
            .map_err(|error| wrong(number, format!("not a seed's line: {error}")))?;
        if !asked.shard.has(&asked.seeds(), one.seed) {
            let what = format!("seed {} is none of shard {}", one.seed, asked.shard);
            return Err(wrong(number, what));
        }
        if seen.last().is_some_and(|last| last.seed >= one.seed) {
            return Err(wrong(number, format!("seed {} is out of order", one.seed)));
        }
        seen.push(one);
    }
    let torn = (!tail.is_empty()).then(|| (seen.len() + 2, whole as u64));
    Ok(Record {
        path: path.to_owned(),
        asked,
        seen,
        torn,
    })
}

/// A file that is written, line by line.
pub(super) struct Writer {
    path: PathBuf,
    file: File,
}

impl Writer {
    /// A new file.
    pub(super) fn create(path: &Path, plan: &Plan) -> Result<Writer, CliError> {
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            create_folder(parent)?;
        }
        let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
        let mut writer = Writer {
            path: path.to_owned(),
            file,
        };
        writer.line(&Asked::of(plan))?;
        Ok(writer)
    }

    /// A file that was read, without what was torn off.
    pub(super) fn go_on(record: &Record) -> Result<Writer, CliError> {
        let path = &record.path;
        let open = || {
            let file = OpenOptions::new().append(true).open(path)?;
            if let Some((_, at)) = record.torn {
                file.set_len(at)?;
            }
            Ok(file)
        };
        Ok(Writer {
            file: open().map_err(|error| cannot_write(path, &error))?,
            path: path.clone(),
        })
    }

    /// Writes one line with one call, so that a crash tears the last one at most.
    pub(super) fn line(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(value).expect("plain data always serialises");
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written.map_err(|error| cannot_write(&self.path, &error))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(
        format!("cannot write {}: {error}", path.display()),
        "free some space, correct the permissions, or name another place",
    )
}
