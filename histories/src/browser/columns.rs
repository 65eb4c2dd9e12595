//! The data of a page: a column for each property of operations, numbers as differences, each text
//! once. A hundred thousand operations take a few megabytes and a tenth of a second to read.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::{PageInput, PageVerdict, ServerLanes, for_script};
use crate::{History, Kind, NemesisEvent, Outcome, Value};

/// No text, no completion.
const NONE: i64 = -1;
/// Longer values are shown by their beginning and their end: the file has them whole.
const LONGEST: usize = 400;

pub(super) fn encode(history: &History, input: &PageInput) -> String {
    let mut texts = Texts::default();
    let operations = operations(history, &mut texts);
    let faults: Vec<Json> = history
        .nemesis()
        .iter()
        .map(|event| fault(event, &mut texts))
        .collect();
    let rest = json!({
        "title": input.title,
        "faults": faults,
        "events": event_times(history),
        "lanes": input.lanes.as_ref().map(|lanes| self::lanes(lanes, &mut texts)),
        "verdict": input.verdict.as_ref().map(|verdict| {
            self::verdict(verdict, history.operations().len())
        }),
        "texts": texts.all,
    });
    for_script(&format!("{{\"ops\":{operations},\"rest\":{rest}}}"))
}

/// Every text once.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: HashMap<String, i64>,
}

impl Texts {
    fn place(&mut self, text: &str) -> i64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = i64::try_from(self.all.len()).expect("fewer texts than events");
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    fn value(&mut self, value: &Value) -> i64 {
        match value {
            Value::Null => NONE,
            value => self.place(&shortened(&value_text(value))),
        }
    }
}

/// A key as people write it: texts without quotes.
pub(super) fn key_text(key: &Value) -> String {
    key.as_str()
        .map_or_else(|| key.to_string(), ToOwned::to_owned)
}

/// A value as people write it: a transaction as its steps, `{r x [1]; append y 2}`; all else as JSON.
pub(super) fn value_text(value: &Value) -> String {
    let step = |step: &Value| match step.as_list()? {
        [Value::Str(f), key, Value::Null] => Some(format!("{f} {}", key_text(key))),
        [Value::Str(f), key, value] => Some(format!("{f} {} {value}", key_text(key))),
        _ => None,
    };
    let steps = value.as_list().filter(|steps| !steps.is_empty());
    let steps = steps.and_then(|steps| steps.iter().map(step).collect::<Option<Vec<_>>>());
    steps.map_or_else(
        || value.to_string(),
        |steps| format!("{{{}}}", steps.join("; ")),
    )
}

fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST {
        return text.to_owned();
    }
    let half = LONGEST / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    format!(
        "{head} … ({} characters left out) … {tail}",
        length - LONGEST
    )
}

/// A column as it is written: `"name":[1,2,…]`.
struct Column {
    text: String,
    last: i64,
}

impl Column {
    fn new(name: &str) -> Column {
        Column {
            text: format!("\"{name}\":["),
            last: 0,
        }
    }

    fn push(&mut self, number: i64) {
        let comma = if self.text.ends_with('[') { "" } else { "," };
        write!(self.text, "{comma}{number}").expect("a String takes all that is written");
    }

    /// As the difference from the number before.
    fn push_from_last(&mut self, number: i64) {
        let last = std::mem::replace(&mut self.last, number);
        self.push(number.wrapping_sub(last));
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn operations(history: &History, texts: &mut Texts) -> String {
    let names = [
        "process", "f", "key", "arg", "result", "outcome", "node", "error", "at", "took", "place",
        "until", "index",
    ];
    let mut columns = names.map(Column::new);
    let [
        process,
        f,
        key,
        arg,
        result,
        outcome,
        node,
        error,
        at,
        took,
        place,
        until,
        index,
    ] = &mut columns;
    let completed = completions(history);
    for operation in history.operations() {
        let (asked, told) = (operation.invocation, operation.completion);
        process.push(signed(asked.process));
        f.push(texts.place(&asked.f));
        key.push(
            asked
                .key
                .as_ref()
                .map_or(NONE, |key| texts.place(&shortened(&key_text(key)))),
        );
        arg.push(texts.value(&asked.value));
        result.push(operation.result().map_or(NONE, |value| texts.value(value)));
        outcome.push(match (operation.outcome(), told) {
            (Outcome::Ok, _) => 0,
            (Outcome::Fail, _) => 1,
            (Outcome::Indeterminate, Some(_)) => 2,
            (Outcome::Indeterminate, None) => 3,
        });
        let told_node = told.and_then(|event| event.node.as_ref());
        node.push(
            told_node
                .or(asked.node.as_ref())
                .map_or(NONE, |node| texts.place(&shortened(node))),
        );
        error.push(
            told.and_then(|event| event.error.as_ref())
                .map_or(NONE, |error| texts.place(&shortened(error))),
        );
        let (from, to) = (
            signed(asked.time_ns),
            told.map_or(NONE, |e| signed(e.time_ns)),
        );
        at.push_from_last(from);
        took.push(if to == NONE { NONE } else { (to - from).max(0) });
        let invoked = signed(operation.invoked_at as u64);
        place.push_from_last(invoked);
        until.push(match completed[operation.number] {
            Some(completed) => completed - invoked,
            None => NONE,
        });
        index.push_from_last(signed(asked.index));
    }
    let columns: Vec<String> = columns
        .into_iter()
        .map(|column| column.text + "]")
        .collect();
    format!("{{{}}}", columns.join(","))
}

/// The place of each operation's completion, `info` included: it ends no operation, yet it frees its
/// process.
fn completions(history: &History) -> Vec<Option<i64>> {
    let mut completed = Vec::with_capacity(history.operations().len());
    let mut open: HashMap<u64, usize> = HashMap::new();
    for (place, event) in (0_i64..).zip(history.events()) {
        if event.kind == Kind::Invoke {
            open.insert(event.process, completed.len());
            completed.push(None);
        } else if let Some(number) = open.remove(&event.process) {
            completed[number] = Some(place);
        }
    }
    completed
}

/// When each client event was: the order of events is the axis where clocks say nothing.
fn event_times(history: &History) -> Vec<i64> {
    let mut last = 0;
    history
        .events()
        .iter()
        .map(|event| {
            let time = signed(event.time_ns);
            time.wrapping_sub(std::mem::replace(&mut last, time))
        })
        .collect()
}

fn fault(event: &NemesisEvent, texts: &mut Texts) -> Json {
    let what = event.value.as_str().map_or_else(
        || {
            if event.value.is_null() {
                String::new()
            } else {
                event.value.to_string()
            }
        },
        ToOwned::to_owned,
    );
    json!([
        event.time_ns,
        texts.place(&shortened(&event.f)),
        texts.place(&shortened(&what))
    ])
}

fn lanes(lanes: &ServerLanes, texts: &mut Texts) -> Json {
    let mut logs: Vec<&[(u64, u64)]> = Vec::new();
    let changes: Vec<Json> = lanes
        .changes
        .iter()
        .filter(|change| change.server < lanes.servers.len())
        .map(|change| {
            let log = logs
                .iter()
                .rposition(|known| *known == change.log)
                .unwrap_or_else(|| {
                    logs.push(&change.log);
                    logs.len() - 1
                });
            json!([
                change.at_ns,
                change.server,
                change.role as u8,
                change.term,
                change.vote,
                change.commit,
                change.applied,
                change.last,
                log
            ])
        })
        .collect();
    let known = |server: usize| server < lanes.servers.len();
    let marks: Vec<Json> = lanes
        .marks
        .iter()
        .filter(|mark| known(mark.server))
        .map(|mark| {
            json!([
                mark.at_ns,
                mark.server,
                mark.kind,
                texts.place(&shortened(&mark.what))
            ])
        })
        .collect();
    let messages: Vec<Json> = lanes
        .messages
        .iter()
        .filter(|message| known(message.from) && known(message.to))
        .map(|message| {
            // Since the sending: shorter numbers.
            let taken = message.arrivals_ns.iter();
            let taken: Vec<u64> = taken.map(|at| at.saturating_sub(message.sent_ns)).collect();
            json!([
                message.sent_ns,
                taken,
                message.from,
                message.to,
                texts.place(&shortened(&message.what))
            ])
        })
        .collect();
    json!({
        "servers": lanes.servers,
        "changes": changes,
        "logs": logs,
        "marks": marks,
        "messages": messages,
    })
}

fn verdict(verdict: &PageVerdict, operations: usize) -> Json {
    let known = |number: &u32| (*number as usize) < operations;
    let attempts: Vec<Json> = verdict
        .attempts
        .iter()
        .filter(|attempt| known(&attempt.stuck))
        .map(|attempt| {
            let steps: Vec<Json> = attempt
                .steps
                .iter()
                .filter(|step| known(&step.operation))
                .map(|step| json!([step.operation, step.state.as_deref().map(shortened)]))
                .collect();
            json!({
                "from": attempt.from.as_deref().map(shortened),
                "steps": steps,
                "state": shortened(&attempt.state),
                "stuck": attempt.stuck,
            })
        })
        .collect();
    json!({
        "outcome": verdict.outcome.name(),
        "key": verdict.key.as_deref().map(shortened),
        "core": verdict.core.iter().filter(|op| known(op)).collect::<Vec<_>>(),
        "attempts": attempts,
        "cycle": verdict
            .cycle
            .iter()
            .filter(|edge| known(&edge.from) && known(&edge.to))
            .map(|edge| [edge.from, edge.to])
            .collect::<Vec<_>>(),
        "at": verdict.at_ns,
        "witness": verdict.witness,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_shown_as_its_steps_and_a_pair_as_a_pair() {
        let value = |text| serde_json::from_str::<Value>(text).unwrap();
        let txn = value(r#"[["r","x",null],["append","y",[1]]]"#);
        assert_eq!(value_text(&txn), "{r x; append y [1]}");
        assert_eq!(value_text(&value("[1,2]")), "[1,2]");
        assert_eq!(value_text(&value("[]")), "[]");
    }

    #[test]
    fn a_long_value_keeps_its_beginning_and_its_end() {
        let long = format!("a{}z", "é".repeat(5_000));
        let short = shortened(&long);
        assert!(short.starts_with('a') && short.ends_with('z') && short.len() < 1_000);
    }
}
