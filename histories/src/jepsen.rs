//! Jepsen's and Knossos's histories, and Porcupine's kv text: EDN maps, in one vector or list or one
//! after the other. How they become ours:
//!
//! | theirs | ours |
//! |---|---|
//! | `:type :invoke/:ok/:fail/:info` | the kind |
//! | a whole number as `:process` | the process |
//! | any other `:process`, as `:nemesis` | a nemesis event |
//! | `:key`, `:node`, `:time` (nanoseconds), `:error` | the same |
//! | `:index` | the index, if every event has one; else its place in the file |
//! | `:value :timed-out` of a `:fail` or `:info` | no value, the error `timed-out` |
//! | any other entry | dropped |

use std::io::BufRead;

use crate::edn::{Edn, Until, shortened};
use crate::input::Input;
use crate::sink::{Fed, Feed, Take};
use crate::{Event, Header, Kind, Line, NemesisEvent, ReadError, Value};

const SHAPE: &str = "an event looks like {:process 0, :type :invoke, :f :read, :value nil}";

pub(crate) fn read<R: BufRead, T: Take>(input: Input<R>, feed: &mut Feed<'_, T>) -> Fed<T> {
    let mut edn = Edn::new(input);
    feed.begin(Header::default())?;
    let first = edn.skip()?;
    let line = edn.input.line();
    let until = match first {
        Some(b'[') => Until::Closing(b']', line),
        Some(b'(') => Until::Closing(b')', line),
        _ => Until::EndOfFile,
    };
    if until != Until::EndOfFile {
        edn.input.take()?;
    }
    let mut previous = None;
    loop {
        edn.skip()?;
        let line = edn.input.line();
        let Some(form) = edn.next(until)? else { break };
        let Value::Map(pairs) = form else {
            let what = format!(
                "{} where an event was expected",
                shortened(&form.to_string())
            );
            return Err(edn.input.malformed_at(line, what, SHAPE).into());
        };
        let place = feed.next_index();
        let mut event =
            event(pairs, place).map_err(|what| edn.input.malformed_at(line, what, SHAPE))?;
        // Jepsen numbers all its events or none; an index that restarts is not an index.
        let index = match &mut event {
            Line::Client(event) => &mut event.index,
            Line::Nemesis(fault) => &mut fault.index,
        };
        if previous.is_some_and(|previous| *index <= previous) {
            *index = place;
        }
        previous = Some(*index);
        feed.push(event, |source| ReadError::Misplaced {
            file: edn.input.name().to_owned(),
            line,
            source,
        })?;
    }
    if until != Until::EndOfFile && edn.skip()?.is_some() {
        let what = "text after the bracket that closes the history";
        let error = edn.input.malformed(what, "one file holds one history");
        return Err(error.into());
    }
    if feed.next_index() == 0 {
        let file = edn.input.name().to_owned();
        return Err(ReadError::Empty { file }.into());
    }
    Ok(())
}

/// An event from a map's entries; `place` is its index if it has none.
pub(crate) fn event(pairs: Vec<(String, Value)>, place: u64) -> Result<Line, String> {
    let (mut process, mut kind, mut f, mut time_ns, mut index) = (None, None, None, 0, place);
    let (mut key, mut value, mut node, mut error) = (None, Value::Null, None, None);
    for (name, entry) in pairs {
        match name.as_str() {
            "process" => process = Some(entry),
            "type" => kind = Some(entry),
            "f" => f = Some(entry),
            "value" => value = entry,
            "key" => key = Some(entry).filter(|key| !key.is_null()),
            "time" => time_ns = natural("time", &entry)?.unwrap_or(0),
            "index" => index = natural("index", &entry)?.unwrap_or(place),
            "node" => node = text(entry),
            "error" => error = text(entry),
            _ => {}
        }
    }
    let process = process.ok_or("an event without :process")?;
    let kind = kind.ok_or("an event without :type")?;
    let kind = kind.as_str().and_then(Kind::from_name).ok_or_else(|| {
        format!(
            ":type is {}, not :invoke, :ok, :fail or :info",
            shortened(&kind.to_string())
        )
    })?;
    let f = match f {
        Some(Value::Str(f)) => f,
        Some(other) => {
            return Err(format!(
                ":f is {}, not a name",
                shortened(&other.to_string())
            ));
        }
        None => return Err("an event without :f".to_owned()),
    };
    let process = match process {
        Value::Int(number) => {
            u64::try_from(number).map_err(|_| format!("the process number {number} is negative"))?
        }
        Value::Str(_) => {
            return Ok(Line::Nemesis(NemesisEvent {
                index,
                time_ns,
                f,
                value,
            }));
        }
        other => {
            let other = shortened(&other.to_string());
            return Err(format!(":process is {other}, neither a number nor a name"));
        }
    };
    if matches!(kind, Kind::Fail | Kind::Info) && value.as_str() == Some("timed-out") {
        value = Value::Null;
        error = error.or_else(|| Some("timed-out".to_owned()));
    }
    Ok(Line::Client(Event {
        index,
        time_ns,
        process,
        kind,
        f,
        key,
        value,
        node,
        error,
    }))
}

fn natural(name: &str, value: &Value) -> Result<Option<u64>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Int(number) => u64::try_from(*number)
            .map(Some)
            .map_err(|_| format!(":{name} is negative: {number}")),
        other => Err(format!(
            ":{name} is {}, not a number",
            shortened(&other.to_string())
        )),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Str(text) => Some(text),
        other => Some(other.to_string()),
    }
}
