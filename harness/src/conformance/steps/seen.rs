//! The refinement mapping: a server of ours as the specification sees it. Terms, votes, commit indexes and log terms
//! are the specification's own; a pre-candidate is a follower that has not stood yet; tallies are here as far as
//! they were counted, where the specification leaves them in the network.

use std::sync::Arc;

use plumb_model::relation::{Configuration, Entries, Position, Standing};
use plumb_raft::core::reads::Asker;
use plumb_raft::core::{Node, Role, RoleKind};
use plumb_raft::types::{LogIndex, Membership, NodeId};
use serde::{Deserialize, Serialize};

/// What a server was set to, as far as rules depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Servers stick to a leader that they hear.
    pub stickiness: bool,
    /// Servers ask before they stand.
    pub pre_vote: bool,
    /// How long a lease lasts, in nanoseconds; 0: there are none.
    pub lease_ns: u64,
}

/// A role's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleName {
    /// Answers others.
    #[default]
    Follower,
    /// Finds out whether it could win.
    PreCandidate,
    /// Wants to lead.
    Candidate,
    /// Leads.
    Leader,
}

/// A follower in its leader's eyes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Followed {
    /// Who.
    pub id: u64,
    /// `matchIndex`.
    pub matched: u64,
    /// The latest round that it answered in the leader's term.
    pub answered: u64,
}

/// A read that waits at its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Who asked.
    pub asker: Asked,
    /// `readIndex`.
    pub index: u64,
    /// The round that must be confirmed.
    pub round: u64,
}

/// Who asked a leader for a read: its client, or a server for one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The server, if it was one.
    pub server: Option<u64>,
    /// Its name for the read.
    pub request: u64,
}

/// What only a leader has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Office {
    /// Its followers, in ascending order.
    pub followers: Vec<Followed>,
    /// The latest round of heartbeats that it began.
    pub round: u64,
    /// Reads that wait for a round.
    pub waiting: Vec<Waiting>,
    /// Reads that wait for its first commit.
    pub uncommitted: Vec<Asked>,
    /// Rounds that may give it a lease, each with when it was sent, in nanoseconds.
    pub sent: Vec<(u64, u64)>,
    /// When the round was sent that gives it its lease.
    pub lease: Option<u64>,
    /// It told another to stand.
    pub told: bool,
    /// Who is to take over.
    pub successor: Option<u64>,
}

/// A server, but for its log, which is only asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Which.
    pub id: u64,
    /// What it was set to.
    pub settings: Settings,
    /// `currentTerm`.
    pub term: u64,
    /// `votedFor`.
    pub vote: Option<u64>,
    /// Its role.
    pub role: RoleName,
    /// Who leads its term, as far as it knows.
    pub leader: Option<u64>,
    /// Of a candidate, who voted for it; of a pre-candidate, who would.
    pub votes: Vec<u64>,
    /// `commitIndex`.
    pub commit: u64,
    /// The index and the term of the last entry of its snapshot; zeros without one.
    pub snapshot: (u64, u64),
    /// The index and the term of the last entry that its log has discarded.
    pub base: (u64, u64),
    /// The index and the term of the last entry of its log.
    pub last: (u64, u64),
    /// It would not hear of an election.
    pub patient: bool,
    /// The term, the vote and the last index that are known to be durable.
    pub durable: (u64, Option<u64>, u64),
    /// The memberships that its log speaks of, the latest last, each with its entry.
    pub memberships: Vec<(u64, Arc<Membership>)>,
    /// Reads that it asked its leader about.
    pub asked: Vec<u64>,
    /// Reads of its own that have their index.
    pub promised: Vec<(u64, u64)>,
    /// The time by its own clock, in nanoseconds: for leases only.
    pub now_ns: u64,
    /// What it has as a leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office: Option<Office>,
}

impl Seen {
    /// A server as it is.
    #[must_use]
    pub fn of(node: &Node) -> Seen {
        let mut seen = Seen::default();
        seen.look(node);
        seen
    }

    /// Looks again, and reuses what was taken in before.
    pub fn look(&mut self, node: &Node) {
        let (hard_state, config) = (node.hard_state(), node.config());
        self.id = node.id().0;
        self.settings = Settings {
            stickiness: config.stickiness,
            pre_vote: config.pre_vote,
            lease_ns: ns(config.lease),
        };
        self.term = hard_state.current_term.0;
        self.vote = hard_state.voted_for.map(|id| id.0);
        self.role = match node.role_kind() {
            RoleKind::Follower => RoleName::Follower,
            RoleKind::PreCandidate => RoleName::PreCandidate,
            RoleKind::Candidate => RoleName::Candidate,
            RoleKind::Leader => RoleName::Leader,
        };
        self.leader = node.leader().map(|id| id.0);
        self.commit = node.commit_index().0;
        let snapshot = node.snapshot();
        self.snapshot = snapshot.map_or((0, 0), |it| (it.last_index.0, it.last_term.0));
        let (base, log) = (node.log().base(), node.log());
        self.base = (base.0.0, base.1.0);
        self.last = (log.last_index().0, log.last_term().0);
        self.patient = node.sticks_to_leader();
        let durable = node.durability();
        let written = durable.hard_state();
        let vote = written.voted_for.map(|id| id.0);
        self.durable = (written.current_term.0, vote, durable.last_index().0);
        self.look_at_memberships(node);
        self.asked.clear();
        self.asked.extend(node.forwarded().asked().map(|id| id.0));
        self.promised.clear();
        let promised = node.forwarded().waiting().iter();
        self.promised
            .extend(promised.map(|(id, index)| (id.0, index.0)));
        self.now_ns = ns(node.now());
        self.votes.clear();
        match node.role() {
            Role::Leader(_) => self.look_at_office(node),
            Role::PreCandidate { votes } | Role::Candidate { votes } => {
                self.votes.extend(votes.iter().map(|id| id.0));
                self.office = None;
            }
            Role::Follower { .. } => self.office = None,
        }
    }

    /// Whether a server is as it was, as far as a glance tells.
    pub(super) fn is_still(&self, node: &Node) -> bool {
        let hard_state = node.hard_state();
        (self.term, self.vote)
            == (
                hard_state.current_term.0,
                hard_state.voted_for.map(|id| id.0),
            )
            && self.commit == node.commit_index().0
            && self.last == (node.log().last_index().0, node.log().last_term().0)
            && self.leader == node.leader().map(|id| id.0)
    }

    fn look_at_memberships(&mut self, node: &Node) {
        if !self.speaks_of_the_same(node) {
            let all = node.memberships().all();
            self.memberships.clear();
            self.memberships
                .extend(all.map(|(index, it)| (index.0, Arc::clone(it))));
        }
    }

    fn speaks_of_the_same(&self, node: &Node) -> bool {
        let seen = self.memberships.iter().map(|(index, it)| (*index, it));
        seen.eq(node.memberships().all().map(|(index, it)| (index.0, it)))
    }

    fn look_at_office(&mut self, node: &Node) {
        let Role::Leader(leadership) = node.role() else {
            return;
        };
        let office = self.office.get_or_insert_default();
        office.followers.clear();
        let followers = leadership.progress.iter();
        office
            .followers
            .extend(followers.map(|(id, progress)| Followed {
                id: id.0,
                matched: progress.match_index.0,
                answered: progress.acked_round.0,
            }));
        let reads = &leadership.reads;
        office.round = reads.round().0;
        office.waiting.clear();
        office
            .waiting
            .extend(reads.waiting().map(|(asker, index, round)| Waiting {
                asker: (*asker).into(),
                index: index.0,
                round: round.0,
            }));
        office.uncommitted.clear();
        let uncommitted = reads.uncommitted().iter();
        office
            .uncommitted
            .extend(uncommitted.map(|asker| Asked::from(*asker)));
        office.sent.clear();
        let sent = leadership.lease.sent();
        office
            .sent
            .extend(sent.map(|(round, at)| (round.0, ns(*at))));
        office.lease = leadership.lease.since().map(ns);
        office.told = leadership.lease.is_given_up();
        office.successor = leadership.transfer.map(|transfer| transfer.target.0);
    }

    /// Its numbers.
    #[must_use]
    pub fn position(&self) -> Position {
        let position = Position {
            term: self.term,
            vote: self.vote,
            standing: match self.role {
                RoleName::Follower | RoleName::PreCandidate => Standing::Follower,
                RoleName::Candidate => Standing::Candidate,
                RoleName::Leader => Standing::Leader,
            },
            commit: self.commit,
            snapshot: self.snapshot.0,
            // A leader's patience is with itself, and not the specification's.
            patient: self.patient && self.role != RoleName::Leader,
            round: 0,
            told: false,
            lease: None,
        };
        match &self.office {
            None => position,
            Some(office) => Position {
                round: office.round,
                told: office.told,
                // What was given up is no lease, whenever it began.
                lease: office.lease.filter(|_| !office.told),
                ..position
            },
        }
    }

    /// Whether it leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role == RoleName::Leader
    }

    /// The membership in force, and its entry.
    #[must_use]
    pub fn in_force(&self) -> Option<(u64, Agreed<'_>)> {
        let (index, membership) = self.memberships.last()?;
        Some((*index, Agreed(membership)))
    }

    /// The membership before the one in force, if the latter is not committed.
    #[must_use]
    pub fn outgoing(&self) -> Option<Agreed<'_>> {
        let [.., (_, before), (index, _)] = &self.memberships[..] else {
            return None;
        };
        (*index > self.commit).then_some(Agreed(before))
    }

    /// The membership that was in force at an index, if that is known.
    #[must_use]
    pub fn membership_at(&self, index: u64) -> Option<&Arc<Membership>> {
        let upto = |(at, _): &&(u64, Arc<Membership>)| *at <= index;
        let found = self.memberships.iter().rev().find(upto)?;
        Some(&found.1)
    }

    /// Up to which round a server has answered this leader, itself its latest.
    pub(super) fn answered(&self, id: u64) -> u64 {
        let Some(office) = &self.office else { return 0 };
        if id == self.id {
            return office.round;
        }
        self.followed(id).map_or(0, |it| it.answered)
    }

    /// Up to which index a server holds this leader's log, itself what is durable.
    pub(super) fn matched(&self, id: u64) -> u64 {
        if id == self.id {
            return self.durable.2;
        }
        self.followed(id).map_or(0, |it| it.matched)
    }

    pub(super) fn followed(&self, id: u64) -> Option<&Followed> {
        let followers = &self.office.as_ref()?.followers;
        followers.iter().find(|it| it.id == id)
    }
}

fn ns(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl From<Asker> for Asked {
    fn from(asker: Asker) -> Asked {
        match asker {
            Asker::Client(request) => Asked {
                server: None,
                request: request.0,
            },
            Asker::Server(NodeId(id), request) => Asked {
                server: Some(id),
                request: request.0,
            },
        }
    }
}

/// A membership as the specification asks it: old voters decide, and in the joint phase new ones too.
#[derive(Clone, Copy, Debug)]
pub struct Agreed<'a>(pub &'a Membership);

impl Configuration for Agreed<'_> {
    fn voters(&self) -> impl Iterator<Item = u64> {
        let joint = self.0.is_joint();
        let old = if joint {
            &self.0.outgoing
        } else {
            &self.0.voters
        };
        old.iter().map(|id| id.0)
    }

    fn incoming(&self) -> impl Iterator<Item = u64> {
        let new = self.0.is_joint().then_some(&self.0.voters);
        new.into_iter().flatten().map(|id| id.0)
    }
}

/// A log of the core, as the specification asks it.
pub struct Held<'a>(pub &'a plumb_raft::core::log::Log);

impl Entries for Held<'_> {
    fn last(&self) -> (u64, u64) {
        (self.0.last_index().0, self.0.last_term().0)
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        self.0.term_at(LogIndex(index)).map(|term| term.0)
    }

    fn is_compacted(&self, index: u64) -> bool {
        index <= self.0.base().0.0
    }
}
