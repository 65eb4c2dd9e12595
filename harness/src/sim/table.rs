//! The servers of a run side by side, as text: role, term and commit index of each, a row for each change.

use std::collections::BTreeSet;
use std::fmt::Write;

use plumb_histories::browser::{ServerChange, ServerLanes, ServerRole};
use plumb_histories::{History, Value};

use super::view::Part;
use crate::invariants::Violation;

/// Up to so many rows, each commit has one of its own; else only roles, terms and faults have.
const EVERY_COMMIT: usize = 60;
const COLUMN: usize = 22;

/// A moment that has a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    /// A fault begins or ends: a place among the nemesis' events.
    Fault(usize),
    /// Servers have changed.
    Servers,
}

/// The table of a part of a run. A cell is a server's role, its term (`t`) and commit index (`c`) from this moment on; `*`
/// is what has changed since the row before.
#[must_use]
pub fn table(
    lanes: &ServerLanes,
    history: &History,
    violation: Option<&Violation>,
    part: &Part,
) -> String {
    let shown: Vec<usize> = (0..lanes.servers.len())
        .filter(|server| part.shows(&lanes.servers[*server]))
        .collect();
    let mut text = format!("{:>10} ", "ms");
    for server in &shown {
        let _ = write!(text, " {:<COLUMN$}", lanes.servers[*server]);
    }
    let mut text = format!("{}\n", text.trim_end());
    let mut now: Vec<Option<&ServerChange>> = vec![None; lanes.servers.len()];
    let mut before: Vec<String> = vec![String::new(); lanes.servers.len()];
    let mut changes = lanes.changes.iter().peekable();
    for (at_ns, row) in rows(lanes, history, part, &shown) {
        while let Some(change) = changes.next_if(|change| change.at_ns <= at_ns) {
            if let Some(server) = now.get_mut(change.server) {
                *server = Some(change);
            }
        }
        if let Row::Fault(number) = row {
            let event = &history.nemesis()[number];
            let words = words_of(&event.value);
            let _ = writeln!(text, "{}  **** {}: {words}", moment(at_ns), event.f);
            continue;
        }
        let mut line = format!("{} ", moment(at_ns));
        for server in &shown {
            let cell = now[*server].map_or("-".to_owned(), cell);
            let mark = if cell == before[*server] { ' ' } else { '*' };
            let _ = write!(line, " {:<COLUMN$}", format!("{mark}{cell}"));
            before[*server] = cell;
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if let Some(violation) = violation.filter(|violation| part.has(violation.at_ns)) {
        let (property, what) = (&violation.property, &violation.what);
        let at = moment(violation.at_ns);
        let _ = writeln!(text, "{at}  ==== {property} is broken: {what}");
    }
    text
}

/// The moments that have a row, in order.
fn rows(
    lanes: &ServerLanes,
    history: &History,
    part: &Part,
    shown: &[usize],
) -> BTreeSet<(u64, Row)> {
    let mut last: Vec<Option<&ServerChange>> = vec![None; lanes.servers.len()];
    let (mut turns, mut commits) = (BTreeSet::new(), BTreeSet::new());
    for change in &lanes.changes {
        let Some(before) = last.get_mut(change.server) else {
            continue;
        };
        let before = before.replace(change);
        if !shown.contains(&change.server) || !part.has(change.at_ns) {
            continue;
        }
        let turn = before.is_none_or(|b| (b.role, b.term) != (change.role, change.term));
        if turn {
            turns.insert((change.at_ns, Row::Servers));
        } else if before.is_some_and(|before| before.commit != change.commit) {
            commits.insert((change.at_ns, Row::Servers));
        }
    }
    for (number, event) in history.nemesis().iter().enumerate() {
        if part.has(event.time_ns) {
            turns.insert((event.time_ns, Row::Fault(number)));
        }
    }
    if turns.len() + commits.len() <= EVERY_COMMIT {
        turns.extend(commits);
    } else {
        // What was committed meanwhile stands in the last row at the latest.
        turns.extend(commits.last());
    }
    turns
}

fn cell(change: &ServerChange) -> String {
    let role = match change.role {
        ServerRole::Follower => "follower",
        ServerRole::Candidate => "candidate",
        ServerRole::Leader => "LEADER",
        ServerRole::Down => return "down".to_owned(),
    };
    format!("{role} t{} c{}", change.term, change.commit)
}

fn moment(at_ns: u64) -> String {
    format!("{:>6}.{:03}", at_ns / 1_000_000, at_ns / 1_000 % 1_000)
}

fn words_of(value: &Value) -> String {
    match value {
        Value::Str(words) => words.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_histories::{Header, Recorder};

    fn change(at_ms: u64, server: usize, role: ServerRole, term: u64, commit: u64) -> ServerChange {
        ServerChange {
            at_ns: at_ms * 1_000_000,
            server,
            role,
            term,
            vote: None,
            commit,
            applied: commit,
            last: commit,
            log: Vec::new(),
        }
    }

    fn lanes(changes: Vec<ServerChange>) -> ServerLanes {
        ServerLanes {
            plumb_lanes: 1,
            servers: vec!["n1".to_owned(), "n2".to_owned()],
            changes,
            ..ServerLanes::default()
        }
    }

    #[test]
    fn a_row_for_each_change_each_commit_and_each_fault() {
        use ServerRole::{Down, Follower, Leader};
        let lanes = lanes(vec![
            change(0, 0, Follower, 0, 0),
            change(0, 1, Follower, 0, 0),
            change(5, 0, Leader, 1, 0),
            change(6, 0, Leader, 1, 3),
            change(9, 1, Down, 0, 0),
        ]);
        let mut recorder = Recorder::new(Header::default());
        recorder.nemesis(9_000_000, "begins", Value::Str("crash n2".to_owned()));
        let history = recorder.finish();
        let text = table(&lanes, &history, None, &Part::default());
        let rows: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            rows,
            [
                "ms n1 n2",
                "0.000 *follower t0 c0 *follower t0 c0",
                "5.000 *LEADER t1 c0 follower t0 c0",
                "6.000 *LEADER t1 c3 follower t0 c0",
                "9.000 **** begins: crash n2",
                "9.000 LEADER t1 c3 *down",
            ]
        );
        let part = Part {
            servers: vec![2],
            from_ms: 1.0,
            to_ms: None,
        };
        let text = table(&lanes, &history, None, &part);
        assert!(!text.contains("LEADER") && text.contains("*down"), "{text}");
    }

    #[test]
    fn many_commits_leave_the_rows_to_terms_and_roles() {
        use ServerRole::{Follower, Leader};
        let mut changes = vec![change(0, 0, Follower, 0, 0), change(1, 0, Leader, 1, 0)];
        changes.extend((0..100).map(|n| change(2 + n, 0, Leader, 1, n)));
        let history = Recorder::new(Header::default()).finish();
        let text = table(&lanes(changes), &history, None, &Part::default());
        let last = text.lines().last().unwrap_or_default();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(last.contains("LEADER t1 c99"), "{text}");
    }
}
