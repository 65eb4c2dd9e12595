//! What a step was, in one line.

use crate::action::Action;
use crate::log::value_name;
use crate::membership::Plan;
use crate::message::Packed;
use crate::raft::Raft;
use crate::reductions;
use crate::rules;
use crate::server::{Role, Server, ServerId};
use crate::state::State;

pub(super) fn title(raft: &Raft, before: &State, action: Action, after: &State) -> String {
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
