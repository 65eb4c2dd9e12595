//! The packed rules and those over unbounded numbers are the same: at every state of a scope, every step that the
//! specification takes is what the unbounded rule says, and where it takes none the unbounded rule changes
//! nothing.

use std::collections::{HashSet, VecDeque};

use plumb_model::relation::{
    Append, Change, Entries, Position, Standing, adopt_term, advance_commit, append_entries,
    become_leader, client_request, request_vote, step_down, timeout,
};
use plumb_model::{
    Ablations, Action, Log, Message, Packed, Raft, Role, Server, ServerId, State, scope,
};
use stateright::Model;

struct View(Log);

impl Entries for View {
    fn last(&self) -> (u64, u64) {
        (self.0.len().into(), self.0.last_term().into())
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        let index = u8::try_from(index).ok().filter(|index| *index > 0)?;
        self.0.get(index).map(|entry| entry.term.into())
    }

    fn is_compacted(&self, _: u64) -> bool {
        false
    }
}

fn position(server: Server) -> Position {
    Position {
        term: server.term().into(),
        vote: server.vote().map(|id| id.0.into()),
        standing: match server.role() {
            Role::Follower => Standing::Follower,
            Role::Candidate => Standing::Candidate,
            Role::Leader => Standing::Leader,
        },
        commit: server.commit().into(),
    }
}

fn terms(log: Log) -> Vec<u64> {
    log.entries().map(|entry| entry.term.into()).collect()
}

fn changed(log: Log, change: &Change) -> Vec<u64> {
    let mut terms = terms(log);
    if let Change::From(index, new) = change {
        terms.truncate(usize::try_from(*index).expect("small") - 1);
        terms.extend(new);
    }
    terms
}

/// What the unbounded rules make of a step: the server's numbers and the terms in its log.
fn taken(before: Server, id: ServerId, action: Action) -> (Position, Vec<u64>) {
    let (was, log) = (position(before), View(before.log()));
    let kept = terms(before.log());
    let me = u64::from(id.0);
    match action {
        Action::Timeout(_) => (timeout(was, me), kept),
        Action::AdoptTerm(_, term) => (adopt_term(was, term.into()), kept),
        Action::HandleRequestVote(_, message) => {
            (vote(was, &log, message).expect("it is granted"), kept)
        }
        Action::BecomeLeader(_) => (become_leader(was).expect("it may lead"), kept),
        Action::ClientRequest(_) => {
            let change = client_request(was, &log, 1).expect("it leads");
            (was, changed(before.log(), &change))
        }
        Action::HandleAppendEntries(_, message) => {
            let (is, change) = append(was, &log, message);
            (is, changed(before.log(), &change.unwrap_or(Change::Kept)))
        }
        Action::AdvanceCommit(_, index) => {
            let is = advance_commit(was, &log, index.into());
            (is.expect("it may commit"), kept)
        }
        Action::ClientRetry(..) | Action::ChangeConfiguration(..) => {
            let change = client_request(was, &log, 1).expect("it leads");
            (was, changed(before.log(), &change))
        }
        Action::LeaveOffice(_) | Action::StepDown(_) => (step_down(was), kept),
        Action::HandleHeartbeat(..) if was.standing == Standing::Candidate => {
            (step_down(was), kept)
        }
        Action::SendAppendEntries(..)
        | Action::Persist(_)
        | Action::BeginRound(_)
        | Action::HandleHeartbeat(..)
        | Action::AskRead(_)
        | Action::ServeRead(..)
        | Action::Tick
        | Action::AskPreVote(_)
        | Action::HandlePreVote(..)
        | Action::Compact(_)
        | Action::ConfirmLease(_)
        | Action::LeaseRead(_)
        | Action::TransferLeadership(..) => (was, kept),
        Action::HandleInstallSnapshot(..) => unreachable!("these scopes have no snapshots"),
        Action::HandleTimeoutNow(..) => (timeout(was, me), kept),
        Action::CrashAndRestart(_) => {
            let is = Position {
                term: before.durable_term().into(),
                vote: before.durable_vote().map(|id| id.0.into()),
                standing: Standing::Follower,
                commit: 0,
            };
            (is, terms(before.durable_log()))
        }
    }
}

fn vote(was: Position, log: &View, message: Packed) -> Option<Position> {
    let Message::RequestVote {
        term,
        candidate,
        last_index,
        last_term,
        ..
    } = message.unpack()
    else {
        return None;
    };
    let last = (last_term.into(), last_index.into());
    request_vote(was, log, candidate.0.into(), term.into(), last)
}

fn append(was: Position, log: &View, message: Packed) -> (Position, Option<Change>) {
    let Message::AppendEntries {
        prev_index,
        prev_term,
        entry,
        commit,
        ..
    } = message.unpack()
    else {
        return (was, None);
    };
    let entries: Vec<u64> = entry.iter().map(|entry| entry.term.into()).collect();
    let append = Append {
        prev_index: prev_index.into(),
        prev_term: prev_term.into(),
        entries: &entries,
        commit: commit.into(),
    };
    append_entries(was, log, append)
}

/// What was sent and is no step of the specification changes nothing by the unbounded rules.
fn nothing_else(state: &State, id: ServerId, actions: &[Action]) {
    let server = state.server(id);
    let (was, log) = (position(server), View(server.log()));
    for message in state.network().as_slice().iter().copied() {
        if message.term() != server.term() || message.from() == id {
            continue;
        }
        if !actions.contains(&Action::HandleRequestVote(id, message)) {
            let is = vote(was, &log, message);
            assert!(is.is_none_or(|is| is == was), "{id} {message:?}");
        }
        if !actions.contains(&Action::HandleAppendEntries(id, message)) {
            let (is, change) = append(was, &log, message);
            assert_eq!(is, was, "{id} {message:?}");
            assert_eq!(
                change.unwrap_or(Change::Kept),
                Change::Kept,
                "{id} {message:?}"
            );
        }
    }
}

#[test]
fn packed_and_unbounded_rules_are_the_same_at_every_step() {
    let mut compared = 0_u64;
    for name in ["tiny", "small", "reads-terms", "one-by-one", "pre-vote"] {
        let scope = scope(name).expect("the scope exists");
        let raft = Raft::new(scope.bounds, Ablations::NONE).expect("the bounds fit");
        let mut seen: HashSet<State> = raft.init_states().into_iter().collect();
        let mut next: VecDeque<State> = seen.iter().cloned().collect();
        let mut actions = Vec::new();
        while let Some(state) = next.pop_front() {
            actions.clear();
            raft.actions(&state, &mut actions);
            for action in &actions {
                let Some(after) = raft.next_state(&state, *action) else {
                    continue;
                };
                let id = action.server().expect("no time passes in these scopes");
                let (is, log) = taken(state.server(id), id, *action);
                assert_eq!(is, position(after.server(id)), "{action:?}");
                assert_eq!(log, terms(after.server(id).log()), "{action:?}");
                compared += 1;
                if seen.len() < 60_000 && seen.insert(after.clone()) {
                    next.push_back(after);
                }
            }
            for id in state.ids() {
                nothing_else(&state, id, &actions);
            }
        }
    }
    assert!(compared > 10_000, "{compared} steps were compared");
}
