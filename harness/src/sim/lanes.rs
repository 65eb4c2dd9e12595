//! What each server was when, for the lanes of a history's page: the trace's little sister, in numbers.

use std::collections::BTreeMap;

use plumb_histories::browser::{MarkKind, ServerChange, ServerLanes, ServerMark, ServerRole};
use plumb_histories::{History, NemesisEvent};
use plumb_raft::core::{Effects, Input, Node, RoleKind};
use plumb_raft::types::{Membership, NodeId};

use super::messages::Messages;

/// A server as it was last seen.
#[derive(Debug)]
struct Seen {
    at_ns: u64,
    change: ServerChange,
    /// Of guests it is not known.
    membership: Option<Membership>,
}

/// The changes so far; recording can be off, since a sweep has no use for them.
#[derive(Debug, Default)]
pub struct Lanes {
    recording: bool,
    servers: BTreeMap<NodeId, Seen>,
    changes: Vec<ServerChange>,
    marks: Vec<ServerMark>,
    messages: Messages,
}

impl Lanes {
    /// Lanes that keep their changes, or none.
    #[must_use]
    pub fn new(recording: bool) -> Lanes {
        Lanes {
            recording,
            ..Lanes::default()
        }
    }

    /// A server has started. If it ran before, it was down since it last did something.
    pub fn recovered(&mut self, at_ns: u64, node: &Node) {
        if !self.recording {
            return;
        }
        if let Some(seen) = self.servers.remove(&node.id()) {
            self.changes.push(down(&seen, seen.at_ns));
        }
        self.see_node(at_ns, change(at_ns, node, 0), node);
    }

    /// A server is about to take an input.
    #[inline]
    pub fn before_step(&mut self, at_ns: u64, node: &Node, input: &Input) {
        if self.recording {
            self.keep_input(at_ns, node, input);
        }
    }

    fn keep_input(&mut self, at_ns: u64, node: &Node, input: &Input) {
        match input {
            Input::Receive(envelope) => self.messages.taken(at_ns, envelope),
            Input::SnapshotTaken { index, data } => {
                let what = format!("has written its state at {index}, {} bytes", data.len());
                self.mark(at_ns, node, MarkKind::Snapshot, what);
            }
            _ => {}
        }
    }

    /// A server has taken a step.
    #[inline]
    pub fn after_step(&mut self, at_ns: u64, node: &Node, effects: &Effects) {
        if self.recording {
            self.keep_step(at_ns, node, effects);
        }
    }

    fn keep_step(&mut self, at_ns: u64, node: &Node, effects: &Effects) {
        let before = self.servers.get(&node.id());
        let before = before.map_or(0, |seen| seen.change.applied);
        let applied = effects.apply.last().map_or(before, |entry| entry.index.0);
        if let Some(snapshot) = &effects.restore {
            let what = format!(
                "installs the snapshot of {}@{}",
                snapshot.last_index, snapshot.last_term
            );
            self.mark(at_ns, node, MarkKind::Restore, what);
        }
        let known = self.servers.get(&node.id());
        let known = known.and_then(|seen| seen.membership.as_ref());
        if known.is_some_and(|known| known != node.membership()) {
            let what = in_words(node.membership());
            self.mark(at_ns, node, MarkKind::Membership, what);
        }
        self.messages.sent(at_ns, &effects.send);
        self.see_node(at_ns, change(at_ns, node, applied), node);
    }

    fn mark(&mut self, at_ns: u64, node: &Node, kind: MarkKind, what: String) {
        self.marks.push(ServerMark {
            at_ns,
            server: place(node.id()),
            kind,
            what,
        });
    }

    /// Whether changes are kept.
    pub(super) fn is_recording(&self) -> bool {
        self.recording
    }

    /// A guest has started.
    pub(super) fn guest_recovered(&mut self, id: NodeId, change: ServerChange) {
        if !self.recording {
            return;
        }
        if let Some(seen) = self.servers.remove(&id) {
            self.changes.push(down(&seen, seen.at_ns));
        }
        self.see(change.at_ns, change, id);
    }

    fn see_node(&mut self, at_ns: u64, change: ServerChange, node: &Node) {
        self.see(at_ns, change, node.id());
        if let Some(seen) = self.servers.get_mut(&node.id()) {
            let membership = seen.membership.get_or_insert_default();
            membership.clone_from(node.membership());
        }
    }

    /// A server has changed, or has done something and is as before.
    pub(super) fn see(&mut self, at_ns: u64, change: ServerChange, id: NodeId) {
        let same = self.servers.get(&id).is_some_and(|seen| {
            let at_ns = seen.change.at_ns;
            seen.change
                == ServerChange {
                    at_ns,
                    ..change.clone()
                }
        });
        if same {
            if let Some(seen) = self.servers.get_mut(&id) {
                seen.at_ns = at_ns;
            }
            return;
        }
        self.changes.push(change.clone());
        let known = self.servers.remove(&id);
        let seen = Seen {
            at_ns,
            change,
            membership: known.and_then(|seen| seen.membership),
        };
        self.servers.insert(id, seen);
    }

    /// The lanes. A server doesn't see its own crash; what the nemesis did tells when it was.
    #[must_use]
    pub fn finish(mut self, history: &History) -> ServerLanes {
        let ids: Vec<NodeId> = self.servers.keys().copied().collect();
        let crashes: Vec<&NemesisEvent> = history
            .nemesis()
            .iter()
            .filter(|event| is_crash(event))
            .collect();
        for seen in self.servers.values() {
            let last = crashes
                .iter()
                .find(|crash| crash.time_ns >= seen.at_ns && strikes(crash, &seen.change));
            if let Some(crash) = last {
                self.changes.push(down(seen, crash.time_ns));
            }
        }
        for i in 0..self.changes.len() {
            if self.changes[i].role == ServerRole::Down {
                let restart = self.changes[i + 1..]
                    .iter()
                    .find(|next| next.server == self.changes[i].server);
                let until = restart.map_or(u64::MAX, |next| next.at_ns);
                let from = self.changes[i].at_ns;
                if let Some(crash) = crashes
                    .iter()
                    .find(|crash| (from..until).contains(&crash.time_ns))
                {
                    self.changes[i].at_ns = crash.time_ns;
                }
            }
        }
        self.changes.sort_by_key(|change| change.at_ns);
        // By number until here: names come once all servers are known.
        let row = |number: usize| ids.iter().position(|id| place(*id) == number);
        for change in &mut self.changes {
            change.server = row(change.server).unwrap_or(usize::MAX);
            change.vote = change.vote.and_then(row);
        }
        for mark in &mut self.marks {
            mark.server = row(mark.server).unwrap_or(usize::MAX);
        }
        ServerLanes {
            plumb_lanes: 1,
            servers: ids.iter().map(ToString::to_string).collect(),
            changes: self.changes,
            marks: self.marks,
            messages: self.messages.finish(&ids),
        }
    }
}

fn is_crash(event: &NemesisEvent) -> bool {
    let words = event.value.as_str().unwrap_or_default();
    event.f == "begins" && (words.starts_with("crash") || words.starts_with("power loss"))
}

/// Whether a crash can have been this server's.
fn strikes(crash: &NemesisEvent, last: &ServerChange) -> bool {
    let words = crash.value.as_str().unwrap_or_default();
    words.starts_with("power loss")
        || words.starts_with(&format!("crash n{},", last.server))
        || (words.starts_with("crash the leader") && last.role == ServerRole::Leader)
}

fn down(seen: &Seen, at_ns: u64) -> ServerChange {
    ServerChange {
        at_ns,
        role: ServerRole::Down,
        ..seen.change.clone()
    }
}

/// A server's number, which stands for its place until all are known.
fn place(id: NodeId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

/// Who votes and who listens, in words.
fn in_words(membership: &Membership) -> String {
    let named = |ids: &std::collections::BTreeSet<NodeId>| {
        let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        names.join(" ")
    };
    let mut words = format!("members: {}", named(&membership.voters));
    if !membership.outgoing.is_empty() {
        words.push_str(&format!(", jointly with {}", named(&membership.outgoing)));
    }
    if !membership.learners.is_empty() {
        words.push_str(&format!("; learners: {}", named(&membership.learners)));
    }
    words
}

fn change(at_ns: u64, node: &Node, applied: u64) -> ServerChange {
    ServerChange {
        at_ns,
        server: place(node.id()),
        role: match node.role_kind() {
            RoleKind::Follower => ServerRole::Follower,
            RoleKind::PreCandidate | RoleKind::Candidate => ServerRole::Candidate,
            RoleKind::Leader => ServerRole::Leader,
        },
        term: node.current_term().0,
        vote: node.hard_state().voted_for.map(place),
        commit: node.commit_index().0,
        applied,
        last: node.log().last_index().0,
        log: runs(node),
    }
}

/// The log as runs of entries of one term, as far as it has not been compacted.
fn runs(node: &Node) -> Vec<(u64, u64)> {
    let (log, mut index, mut runs) = (node.log(), node.log().last_index(), Vec::new());
    while index >= log.first_index()
        && let Some(term) = log.term_at(index)
    {
        let first = log.first_index_of_run(index);
        runs.push((term.0, first.0));
        index = first.prev();
    }
    runs.reverse();
    runs
}
