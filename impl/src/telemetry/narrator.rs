//! A server's steps as [`tracing`] events: changes of role, term, leader and membership as they happen
//! (`info`), what becomes of the log (`debug`), every message (`trace`).

use std::sync::{Mutex, PoisonError};

use crate::core::{Effects, Input, Node, RoleKind, Write};
use crate::server::Observer;
use crate::storage::RecoveryReport;
use crate::types::{LogIndex, NodeId, Payload, Term};

/// Tells what a server does.
#[derive(Debug, Default)]
pub struct Narrator {
    before: Mutex<Option<Before>>,
}

/// What a step is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Before {
    term: Term,
    role: RoleKind,
    leader: Option<NodeId>,
    commit_index: LogIndex,
    membership_index: LogIndex,
}

impl Before {
    fn of(node: &Node) -> Before {
        Before {
            term: node.current_term(),
            role: node.role_kind(),
            leader: node.leader(),
            commit_index: node.commit_index(),
            membership_index: node.membership_index(),
        }
    }
}

impl Narrator {
    fn replace(&self, now: Before) -> Option<Before> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.replace(now)
    }
}

impl Observer for Narrator {
    fn recovered(&self, node: &Node, report: &RecoveryReport) {
        tracing::info!(
            server = %node.id(),
            term = node.current_term().0,
            last_index = node.log().last_index().0,
            snapshot_index = node.snapshot_index().0,
            segments = report.segments,
            records = report.records,
            torn_bytes = report.torn_bytes(),
            "started with what its disk remembers"
        );
        self.replace(Before::of(node));
    }

    fn before_step(&self, _: &Node, input: &Input) {
        if let Input::Receive(envelope) = input {
            tracing::trace!(from = %envelope.from, message = ?envelope.message, "received");
        }
    }

    fn after_step(&self, node: &Node, effects: &Effects) {
        let now = Before::of(node);
        let Some(was) = self.replace(now.clone()) else {
            return;
        };
        let term = now.term.0;
        if (now.term, now.role) != (was.term, was.role) {
            tracing::info!(term, from = was.role.name(), to = now.role.name(), "role");
        }
        if now.leader.is_some() && (now.term, now.leader) != (was.term, was.leader) {
            let leader = now.leader.map(|id| id.to_string()).unwrap_or_default();
            tracing::info!(term, %leader, "a leader is known");
        }
        if now.membership_index != was.membership_index {
            let index = now.membership_index.0;
            tracing::info!(term, index, membership = ?node.membership(), "membership in force");
        }
        for write in effects.persist.iter().flat_map(|batch| &batch.writes) {
            narrate(write);
        }
        if let Some(snapshot) = &effects.restore {
            let (index, bytes) = (snapshot.last_index.0, snapshot.data.len());
            tracing::info!(
                term,
                index,
                bytes,
                "a leader's snapshot replaces the state machine"
            );
        }
        if now.commit_index != was.commit_index {
            tracing::debug!(term, commit_index = now.commit_index.0, "committed");
        }
        for envelope in &effects.send {
            tracing::trace!(to = %envelope.to, message = ?envelope.message, "sends");
        }
    }
}

fn narrate(write: &Write) {
    match write {
        Write::HardState(state) => {
            let vote = state.voted_for.map(|id| id.to_string());
            tracing::debug!(
                term = state.current_term.0,
                vote,
                "term and vote to the log"
            );
        }
        Write::Truncate(from) => tracing::info!(from = from.0, "conflicting entries are cut off"),
        Write::Append(entries) => {
            let first = entries.first().map_or(0, |entry| entry.index.0);
            let commands = entries
                .iter()
                .filter(|e| matches!(e.payload, Payload::Command(_)));
            let (entries, commands) = (entries.len(), commands.count());
            tracing::debug!(first, entries, commands, "entries to the log");
        }
        Write::Snapshot { snapshot, base } => {
            let (index, bytes, base) = (snapshot.last_index.0, snapshot.data.len(), base.0.0);
            tracing::info!(
                index,
                bytes,
                base,
                "a snapshot is saved, and what it covers dropped"
            );
        }
    }
}
