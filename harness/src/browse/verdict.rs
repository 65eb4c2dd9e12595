//! A checker's report and a run's verdict as a page shows them. Both are read as JSON, field by field,
//! so that files of another version still show what they have.

use plumb_histories::browser::{PageAttempt, PageEdge, PageOutcome, PageStep, PageVerdict};
use plumb_histories::{History, Value};
use serde_json::Value as Json;

use super::states;

/// A verdict for a page: what a run's own `verdict.json` says, where there is one, and what the checker
/// says of the history, where it was asked.
#[must_use]
pub fn page_verdict(
    history: &History,
    run: Option<&Json>,
    report: Option<&Json>,
) -> Option<PageVerdict> {
    let checked = report.map(|report| of_report(history, report));
    let Some(violation) = run
        .and_then(|run| run.get("violation"))
        .filter(|v| v.is_object())
    else {
        return checked.or_else(|| run.and_then(undecided));
    };
    let property = words(violation, "property");
    let explained = checked
        .as_ref()
        .is_some_and(|found| found.outcome == PageOutcome::Violation);
    if property == "Linearizability" && explained {
        return checked;
    }
    let mut verdict = PageVerdict {
        outcome: PageOutcome::Violation,
        headline: format!("{} is broken", spaced(&property)),
        explanation: vec![words(violation, "what")],
        at_ns: violation.get("at_ns").and_then(Json::as_u64),
        ..PageVerdict::default()
    };
    match checked {
        Some(found) if explained => {
            verdict.explanation.extend(found.explanation);
            return Some(PageVerdict {
                outcome: verdict.outcome,
                headline: verdict.headline,
                explanation: verdict.explanation,
                at_ns: verdict.at_ns,
                ..found
            });
        }
        Some(found) if found.outcome == PageOutcome::Valid => {
            verdict
                .notes
                .push("Clients saw nothing wrong: the history itself is in order.".to_owned());
        }
        _ => {}
    }
    Some(verdict)
}

fn undecided(run: &Json) -> Option<PageVerdict> {
    let why = run.get("undecided")?.as_str()?;
    Some(PageVerdict {
        headline: "Undecided".to_owned(),
        explanation: vec![why.to_owned()],
        ..PageVerdict::default()
    })
}

fn of_report(history: &History, report: &Json) -> PageVerdict {
    let consistency = match words(report, "consistency").as_str() {
        "" => "in order".to_owned(),
        name => name.to_owned(),
    };
    match report.get("verdict").and_then(Json::as_str) {
        Some("valid") => PageVerdict {
            outcome: PageOutcome::Valid,
            headline: capital(&consistency),
            explanation: vec![match list(report, "parts").len() {
                0 | 1 => {
                    "There is an order of the operations that explains everything clients saw."
                        .to_owned()
                }
                parts => format!(
                    "For each of {parts} objects there is an order of its operations that explains everything \
                     clients saw. Choose a key to see it."
                ),
            }],
            notes: notes(report),
            witness: list(report, "witness")
                .iter()
                .filter_map(|part| part.get("order"))
                .map(numbers)
                .collect(),
            ..PageVerdict::default()
        },
        Some("violation") => violation(history, report, &consistency),
        _ => PageVerdict {
            headline: "Undecided".to_owned(),
            explanation: vec![match words(report, "reason").as_str() {
                "" => "The check ended without a verdict.".to_owned(),
                why => format!("The check ended without a verdict: {why}."),
            }],
            notes: notes(report),
            ..PageVerdict::default()
        },
    }
}

fn violation(history: &History, whole: &Json, consistency: &str) -> PageVerdict {
    let report = whole.get("counterexample").unwrap_or(whole);
    let key = report.get("key").filter(|key| !key.is_null()).map(key_text);
    let on = key
        .as_ref()
        .map_or(String::new(), |key| format!(": key {key}"));
    let core: Vec<u32> = list(report, "operations")
        .iter()
        .filter_map(number)
        .collect();
    let mut notes = Vec::new();
    let truth = |name| report.get(name).and_then(Json::as_bool);
    match truth("minimal") {
        Some(true) => notes.push("None of these operations can be left out.".to_owned()),
        Some(false) => notes.push("There may be fewer operations that show it.".to_owned()),
        None => {}
    }
    if truth("confirmed") == Some(true) {
        notes.push("A second, independent search agrees.".to_owned());
    }
    if let Some(event) = report.pointer("/prefix/last_event").and_then(Json::as_u64) {
        notes.push(format!("The history fails from event {event} on."));
    }
    notes.extend(self::notes(whole));
    let (cycle, details) = cycle(report, &core);
    PageVerdict {
        outcome: PageOutcome::Violation,
        headline: broken(consistency) + &on,
        explanation: vec![capital(&words(report, "sentence")) + "."],
        notes,
        key,
        core,
        attempts: list(report, "furthest")
            .iter()
            .filter_map(|partial| attempt(history, partial, report.pointer("/since/state")))
            .collect(),
        since: report.pointer("/since/by").and_then(number),
        cycle,
        details,
        ..PageVerdict::default()
    }
}

/// A consistency that does not hold: some are what a history is, some what it has.
fn broken(consistency: &str) -> String {
    if consistency.ends_with("able") || consistency.ends_with("ial") || consistency == "in order" {
        format!("Not {}", consistency.replace('-', " "))
    } else {
        format!("{} broken", capital(&consistency.replace('-', " ")))
    }
}

/// The lines of a cycle, as edges where they have the form `T1 comes before T2: because`, with `T1` the
/// first operation of the core; what has another form stays a line.
fn cycle(report: &Json, core: &[u32]) -> (Vec<PageEdge>, Vec<String>) {
    let operation = |name: &str| -> Option<u32> {
        let place: usize = name.strip_prefix('T')?.parse().ok()?;
        core.get(place.checked_sub(1)?).copied()
    };
    let edge = |line: &str| -> Option<PageEdge> {
        let (from, rest) = line.split_once(" comes before ")?;
        let (to, why) = rest.split_once(": ")?;
        Some(PageEdge {
            from: operation(from)?,
            to: operation(to)?,
            why: why.to_owned(),
        })
    };
    let (mut edges, mut lines) = (Vec::new(), Vec::new());
    for line in list(report, "steps").iter().filter_map(Json::as_str) {
        match edge(line) {
            Some(edge) => edges.push(edge),
            None => lines.push(line.to_owned()),
        }
    }
    (edges, lines)
}

/// `since` is the state that it begins in, if not the first.
fn attempt(history: &History, partial: &Json, since: Option<&Json>) -> Option<PageAttempt> {
    let stuck = number(partial.get("stuck")?)?;
    let all = history.operations().len();
    let placed: Vec<u32> = list(partial, "placed")
        .iter()
        .filter_map(number)
        .filter(|number| (*number as usize) < all)
        .collect();
    let state = partial
        .get("state")
        .map(Json::to_string)
        .unwrap_or_default();
    let mut before = since.and_then(|state| serde_json::from_value::<Value>(state.clone()).ok());
    let mut steps: Vec<PageStep> = placed
        .iter()
        .map(|number| {
            before = states::after(&history.operation(*number as usize), before.as_ref());
            PageStep {
                operation: *number,
                state: before.as_ref().map(ToString::to_string),
            }
        })
        .collect();
    if let Some(last) = steps.last_mut() {
        last.state = Some(state.clone());
    }
    Some(PageAttempt {
        from: match since {
            Some(since) => Some(since.to_string()),
            None => steps.is_empty().then(|| state.clone()),
        },
        steps,
        state,
        stuck,
    })
}

fn notes(report: &Json) -> Vec<String> {
    let spec = words(report, "spec");
    let algorithms: std::collections::BTreeSet<&str> = list(report, "parts")
        .iter()
        .filter_map(|part| part.get("algorithm")?.as_str())
        .collect();
    let mut text = String::new();
    if !spec.is_empty() {
        text = format!("Held against {spec}");
    }
    if !text.is_empty() && !algorithms.is_empty() {
        let all: Vec<&str> = algorithms.into_iter().collect();
        text.push_str(&format!(", judged by {}", all.join(" and ")));
    }
    if text.is_empty() {
        Vec::new()
    } else {
        vec![text + "."]
    }
}

fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name)
        .and_then(Json::as_array)
        .map_or(&[], Vec::as_slice)
}

fn words(json: &Json, name: &str) -> String {
    json.get(name)
        .and_then(Json::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn number(described: &Json) -> Option<u32> {
    let number = described.get("number").unwrap_or(described);
    u32::try_from(number.as_u64()?).ok()
}

fn numbers(order: &Json) -> Vec<u32> {
    order
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(number)
        .collect()
}

/// As the page's key filter has it.
fn key_text(key: &Json) -> String {
    key.as_str()
        .map_or_else(|| key.to_string(), ToOwned::to_owned)
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// A property's name as words: `LeaderCompleteness` is `Leader completeness`.
fn spaced(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
            text.extend(c.to_lowercase());
        } else {
            text.push(c);
        }
    }
    if text.is_empty() {
        "A property".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use plumb_histories::{Header, Recorder};
    use serde_json::json;

    use super::*;

    fn history() -> History {
        let mut recorder = Recorder::new(Header::default());
        recorder.invoke(0, 0, "write", None, Value::Int(1), None);
        recorder.ok(1, 0, Value::Int(1));
        recorder.invoke(2, 1, "read", None, Value::Null, None);
        recorder.ok(3, 1, Value::Null);
        recorder.finish()
    }

    #[test]
    fn a_broken_rule_of_servers_is_named_and_dated() {
        let run = json!({"violation": {"property": "LeaderCompleteness", "what": "n2 lacks 4", "at_ns": 7}});
        let verdict = page_verdict(&history(), Some(&run), None).unwrap();
        assert_eq!(verdict.headline, "Leader completeness is broken");
        assert_eq!(
            (verdict.at_ns, verdict.outcome),
            (Some(7), PageOutcome::Violation)
        );
    }

    #[test]
    fn the_steps_of_a_cycle_become_edges_between_operations() {
        let report = json!({"steps": ["T1 = append", "T2 comes before T1: it read what T1 wrote", "T9 comes before T1: no"]});
        let (edges, lines) = cycle(&report, &[4, 7]);
        assert_eq!(edges.len(), 1);
        assert_eq!((edges[0].from, edges[0].to), (7, 4));
        assert_eq!(lines, ["T1 = append", "T9 comes before T1: no"]);
    }

    #[test]
    fn an_order_may_begin_in_the_middle() {
        let report = json!({"verdict": "violation", "counterexample": {
            "operations": [{"number": 1}],
            "since": {"by": {"number": 0}, "state": 5},
            "furthest": [{"stuck": 1, "placed": [], "state": 5}],
        }});
        let verdict = page_verdict(&history(), None, Some(&report)).unwrap();
        assert_eq!(verdict.since, Some(0));
        assert_eq!(verdict.attempts[0].from.as_deref(), Some("5"));
        let input = plumb_histories::browser::PageInput {
            verdict: Some(verdict),
            ..Default::default()
        };
        let page = plumb_histories::browser::page(&history(), &input);
        assert!(page.contains("in every order, once"), "{page}");
    }

    #[test]
    fn fields_may_be_missing_and_operations_may_not_exist() {
        let report = json!({"verdict": "violation", "counterexample": {"operations": [{"number": 9}, {}], "furthest": [{}, {"stuck": 9, "placed": [8]}]}});
        let verdict = page_verdict(&history(), None, Some(&report)).unwrap();
        assert_eq!(verdict.outcome, PageOutcome::Violation);
        let undecided = page_verdict(&history(), None, Some(&json!({}))).unwrap();
        assert_eq!(undecided.outcome, PageOutcome::Unknown);
    }
}
