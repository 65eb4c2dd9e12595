//! Our own format: a header line, then one event a line, each a JSON object:
//!
//! ```text
//! {"plumb_history":1,"workload":"register","spec":"cas-register","seed":7}
//! {"index":0,"time_ns":10,"process":0,"kind":"invoke","f":"write","key":"x","value":1}
//! {"index":1,"time_ns":15,"process":"nemesis","f":"partition","value":["n1"]}
//! {"index":2,"time_ns":20,"process":0,"kind":"ok","f":"write","key":"x","value":1}
//! ```
//!
//! A last line that a crash tore off is reported and left out: its operation counts as never
//! completed, which is always sound. Anything else that is wrong is an error.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::input::{End, Input};
use crate::sink::{Fed, Feed, Take};
use crate::{Event, Header, History, Line, NemesisEvent, ReadError, SCHEMA_VERSION, Value};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NemesisLine {
    index: u64,
    time_ns: u64,
    process: Nemesis,
    f: String,
    #[serde(default)]
    value: Value,
}

#[derive(Serialize, Deserialize)]
enum Nemesis {
    #[serde(rename = "nemesis")]
    Nemesis,
}

pub(crate) fn read<R: BufRead, T: Take>(
    mut input: Input<R>,
    warnings: &mut Vec<String>,
    feed: &mut Feed<'_, T>,
) -> Fed<T> {
    let mut text = String::new();
    let mut end = input.read_line(&mut text)?;
    while end == End::Whole && text.trim().is_empty() {
        end = input.read_line(&mut text)?;
    }
    let header: Header =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|e| {
            input.malformed_at(
                (input.line() - u64::from(end == End::Whole)).max(1),
                format!("the header cannot be read: {}", reason(&e)),
                "the first line is {\"plumb_history\":1,…}; every other format starts differently",
            )
        })?;
    if header.plumb_history != SCHEMA_VERSION {
        let what = format!(
            "the history has format version {}, this build reads {SCHEMA_VERSION}",
            header.plumb_history
        );
        return Err(input
            .malformed_at(1, what, "use the version of plumb that wrote it")
            .into());
    }
    feed.begin(header)?;
    loop {
        let line = input.line();
        let end = input.read_line(&mut text)?;
        if end == End::OfFile {
            return Ok(());
        }
        if text.trim().is_empty() {
            continue;
        }
        let event = match parse(&text) {
            Ok(event) => event,
            Err(why) if end == End::Torn => {
                warnings.push(format!(
                    "{}:{line}: the last line is torn and was left out ({why})",
                    input.name()
                ));
                return Ok(());
            }
            Err(why) => {
                let shape = "an event looks like {\"index\":0,\"time_ns\":0,\"process\":0,\"kind\":\
                             \"invoke\",\"f\":\"read\",\"value\":null}";
                return Err(input
                    .malformed_at(line, format!("not an event: {why}"), shape)
                    .into());
            }
        };
        feed.push(event, |source| ReadError::Misplaced {
            file: input.name().to_owned(),
            line,
            source,
        })?;
    }
}

fn parse(text: &str) -> Result<Line, String> {
    match serde_json::from_str::<Event>(text) {
        Ok(event) => Ok(Line::Client(event)),
        Err(error) => match serde_json::from_str::<NemesisLine>(text) {
            Ok(line) => {
                let NemesisLine {
                    index,
                    time_ns,
                    f,
                    value,
                    ..
                } = line;
                Ok(Line::Nemesis(NemesisEvent {
                    index,
                    time_ns,
                    f,
                    value,
                }))
            }
            Err(_) => Err(reason(&error)),
        },
    }
}

/// What serde says, without a line number that counts within one line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => format!("{what} (column {})", error.column()),
        None => text,
    }
}

/// Writes a history line by line, so that a run that dies leaves what it saw.
#[derive(Debug)]
pub struct HistoryWriter<W> {
    writer: W,
}

impl<W: Write> HistoryWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn new(writer: W, header: &Header) -> io::Result<HistoryWriter<W>> {
        let mut this = HistoryWriter { writer };
        this.line(header)?;
        Ok(this)
    }

    /// Writes an event.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        match line {
            Line::Client(event) => self.line(event),
            Line::Nemesis(NemesisEvent {
                index,
                time_ns,
                f,
                value,
            }) => self.line(&NemesisLine {
                index: *index,
                time_ns: *time_ns,
                process: Nemesis::Nemesis,
                f: f.clone(),
                value: value.clone(),
            }),
        }
    }

    /// The writer, flushed.
    ///
    /// # Errors
    /// If flushing fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.flush()?;
        Ok(self.writer)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.writer, line)?;
        self.writer.write_all(b"\n")
    }
}

impl History {
    /// Writes it in our format.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write_to<W: Write>(&self, writer: W) -> io::Result<W> {
        let mut writer = HistoryWriter::new(writer, self.header())?;
        for line in self.lines() {
            writer.write(&line)?;
        }
        writer.finish()
    }

    /// In our format, as bytes; the same history gives the same bytes.
    #[must_use]
    pub fn to_jsonl(&self) -> Vec<u8> {
        self.write_to(Vec::new())
            .expect("writing to memory cannot fail, nor do values")
    }
}
