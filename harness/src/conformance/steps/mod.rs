//! Every step of every server must be one that the specification allows (L2): the rules of
//! [`plumb_model::relation`] say what may come of an input ([`given`]) and what may follow ([`follow`]), and what
//! came of it is compared with that. [`seen`] is the refinement mapping.

mod applied;
mod divergence;
mod follow;
mod given;
mod promises;
mod reads;
mod seen;
mod sends;
mod sessions;
mod tallies;
#[cfg(test)]
mod tests;
mod written;

use std::collections::BTreeMap;

use plumb_model::relation::{Change, Durable, Entries, restart};
use plumb_raft::core::{Effects, Input, Node};
use plumb_raft::kv::{KvStore, Reply};
use plumb_raft::types::{Entry, NodeId};

use follow::Taken;
use given::Given;
use promises::{Due, Promises};
use reads::Reading;
pub use seen::{Agreed, Held, Office, RoleName, Seen, Settings};
use sessions::Sessions;
use written::{Written, applied_differs, membership_differs};

pub use applied::{Applied, Applying, Asks, Restored, Told};
pub use divergence::Divergence;

/// A server under way.
#[derive(Debug, Default)]
struct Server {
    before: Seen,
    after: Seen,
    given: Given,
    /// A step is under way.
    stepping: bool,
    /// `after` is how it was when it was last looked at, and nothing is under way.
    rests: bool,
    /// What it has promised and not said yet; `None` if it was not seen from its start.
    promises: Option<Promises>,
}

/// Holds a run to the specification.
#[derive(Debug, Default)]
pub struct Conformance {
    servers: BTreeMap<NodeId, Server>,
    sessions: Sessions,
    /// Entries that state machines are applying.
    applying: BTreeMap<NodeId, Applying>,
    steps: u64,
    /// Terms of entries, for the time of a comparison.
    terms: Vec<u64>,
    /// It compares nothing.
    off: bool,
}

impl Conformance {
    /// How many steps were compared.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// From now on it compares nothing of a run: to measure what it costs.
    pub fn switch_off(&mut self) {
        self.off = true;
    }

    /// A server has restarted: what it had promised and not sent is gone. Says how it differs from what a restart
    /// makes of its disk.
    pub fn recovered(&mut self, node: &Node) -> Option<Divergence> {
        if self.off {
            return None;
        }
        self.restarted(&Seen::of(node))
    }

    /// The same of a server that was written down.
    pub fn restarted(&mut self, seen: &Seen) -> Option<Divergence> {
        let server = Server {
            promises: Some(Promises::default()),
            ..Server::default()
        };
        self.servers.insert(NodeId(seen.id), server);
        self.sessions.restarted(NodeId(seen.id));
        self.applying.remove(&NodeId(seen.id));
        let disk = Durable {
            term: seen.term,
            vote: seen.vote,
            snapshot: seen.snapshot.0,
        };
        let expected = restart(disk, seen.settings.stickiness);
        let is = seen.position();
        (expected != is).then(|| Divergence::of_restart(seen, expected))
    }

    /// A server is about to take an input: what may come of it?
    pub fn before_step(&mut self, node: &Node, input: &Input) {
        if self.off {
            return;
        }
        let server = self.servers.entry(node.id()).or_default();
        // Nothing but a step changes a server: so it is as the last one left it. If it is not, the difference is in this
        // one, where no rule allows it.
        if std::mem::take(&mut server.rests) && server.after.is_still(node) {
            std::mem::swap(&mut server.before, &mut server.after);
        } else {
            server.before.look(node);
        }
        server.given.read(&server.before, &Held(node.log()), input);
        server.stepping = true;
    }

    /// A server has taken it: says how that differs from all that may come of it.
    pub fn after_step(&mut self, node: &Node, effects: &Effects) -> Option<Divergence> {
        let server = self.servers.get_mut(&node.id()).filter(|it| it.stepping)?;
        server.after.look(node);
        server.rests = true;
        self.steps += 1;
        server.judge(&Held(node.log()), effects, &mut self.terms)
    }

    /// A server's state machine is about to apply an entry.
    pub fn before_apply(&mut self, id: NodeId, store: &KvStore, entry: &Entry) {
        if self.off {
            return;
        }
        if let Some(applying) = Applying::of(store, entry) {
            self.applying.insert(id, applying);
        }
    }

    /// It has applied it: says how that differs from what it must make of it.
    pub fn after_apply(
        &mut self,
        id: NodeId,
        store: &KvStore,
        reply: Option<&Reply>,
    ) -> Option<Divergence> {
        let applied = self.applying.remove(&id)?.done(id, store, reply);
        self.applied(&applied)
    }

    /// The same of one that was written down.
    pub fn applied(&mut self, seen: &Applied) -> Option<Divergence> {
        self.sessions.applied(seen)
    }

    /// A server's state machine is that of a snapshot now: says how it differs from what state machines were then.
    pub fn restored(&mut self, seen: &Restored) -> Option<Divergence> {
        if self.off {
            return None;
        }
        self.sessions.restored(seen)
    }

    /// The same of a step that was written down, whose log was `before` and is `after` now.
    pub fn step(
        &mut self,
        (before, log_before): (&Seen, &impl Entries),
        input: &Input,
        effects: &Effects,
        (after, log_after): (&Seen, &impl Entries),
    ) -> Option<Divergence> {
        let server = self.servers.entry(NodeId(before.id)).or_default();
        let goes_on = !server.stepping || server.after == *before;
        server.before.clone_from(before);
        server.given.read(before, log_before, input);
        server.stepping = true;
        server.after.clone_from(after);
        self.steps += 1;
        if !goes_on {
            return Some(server.diverges("it has changed since its last step", effects));
        }
        server.judge(log_after, effects, &mut self.terms)
    }
}

impl Server {
    fn judge(
        &mut self,
        log: &impl Entries,
        effects: &Effects,
        terms: &mut Vec<u64>,
    ) -> Option<Divergence> {
        let written = Written::of(effects);
        let (before, after, given) = (&self.before, &self.after, &self.given);
        let taken = Taken {
            before,
            after,
            log,
            effects,
            written: &written,
            vote: given.vote,
            matched: given.matched,
        };
        // The first rule fits, as a rule.
        let mut refused = Vec::new();
        let fits = given.allowed.iter().position(|allowed| {
            let differs = taken.differs(allowed);
            let fits = differs.is_none();
            refused.extend(differs);
            fits
        });
        let Some(fits) = fits else {
            return Some(Divergence::of_step(given, before, after, effects, &refused));
        };
        let rule = &given.allowed[fits];
        let replaced = matches!(rule.change, Change::Replaced(_));
        let reading = Reading {
            given,
            before,
            after,
            log,
        };
        let what = written
            .hard_state_differs(before.position(), after.position())
            .or_else(|| membership_differs(before, after, &written, replaced))
            .or_else(|| applied_differs(before, after, log, effects))
            .or_else(|| tallies::differ(given, before, after))
            .or_else(|| reading.differs(effects))
            .or_else(|| sends::differ(before, after, log, effects, terms));
        let what = what.or_else(|| self.promise(fits, effects))?;
        Some(self.diverges(&what, effects))
    }

    /// What the rule that was taken owes others, and how what leaves differs from what is owed.
    fn promise(&mut self, fits: usize, effects: &Effects) -> Option<String> {
        let promises = self.promises.as_mut()?;
        let (before, after, given) = (&self.before, &self.after, &self.given);
        if let Some((to, due)) = given.due {
            promises.owe(to, due.as_of(given.allowed[fits].position));
        }
        let last = after.last;
        let asked = match after.role {
            RoleName::PreCandidate if given.asks => Some(Due::Asks {
                term: after.term,
                last,
            }),
            RoleName::Candidate if after.term > before.term => Some(Due::Stands {
                term: after.term,
                last,
                transfer: given.transfer,
            }),
            _ => None,
        };
        if let (Some(due), Some((_, in_force))) = (asked, after.in_force()) {
            let members = in_force.0.members();
            let others = members.iter().filter(|id| id.0 != after.id);
            others.for_each(|id| promises.owe(id.0, due));
        }
        let mut sent = effects.send.iter();
        sent.find_map(|envelope| promises.leaves(envelope))
    }

    fn diverges(&self, what: &str, effects: &Effects) -> Divergence {
        Divergence::beside(&self.given, &self.before, &self.after, effects, what)
    }
}
