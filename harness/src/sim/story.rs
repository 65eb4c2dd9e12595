//! A run told for a reader: faults, what clients saw and what became of the servers, in one sequence.
//! A short trace is told whole, of a long one only what changes a role, a term or a vote.

use std::fmt::Write;

use plumb_histories::{Event, History, Kind};

use crate::invariants::Violation;

/// A trace of at most so many lines is told whole.
const WHOLE: usize = 120;
/// A story has at most so many lines, the last ones.
const LONGEST: usize = 200;

/// One line with its time.
struct Line {
    at_us: u64,
    text: String,
}

/// The story of a run.
#[must_use]
pub fn story(trace: &str, history: &History, violation: Option<&Violation>) -> String {
    let whole = trace.lines().count() <= WHOLE;
    let mut lines: Vec<Line> = trace
        .lines()
        .filter(|line| whole || is_turn(line))
        .filter_map(|line| {
            Some(Line {
                at_us: time_of(line)?,
                text: line.to_owned(),
            })
        })
        .collect();
    lines.extend(history.events().iter().map(told));
    // Stable: of one moment, what the servers did comes before what clients heard of it.
    lines.sort_by_key(|line| line.at_us);
    let mut text = String::new();
    let skipped = lines.len().saturating_sub(LONGEST);
    if skipped > 0 {
        let _ = writeln!(text, "… {skipped} earlier lines are in trace.txt");
    }
    for line in &lines[skipped..] {
        let _ = writeln!(text, "{}", line.text);
    }
    if let Some(Violation {
        property,
        what,
        at_ns,
    }) = violation
    {
        let (ms, us) = (at_ns / 1_000_000, at_ns / 1_000 % 1_000);
        let _ = writeln!(text, "{ms:>6}.{us:03} ==== {property} is broken: {what}");
    }
    text
}

/// Whether a line tells of a fault, a start, or of a change of role, term or vote.
fn is_turn(line: &str) -> bool {
    let what = line.get(16..).unwrap_or_default();
    let standing = |state: &str| state.split(" log ").next().map(str::to_owned);
    match what.split_once(" => ") {
        Some((before, after)) => standing(before.trim()) != standing(after),
        None => what.starts_with("starts:") || line.get(11..15) == Some("****"),
    }
}

fn time_of(line: &str) -> Option<u64> {
    let (ms, us) = line.split_whitespace().next()?.split_once('.')?;
    Some(ms.parse::<u64>().ok()? * 1_000 + us.parse::<u64>().ok()?)
}

fn told(event: &Event) -> Line {
    let at_us = event.time_ns / 1_000;
    let key = event
        .key
        .as_ref()
        .and_then(|key| key.as_str())
        .unwrap_or("");
    let what = match event.kind {
        Kind::Invoke if event.value.is_null() => format!("{} {key}?", event.f),
        Kind::Invoke => format!("{} {key} {}", event.f, event.value),
        Kind::Ok => format!("  {} {key} is ok: {}", event.f, event.value),
        Kind::Fail => format!("  {} {key} failed: {}", event.f, reason(event)),
        Kind::Info => format!("  {} {key} is of unknown fate: {}", event.f, reason(event)),
    };
    let who = format!("p{}", event.process);
    let text = format!("{:>6}.{:03} {who:<4} {what}", at_us / 1_000, at_us % 1_000);
    Line { at_us, text }
}

fn reason(event: &Event) -> &str {
    event.error.as_deref().unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_a_change_of_role_term_or_vote() {
        let told = "   185.000 n1     follower term 0 vote - log 0@0 commit 0 => candidate term 1 vote \
                    n1 log 0@0 commit 0";
        let untold = "   185.000 n1     leader term 1 vote n1 log 0@0 commit 0 => leader term 1 vote n1 \
                      log 1@1 commit 0";
        assert!(is_turn(told) && !is_turn(untold));
        assert!(is_turn("    12.000 **** begins: crash n1"));
        assert!(is_turn("    12.000 n3   starts: follower term 0"));
        assert_eq!(time_of(told), Some(185_000));
    }
}
