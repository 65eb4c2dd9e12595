//! Which messages a step rests on, and in which steps they were sent: the arrows of a sequence diagram.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::action::Action;
use crate::message::{Message, Packed};
use crate::server::ServerId;
use crate::state::State;

/// A message that a step takes in or counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// Who sent it.
    pub from: String,
    /// In which step, from one.
    pub sent_in: usize,
    /// What it says.
    pub message: String,
}

/// When messages were sent, as a story is told.
#[derive(Default)]
pub(super) struct Sent(BTreeMap<Packed, usize>);

impl Sent {
    /// A step was taken.
    pub(super) fn note(&mut self, number: usize, before: &State, after: &State) {
        let old = before.network().as_slice();
        let new = after.network().as_slice().iter();
        for message in new.filter(|message| !old.contains(message)) {
            self.0.insert(*message, number);
        }
    }

    /// What the step by `action` rests on.
    pub(super) fn arrivals(&self, before: &State, action: Action) -> Vec<Arrival> {
        let told = |message: Packed| Arrival {
            from: message.from().to_string(),
            sent_in: self.0.get(&message).copied().unwrap_or(0),
            message: message.unpack().to_string(),
        };
        used(before, action).into_iter().map(told).collect()
    }
}

/// The messages, one from each sender where they are counted.
fn used(before: &State, action: Action) -> Vec<Packed> {
    let of = |id: ServerId| before.server(id);
    match action {
        Action::HandleRequestVote(_, message)
        | Action::HandleAppendEntries(_, message)
        | Action::HandleTimeoutNow(_, message)
        | Action::HandleInstallSnapshot(_, message)
        | Action::HandlePreVote(_, message)
        | Action::HandleHeartbeat(_, message) => vec![message],
        Action::AdoptTerm(id, term) => {
            let messages = before.network().as_slice().iter().copied();
            let mut heard = messages.filter(|m| m.term() == term && m.from() != id);
            heard.next().into_iter().collect()
        }
        Action::Timeout(id) => counted(before, |message| {
            let asked_in = of(id).term();
            matches!(message, Message::PreVoteGrant { term, candidate, .. }
                if term == asked_in && candidate == id)
        }),
        Action::BecomeLeader(id) => counted(before, |message| {
            let now = of(id).term();
            matches!(message, Message::Grant { term, candidate, .. }
                if term == now && candidate == id)
        }),
        Action::AdvanceCommit(id, index) => counted(before, |message| {
            let now = of(id).term();
            matches!(message, Message::Ack { term, leader, matched, .. }
                if term == now && leader == id && matched >= index)
        }),
        Action::ConfirmLease(id) | Action::ServeRead(id, _) => counted(
            before,
            |message| matches!(message, Message::HeartbeatAck { leader, .. } if leader == id),
        ),
        _ => Vec::new(),
    }
}

/// The last such message of each sender.
fn counted(before: &State, wanted: impl Fn(Message) -> bool) -> Vec<Packed> {
    let mut last: BTreeMap<ServerId, Packed> = BTreeMap::new();
    for message in before.network().as_slice() {
        if wanted(message.unpack()) {
            last.insert(message.from(), *message);
        }
    }
    last.into_values().collect()
}
