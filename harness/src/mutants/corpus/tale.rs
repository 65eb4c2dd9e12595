//! A run told for a reviewer, in sentences: who led, what was lost, which client saw what. What is told is
//! chosen by weight, so that a long run takes no longer to read than a short one; the page has all of it.

use std::fmt::Write as _;

use plumb_histories::browser::{ServerLanes, ServerRole};
use plumb_histories::{Event, History, Kind, NemesisEvent, Operation};

use super::beats;

/// A tale has at most about so many sentences.
const LONGEST: usize = 24;
/// Operations are all told if there are no more; else those that no order explains.
const FEW_OPERATIONS: usize = 6;

/// How much a beat matters: the lightest are left out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// What a reader can do without.
    Detail,
    /// What became of a server.
    Server,
    /// A fault, or what the operator asked for.
    Fault,
    /// Another leader, a crash, entries lost.
    Turn,
    /// What the clients saw that no order explains.
    Core,
}

/// A sentence with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    pub at_ns: u64,
    pub weight: Weight,
    pub text: String,
}

impl Beat {
    pub(super) fn new(at_ns: u64, weight: Weight, text: String) -> Beat {
        Beat {
            at_ns,
            weight,
            text,
        }
    }
}

/// The tale of a run up to the moment at which a property broke, as Markdown. `core` holds the operations that no
/// order explains, if there are any.
pub(super) fn tale(
    history: &History,
    lanes: &ServerLanes,
    core: &[usize],
    broke_ns: u64,
) -> String {
    // Stable: of one moment, the fault comes before what it does to servers, and that before what clients hear of it.
    let mut beats = faults(history.nemesis(), broke_ns);
    beats.extend(beats::beats(lanes, broke_ns));
    beats.extend(clients(history, core, broke_ns));
    beats.sort_by_key(|beat| beat.at_ns);
    let all = beats.len();
    let beats = lightened(beats);
    let mut text = format!("{}\n\n", setting(history, lanes));
    if beats.len() < all {
        let _ = writeln!(
            text,
            "Of {all} things that happened these are the ones that matter most; `plumb browse` shows the rest.\n"
        );
    }
    for beat in &beats {
        let _ = writeln!(text, "- **{}** {}", at(beat.at_ns), beat.text);
    }
    let last = state(lanes, broke_ns);
    if !last.is_empty() {
        let _ = write!(
            text,
            "\nThe servers when it broke, at {}:\n\n{last}",
            at(broke_ns)
        );
    }
    text
}

/// Who takes part.
fn setting(history: &History, lanes: &ServerLanes) -> String {
    let names: Vec<&str> = lanes.servers.iter().map(String::as_str).collect();
    let mut clients: Vec<u64> = history.operations().map(|one| one.process()).collect();
    clients.sort_unstable();
    clients.dedup();
    let asked = match (history.operations().len(), clients.len()) {
        (0, _) => "no client asks for anything".to_owned(),
        (1, _) => "one client asks for one thing".to_owned(),
        (operations, 1) => format!("one client asks for {operations} things"),
        (operations, clients) => format!("{clients} clients ask for {operations} things"),
    };
    let servers = match names.len() {
        1 => "One server".to_owned(),
        count => {
            let words = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven"];
            let count = words
                .get(count)
                .map_or_else(|| count.to_string(), ToString::to_string);
            format!("{count} servers")
        }
    };
    format!("{servers}, {}; {asked}.", named(&names))
}

/// Faults with their ends, and what the operator asked for.
fn faults(events: &[NemesisEvent], broke_ns: u64) -> Vec<Beat> {
    let before = events.iter().filter(|event| event.time_ns <= broke_ns);
    let begun = before.filter(|event| event.f != "ends");
    let beat = |event: &NemesisEvent| {
        let words = event.value.as_str().unwrap_or(&event.f).to_owned();
        // What takes no time is written down with its end first.
        let ends = |other: &&NemesisEvent| other.f == "ends" && other.value == event.value;
        let mut later = events.iter().filter(|other| other.index > event.index);
        let end = later.find(ends).or_else(|| {
            let mut at_once = events.iter().filter(|one| one.time_ns == event.time_ns);
            at_once.find(ends)
        });
        let end = end.map(|end| end.time_ns);
        let text = match (words.split_once(": "), end) {
            (Some(("membership", whom)), _) => {
                let whom = whom.trim_end().trim_end_matches("; learners");
                format!("The operator asks for another membership: {whom}.")
            }
            _ if words.starts_with("transfer to") => format!("The operator asks for a {words}."),
            (_, Some(end)) if end <= event.time_ns => format!("A fault: {words}."),
            (_, Some(end)) if end < broke_ns => format!("A fault until {}: {words}.", at(end)),
            _ => format!("A fault that outlasts this tale: {words}."),
        };
        Beat::new(event.time_ns, Weight::Fault, text)
    };
    begun.map(beat).collect()
}

/// What clients asked and were told.
fn clients(history: &History, core: &[usize], broke_ns: u64) -> Vec<Beat> {
    let few = history.operations().len() <= FEW_OPERATIONS;
    let told = |one: &Operation<'_>| {
        let in_time = one.invocation.time_ns <= broke_ns;
        in_time && (few || core.contains(&one.number))
    };
    let mut beats = Vec::new();
    for one in history.operations().filter(told) {
        let weight = if core.contains(&one.number) {
            Weight::Core
        } else {
            Weight::Turn
        };
        let (asked_ns, client) = (one.invocation.time_ns, one.process());
        let asks = format!("Client {client} asks for `{}`", action(one.invocation));
        let Some(end) = one.completion.filter(|end| end.time_ns <= broke_ns) else {
            beats.push(Beat::new(
                asked_ns,
                weight,
                format!("{asks}, and is not answered."),
            ));
            continue;
        };
        let answer = answer(end);
        let between = |ns: u64| asked_ns < ns && ns < end.time_ns;
        // Where other clients or faults come between, both moments are told.
        if history.events().iter().any(|event| between(event.time_ns))
            || history.nemesis().iter().any(|event| between(event.time_ns))
        {
            beats.push(Beat::new(asked_ns, weight, format!("{asks}.")));
            let text = format!(
                "Client {client} {answer} (its `{}`).",
                action(one.invocation)
            );
            beats.push(Beat::new(end.time_ns, weight, text));
        } else {
            let later = at(end.time_ns - asked_ns);
            beats.push(Beat::new(
                asked_ns,
                weight,
                format!("{asks}, and {answer} {later} later."),
            ));
        }
    }
    beats
}

fn action(event: &Event) -> String {
    let key = event
        .key
        .as_ref()
        .and_then(|key| key.as_str())
        .unwrap_or("");
    let value = if event.value.is_null() {
        String::new()
    } else {
        event.value.to_string()
    };
    let words = [event.f.as_str(), key, &value];
    words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn answer(end: &Event) -> String {
    let why = end.error.as_deref().unwrap_or("no reason given");
    match end.kind {
        Kind::Ok if end.f == "read" => format!("is told `{}`", end.value),
        Kind::Ok => "is told that it was done".to_owned(),
        Kind::Fail => format!("is told that it was not done ({why})"),
        Kind::Info | Kind::Invoke => format!("gives up, not knowing ({why})"),
    }
}

/// The beats that matter most, in their order.
fn lightened(beats: Vec<Beat>) -> Vec<Beat> {
    let mut weights: Vec<Weight> = beats.iter().map(|beat| beat.weight).collect();
    weights.sort_unstable();
    let beyond = beats.len().saturating_sub(LONGEST);
    let Some(least) = weights.get(beyond).copied().filter(|_| beyond > 0) else {
        return beats;
    };
    // Of those that weigh as much as the last that finds room, the latest: they are nearest to the end.
    let heavier = beats.iter().filter(|beat| beat.weight > least).count();
    let mut room = LONGEST.saturating_sub(heavier);
    let mut kept: Vec<Beat> = Vec::new();
    for beat in beats.into_iter().rev() {
        if beat.weight > least {
            kept.push(beat);
        } else if beat.weight == least && room > 0 {
            room -= 1;
            kept.push(beat);
        }
    }
    kept.reverse();
    kept
}

/// A table of what the servers were at a moment.
fn state(lanes: &ServerLanes, at_ns: u64) -> String {
    let mut text = String::from(
        "| server | role | term | log | committed, as it knows |\n|---|---|---|---|---|\n",
    );
    let mut rows = 0;
    for (server, name) in lanes.servers.iter().enumerate() {
        let mut own = lanes
            .changes
            .iter()
            .filter(|change| change.server == server);
        let Some(last) = own.rfind(|change| change.at_ns <= at_ns) else {
            continue;
        };
        rows += 1;
        let role = match last.role {
            ServerRole::Down => "down",
            ServerRole::Follower => "follower",
            ServerRole::Candidate => "candidate",
            ServerRole::Leader => "leader",
        };
        let ends = last.log.iter().skip(1).map(|(_, first)| first - 1);
        let ends: Vec<u64> = ends.chain([last.last]).collect();
        let runs = last
            .log
            .iter()
            .zip(&ends)
            .map(|((term, first), end)| match first {
                first if first >= end => format!("{end} of term {term}"),
                first => format!("{first}–{end} of term {term}"),
            });
        let log: Vec<String> = runs.collect();
        let log = match log.join(", ") {
            none if none.is_empty() && last.last > 0 => format!("to {}, in a snapshot", last.last),
            none if none.is_empty() => "–".to_owned(),
            log => log,
        };
        let _ = writeln!(
            text,
            "| {name} | {role} | {} | {log} | {} |",
            last.term, last.commit
        );
    }
    if rows == 0 { String::new() } else { text }
}

/// A moment, in milliseconds as far as they tell moments apart.
fn at(ns: u64) -> String {
    let (ms, us) = (ns / 1_000_000, ns / 1_000 % 1_000);
    match us {
        0 => format!("{ms} ms"),
        us => format!("{ms}.{us:03} ms"),
    }
}

/// Names as a list within a sentence.
pub(super) fn named(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_histories::{Header, Recorder, Value};

    fn history() -> History {
        let (mut recorder, ms) = (Recorder::new(Header::default()), 1_000_000);
        let key = || Some(Value::from("x"));
        recorder.nemesis(ms, "begins", Value::from("isolate the leader"));
        recorder.invoke(2 * ms, 0, "write", key(), Value::Int(1), None);
        recorder.ok(3 * ms, 0, Value::Int(1));
        recorder.invoke(4 * ms, 1, "read", key(), Value::Null, None);
        recorder.nemesis(5 * ms, "ends", Value::from("isolate the leader"));
        recorder.ok(6 * ms, 1, Value::Null);
        recorder.invoke(7 * ms, 0, "write", key(), Value::Int(2), None);
        recorder.nemesis(8 * ms, "begins", Value::from("membership: voters n1 n2"));
        for verb in ["ends", "begins"] {
            recorder.nemesis(8 * ms, verb, Value::from("connections of n1 break"));
        }
        recorder.info(9 * ms, 0, Value::Int(2), Some("no answer in time"));
        recorder.finish()
    }

    #[test]
    fn clients_faults_and_the_operator_are_told_in_sentences() {
        let told = tale(&history(), &ServerLanes::default(), &[0, 1], 10_000_000);
        let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("- ")).collect();
        assert_eq!(
            lines,
            [
                "- **1 ms** A fault until 5 ms: isolate the leader.",
                "- **2 ms** Client 0 asks for `write x 1`, and is told that it was done 1 ms later.",
                "- **4 ms** Client 1 asks for `read x`.",
                "- **6 ms** Client 1 is told `null` (its `read x`).",
                "- **7 ms** Client 0 asks for `write x 2`.",
                "- **8 ms** The operator asks for another membership: voters n1 n2.",
                "- **8 ms** A fault: connections of n1 break.",
                "- **9 ms** Client 0 gives up, not knowing (no answer in time) (its `write x 2`).",
            ]
        );
    }

    #[test]
    fn what_came_after_the_break_is_not_told() {
        let told = tale(&history(), &ServerLanes::default(), &[], 3_500_000);
        assert!(
            told.contains("A fault that outlasts this tale: isolate the leader."),
            "{told}"
        );
        assert!(
            !told.contains("read x") && !told.contains("operator"),
            "{told}"
        );
    }

    #[test]
    fn a_long_tale_keeps_what_weighs_most_and_of_equals_the_latest() {
        let beat = |at_ns, weight| Beat::new(at_ns, weight, format!("{at_ns}"));
        let mut beats: Vec<Beat> = (0..40).map(|at| beat(at, Weight::Fault)).collect();
        beats.insert(0, beat(0, Weight::Core));
        beats.insert(7, beat(5, Weight::Detail));
        let kept = lightened(beats);
        assert_eq!(kept.len(), LONGEST);
        assert_eq!(kept[0].weight, Weight::Core);
        assert!(kept.iter().all(|beat| beat.weight != Weight::Detail));
        assert_eq!((kept[1].at_ns, kept[LONGEST - 1].at_ns), (17, 39));
    }
}
