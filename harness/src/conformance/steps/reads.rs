//! Reads: which wait for what, and which are served (dissertation §6.4).

use plumb_model::relation::{Entries, Position, Read, Standing, ask_read, lease_read, serve_read};
use plumb_raft::core::{Answer, Effects, Message};

use super::given::Given;
use super::seen::{Asked, Seen, Waiting};

/// A step that may take and serve reads.
pub(super) struct Reading<'a, L> {
    pub(super) given: &'a Given,
    pub(super) before: &'a Seen,
    pub(super) after: &'a Seen,
    /// The log after the step.
    pub(super) log: &'a L,
}

impl<L: Entries> Reading<'_, L> {
    /// How reads differ from what the rules allow.
    pub(super) fn differs(&self, effects: &Effects) -> Option<String> {
        let quiet = effects.answers.is_empty()
            && effects.send.is_empty()
            && self
                .after
                .office
                .as_ref()
                .is_none_or(|it| it.waiting.is_empty())
            && self.after.asked.is_empty()
            && self.after.promised.is_empty();
        if quiet {
            return None;
        }
        self.taken()
            .or_else(|| self.forwarded())
            .or_else(|| self.served_here(effects))
            .or_else(|| self.served_elsewhere(effects))
    }

    /// The leader as it was when it took reads in this step: with what it has committed by now, and the rounds that
    /// it had begun before.
    fn leader(&self) -> Position {
        let was = self.before.position();
        Position {
            commit: self.after.commit,
            ..was
        }
    }

    /// What a read needs that waits at the leader, or was asked for just now.
    fn needed(&self, asker: Asked) -> Option<Read> {
        let office = self.before.office.as_ref();
        let waits = office.and_then(|it| it.waiting.iter().find(|it| it.asker == asker));
        if let Some(Waiting { index, round, .. }) = waits {
            return Some(Read {
                index: *index,
                round: *round,
            });
        }
        if let Some((_, read)) = self.given.read.filter(|(it, _)| *it == asker) {
            return read;
        }
        // §6.4, step 1: one that waited for the first commit asks once that has happened.
        let waited = office.is_some_and(|it| it.uncommitted.contains(&asker));
        waited.then(|| ask_read(self.leader(), self.log)).flatten()
    }

    fn taken(&self) -> Option<String> {
        let office = self.after.office.as_ref()?;
        office.waiting.iter().find_map(|read| {
            let needed = self.needed(read.asker);
            let enough = needed.is_some_and(|it| read.index >= it.index && read.round >= it.round);
            (!enough)
                .then(|| format!("{read:?} waits, and AskRead (dissertation §6.4) says {needed:?}"))
        })
    }

    /// Reads that this server serves itself, at an index of its leader's.
    fn forwarded(&self) -> Option<String> {
        let (before, given) = (self.before, self.given);
        let asked = |id: &&u64| before.asked.contains(id) || given.may_ask == Some(**id);
        if let Some(id) = self.after.asked.iter().find(|id| !asked(id)) {
            return Some(format!(
                "its leader is asked about read {id}, which nobody wants"
            ));
        }
        let promised = self.after.promised.iter();
        let unfounded = promised
            .into_iter()
            .find(|read| self.promise_for(read.0) != Some(read.1));
        unfounded
            .map(|(id, index)| format!("read {id} is to see {index}, which its leader did not say"))
    }

    fn promise_for(&self, request: u64) -> Option<u64> {
        let promised = self.before.promised.iter().find(|it| it.0 == request);
        promised
            .copied()
            .or(self.given.promised.filter(|it| it.0 == request))
            .map(|it| it.1)
    }

    fn served_here(&self, effects: &Effects) -> Option<String> {
        let commit = self.after.commit;
        effects.answers.iter().find_map(|(request, answer)| {
            let Answer::ReadAt(index) = answer else { return None };
            let asker = Asked { server: None, request: request.0 };
            let promised = |index_of| index.0 >= index_of && commit >= index_of;
            let served = self.is_served(asker, index.0)
                || self.is_served_by_lease(asker, index.0)
                || self.promise_for(request.0).is_some_and(promised);
            (!served).then(|| {
                let needed = self.needed(asker);
                format!(
                    "read {} is served at {index}; by ServeRead (dissertation §6.4) it needs {needed:?}",
                    request.0
                )
            })
        })
    }

    fn served_elsewhere(&self, effects: &Effects) -> Option<String> {
        effects.send.iter().find_map(|envelope| {
            let Message::ReadIndexReply { request, index: Some(index), .. } = envelope.message else {
                return None;
            };
            let asker = Asked { server: Some(envelope.to.0), request: request.0 };
            (!self.is_served(asker, index.0)).then(|| {
                let needed = self.needed(asker);
                format!(
                    "read {} of {} may see {index}; by ServeRead (dissertation §6.4) it needs {needed:?}",
                    request.0, envelope.to
                )
            })
        })
    }

    /// By a round that a majority has answered: of the membership before the step or after it, as it serves reads
    /// before it leaves a joint phase and after.
    fn is_served(&self, asker: Asked, index: u64) -> bool {
        let (Some(read), after) = (self.needed(asker), self.after) else {
            return false;
        };
        let leader = Position {
            standing: if self.before.leads() && self.before.term == after.term {
                Standing::Leader
            } else {
                after.position().standing
            },
            ..after.position()
        };
        let both = [self.before.in_force(), after.in_force()];
        let confirmed = both.into_iter().flatten().any(|(_, in_force)| {
            serve_read(leader, read, &in_force, |id| after.answered(id), index)
        });
        confirmed && after.commit >= index
    }

    fn is_served_by_lease(&self, asker: Asked, index: u64) -> bool {
        let asked = self.given.read.is_some_and(|(it, _)| it == asker);
        let was = self.before.position();
        let lasts = self.before.settings.lease_ns;
        asked
            && self.given.by_lease
            && self.before.settings.stickiness
            && lease_read(was, self.log, self.after.now_ns, lasts)
            && index >= was.commit
            && index <= self.after.commit
    }
}
