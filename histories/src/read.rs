//! The front door for files: finds out the format from the first bytes and reads it.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::input::Input;
use crate::sink::{Feed, Pass, Take};
use crate::{History, ReadError, Sink, StreamError, jepsen, jsonl, log};

/// The format is told from this many bytes; junk is refused after as many.
const PEEK: usize = 64 << 10;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Our own JSON Lines.
    Plumbline,
    /// EDN maps, as Jepsen, Knossos and Porcupine's kv text have them.
    Edn,
    /// Lines of jepsen.util's logger.
    JepsenLog,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Plumbline => "plumbline",
            Format::Edn => "edn",
            Format::JepsenLog => "jepsen-log",
        })
    }
}

/// A history with how it was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The history.
    pub history: History,
    /// The format that was found.
    pub format: Format,
    /// What was survived, each with file and line.
    pub warnings: Vec<String>,
}

/// Reads a history from a file of any known format.
///
/// # Errors
/// If it cannot be read or is not a well-formed history.
pub fn read(path: impl AsRef<Path>) -> Result<History, ReadError> {
    let path = path.as_ref();
    let file = path.display().to_string();
    let io = |source| ReadError::Io {
        file: file.clone(),
        source,
    };
    if std::fs::metadata(path).map_err(io)?.is_dir() {
        return Err(ReadError::Folder { file });
    }
    let reader = BufReader::with_capacity(PEEK, File::open(path).map_err(io)?);
    read_from(&file, reader)
}

/// Reads a history from anything; `name` stands for it in messages.
///
/// # Errors
/// As [`read`].
pub fn read_from(name: &str, reader: impl BufRead) -> Result<History, ReadError> {
    read_source(name, reader).map(|source| source.history)
}

/// Reads a history and says how.
///
/// # Errors
/// As [`read`].
pub fn read_source(name: &str, reader: impl BufRead) -> Result<Source, ReadError> {
    let mut history = History::default();
    match feed(name, reader, &mut history) {
        Ok((format, warnings)) => Ok(Source {
            history,
            format,
            warnings,
        }),
        Err(StreamError::Read(error)) => Err(error),
        Err(StreamError::Sink(never)) => match never {},
    }
}

/// Hands a history to a sink as it is read, so that it never exists as a whole; says the format that was found,
/// and what was survived, each with file and line.
///
/// # Errors
/// If it cannot be read, or the sink takes no more.
pub fn stream<S: Sink>(
    name: &str,
    reader: impl BufRead,
    sink: &mut S,
) -> Result<(Format, Vec<String>), StreamError<ReadError, S::Error>> {
    feed(name, reader, &mut Pass(sink))
}

fn feed<T: Take>(
    name: &str,
    mut reader: impl BufRead,
    taker: &mut T,
) -> Result<(Format, Vec<String>), StreamError<ReadError, T::Error>> {
    let mut start = Vec::new();
    (&mut reader)
        .take(PEEK as u64)
        .read_to_end(&mut start)
        .map_err(|source| ReadError::Io {
            file: name.to_owned(),
            source,
        })?;
    let format = detect(name, &start)?;
    let input = Input::new(name, start.as_slice().chain(reader));
    let mut warnings = Vec::new();
    let mut feed = Feed::new(taker);
    match format {
        Format::Plumbline => jsonl::read(input, &mut warnings, &mut feed)?,
        Format::Edn => jepsen::read(input, &mut feed)?,
        Format::JepsenLog => log::read(input, &mut feed)?,
    }
    Ok((format, warnings))
}

fn detect(name: &str, start: &[u8]) -> Result<Format, ReadError> {
    let file = || name.to_owned();
    let line_of = |place: usize| 1 + start[..place].iter().filter(|b| **b == b'\n').count() as u64;
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // Cut by the peek, not by the file's author.
        Err(cut) if cut.error_len().is_none() => {
            std::str::from_utf8(&start[..cut.valid_up_to()]).unwrap_or_default()
        }
        Err(error) => {
            return Err(ReadError::NotUtf8 {
                file: file(),
                line: line_of(error.valid_up_to()),
            });
        }
    };
    let body = text.trim_start_matches('\u{feff}').trim_start();
    if body.is_empty() && start.len() < PEEK {
        return Err(ReadError::Empty { file: file() });
    }
    let mut rest = body.chars();
    let first = rest.next().unwrap_or(' ');
    let second = rest.find(|c| !c.is_whitespace());
    match (first, second) {
        ('{', Some('"')) => return Ok(Format::Plumbline),
        ('{', Some(':' | '#' | ';' | '^')) | ('(' | ';', _) => return Ok(Format::Edn),
        ('#', Some('_' | 'a'..='z')) | ('[', Some('{' | '#' | ';' | ']')) => {
            return Ok(Format::Edn);
        }
        _ => {}
    }
    if text.contains(log::LOGGER) {
        return Ok(Format::JepsenLog);
    }
    let line = body.lines().next().unwrap_or_default();
    Err(ReadError::Unrecognised {
        file: file(),
        line: line_of(text.len() - body.len()),
        what: format!("it starts with {:?}", crate::edn::shortened(line)),
    })
}
