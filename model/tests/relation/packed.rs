//! The packed state as the unbounded rules see it.

use plumb_model::relation::{Configuration, Entries, Position, Standing, may_stand};
use plumb_model::{Bounds, Config, Log, Message, Role, Server, ServerId, State};

/// Now, by every clock: all that counts is what is left of a lease.
pub const NOW: u64 = 100;

/// A log without what its snapshot stands for, which rules may not look at.
pub struct View {
    log: Log,
    base: u64,
}

impl Entries for View {
    fn last(&self) -> (u64, u64) {
        (self.log.len().into(), self.log.last_term().into())
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        let known = index > 0 && index >= self.base;
        let index = u8::try_from(index).ok().filter(|_| known)?;
        self.log.get(index).map(|entry| entry.term.into())
    }

    fn is_compacted(&self, index: u64) -> bool {
        index <= self.base
    }
}

/// A configuration of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named(pub Config);

impl Configuration for Named {
    fn voters(&self) -> impl Iterator<Item = u64> {
        members(self.0.voters)
    }

    fn incoming(&self) -> impl Iterator<Item = u64> {
        members(self.0.incoming)
    }
}

fn members(set: u8) -> impl Iterator<Item = u64> {
    (0..8).filter(move |id| set & 1 << id != 0)
}

/// What the two sides must agree on: a server's numbers, and the terms in its log behind its snapshot.
pub type Held = (Position, u64, Vec<u64>);

/// A state within its bounds.
pub struct Cluster<'a> {
    pub bounds: &'a Bounds,
    pub state: &'a State,
}

impl<'a> Cluster<'a> {
    pub fn new(bounds: &'a Bounds, state: &'a State) -> Cluster<'a> {
        Cluster { bounds, state }
    }

    pub fn server(&self, id: ServerId) -> Server {
        self.state.server(id)
    }

    pub fn log(&self, id: ServerId) -> View {
        let server = self.server(id);
        View {
            log: server.log(),
            base: server.base().into(),
        }
    }

    /// How long a lease lasts from the sending of its round, by the slowest clock.
    pub fn lease_lasts(&self) -> u64 {
        let features = &self.bounds.features;
        (features.patience - features.drift).into()
    }

    /// When the round was sent that a leader's lease would be counted from.
    pub fn lease_sent(&self, id: ServerId) -> u64 {
        NOW - (self.lease_lasts() - u64::from(self.server(id).extra().lease()))
    }

    pub fn position(&self, id: ServerId) -> Position {
        let (server, extra) = (self.server(id), self.server(id).extra());
        let position = Position {
            term: server.term().into(),
            vote: server.vote().map(|id| id.0.into()),
            standing: match server.role() {
                Role::Follower => Standing::Follower,
                Role::Candidate => Standing::Candidate,
                Role::Leader => Standing::Leader,
            },
            commit: server.commit().into(),
            snapshot: server.base().into(),
            patient: extra.patience() > 0,
            round: extra.round().into(),
            told: extra.has_transferred(),
            lease: extra.holds_lease().then(|| self.lease_sent(id)),
        };
        if server.is_leader() {
            position
        } else {
            position.without_office()
        }
    }

    pub fn held(&self, id: ServerId) -> Held {
        let server = self.server(id);
        let terms = self.terms(id, server.base());
        (self.position(id), server.log().len().into(), terms)
    }

    /// The terms in a log behind an index.
    pub fn terms(&self, id: ServerId, behind: u8) -> Vec<u64> {
        let entries = self.server(id).log().entries();
        let terms = entries.map(|entry| entry.term.into());
        terms.skip(behind.into()).collect()
    }

    /// The configuration in force on a server, and where it stands.
    pub fn in_force(&self, id: ServerId) -> (u64, Named) {
        self.latest(id, self.server(id).log().len())
    }

    /// Whether a server may stand for election by the configurations in its log.
    pub fn may_stand(&self, id: ServerId) -> bool {
        let (at, now) = self.in_force(id);
        let commit = u64::from(self.server(id).commit());
        let before = u8::try_from(at).expect("small").saturating_sub(1);
        let outgoing = (at > commit).then(|| self.latest(id, before).1);
        may_stand(&now, outgoing.as_ref(), id.0.into())
    }

    /// The latest configuration in a log up to an index, and where it stands.
    fn latest(&self, id: ServerId, upto: u8) -> (u64, Named) {
        let plan = &self.bounds.features.plan;
        if !plan.is_on() {
            return (0, Named(Config::of((1 << self.bounds.servers) - 1)));
        }
        let log = self.server(id).log();
        let named = (1..=upto).rev().find_map(|index| {
            let config = plan.named_by(log.get(index)?.value)?;
            Some((index.into(), Named(config)))
        });
        named.unwrap_or((0, Named(plan.0[0])))
    }

    /// Who has sent a message of which this holds.
    pub fn senders(&self, counts: impl Fn(Message) -> Option<ServerId>) -> Vec<u64> {
        let messages = self.state.network().as_slice().iter();
        messages
            .filter_map(|message| counts(message.unpack()))
            .map(|id| id.0.into())
            .collect()
    }
}
