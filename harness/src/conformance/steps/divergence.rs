//! What is told of a step that the specification does not allow: both sides, and the rule that came closest.

use std::fmt;

use plumb_model::relation::Position;
use plumb_raft::core::{Effects, Write};
use serde::Serialize;

use super::applied::{Applied, Asks, Restored};
use super::given::{Given, Heading};
use super::seen::Seen;

/// A step that the specification does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// Whose step.
    pub server: u64,
    /// What it was given.
    pub given: String,
    /// The server before the step.
    pub before: String,
    /// What the step asked the world to do.
    pub effects: String,
    /// The server after the step.
    pub after: String,
    /// The rule that came closest, or that was taken.
    pub rule: Option<String>,
    /// How the step differs from it.
    pub what: String,
    /// The other rules that might have been taken, each with how the step differs.
    pub others: Vec<String>,
}

impl Divergence {
    /// No rule leads from `before` to `after`; `refused` says of each why not.
    pub(super) fn of_step(
        given: &Given,
        before: &Seen,
        after: &Seen,
        effects: &Effects,
        refused: &[String],
    ) -> Divergence {
        let is = after.position();
        let mut rules: Vec<_> = given.allowed.iter().zip(refused).collect();
        rules.sort_by_key(|(allowed, _)| distance(allowed.position, is));
        let mut rules = rules.into_iter();
        let closest = rules.next();
        Divergence {
            rule: closest.map(|(allowed, _)| allowed.rule.to_owned()),
            others: rules
                .map(|(allowed, why)| format!("{}: {why}", allowed.rule))
                .collect(),
            ..Divergence::beside(
                given,
                before,
                after,
                effects,
                closest.map_or("the specification has no such step", |(_, why)| why),
            )
        }
    }

    /// A rule leads from `before` to `after`, and something beside differs.
    pub(super) fn beside(
        given: &Given,
        before: &Seen,
        after: &Seen,
        effects: &Effects,
        what: &str,
    ) -> Divergence {
        Divergence {
            server: before.id,
            given: given.heading.to_string(),
            before: server(before),
            effects: asked(effects),
            after: server(after),
            rule: None,
            what: what.to_owned(),
            others: Vec::new(),
        }
    }

    /// A state machine makes something else of a request than the rule.
    pub(super) fn of_request(seen: &Applied, what: String) -> Divergence {
        let (given, rule) = match seen.asks {
            Asks::Open => ("a session".to_owned(), "OpenSession"),
            Asks::Execute { session, sequence } => (
                format!("request {sequence} of session {session}"),
                "Execute",
            ),
        };
        let changed = if seen.changed { "other" } else { "the same" };
        Divergence {
            server: seen.server,
            given: format!("{given} in entry {}", seen.index),
            before: "what it had applied".to_owned(),
            effects: format!("{:?}", seen.told),
            after: format!("{changed} values, and of the session {:?}", seen.remembers),
            rule: Some(format!("{rule} (§8, dissertation §6.3)")),
            what,
            others: Vec::new(),
        }
    }

    /// A snapshot remembers other sessions than the state machine that it is of.
    pub(super) fn of_restored(seen: &Restored) -> Divergence {
        Divergence {
            server: seen.server,
            given: format!("the snapshot at {}", seen.index),
            before: "what it had applied".to_owned(),
            effects: "nothing".to_owned(),
            after: format!("{} sessions", seen.sessions.len()),
            rule: Some("InstallSnapshot (§7, dissertation §6.3)".to_owned()),
            what: format!(
                "after entry {} other servers remember other sessions than the snapshot",
                seen.index
            ),
            others: Vec::new(),
        }
    }

    /// A server has not started as its disk says.
    pub(super) fn of_restart(seen: &Seen, expected: Position) -> Divergence {
        Divergence {
            server: seen.id,
            given: "a start".to_owned(),
            before: "down".to_owned(),
            effects: "nothing".to_owned(),
            after: server(seen),
            rule: Some("CrashAndRestart (Figure 2)".to_owned()),
            what: format!("it stands at {:?}, not at {expected:?}", seen.position()),
            others: Vec::new(),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Divergence {
            server,
            given,
            before,
            effects,
            after,
            rule,
            what,
            others,
        } = self;
        write!(
            f,
            "n{server}, given {given}, goes\n  from {before}\n  to   {after},\n  asking for {effects}.\n  "
        )?;
        match rule {
            Some(rule) => write!(f, "The closest rule is {rule}: {what}")?,
            None => write!(f, "The specification: {what}")?,
        }
        others
            .iter()
            .try_for_each(|other| write!(f, "\n  Nor is it {other}"))
    }
}

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if let Some(from) = self.from {
            write!(f, " of n{from}")?;
        }
        if let Some(term) = self.term {
            write!(f, " in term {term}")?;
        }
        let mut numbers = self.numbers.iter().filter(|(name, _)| !name.is_empty());
        if let Some((name, number)) = numbers.next() {
            write!(f, " ({name} {number}")?;
            numbers.try_for_each(|(name, number)| write!(f, ", {name} {number}"))?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// How many numbers differ.
fn distance(expected: Position, is: Position) -> u32 {
    u32::from(expected.term != is.term)
        + u32::from(expected.vote != is.vote)
        + u32::from(expected.standing != is.standing)
        + u32::from(expected.commit != is.commit)
        + u32::from(expected.snapshot != is.snapshot)
        + u32::from(expected.patient != is.patient)
}

/// A server in a line.
fn server(seen: &Seen) -> String {
    let vote = seen.vote.map_or("none".to_owned(), |id| format!("n{id}"));
    let mut text = format!(
        "{:?} in term {}, vote {vote}, log {} to {} of term {}, commit {}",
        seen.role, seen.term, seen.base.0, seen.last.0, seen.last.1, seen.commit
    );
    if seen.snapshot.0 > 0 {
        text.push_str(&format!(", snapshot {:?}", seen.snapshot));
    }
    if seen.patient {
        text.push_str(", hearing a leader");
    }
    if !seen.votes.is_empty() {
        text.push_str(&format!(", votes {:?}", seen.votes));
    }
    if let Some((index, in_force)) = seen.in_force() {
        let membership = in_force.0;
        let ids = |set: &std::collections::BTreeSet<plumb_raft::types::NodeId>| {
            let names: Vec<_> = set.iter().map(ToString::to_string).collect();
            names.join(" ")
        };
        text.push_str(&format!(", voters {{{}}}", ids(&membership.voters)));
        if membership.is_joint() {
            text.push_str(&format!(" with {{{}}}", ids(&membership.outgoing)));
        }
        if !membership.learners.is_empty() {
            text.push_str(&format!(", learners {{{}}}", ids(&membership.learners)));
        }
        text.push_str(&format!(" by entry {index}"));
    }
    if let Some(office) = &seen.office {
        let followers: Vec<_> = office
            .followers
            .iter()
            .map(|it| format!("n{} has {} and round {}", it.id, it.matched, it.answered))
            .collect();
        text.push_str(&format!(
            ", round {}, {}, durable to {}, {} reads waiting",
            office.round,
            followers.join(", "),
            seen.durable.2,
            office.waiting.len()
        ));
        if office.told {
            text.push_str(", told another to stand");
        }
    }
    text
}

/// What a step asked for, in a line.
fn asked(effects: &Effects) -> String {
    let mut parts = Vec::new();
    for write in effects.persist.iter().flat_map(|batch| &batch.writes) {
        parts.push(match write {
            Write::HardState(state) => format!("term {} and vote written", state.current_term),
            Write::Truncate(from) => format!("a cut from {from}"),
            Write::Append(entries) => format!("{} entries", entries.len()),
            Write::Snapshot { snapshot, base } => {
                format!(
                    "a snapshot at {} and a log behind {}",
                    snapshot.last_index, base.0
                )
            }
        });
    }
    if !effects.send.is_empty() {
        parts.push(format!("{} messages", effects.send.len()));
    }
    if !effects.apply.is_empty() {
        parts.push(format!("{} entries applied", effects.apply.len()));
    }
    for (request, answer) in &effects.answers {
        parts.push(format!("{answer:?} to {}", request.0));
    }
    if parts.is_empty() {
        return "nothing".to_owned();
    }
    parts.join(", ")
}
