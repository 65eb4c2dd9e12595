//! Faults that wait for an event on a server: which of them wait, and whom they have met.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plumb_raft::core::{Answer, AppendOutcome, Effects, Message, Node, RoleKind, Write};
use plumb_raft::types::{LogIndex, NodeId, Payload};

use crate::scenario::{Anchor, Happening};

/// One fault that waits.
#[derive(Debug)]
struct Waiting {
    fault: usize,
    event: Happening,
    /// So many of these pass first.
    skip: u64,
}

/// All faults that wait.
#[derive(Debug, Default)]
pub struct Anchors {
    waiting: Vec<Waiting>,
    /// What has come to pass: a fault, and the server to which it happened.
    struck: Vec<(usize, NodeId)>,
    /// Set as soon as anything has, for whoever lets time pass.
    has_struck: Arc<AtomicBool>,
    /// The server as it was before the step under way.
    before: Option<(RoleKind, LogIndex)>,
}

impl Anchors {
    /// Is set while there is something to take: for a world, which stops then.
    pub(super) fn signal(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_struck)
    }

    /// A fault begins to wait.
    pub(super) fn arm(&mut self, fault: usize, anchor: Anchor) {
        self.waiting.push(Waiting {
            fault,
            event: anchor.event,
            skip: anchor.skip,
        });
    }

    /// A fault has waited long enough.
    pub(super) fn give_up(&mut self, fault: usize) {
        self.waiting.retain(|waiting| waiting.fault != fault);
    }

    /// What has come to pass since this was last asked, in order.
    pub(super) fn take(&mut self) -> Vec<(usize, NodeId)> {
        self.has_struck.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.struck)
    }

    pub(super) fn before_step(&mut self, node: &Node) {
        if !self.waiting.is_empty() {
            self.before = Some((node.role_kind(), node.commit_index()));
        }
    }

    pub(super) fn after_step(&mut self, node: &Node, effects: &Effects) {
        let Some(before) = self.before.take() else {
            return;
        };
        self.happened(node.id(), |event| happens(event, before, node, effects));
    }

    pub(super) fn recovered(&mut self, node: &Node) {
        self.happened(node.id(), |event| event == Happening::Started);
    }

    /// These have happened to a guest, of which no more is seen.
    pub(super) fn guest_happened(&mut self, id: NodeId, events: &[Happening]) {
        if !self.waiting.is_empty() {
            self.happened(id, |event| events.contains(&event));
        }
    }

    fn happened(&mut self, id: NodeId, happens: impl Fn(Happening) -> bool) {
        let struck = &mut self.struck;
        self.waiting.retain_mut(|waiting| {
            if !happens(waiting.event) {
                return true;
            }
            if waiting.skip > 0 {
                waiting.skip -= 1;
                return true;
            }
            struck.push((waiting.fault, id));
            false
        });
        if !self.struck.is_empty() {
            self.has_struck.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether a step was such an event.
fn happens(
    event: Happening,
    (role, commit): (RoleKind, LogIndex),
    node: &Node,
    effects: &Effects,
) -> bool {
    let led = role == RoleKind::Leader;
    let leads = node.role_kind() == RoleKind::Leader;
    let writes = |test: fn(&Write) -> bool| {
        let batch = effects.persist.as_ref();
        batch.is_some_and(|batch| batch.writes.iter().any(test))
    };
    let sends = |test: fn(&Message) -> bool| effects.send.iter().any(|sent| test(&sent.message));
    let appends: fn(&Write) -> bool = |write| matches!(write, Write::Append(_));
    match event {
        Happening::Elected => leads && !led,
        Happening::Deposed => led && !leads,
        Happening::Appended => leads && writes(appends),
        Happening::Stored => !leads && writes(appends),
        Happening::Acknowledged => sends(|message| {
            matches!(
                message,
                Message::AppendEntriesReply {
                    outcome: AppendOutcome::Matched(_),
                    ..
                }
            )
        }),
        Happening::Voted => {
            sends(|message| matches!(message, Message::RequestVoteReply { granted: true, .. }))
        }
        Happening::Committed => leads && node.commit_index() > commit,
        Happening::ReadServed => {
            let answers = &mut effects.answers.iter();
            leads && answers.any(|(_, answer)| matches!(answer, Answer::ReadAt(_)))
        }
        Happening::SnapshotSaved => writes(|write| matches!(write, Write::Snapshot { .. })),
        Happening::SnapshotInstalled => effects.restore.is_some(),
        Happening::Truncated => writes(|write| matches!(write, Write::Truncate(_))),
        Happening::Reconfigured => writes(|write| match write {
            Write::Append(entries) => {
                let mut entries = entries.iter();
                entries.any(|entry| matches!(entry.payload, Payload::Membership(_)))
            }
            _ => false,
        }),
        Happening::ToldToStand => sends(|message| matches!(message, Message::TimeoutNow { .. })),
        Happening::Started => false,
    }
}
