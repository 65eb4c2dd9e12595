//! A run in words: what each step was, what it changed, and how the last state breaks a property.

mod arrivals;
mod reason;
mod title;

use std::fmt;

use serde::Serialize;

use crate::action::{Action, RULES};
use crate::log::Log;
use crate::message::Packed;
use crate::properties::Property;
use crate::raft::Raft;
use crate::server::{Server, ServerId};
use crate::state::State;
pub use arrivals::Arrival;
use arrivals::Sent;
use reason::reason;
use title::title;

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The rule that allowed it.
    pub rule: &'static str,
    /// The server that took it.
    pub server: String,
    /// What happened.
    pub title: String,
    /// What changed, a server each: field by field, before and after.
    pub changes: Vec<String>,
    /// What was sent.
    pub sent: Vec<String>,
    /// What the step takes in or counts; only where a whole run is told.
    pub arrivals: Vec<Arrival>,
    /// The servers afterwards.
    pub servers: Vec<ServerRow>,
}

/// A run that breaks a property, of the fewest steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counterexample {
    /// The property, by name.
    pub property: &'static str,
    /// What it says.
    pub statement: &'static str,
    /// The steps from the initial state on.
    pub steps: Vec<Step>,
    /// How the last state breaks the property.
    pub reason: String,
    /// The servers in the last state.
    pub servers: Vec<ServerRow>,
}

/// A server in the last state of a counterexample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerRow {
    /// Its name.
    pub server: String,
    /// What it takes itself for.
    pub role: String,
    /// Its term.
    pub term: u8,
    /// Its vote.
    pub vote: String,
    /// Its log.
    pub log: String,
    /// Its commit index.
    pub commit: u8,
    /// What its disk holds, where that differs.
    pub on_disk: String,
}

impl Step {
    /// Tells the step by `action` from `before` to `after`.
    #[must_use]
    pub fn tell(raft: &Raft, before: &State, action: Action, after: &State) -> Step {
        let changes = before
            .ids()
            .filter(|&id| before.server(id) != after.server(id))
            .map(|id| change(id, before.server(id), after.server(id)))
            .collect();
        let was_sent = |message: &&Packed| !before.network().as_slice().contains(message);
        let sent = after.network().as_slice().iter().filter(was_sent);
        Step {
            rule: RULES[action.rule()],
            server: action
                .server()
                .map_or("all".to_owned(), |id| id.to_string()),
            title: title(raft, before, action, after),
            changes,
            sent: sent.map(|message| message.unpack().to_string()).collect(),
            arrivals: Vec::new(),
            servers: rows(after),
        }
    }
}

fn vote_name(vote: Option<ServerId>) -> String {
    vote.map_or("none".to_owned(), |id| id.to_string())
}

fn change(id: ServerId, was: Server, is: Server) -> String {
    let mut parts = Vec::new();
    let mut part = |name: &str, was: String, is: String| {
        if was != is {
            parts.push(format!("{name} {was} → {is}"));
        }
    };
    part("role", was.role().to_string(), is.role().to_string());
    part("term", was.term().to_string(), is.term().to_string());
    part("vote", vote_name(was.vote()), vote_name(is.vote()));
    part("log", format!("{:?}", was.log()), format!("{:?}", is.log()));
    part("commit", was.commit().to_string(), is.commit().to_string());
    part(
        "matched",
        was.matched().to_string(),
        is.matched().to_string(),
    );
    part("snapshot", was.base().to_string(), is.base().to_string());
    part("optional parts", optional(was), optional(is));
    // A disk that always follows memory is no news.
    if durable(was) != durable(is) && (was.is_dirty() || is.is_dirty()) {
        parts.push(format!("on disk: {}", disk(is)));
    }
    format!("{id}: {}", parts.join(", "))
}

/// What the optional parts hold, in words.
fn optional(server: Server) -> String {
    let words = server.extra().to_string();
    words.strip_prefix(", ").unwrap_or("at rest").to_owned()
}

fn durable(server: Server) -> (u8, Option<ServerId>, Log, u8) {
    (
        server.durable_term(),
        server.durable_vote(),
        server.durable_log(),
        server.durable_base(),
    )
}

fn disk(server: Server) -> String {
    let (term, vote, log, base) = durable(server);
    let snapshot = match base {
        0 => String::new(),
        _ => format!(", snapshot {base}"),
    };
    format!(
        "term {term}, vote {}, log {log:?}{snapshot}",
        vote_name(vote)
    )
}

impl Counterexample {
    /// Tells the run of `actions` from the initial state to one that breaks `property`.
    ///
    /// # Panics
    /// If an action is not allowed where it stands: they must come from a search of `raft`.
    #[must_use]
    pub fn tell(raft: &Raft, property: Property, actions: &[Action]) -> Counterexample {
        let mut state = raft.initial();
        let mut before = state.clone();
        let mut steps = Vec::new();
        let mut sent = Sent::default();
        for &action in actions {
            let next = raft
                .step(&state, action)
                .expect("a counterexample's steps are allowed");
            let arrivals = sent.arrivals(&state, action);
            sent.note(steps.len() + 1, &state, &next);
            steps.push(Step {
                arrivals,
                ..Step::tell(raft, &state, action, &next)
            });
            before = state;
            state = next;
        }
        Counterexample {
            property: property.name(),
            statement: property.statement(),
            steps,
            reason: reason(raft, property, &before, actions.last().copied(), &state),
            servers: rows(&state),
        }
    }
}

fn rows(state: &State) -> Vec<ServerRow> {
    let row = |id| row(id, state.server(id));
    state.ids().map(row).collect()
}

fn row(id: ServerId, server: Server) -> ServerRow {
    ServerRow {
        server: id.to_string(),
        role: server.role().to_string(),
        term: server.term(),
        vote: vote_name(server.vote()),
        log: format!("{:?}", server.log()),
        commit: server.commit(),
        on_disk: if server.is_dirty() {
            disk(server)
        } else {
            "the same".to_owned()
        },
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        for change in &self.changes {
            write!(f, "\n       {change}")?;
        }
        for message in &self.sent {
            write!(f, "\n       sends {message}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:>4}. {step}")?;
        }
        writeln!(
            f,
            "\n  {} is broken after {} steps:",
            self.property,
            self.steps.len()
        )?;
        writeln!(f, "    {}.", self.reason)?;
        writeln!(f, "    It says: {}.\n", self.statement)?;
        writeln!(
            f,
            "  {:<6} {:<10} {:>4} {:<5} {:<18} {:>6}  on disk",
            "server", "role", "term", "vote", "log", "commit"
        )?;
        for row in &self.servers {
            let ServerRow {
                server,
                role,
                term,
                vote,
                log,
                commit,
                on_disk,
            } = row;
            writeln!(
                f,
                "  {server:<6} {role:<10} {term:>4} {vote:<5} {log:<18} {commit:>6}  {on_disk}"
            )?;
        }
        Ok(())
    }
}
