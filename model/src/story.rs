//! A run in words: what each step was, what it changed, and how the last state breaks a property.

use std::fmt;

use serde::Serialize;

use crate::action::{Action, RULES};
use crate::log::{Log, value_name};
use crate::membership::Plan;
use crate::message::Packed;
use crate::properties::{Breach, Property};
use crate::raft::Raft;
use crate::reductions;
use crate::rules;
use crate::server::{Role, Server, ServerId};
use crate::state::State;

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
        }
    }
}

fn title(raft: &Raft, before: &State, action: Action, after: &State) -> String {
    let Some(id) = action.server() else {
        return "a tick of time passes".to_owned();
    };
    let (was, is) = (before.server(id), after.server(id));
    let last_crash = if reductions::persists_at_once(raft, after) {
        " (the last crash of this scope: from here on what is written is on disk)"
    } else {
        ""
    };
    match action {
        Action::Timeout(_) => format!(
            "{id} times out and stands for election in term {}",
            is.term()
        ),
        Action::AdoptTerm(_, term) => match (was.role(), is.role()) {
            (Role::Follower, _) => format!("{id} hears of term {term} and adopts it"),
            (role, Role::Follower) => {
                format!("{id} hears of term {term}, adopts it and is no longer {role}")
            }
            (_, role) => format!("{id} hears of term {term}, adopts it and remains {role}"),
        },
        Action::HandleRequestVote(_, message) => {
            let on_disk = if is.vote_is_durable() {
                ""
            } else {
                ", not yet on disk"
            };
            let again = was
                .vote()
                .map_or(String::new(), |v| format!(" though it voted for {v}"));
            let to = message.from();
            format!("{id} receives {message:?}: votes for {to}{again}{on_disk}")
        }
        Action::BecomeLeader(_) => {
            let votes = names(rules::supporters(raft, before, id).iter());
            format!(
                "{id} counts the votes of {votes} and becomes leader of term {}",
                is.term()
            )
        }
        Action::ClientRequest(_) => {
            let value = value_name(after.ghost().requests());
            format!(
                "{id} takes client request {value} and appends it at index {}",
                is.log().len()
            )
        }
        Action::SendAppendEntries(_, message) => format!("{id} sends {message:?}"),
        Action::HandleAppendEntries(_, message) => {
            format!("{id} receives {message:?}: {}", reception(was, is, message))
        }
        Action::AdvanceCommit(_, index) => {
            let copies = names(rules::holders(raft, before, id, index).iter());
            format!("{id} counts the copies of {copies} and commits up to index {index}")
        }
        Action::Persist(_) => format!("{id} writes to disk"),
        Action::Tick => String::new(),
        Action::ConfirmLease(_) => {
            let answers = names(rules::confirmers(raft, before, id, was.extra().round()).iter());
            format!("{id} counts the answers of {answers} and holds a lease")
        }
        Action::LeaseRead(_) => {
            let seen = was.log().prefix(was.commit());
            format!("{id} serves a read by its lease: it sees {seen:?}")
        }
        Action::TransferLeadership(_, to) => format!("{id} tells {to} to stand for election"),
        Action::HandleTimeoutNow(_, message) => format!(
            "{id} receives {message:?} and stands for election in term {}",
            is.term()
        ),
        Action::Compact(_) => format!(
            "{id} writes a snapshot and discards its log up to index {}",
            is.base()
        ),
        Action::HandleInstallSnapshot(_, message) => {
            format!("{id} receives {message:?}: {}", reception(was, is, message))
        }
        Action::ChangeConfiguration(_, change) => format!(
            "{id} appends the configuration {} as {} at index {}",
            raft.features().plan.0[usize::from(change)],
            value_name(Plan::value(change)),
            is.log().len()
        ),
        Action::LeaveOffice(_) => format!("{id} is no voter any more and steps down"),
        Action::AskPreVote(_) => format!(
            "{id} asks whether it would be elected in term {}",
            was.term() + 1
        ),
        Action::HandlePreVote(_, message) => {
            format!(
                "{id} receives {message:?}: it would vote for {}",
                message.from()
            )
        }
        Action::ClientRetry(_, value) => format!(
            "{id} takes client request {} again and appends it at index {}",
            value_name(value),
            is.log().len()
        ),
        Action::StepDown(_) => format!("{id} hears of no majority and gives up leading"),
        Action::BeginRound(_) => {
            format!("{id} begins round {} of heartbeats", is.extra().round())
        }
        Action::HandleHeartbeat(_, message) => {
            format!("{id} receives {message:?} and answers")
        }
        Action::AskRead(_) => format!(
            "a client asks {id} for a read; {} entries are committed by now, {id} knows of {}",
            before.ghost().committed().len(),
            was.commit()
        ),
        Action::ServeRead(_, at) => {
            let seen = before.server(at).log().prefix(before.server(at).commit());
            let round = was.extra().read().map_or(0, |read| read.round);
            let answers = names(rules::confirmers(raft, before, id, round).iter());
            format!(
                "{at} serves the read that {id} was asked for, with the answers of {answers}: it sees \
                 {seen:?}"
            )
        }
        Action::CrashAndRestart(_) if was.is_dirty() => {
            format!("{id} crashes, loses what was not on disk, and restarts{last_crash}")
        }
        Action::CrashAndRestart(_) => format!("{id} crashes and restarts{last_crash}"),
    }
}

/// What AppendEntries did to a follower.
fn reception(was: Server, is: Server, message: Packed) -> String {
    let mut parts = Vec::new();
    let common = was.log().common_len(is.log());
    if common < was.log().len() {
        parts.push(format!("deletes its entries from index {}", common + 1));
    }
    if common < is.log().len() {
        parts.push(format!("appends at index {}", is.log().len()));
    }
    if is.commit() > was.commit() {
        parts.push(format!("commits up to index {}", is.commit()));
    }
    if parts.is_empty() && is.matched() > was.matched() {
        parts.push(format!("its log matches up to index {}", is.matched()));
    }
    if parts.is_empty() {
        parts.push(format!("follows {}", message.from()));
    }
    parts.join(", ")
}

fn names(ids: impl Iterator<Item = ServerId>) -> String {
    let names: Vec<_> = ids.map(|id| id.to_string()).collect();
    match names.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
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
        for &action in actions {
            let next = raft
                .step(&state, action)
                .expect("a counterexample's steps are allowed");
            steps.push(Step::tell(raft, &state, action, &next));
            before = state;
            state = next;
        }
        let rows = state.ids().map(|id| row(id, state.server(id)));
        Counterexample {
            property: property.name(),
            statement: property.statement(),
            steps,
            reason: reason(raft, property, &before, actions.last().copied(), &state),
            servers: rows.collect(),
        }
    }
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

/// How `state` breaks `property`, in words.
fn reason(
    raft: &Raft,
    property: Property,
    before: &State,
    last: Option<Action>,
    state: &State,
) -> String {
    let committed = state.ghost().committed();
    let entry = |log: Log, index| {
        log.get(index)
            .map_or("nothing".to_owned(), |e| format!("{e:?}"))
    };
    match (property, property.breach(raft, state)) {
        (_, Some(Breach::Servers(a, b))) => {
            let term = state.server(b).term();
            format!("{a} was elected leader of term {term}, and {b} leads term {term} too")
        }
        (_, Some(Breach::Apart(a, b))) => {
            let config = |id| rules::in_force(raft, state.server(id)).1;
            format!(
                "{a} goes by {} and {b} by {}; as the logs stand, servers could elect the one and \
                 others the other",
                config(a),
                config(b)
            )
        }
        (_, Some(Breach::Twice(id, value))) => format!(
            "{id} has applied {:?} and executed request {} {} times",
            state.server(id).log().prefix(state.server(id).commit()),
            value_name(value),
            rules::executions(raft, state.server(id), value)
        ),
        (_, Some(Breach::Crowded(id))) => format!(
            "{id} has {:?}, of which only {committed:?} was ever committed",
            state.server(id).log()
        ),
        (_, Some(Breach::Between(a, b, index))) => {
            let (x, y) = (state.server(a).log(), state.server(b).log());
            format!(
                "the logs of {a}, {x:?}, and {b}, {y:?}, both have an entry of term {} at index \
                 {index}, and differ there or before",
                x.term_at(index)
            )
        }
        (Property::LeaderCompleteness, Some(Breach::At(id, index))) => format!(
            "the entry {} at index {index} was committed in term {}, and {id} leads term {} with \
             {} there",
            entry(committed, index),
            state.ghost().commit_term(index),
            state.server(id).term(),
            entry(state.server(id).log(), index)
        ),
        (_, Some(Breach::At(id, index))) => format!(
            "{id} has committed index {index} and holds {} there, where {} was committed",
            entry(state.server(id).log(), index),
            entry(committed, index)
        ),
        (Property::LeaderAppendOnly, None) => match last.and_then(Action::server) {
            Some(id) => {
                let (was, is) = (before.server(id), state.server(id));
                format!(
                    "{id} leads term {}, and its log went from {:?} to {:?}",
                    is.term(),
                    was.log(),
                    is.log()
                )
            }
            None => "a leader's log lost entries".to_owned(),
        },
        (Property::Monotonicity, None) => match last.and_then(Action::server) {
            Some(id) => format!("{id} went back in its term or commit index"),
            None => "a server went back in its term or commit index".to_owned(),
        },
        (Property::Progress, None) => {
            "whatever happens from here on, nothing more is committed".to_owned()
        }
        (Property::LinearizableReads, None) => format!(
            "the read does not see all of {committed:?}, of which it must see what was committed \
             when it was asked for"
        ),
        (_, None) => match last.and_then(Action::server) {
            Some(id) => {
                format!(
                    "{id} made a promise that its disk does not hold ({})",
                    disk(state.server(id))
                )
            }
            None => "a promise was made that no disk holds".to_owned(),
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
