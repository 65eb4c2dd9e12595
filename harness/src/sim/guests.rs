//! What is seen of a guest: the same trace, lanes, judge and anchors as of a shipped replica, from its
//! metrics.

use plumb_histories::browser::{ServerChange, ServerRole};
use plumb_raft::core::RoleKind;
use plumb_raft::net::protocol::ResponseBody;
use plumb_raft::types::{NodeId, Term};

use super::peer::{Applied, Image, Input, Metrics, Out, Peer};
use super::watch::Watch;
use crate::scenario::Happening;

impl Watch {
    /// A guest has started, for the how-manieth time.
    pub(super) fn guest_started<P: Peer>(&self, id: u64, peer: &P, life: u64) {
        let (at_ns, id) = (self.now_ns(), NodeId(id));
        let mut watched = self.lock();
        let what = format!("starts: {}", words(peer.metrics()));
        watched.trace.note(at_ns, &id.to_string(), &what);
        watched.judge.guest_started(id, life > 1);
        watched.anchors.guest_happened(id, &[Happening::Started]);
        if let Some(now) = peer.metrics() {
            let change = lane(at_ns, id, &now, 0, peer);
            watched.lanes.guest_recovered(id, change);
        }
    }

    /// A guest is about to take an input.
    pub(super) fn guest_takes<M: std::fmt::Debug>(&self, id: u64, input: &Input<M>) {
        let mut watched = self.lock();
        if !watched.trace.is_recording() {
            return;
        }
        let what = match input {
            Input::Message { from, message } => format!("<- n{from} {message:?}"),
            Input::Wake => "wakes".to_owned(),
            Input::Synced(seq) => format!("#{seq} is durable"),
            Input::Call(_, body) => format!("is asked: {body:?}"),
        };
        watched.trace.note(self.now_ns(), &format!("n{id}"), &what);
    }

    /// A guest has taken an input, or started: what it was before, and what it wants done.
    pub(super) fn guest_took<P: Peer>(
        &self,
        id: u64,
        peer: &P,
        before: Option<Metrics>,
        out: &Out<P>,
        unsynced: &[<P::Disk as Image>::Write],
    ) {
        let (at_ns, id) = (self.now_ns(), NodeId(id));
        let now = peer.metrics();
        let mut watched = self.lock();
        if watched.trace.is_recording() {
            let who = id.to_string();
            let mut lines = Vec::new();
            if now != before && before.is_some() {
                lines.push(format!("  {} => {}", words(before), words(now)));
            }
            let writes = out
                .batches
                .iter()
                .map(|(seq, writes)| format!("  writes #{seq}: {writes:?}"));
            lines.extend(writes);
            if !unsynced.is_empty() {
                lines.push(format!("  writes, unsynced: {unsynced:?}"));
            }
            let sends = out.send.iter();
            lines.extend(sends.map(|(to, message)| format!("  -> n{to} {message:?}")));
            lines.extend(out.applied.iter().map(|applied| match applied {
                Applied::Entry { index, term, .. } => format!("  applies {index} of term {term}"),
                Applied::Snapshot { index } => format!("  restores its state at {index}"),
            }));
            let answers = out.answers.iter();
            lines.extend(answers.map(|(_, body)| format!("  answers: {body:?}")));
            for line in lines {
                watched.trace.note(at_ns, &who, &line);
            }
        }
        for applied in &out.applied {
            match applied {
                Applied::Entry {
                    index,
                    term,
                    digest,
                } => {
                    let entry = (Term(*term), *digest);
                    let by = (id, Term(now.map_or(*term, |now| now.term)));
                    watched.judge.guest_applied(at_ns, by, *index, entry);
                }
                Applied::Snapshot { index } => {
                    let installed = before.is_some();
                    watched.judge.guest_restored(at_ns, id, *index, installed);
                }
            }
        }
        if let (Some(before), Some(now)) = (before, now) {
            let term_at = |index| peer.term_at(index);
            watched
                .judge
                .guest_changed(at_ns, id, &before, &now, term_at);
        }
        let mut answers = [0; 3];
        for (_, body) in &out.answers {
            match body {
                ResponseBody::Value(_) => answers[0] += 1,
                ResponseBody::Applied(_) => answers[1] += 1,
                _ => answers[2] += 1,
            }
        }
        let sent = out.send.len() as u64;
        // One that shows no metrics may lead.
        let leads = now.is_none_or(|now| now.role == RoleKind::Leader);
        watched.judge.guest_answered(at_ns, leads, sent, answers);
        if let (Some(before), Some(now)) = (before, now) {
            let served = answers[0] > 0;
            let events = happenings(id.0, &before, &now, served);
            watched.anchors.guest_happened(id, &events);
            if watched.lanes.is_recording() {
                let applied = watched.judge.applied_by(id);
                let change = lane(at_ns, id, &now, applied, peer);
                watched.lanes.see(at_ns, change, id);
            }
        }
    }
}

/// What happened to a guest, as far as its metrics tell. Whether it acknowledged, or told a successor to
/// stand, they don't: faults that wait for that give up.
fn happenings(id: u64, before: &Metrics, now: &Metrics, served: bool) -> Vec<Happening> {
    let led = before.role == RoleKind::Leader && before.term == now.term;
    let leads = now.role == RoleKind::Leader;
    let grew = now.last_index > before.last_index;
    let another = now.voted_for.is_some_and(|voted_for| voted_for != id);
    let voted = another && (before.voted_for, before.term) != (now.voted_for, now.term);
    [
        (leads && !led, Happening::Elected),
        (
            before.role == RoleKind::Leader && !leads,
            Happening::Deposed,
        ),
        (grew && leads, Happening::Appended),
        (grew && !leads, Happening::Stored),
        (voted, Happening::Voted),
        (
            leads && now.commit_index > before.commit_index,
            Happening::Committed,
        ),
        (leads && served, Happening::ReadServed),
        (
            now.snapshot_index > before.snapshot_index,
            Happening::SnapshotSaved,
        ),
        (now.last_index < before.last_index, Happening::Truncated),
    ]
    .into_iter()
    .filter_map(|(happened, event)| happened.then_some(event))
    .collect()
}

fn words(metrics: Option<Metrics>) -> String {
    let Some(now) = metrics else {
        return "shows no metrics".to_owned();
    };
    let vote = now
        .voted_for
        .map_or(String::new(), |id| format!(", vote n{id}"));
    format!(
        "{} term {}{vote}, commit {}, log {}..{}",
        now.role.name(),
        now.term,
        now.commit_index,
        now.snapshot_index + 1,
        now.last_index
    )
}

fn lane<P: Peer>(at_ns: u64, id: NodeId, now: &Metrics, applied: u64, peer: &P) -> ServerChange {
    let place = |id: u64| usize::try_from(id).unwrap_or(usize::MAX);
    let mut log: Vec<(u64, u64)> = Vec::new();
    for index in now.snapshot_index + 1..=now.last_index {
        let Some(term) = peer.term_at(index) else {
            continue;
        };
        if log.last().is_none_or(|(last, _)| *last != term) {
            log.push((term, index));
        }
    }
    ServerChange {
        at_ns,
        server: place(id.0),
        role: match now.role {
            RoleKind::Follower => ServerRole::Follower,
            RoleKind::PreCandidate | RoleKind::Candidate => ServerRole::Candidate,
            RoleKind::Leader => ServerRole::Leader,
        },
        term: now.term,
        vote: now.voted_for.map(place),
        commit: now.commit_index,
        applied,
        last: now.last_index,
        log,
    }
}
