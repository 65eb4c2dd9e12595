//! Text with its place: bytes one by one or line by line, counting lines, never holding more than
//! one line or one token.

use std::io::BufRead;

use crate::ReadError;

/// No line, and no single token, of an honest history is longer.
pub(crate) const LONGEST: usize = 16 << 20;

pub(crate) struct Input<R> {
    name: String,
    reader: R,
    line: u64,
}

/// What became of reading a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended with a line break.
    Whole,
    /// The file ended before the line did.
    Torn,
    /// There was nothing left.
    OfFile,
}

impl<R: BufRead> Input<R> {
    pub(crate) fn new(name: &str, reader: R) -> Input<R> {
        Input {
            name: name.to_owned(),
            reader,
            line: 1,
        }
    }

    /// The name for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The line that is being read, from one.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    pub(crate) fn malformed(
        &self,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ReadError {
        self.malformed_at(self.line, what, remedy)
    }

    pub(crate) fn malformed_at(
        &self,
        line: u64,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ReadError {
        let (what, remedy) = (what.into(), remedy.into());
        ReadError::Malformed {
            file: self.name.clone(),
            line,
            what,
            remedy,
        }
    }

    /// The next byte, left where it is.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        match self.reader.fill_buf() {
            Ok(bytes) => Ok(bytes.first().copied()),
            Err(source) => Err(ReadError::Io {
                file: self.name.clone(),
                source,
            }),
        }
    }

    /// The next byte, taken.
    pub(crate) fn take(&mut self) -> Result<Option<u8>, ReadError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.reader.consume(1);
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }

    /// Text from bytes that were taken.
    pub(crate) fn text(&self, bytes: Vec<u8>) -> Result<String, ReadError> {
        String::from_utf8(bytes).map_err(|_| ReadError::NotUtf8 {
            file: self.name.clone(),
            line: self.line,
        })
    }

    /// Reads a line into `text`, without its break. [`Input::line`] is the line after it.
    pub(crate) fn read_line(&mut self, text: &mut String) -> Result<End, ReadError> {
        let mut bytes = std::mem::take(text).into_bytes();
        bytes.clear();
        let end = loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(source) => {
                    return Err(ReadError::Io {
                        file: self.name.clone(),
                        source,
                    });
                }
            };
            if buffer.is_empty() {
                break if bytes.is_empty() {
                    End::OfFile
                } else {
                    End::Torn
                };
            }
            let line_break = buffer.iter().position(|byte| *byte == b'\n');
            let taken = line_break.unwrap_or(buffer.len());
            bytes.extend_from_slice(&buffer[..taken]);
            self.reader
                .consume(taken + usize::from(line_break.is_some()));
            if bytes.len() > LONGEST {
                return Err(self.malformed(
                    format!("a line longer than {} MiB", LONGEST >> 20),
                    "is this a history? our own format has one event a line",
                ));
            }
            if line_break.is_some() {
                break End::Whole;
            }
        };
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        match String::from_utf8(bytes) {
            Ok(line) => *text = line,
            // A cut may fall inside a character.
            Err(broken) if end == End::Torn => {
                *text = String::from_utf8_lossy(broken.as_bytes()).into_owned();
            }
            Err(_) => {
                return Err(ReadError::NotUtf8 {
                    file: self.name.clone(),
                    line: self.line,
                });
            }
        }
        self.line += u64::from(end == End::Whole);
        Ok(end)
    }
}
