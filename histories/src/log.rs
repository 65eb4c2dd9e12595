//! The lines of Jepsen's logger, as in Porcupine's test data:
//! `INFO  jepsen.util - PROCESS<tab>:TYPE<tab>:F<tab>VALUE[<tab>ERROR]`.
//! Lines of other loggers, and what jepsen.util says besides, are skipped; the value is EDN and may
//! be `:timed-out`, as in [`jepsen`](crate::jepsen). There are no timestamps: the order of the lines
//! is the real-time order.

use std::io::BufRead;

use crate::edn;
use crate::input::{End, Input};
use crate::sink::{Fed, Feed, Take};
use crate::{Header, Kind, ReadError, Value, jepsen};

/// What the lines are known by.
pub(crate) const LOGGER: &str = "jepsen.util";

const SHAPE: &str = "a line looks like `INFO  jepsen.util - 0<tab>:invoke<tab>:read<tab>nil`";

pub(crate) fn read<R: BufRead, T: Take>(mut input: Input<R>, feed: &mut Feed<'_, T>) -> Fed<T> {
    feed.begin(Header::default())?;
    let mut text = String::new();
    loop {
        let line = input.line();
        if input.read_line(&mut text)? == End::OfFile {
            break;
        }
        let Some(columns) = columns(&text) else {
            continue;
        };
        let place = feed.next_index();
        let event = columns_to_pairs(&columns)
            .and_then(|pairs| jepsen::event(pairs, place))
            .map_err(|what| input.malformed_at(line, what, SHAPE))?;
        feed.push(event, |source| ReadError::Misplaced {
            file: input.name().to_owned(),
            line,
            source,
        })?;
    }
    if feed.next_index() == 0 {
        let file = input.name().to_owned();
        return Err(ReadError::Empty { file }.into());
    }
    Ok(())
}

/// The columns of an operation's line; `None` for any other line.
fn columns(line: &str) -> Option<Vec<&str>> {
    let (_, rest) = line.split_once(LOGGER)?;
    let rest = rest.trim_start().strip_prefix(['-', ':'])?.trim();
    let columns: Vec<&str> = if rest.contains('\t') {
        rest.splitn(5, '\t').map(str::trim).collect()
    } else {
        // Aligned with blanks: the value, which may hold some too, is the rest.
        let mut columns = Vec::with_capacity(4);
        let mut rest = rest;
        while columns.len() < 3 {
            let (column, after) = rest.split_once(char::is_whitespace)?;
            columns.push(column);
            rest = after.trim_start();
        }
        columns.push(rest);
        columns
    };
    let kind = columns.get(1)?.strip_prefix(':')?;
    Kind::from_name(kind).map(|_| columns)
}

fn columns_to_pairs(columns: &[&str]) -> Result<Vec<(String, Value)>, String> {
    let names = ["process", "type", "f", "value", "error"];
    if columns.len() < 4 {
        return Err("an operation's line with fewer than four columns".to_owned());
    }
    names
        .into_iter()
        .zip(columns)
        .map(|(name, column)| {
            let value = edn::parse(LOGGER, column).map_err(|error| match error {
                ReadError::Malformed { what, .. } => format!("in the {name}: {what}"),
                other => other.to_string(),
            })?;
            Ok((name.to_owned(), value.unwrap_or(Value::Null)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_told_apart_by_tabs_or_by_blanks() {
        for line in [
            "INFO  jepsen.util - 4\t:invoke\t:cas\t[1 2]",
            "INFO  jepsen.util - 4   :invoke :cas    [1 2]",
        ] {
            let columns = columns(line).unwrap();
            assert_eq!(columns, ["4", ":invoke", ":cas", "[1 2]"], "{line}");
        }
        assert_eq!(columns("INFO  jepsen.core - Run complete"), None);
    }
}
