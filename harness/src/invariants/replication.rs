//! Rules on logs, on what is committed, and on what is applied (§5.3, §5.4.2).

use plumb_raft::core::{Node, Progress, Role, RoleKind};
use plumb_raft::types::{Entry, LogIndex, NodeId, Payload, Term};

use super::disk::{Mark, mark};
use super::elections::decide;
use super::judge::{Before, Cause, Judge};

/// The term of what came before an entry, and the entry.
type Place = (Option<Term>, Mark);

/// Every entry that ever stood in a log, by its index: few stood at the same one.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<Vec<(Term, Place)>>);

impl Seen {
    /// The first entry that was seen of a term at an index: this one, if there was none before.
    pub(super) fn first(&mut self, (index, term): (LogIndex, Term), is: Place) -> Place {
        let place = index.0 as usize;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Vec::new);
        }
        let here = &mut self.0[place];
        if let Some((_, was)) = here.iter().find(|(of, _)| *of == term) {
            return *was;
        }
        here.push((term, is));
        is
    }
}

impl Judge {
    /// Two entries with the same index and term are the same and follow entries of the same term;
    /// by induction, so does all before them.
    pub(super) fn log_matching(
        &mut self,
        at_ns: u64,
        node: &Node,
        entries: &[Entry],
        marks: &[Mark],
    ) {
        for (entry, mark) in entries.iter().zip(marks) {
            let prev = node.log().term_at(entry.index.prev());
            let is = (prev, *mark);
            let was = self.seen.first((entry.index, entry.term), is);
            if was != is {
                let what = format!(
                    "{} has another entry {} of term {} than a server had before",
                    node.id(),
                    entry.index,
                    entry.term
                );
                self.rule(at_ns, "Log Matching", what);
            }
        }
    }

    /// Nothing that is committed is ever cut from a log that has it, but for a snapshot that stands for it.
    pub(super) fn committed_entries_stay(&mut self, at_ns: u64, node: &Node, from: LogIndex) {
        let committed = &self.committed;
        let image = &self.servers.get(node.id()).map(|server| &server.image);
        let cut = image
            .iter()
            .flat_map(|image| image.from(from))
            .find(|(index, mark)| committed.get(index.prev().0 as usize) == Some(mark));
        if let Some((index, _)) = cut {
            let what = format!("{} cuts entry {index}, which is committed", node.id());
            self.rule(at_ns, "Committed Entries Stay", what);
        }
    }

    /// A leader takes for committed what is of its own term and on the disks of deciding majorities
    /// (§5.4.2).
    pub(super) fn commitment(&mut self, at_ns: u64, node: &Node, before: &Before, now: &Before) {
        if now.role != RoleKind::Leader || now.commit <= before.commit {
            return;
        }
        let (id, index) = (node.id(), now.commit);
        let Some(entry) = node.log().get(index) else {
            return;
        };
        if entry.term != now.term {
            let what = format!(
                "{id}, leading term {}, commits entry {index} of term {} by counting",
                now.term, entry.term
            );
            self.rule(at_ns, "Only Its Own Term's Entries", what);
        }
        let Some(membership) = self.server(id).memberships.in_force().cloned() else {
            return;
        };
        let mark = mark(entry);
        let holds = |holder: NodeId| {
            let server = self.servers.get(holder);
            server.is_some_and(|server| server.disk.durable.holds_this(index, mark))
        };
        if !decide(&membership, holds) {
            let holders: Vec<String> = self
                .servers
                .ids()
                .filter(|holder| holds(*holder))
                .map(|holder| holder.to_string())
                .collect();
            let what = format!(
                "{id} takes entry {index} for committed, which is on the disks of {}: no majority",
                if holders.is_empty() {
                    "nobody".to_owned()
                } else {
                    holders.join(" ")
                }
            );
            self.rule(at_ns, "Committed By A Majority", what);
        }
    }

    /// What a leader knows of a follower only grows (Figure 2), is on the follower's disk, and what it sends
    /// next lies behind it.
    pub(super) fn progress_of_followers(
        &mut self,
        at_ns: u64,
        node: &Node,
        before: &Before,
        now: &Before,
    ) {
        let (Cause::Message { from, .. }, RoleKind::Leader) = (before.cause, now.role) else {
            return;
        };
        let Role::Leader(leadership) = node.role() else {
            return;
        };
        let Some(progress) = leadership.progress.get(&from) else {
            return;
        };
        self.progress_of(at_ns, node, from, progress);
    }

    /// The same, of one follower from which the leader has just heard.
    pub(super) fn progress_of(
        &mut self,
        at_ns: u64,
        node: &Node,
        from: NodeId,
        progress: &Progress,
    ) {
        let (since, matched) = (progress.since, progress.match_index);
        let member = progress.leaving.is_none();
        if let Some(entry) = node.log().get(matched).filter(|_| member) {
            let durable = self
                .servers
                .get(from)
                .map(|server| &server.disk.durable)
                // Who knows of a later leader may have cut what this one replicated.
                .filter(|durable| durable.hard_state.current_term <= node.current_term());
            if durable.is_some_and(|durable| !durable.holds_this(matched, mark(entry))) {
                let what = format!(
                    "{} takes entry {matched} of term {} to be on {from}'s disk, which it is not",
                    node.id(),
                    entry.term
                );
                self.rule(at_ns, "Matches Are Durable", what);
            }
        }
        let known = &mut self.server(node.id()).matched;
        let last = known.get(from).copied();
        *known.of(from) = (since, matched);
        if last.is_some_and(|(then, index)| then == since && index > matched) {
            let what = format!(
                "{} held {from} to have more than the {matched} entries that it holds it to have now",
                node.id()
            );
            self.rule(at_ns, "Progress Only Grows", what);
        }
        if progress.next_index <= matched {
            let what = format!(
                "{} would send {from} entry {}, which it has",
                node.id(),
                progress.next_index
            );
            self.rule(at_ns, "Progress Only Grows", what);
        }
    }

    /// No two servers apply different entries at the same index.
    pub(super) fn state_machine_safety(&mut self, at_ns: u64, node: &Node, entry: &Entry) {
        let server = self.server(node.id());
        let in_order = entry.index == server.applied.next();
        server.applied = entry.index;
        if !in_order {
            let what = format!("{} applies entry {} out of order", node.id(), entry.index);
            self.rule(at_ns, "State Machine Safety", what);
            return;
        }
        let applied = mark(entry);
        match self.committed.get(entry.index.prev().0 as usize) {
            None => {
                self.committed.push(applied);
                self.committed_in.push(node.current_term());
                self.last_commit_ns = at_ns;
                self.coverage.commits += 1;
                if let Payload::Membership(membership) = &entry.payload {
                    self.coverage.joint_phases += u64::from(membership.is_joint());
                    self.coverage.memberships += 1;
                    self.memberships.insert(entry.index, membership.clone());
                }
                let inherited = entry.term < node.current_term();
                self.coverage.inherited_commits += u64::from(inherited);
            }
            Some(committed) if *committed != applied => {
                let what = format!(
                    "{} applies another entry {} (term {}) than a server did before (term {})",
                    node.id(),
                    entry.index,
                    entry.term,
                    committed.0
                );
                self.rule(at_ns, "State Machine Safety", what);
            }
            Some(_) => {}
        }
    }
}
