//! Reads EDN forms from a stream, as much of the notation as histories use: all collections,
//! comments (`;`, `#_`), tagged literals (the tag is dropped) and metadata (dropped too).
//! Nothing that a file says makes it recurse or allocate without bound.

use std::io::BufRead;

use crate::input::{Input, LONGEST};
use crate::{ReadError, Value};

/// Deeper than any history.
const DEEPEST: usize = 64;
/// One top-level form holds no more values than this.
const MOST: usize = 1 << 20;

const CUT: &str = "the file was cut: restore it whole, or close what is open";

/// Where a list of forms ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// At the end of the file.
    EndOfFile,
    /// At this closing bracket, of the bracket opened on that line.
    Closing(u8, u64),
}

pub(crate) struct Edn<R> {
    pub(crate) input: Input<R>,
    /// Values read of the present top-level form.
    count: usize,
}

impl<R: BufRead> Edn<R> {
    pub(crate) fn new(input: Input<R>) -> Edn<R> {
        Edn { input, count: 0 }
    }

    /// Skips blanks and comments; the next byte of substance, left where it is.
    pub(crate) fn skip(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            match self.input.peek()? {
                Some(b' ' | b'\t' | b'\r' | b'\n' | b',') => {
                    self.input.take()?;
                }
                Some(b';') => while !matches!(self.input.take()?, None | Some(b'\n')) {},
                other => return Ok(other),
            }
        }
    }

    /// The next top-level form, or `None` where the list ends.
    pub(crate) fn next(&mut self, until: Until) -> Result<Option<Value>, ReadError> {
        self.count = 0;
        self.form(until, 0)
    }

    fn form(&mut self, until: Until, depth: usize) -> Result<Option<Value>, ReadError> {
        if depth > DEEPEST {
            let what = format!("brackets nested more than {DEEPEST} deep");
            return Err(self
                .input
                .malformed(what, "no operation's value needs that"));
        }
        loop {
            let Some(byte) = self.skip()? else {
                return match until {
                    Until::EndOfFile => Ok(None),
                    Until::Closing(closing, line) => Err(self.input.malformed(
                        format!(
                            "the file ends before the `{}` that closes what line {line} opened",
                            char::from(closing)
                        ),
                        CUT,
                    )),
                };
            };
            self.count += 1;
            if self.count > MOST {
                let what = format!("one form of more than {MOST} values");
                return Err(self.input.malformed(what, "is this a history?"));
            }
            let value = match byte {
                b')' | b']' | b'}' => {
                    self.input.take()?;
                    if matches!(until, Until::Closing(closing, _) if closing == byte) {
                        return Ok(None);
                    }
                    let what = format!("`{}` closes nothing that is open", char::from(byte));
                    return Err(self.input.malformed(what, "balance the brackets"));
                }
                b'(' => Value::List(self.sequence(b')', depth)?),
                b'[' => Value::List(self.sequence(b']', depth)?),
                b'{' => self.map(depth)?,
                b'"' => Value::Str(self.string()?),
                b'\\' => self.character()?,
                b'^' => {
                    self.input.take()?;
                    self.required(depth, "metadata")?;
                    continue;
                }
                b'#' => {
                    self.input.take()?;
                    match self.input.peek()? {
                        Some(b'{') => {
                            let mut items = self.sequence(b'}', depth)?;
                            items.sort();
                            Value::List(items)
                        }
                        Some(b'_') => {
                            self.input.take()?;
                            self.required(depth, "`#_`")?;
                            continue;
                        }
                        Some(b'#') => {
                            self.input.take()?;
                            Value::Str(self.token()?)
                        }
                        _ => {
                            self.token()?;
                            self.required(depth, "a tag")?
                        }
                    }
                }
                _ => self.atom()?,
            };
            return Ok(Some(value));
        }
    }

    /// A form that must follow, as after a tag.
    fn required(&mut self, depth: usize, after: &str) -> Result<Value, ReadError> {
        self.form(Until::EndOfFile, depth + 1)?.ok_or_else(|| {
            self.input
                .malformed(format!("nothing follows {after}"), CUT)
        })
    }

    fn sequence(&mut self, closing: u8, depth: usize) -> Result<Vec<Value>, ReadError> {
        let until = Until::Closing(closing, self.input.line());
        self.input.take()?;
        let mut items = Vec::new();
        while let Some(item) = self.form(until, depth + 1)? {
            items.push(item);
        }
        Ok(items)
    }

    fn map(&mut self, depth: usize) -> Result<Value, ReadError> {
        let line = self.input.line();
        let items = self.sequence(b'}', depth)?;
        if items.len() % 2 == 1 {
            let what = "a map with a key that has no value";
            return Err(self.input.malformed_at(line, what, "complete the pairs"));
        }
        let mut items = items.into_iter();
        let mut pairs = Vec::with_capacity(items.len() / 2);
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            let name = match name {
                Value::Str(name) => name,
                other => other.to_string(),
            };
            pairs.push((name, value));
        }
        Ok(Value::map(pairs))
    }

    fn string(&mut self) -> Result<String, ReadError> {
        let line = self.input.line();
        self.input.take()?;
        let mut bytes = Vec::new();
        loop {
            match self.input.take()? {
                None => {
                    let what = "the file ends inside a string";
                    return Err(self.input.malformed_at(line, what, CUT));
                }
                Some(b'"') => return self.input.text(bytes),
                Some(b'\\') => {
                    let character = self.escape(line)?;
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(byte) => bytes.push(byte),
            }
            if bytes.len() > LONGEST {
                let what = format!("a string longer than {} MiB", LONGEST >> 20);
                return Err(self
                    .input
                    .malformed_at(line, what, "is a closing quote missing?"));
            }
        }
    }

    fn escape(&mut self, line: u64) -> Result<char, ReadError> {
        Ok(match self.input.take()? {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'u') => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self
                        .input
                        .take()?
                        .and_then(|byte| char::from(byte).to_digit(16));
                    let digit = digit.ok_or_else(|| {
                        let what = "\\u needs four hexadecimal digits";
                        self.input.malformed_at(line, what, "correct the escape")
                    })?;
                    code = code * 16 + digit;
                }
                // Half a surrogate pair is no character.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                let what = "an unknown escape in a string";
                return Err(self.input.malformed_at(
                    line,
                    what,
                    "EDN knows \\n \\t \\r \\\" \\\\ \\u",
                ));
            }
        })
    }

    fn character(&mut self) -> Result<Value, ReadError> {
        self.input.take()?;
        let mut bytes = Vec::from_iter(self.input.take()?);
        bytes.append(&mut self.token_bytes()?);
        self.input.text(bytes).map(Value::Str)
    }

    fn token_bytes(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        while let Some(byte) = self.input.peek()? {
            if byte.is_ascii_whitespace() || b",;()[]{}\"".contains(&byte) {
                break;
            }
            bytes.push(byte);
            self.input.take()?;
            if bytes.len() > LONGEST {
                return Err(self
                    .input
                    .malformed("an endless word", "is this a history?"));
            }
        }
        Ok(bytes)
    }

    fn token(&mut self) -> Result<String, ReadError> {
        let bytes = self.token_bytes()?;
        self.input.text(bytes)
    }

    fn atom(&mut self) -> Result<Value, ReadError> {
        let token = self.token()?;
        if let Some(keyword) = token.strip_prefix(':') {
            return Ok(Value::Str(keyword.to_owned()));
        }
        Ok(match token.as_str() {
            "nil" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => {
                let digits = token.strip_suffix('N').unwrap_or(&token);
                let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
                if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
                    Value::Int(digits.parse().map_err(|_| {
                        let what = format!("the number {} is out of range", shortened(&token));
                        self.input.malformed(what, "numbers are 64-bit and signed")
                    })?)
                } else {
                    Value::Str(token)
                }
            }
        })
    }
}

/// At most forty characters of a text, for messages.
pub(crate) fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(39).chain(['…']).collect()
}

/// All of a short text as one form.
pub(crate) fn parse(name: &str, text: &str) -> Result<Option<Value>, ReadError> {
    Edn::new(Input::new(name, text.as_bytes())).next(Until::EndOfFile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        parse("test", text).unwrap().unwrap().to_string()
    }

    #[test]
    fn the_notation_of_histories_is_understood() {
        let text = "; c\n #_ {:gone 1} ^{:m 1} #jepsen.history.Op{:a/b [1 -2N \"x\\ny\"], :c #{2 1} 3 \\q}";
        assert_eq!(json(text), r#"{"3":"q","a/b":[1,-2,"x\ny"],"c":[1,2]}"#);
        assert_eq!(json("(nil true foo 1.5)"), r#"[null,true,"foo","1.5"]"#);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, part) in [
            ("[1 2", "ends before the `]`"),
            ("\"abc", "ends inside a string"),
            ("{:a}", "no value"),
            ("[1)", "closes nothing"),
            ("99999999999999999999", "out of range"),
            (&"[".repeat(100_000), "nested"),
        ] {
            let error = parse("test", text).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.line(), Some(1));
        }
    }
}
