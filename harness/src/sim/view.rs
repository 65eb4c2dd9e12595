//! What a reader asks of a trace: some servers, some time, as text or as JSON Lines. The trace itself stays what it is, so
//! that two of them can be compared.

use std::fmt::Write;

use serde::Serialize;

use crate::invariants::Violation;

/// Which part of a run is shown; all of it, if nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Only what happens to these servers. Faults and the violation are shown whomever they strike.
    pub servers: Vec<u64>,
    /// Nothing before this moment, simulated milliseconds.
    pub from_ms: f64,
    /// Nothing after it.
    pub to_ms: Option<f64>,
}

impl Part {
    /// Whether a moment, in nanoseconds, lies within.
    #[must_use]
    pub fn has(&self, at_ns: u64) -> bool {
        let at_ms = at_ns as f64 / 1e6;
        at_ms >= self.from_ms && self.to_ms.is_none_or(|to_ms| at_ms <= to_ms)
    }

    /// Whether a server is shown.
    #[must_use]
    pub fn shows(&self, name: &str) -> bool {
        let number = |id: &u64| name.strip_prefix('n') == Some(id.to_string().as_str());
        self.servers.is_empty() || self.servers.iter().any(number)
    }
}

/// What a line of a trace tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// A fault begins or ends.
    Fault,
    /// A server starts, with the state that its disk gave it.
    Start,
    /// A server takes a message.
    Receive,
    /// A server's timer fires.
    Timer,
    /// What a server wrote is on its disk.
    Durable,
    /// A server is asked for something: by a client, an operator or its own state machine.
    Request,
    /// A server's role, term, vote, log or commit index changes.
    State,
    /// A server begins to write.
    Write,
    /// A server sends a message.
    Send,
    /// A server's state machine takes entries or a snapshot.
    Apply,
    /// A server answers a request.
    Answer,
    /// A property is broken, and the run ends.
    Violation,
}

/// A line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line<'a> {
    /// When, in simulated microseconds.
    pub at_us: u64,
    /// To whom it happened, if to a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<&'a str>,
    /// What it tells of.
    pub kind: LineKind,
    /// Who sent the message, or is to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<&'a str>,
    /// The property that is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub property: Option<&'a str>,
    /// What happened, in words.
    pub what: &'a str,
}

/// Reads a line of a trace; `None` if it is none.
#[must_use]
pub fn parse(line: &str) -> Option<Line<'_>> {
    let (ms, rest) = line.trim_start().split_once('.')?;
    let (us, rest) = rest.split_once(' ')?;
    let at_us = ms.parse::<u64>().ok()? * 1_000 + us.parse::<u64>().ok()?;
    let (who, rest) = rest.split_once(' ')?;
    // Names stand in a column of four.
    let what = rest.get(4_usize.saturating_sub(who.len())..)?;
    let (kind, peer, what) = if who == "****" {
        (LineKind::Fault, None, what)
    } else {
        let (kind, rest) = kind_of(what);
        let talks = matches!(kind, LineKind::Send | LineKind::Receive);
        match rest.split_once(' ').filter(|_| talks) {
            Some((peer, message)) => (kind, Some(peer), message),
            None => (kind, None, rest),
        }
    };
    Some(Line {
        at_us,
        server: (kind != LineKind::Fault).then_some(who),
        kind,
        peer,
        property: None,
        what,
    })
}

/// What a server's line tells of, and its words without what said so.
fn kind_of(what: &str) -> (LineKind, &str) {
    let Some(effect) = what.strip_prefix("  ") else {
        return match what {
            _ if what.starts_with("starts: ") => (LineKind::Start, what),
            _ if what.starts_with("<- ") => (LineKind::Receive, &what[3..]),
            _ if what.ends_with("timer fires") || what == "wakes" => (LineKind::Timer, what),
            _ if what.ends_with(" on disk") || what.ends_with(" is durable") => {
                (LineKind::Durable, what)
            }
            _ => (LineKind::Request, what),
        };
    };
    match effect {
        _ if effect.starts_with("-> ") => (LineKind::Send, &effect[3..]),
        _ if effect.starts_with("writes") => (LineKind::Write, effect),
        _ if effect.starts_with("applies ") || effect.starts_with("restores ") => {
            (LineKind::Apply, effect)
        }
        _ if effect.starts_with("answers") => (LineKind::Answer, effect),
        _ => (LineKind::State, effect),
    }
}

/// The lines that a part of a trace has, with those of the trace as they are.
fn lines<'a>(trace: &'a str, part: &Part) -> impl Iterator<Item = (&'a str, Line<'a>)> {
    trace.lines().filter_map(move |text| {
        let line = parse(text)?;
        let shown = line.server.is_none_or(|server| part.shows(server));
        (shown && part.has(line.at_us * 1_000)).then_some((text, line))
    })
}

/// A part of a trace as text, with the violation at its end.
#[must_use]
pub fn as_text(trace: &str, violation: Option<&Violation>, part: &Part) -> String {
    let mut text = String::new();
    for (line, _) in lines(trace, part) {
        text.push_str(line);
        text.push('\n');
    }
    if let Some(violation) = violation.filter(|violation| part.has(violation.at_ns)) {
        let (ms, us) = (violation.at_ns / 1_000_000, violation.at_ns / 1_000 % 1_000);
        let (property, what) = (&violation.property, &violation.what);
        let _ = writeln!(text, "{ms:>6}.{us:03} ==== {property} is broken: {what}");
    }
    text
}

/// A part of a trace as JSON Lines behind a header, with the violation at its end.
#[must_use]
pub fn as_json_lines(
    header: &serde_json::Value,
    trace: &str,
    violation: Option<&Violation>,
    part: &Part,
) -> String {
    let mut text = format!("{header}\n");
    let mut write = |line: &Line<'_>| {
        text.push_str(&serde_json::to_string(line).expect("plain data always serialises"));
        text.push('\n');
    };
    lines(trace, part).for_each(|(_, line)| write(&line));
    if let Some(violation) = violation.filter(|violation| part.has(violation.at_ns)) {
        write(&Line {
            at_us: violation.at_ns / 1_000,
            server: None,
            kind: LineKind::Violation,
            peer: None,
            property: Some(&violation.property),
            what: &violation.what,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::{Length, generate};
    use crate::scenario::Tier;
    use crate::sim::{RunOptions, run};

    fn kind(line: &str) -> LineKind {
        parse(line).expect("a line").kind
    }

    #[test]
    fn a_line_is_told_by_its_first_words() {
        let line = parse("   130.034 n2   <- n3 matched 7 term 2 round 3").expect("a line");
        assert_eq!(
            (line.at_us, line.server, line.kind, line.peer, line.what),
            (
                130_034,
                Some("n2"),
                LineKind::Receive,
                Some("n3"),
                "matched 7 term 2 round 3"
            )
        );
        let line = parse("  4442.000 **** begins: isolate n5").expect("a line");
        assert_eq!(
            (line.server, line.kind, line.what),
            (None, LineKind::Fault, "begins: isolate n5")
        );
        let sent = parse(" 12345.678 n12    -> n3 TimeoutNow term 4").expect("a line");
        assert_eq!((sent.server, sent.peer), (Some("n12"), Some("n3")));
        assert_eq!(parse("… 7 earlier lines are in trace.txt"), None);
    }

    /// Every line of runs with all that a server does is one of these, and none is taken for a request that is not.
    #[test]
    fn every_line_of_a_run_has_its_kind() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..12 {
            let scenario = generate(seed, Length::SHORT, Tier::Bare);
            let trace = run(&scenario, RunOptions::traced()).trace;
            for text in trace.lines() {
                let line = parse(text).unwrap_or_else(|| panic!("{text}"));
                let asked = ["is asked", "is proposed", "has written its state"];
                let request = asked.iter().any(|words| line.what.starts_with(words));
                assert_eq!(line.kind == LineKind::Request, request, "{text}");
                let change = line.what.contains(" => ");
                assert!(line.kind != LineKind::State || change, "{text}");
                seen.insert(format!("{:?}", line.kind));
            }
        }
        assert_eq!(seen.len(), 11, "{seen:?}");
        assert_eq!(kind("     2.176 n1   wakes"), LineKind::Timer);
        assert_eq!(kind("     2.176 n1   #7 is durable"), LineKind::Durable);
    }

    #[test]
    fn a_part_has_its_servers_its_time_and_all_faults() {
        let trace = "     1.000 n1   Election timer fires\n     2.000 n2   Election timer fires\n     3.000 **** begins: \
                     noise\n     4.000 n1   Heartbeat timer fires\n";
        let part = Part {
            servers: vec![1],
            from_ms: 2.0,
            to_ms: Some(4.0),
        };
        let violation = |at_ns| Violation {
            property: "Log Matching".to_owned(),
            what: "two logs differ".to_owned(),
            at_ns,
        };
        let text = as_text(trace, Some(&violation(4_000_000)), &part);
        let shown: Vec<&str> = text.lines().collect();
        assert_eq!(
            shown,
            [
                "     3.000 **** begins: noise",
                "     4.000 n1   Heartbeat timer fires",
                "     4.000 ==== Log Matching is broken: two logs differ"
            ]
        );
        let late = as_text(trace, Some(&violation(4_000_001)), &part);
        assert_eq!(late.lines().count(), 2, "the violation came later");
        let header = serde_json::json!({ "plumb_trace": 1 });
        let json = as_json_lines(&header, trace, Some(&violation(4_000_000)), &part);
        let last: serde_json::Value =
            serde_json::from_str(json.lines().last().expect("a line")).expect("JSON");
        assert_eq!(json.lines().count(), 4);
        assert_eq!(
            (&last["kind"], &last["property"]),
            (&"violation".into(), &"Log Matching".into())
        );
    }

    #[test]
    fn nothing_asked_for_is_the_whole_trace() {
        let scenario = generate(3, Length::SHORT, Tier::Bare);
        let trace = run(&scenario, RunOptions::traced()).trace;
        assert_eq!(as_text(&trace, None, &Part::default()), trace);
    }
}
