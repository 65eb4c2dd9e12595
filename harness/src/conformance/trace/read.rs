//! Judges a recorded trace, a line at a time.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;

use super::{Header, Line, State, VERSION};
use crate::conformance::steps::{Conformance, Divergence};

/// A longer line is no step of ours.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Why a trace can't be judged.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The medium failed.
    #[error("line {line}: {source}")]
    Io {
        /// Where, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The first line is no header.
    #[error("line 1: no header of recorded steps: {why}")]
    NoHeader {
        /// What is there instead.
        why: String,
    },
    /// Another version wrote it.
    #[error("line 1: version {found} of recorded steps, and this build reads up to {VERSION}")]
    Version {
        /// Which.
        found: u32,
    },
    /// A line is damaged.
    #[error("line {line}: {why}")]
    Damaged {
        /// Where, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

impl ReadError {
    /// What can be done about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            ReadError::Io { .. } => "check the file and the disk",
            ReadError::NoHeader { .. } => {
                "record one with `plumb sim run --seed N --record-steps FILE`"
            }
            ReadError::Version { .. } => "record it anew, or use the build that wrote it",
            ReadError::Damaged { .. } => "record it anew, or cut the file before that line",
        }
    }
}

/// What a trace came to.
#[derive(Debug, Default)]
pub struct Judged {
    /// Steps that were compared.
    pub steps: u64,
    /// Starts of servers.
    pub starts: u64,
    /// Requests and snapshots that state machines took.
    pub applied: u64,
    /// The servers that took them.
    pub servers: BTreeSet<u64>,
    /// Steps that the specification does not allow, each with its line: the first few.
    pub divergences: Vec<(u64, Divergence)>,
    /// How many there were in all.
    pub diverged: u64,
    /// The last line was torn, and is left out.
    pub torn: Option<u64>,
    /// It was asked to stop before the end.
    pub stopped: bool,
}

/// How many divergences of a trace are kept.
const KEPT: usize = 20;

/// Holds a recorded trace to the specification.
///
/// # Errors
/// If it can't be read.
pub fn judge(
    mut from: impl BufRead,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<Judged, ReadError> {
    let mut judged = Judged::default();
    let mut conformance = Conformance::default();
    let (mut bytes, mut line) = (Vec::new(), 1);
    let whole = next(&mut from, &mut bytes, line)?;
    let header: Header = match parse(&bytes) {
        Ok(header) => header,
        Err(_) if bytes.is_empty() => {
            return Err(ReadError::NoHeader {
                why: "the file is empty".to_owned(),
            });
        }
        Err(why) => return Err(ReadError::NoHeader { why }),
    };
    // The first had no lines of state machines, and is the same else.
    if !(1..=VERSION).contains(&header.plumb_steps) {
        return Err(ReadError::Version {
            found: header.plumb_steps,
        });
    }
    let mut more = whole;
    while more {
        if stop.load(Ordering::Relaxed) {
            judged.stopped = true;
            break;
        }
        line += 1;
        more = next(&mut from, &mut bytes, line)?;
        if bytes.is_empty() {
            break;
        }
        let read = match parse::<Line>(&bytes) {
            Ok(read) => read,
            // A recorder that was killed in the middle of a line.
            Err(_) if !more => {
                judged.torn = Some(line);
                break;
            }
            Err(why) => return Err(ReadError::Damaged { line, why }),
        };
        let diverges = take(&mut conformance, &mut judged, &read);
        let diverges = diverges.map_err(|why| ReadError::Damaged { line, why })?;
        if let Some(divergence) = diverges {
            judged.diverged += 1;
            if judged.divergences.len() < KEPT {
                judged.divergences.push((line, divergence));
            }
        }
        if line % 1024 == 0 {
            progress(line);
        }
    }
    judged.steps = conformance.steps();
    Ok(judged)
}

fn take(
    conformance: &mut Conformance,
    judged: &mut Judged,
    line: &Line,
) -> Result<Option<Divergence>, String> {
    match line {
        Line::Start(state) => {
            sound(state)?;
            judged.starts += 1;
            judged.servers.insert(state.server.id);
            Ok(conformance.restarted(&state.server))
        }
        Line::Applied(seen) => {
            judged.applied += 1;
            Ok(conformance.applied(seen))
        }
        Line::Restored(seen) => {
            judged.applied += 1;
            Ok(conformance.restored(seen))
        }
        Line::Step(step) => {
            sound(&step.before)?;
            sound(&step.after)?;
            let (before, after) = (&step.before, &step.after);
            if before.server.id != after.server.id {
                return Err(format!(
                    "the step of n{} ends at n{}",
                    before.server.id, after.server.id
                ));
            }
            judged.servers.insert(before.server.id);
            Ok(conformance.step(
                (&before.server, &before.log),
                &step.input,
                &step.effects,
                (&after.server, &after.log),
            ))
        }
    }
}

/// What no server is: damage that is still JSON.
fn sound(state: &State) -> Result<(), String> {
    let leads = state.server.leads();
    if leads != state.server.office.is_some() {
        return Err("a leader without an office, or an office without a leader".to_owned());
    }
    match state.log.contradicts(&state.server) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Reads a line without its end; whether it had one.
fn next(from: &mut impl BufRead, bytes: &mut Vec<u8>, line: u64) -> Result<bool, ReadError> {
    bytes.clear();
    let read = from.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', bytes);
    read.map_err(|source| ReadError::Io { line, source })?;
    if bytes.len() as u64 == MAX_LINE_BYTES {
        let why = format!("more than {MAX_LINE_BYTES} bytes without an end");
        return Err(ReadError::Damaged { line, why });
    }
    Ok(bytes.pop_if(|end| *end == b'\n').is_some())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}
