//! What a cluster answered, for people and as JSON, and which exit code it comes to.

use bytes::Bytes;
use plumb_raft::client::Outcome;
use plumb_raft::net::protocol::Status;
use plumb_raft::types::NodeId;
use serde_json::{Value, json};

use super::cluster::Seen;
use crate::cli::{Exit, files};

/// The version of the JSON.
const VERSION: u32 = 1;

/// What came of a command.
pub(super) enum Answer {
    /// It is done.
    Done,
    /// A key's value, if it has one.
    Value(Option<Bytes>),
    /// A transaction took effect; what its reads saw.
    Read(Vec<Option<Bytes>>),
    /// A compare-and-set found this instead, and changed nothing.
    AnotherValue(Option<Bytes>),
    /// A transaction's step, from zero, found this instead, and nothing was changed.
    Aborted(u32, Option<Bytes>),
    /// There was nothing to do.
    Already(String),
    /// It was not done, and never will be.
    Failed(&'static str),
    /// Nobody knows.
    Unknown(&'static str),
}

/// An outcome without a result of its own.
pub(super) fn done(outcome: Outcome<()>) -> Answer {
    match outcome {
        Outcome::Ok(()) => Answer::Done,
        other => undone(&other),
    }
}

/// What was not done.
pub(super) fn undone<T>(outcome: &Outcome<T>) -> Answer {
    match outcome {
        Outcome::Ok(_) => Answer::Done,
        Outcome::Failed(why) => Answer::Failed(why),
        Outcome::Unknown(why) => Answer::Unknown(why),
    }
}

fn text(value: Option<&Bytes>) -> Option<String> {
    value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn words(value: Option<&Bytes>) -> String {
    text(value).unwrap_or_else(|| "no value".to_owned())
}

impl Answer {
    fn exit(&self) -> Exit {
        match self {
            Answer::Done | Answer::Value(Some(_)) | Answer::Read(_) => Exit::Holds,
            Answer::Value(None)
            | Answer::AnotherValue(_)
            | Answer::Aborted(..)
            | Answer::Already(_)
            | Answer::Failed(_) => Exit::Violation,
            Answer::Unknown(_) => Exit::Undecided,
        }
    }

    /// Prints it, and says how the command ends. `trouble` is what went wrong last on the way.
    pub(super) fn print(&self, trouble: Option<&str>, json: bool) -> Exit {
        let exit = self.exit();
        if json {
            let mut value = self.as_json();
            value["plumb_kv"] = json!(VERSION);
            if exit == Exit::Undecided || matches!(self, Answer::Failed(_)) {
                value["trouble"] = json!(trouble);
            }
            files::print(format!("{value}\n"));
            return exit;
        }
        match self {
            Answer::Done => files::print("done\n"),
            Answer::Value(Some(value)) => files::print(format!("{}\n", words(Some(value)))),
            Answer::Read(reads) => {
                let lines = reads.iter().map(|read| words(read.as_ref()) + "\n");
                files::print(format!("committed\n{}", lines.collect::<String>()));
            }
            Answer::Value(None) => eprintln!("no value"),
            Answer::AnotherValue(found) => {
                eprintln!("nothing was changed: the key has {}", words(found.as_ref()));
            }
            Answer::Aborted(step, found) => {
                let (step, found) = (step + 1, words(found.as_ref()));
                eprintln!("nothing was changed: step {step} found {found}");
            }
            Answer::Already(what) => eprintln!("nothing was changed: {what}"),
            Answer::Failed(why) => {
                eprintln!("not done: {why}{}", because(trouble));
            }
            Answer::Unknown(why) => {
                eprintln!(
                    "unknown: {why}; it may have been done, or may be done yet{}",
                    because(trouble)
                );
            }
        }
        exit
    }

    fn as_json(&self) -> Value {
        match self {
            Answer::Done => json!({ "outcome": "ok" }),
            Answer::Value(value) => json!({ "outcome": "ok", "value": text(value.as_ref()) }),
            Answer::Read(reads) => {
                let reads: Vec<_> = reads.iter().map(|read| text(read.as_ref())).collect();
                json!({ "outcome": "ok", "reads": reads })
            }
            Answer::AnotherValue(found) => {
                json!({ "outcome": "mismatch", "found": text(found.as_ref()) })
            }
            Answer::Aborted(step, found) => {
                json!({ "outcome": "aborted", "step": step, "found": text(found.as_ref()) })
            }
            Answer::Already(what) => json!({ "outcome": "fail", "why": what }),
            Answer::Failed(why) => json!({ "outcome": "fail", "why": why }),
            Answer::Unknown(why) => json!({ "outcome": "info", "why": why }),
        }
    }
}

fn because(trouble: Option<&str>) -> String {
    trouble.map_or_else(String::new, |why| format!(" ({why})"))
}

/// Prints every server's view.
pub(super) fn status(seen: &Seen, json: bool) {
    if json {
        let servers: Vec<Value> = seen
            .servers
            .iter()
            .map(|(id, (addr, view))| as_json(*id, addr, view))
            .collect();
        files::print(format!(
            "{}\n",
            json!({ "plumb_kv": VERSION, "servers": servers })
        ));
        return;
    }
    let mut out = format!(
        "{:<6} {:<22} {:<13} {:>6} {:>7} {:>10} {:>10} {:>10} {:>10}\n",
        "server", "address", "role", "term", "leader", "last", "committed", "applied", "snapshot"
    );
    let best = seen.best();
    for (id, (addr, view)) in &seen.servers {
        match view {
            Ok(status) => {
                let leader = status.leader.map_or("-".to_owned(), |id| id.to_string());
                out.push_str(&format!(
                    "{:<6} {addr:<22} {:<13} {:>6} {leader:>7} {:>10} {:>10} {:>10} {:>10}\n",
                    id.to_string(),
                    role(status, best),
                    status.term.0,
                    status.last_index.0,
                    status.commit_index.0,
                    status.applied.0,
                    status.snapshot_index.0,
                ));
            }
            Err(why) => out.push_str(&format!("{:<6} {addr:<22} {why}\n", id.to_string())),
        }
    }
    if let Some(best) = best {
        for (id, matched) in &best.matched {
            let lag = best.last_index.0.saturating_sub(matched.0);
            if lag > 0 {
                out.push_str(&format!("{id} lacks {lag} entries of the leader's\n"));
            }
        }
        if best.membership.is_joint() {
            out.push_str("a change of the voters is under way\n");
        }
    }
    files::print(out);
}

/// What a server is, and whether it has a vote.
fn role(status: &Status, best: Option<&Status>) -> String {
    let membership = best.map(|best| &best.membership);
    let kind = match membership {
        Some(members) if members.is_voter(status.id) => return status.role.clone(),
        Some(members) if members.learners.contains(&status.id) => "learner",
        _ => "no member",
    };
    kind.to_owned()
}

fn as_json(id: NodeId, addr: &str, view: &Result<Status, String>) -> Value {
    match view {
        Err(why) => json!({ "id": id.0, "address": addr, "trouble": why }),
        Ok(status) => json!({
            "id": id.0,
            "address": addr,
            "role": status.role,
            "term": status.term.0,
            "leader": status.leader.map(|id| id.0),
            "first_index": status.first_index.0,
            "last_index": status.last_index.0,
            "commit_index": status.commit_index.0,
            "applied": status.applied.0,
            "snapshot_index": status.snapshot_index.0,
            "voters": ids(&status.membership.voters),
            "outgoing": ids(&status.membership.outgoing),
            "learners": ids(&status.membership.learners),
        }),
    }
}

fn ids(ids: &std::collections::BTreeSet<NodeId>) -> Vec<u64> {
    ids.iter().map(|id| id.0).collect()
}
