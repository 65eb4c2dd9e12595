//! What state machines make of requests (§8, dissertation §6.3): each request is executed once, a retry has the answer
//! that the first try had, and all state machines remember the same after the same entry.

use std::collections::BTreeMap;

use plumb_model::relation::{Request, Session, execute, least_recent, open_session};
use plumb_raft::kv::MAX_SESSIONS;
use plumb_raft::types::NodeId;

use super::applied::{Applied, Asks, Restored, Told};
use super::divergence::Divergence;

/// The state machines of a run.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    servers: BTreeMap<NodeId, Machine>,
    /// What is remembered after an entry, as a sum: of whichever server was there first.
    after: BTreeMap<u64, u64>,
}

/// A server's state machine, as the specification has it.
#[derive(Debug, Default)]
struct Machine {
    sessions: BTreeMap<u64, (Session, Option<Told>)>,
    sum: u64,
}

impl Sessions {
    /// A server starts: its state machine remembers nothing, until a snapshot says otherwise.
    pub(super) fn restarted(&mut self, id: NodeId) {
        self.servers.insert(id, Machine::default());
    }

    /// How what a state machine made of an entry differs from what it must.
    pub(super) fn applied(&mut self, seen: &Applied) -> Option<Divergence> {
        let machine = self.servers.entry(NodeId(seen.server)).or_default();
        let differs = match seen.asks {
            Asks::Open => machine.opens(seen),
            Asks::Execute { session, sequence } => machine.executes(seen, session, sequence),
        };
        let sum = *self.after.entry(seen.index).or_insert(machine.sum);
        let differs = differs.or_else(|| {
            (sum != machine.sum).then(|| {
                format!(
                    "after entry {} another server remembers other sessions",
                    seen.index
                )
            })
        });
        differs.map(|what| Divergence::of_request(seen, what))
    }

    /// How a snapshot's sessions differ from those that state machines had after its last entry.
    pub(super) fn restored(&mut self, seen: &Restored) -> Option<Divergence> {
        let machine = self.servers.entry(NodeId(seen.server)).or_default();
        *machine = Machine::default();
        for &(id, executed, used) in &seen.sessions {
            machine.set(id, Session { executed, used }, None);
        }
        let known = self.after.get(&seen.index)?;
        (machine.sum != *known).then(|| Divergence::of_restored(seen))
    }
}

impl Machine {
    fn opens(&mut self, seen: &Applied) -> Option<String> {
        if self.sessions.len() >= MAX_SESSIONS {
            let all = self
                .sessions
                .iter()
                .map(|(id, (session, _))| (*id, *session));
            let oldest = least_recent(all);
            oldest.into_iter().for_each(|id| self.forget(id));
        }
        let session = open_session(seen.index);
        self.set(seen.index, session, None);
        if seen.told != Told::Opened(seen.index) {
            return Some(format!("it is told {:?} for its session", seen.told));
        }
        remembers_not(seen, Some(session))
    }

    fn executes(&mut self, seen: &Applied, id: u64, sequence: u64) -> Option<String> {
        let (before, answer) = self.sessions.get(&id).copied().unzip();
        let answer = answer.flatten();
        let (request, after) = execute(before, sequence, seen.index);
        let differs = match (request, seen.told) {
            (Request::Expired, Told::Expired) | (Request::Stale, Told::Stale) => None,
            (Request::Executed, Told::Answer(_)) => None,
            // What it was told before a snapshot is not known.
            (Request::Answered, told) if answer.is_none_or(|it| it == told) => None,
            (request, told) => Some(format!(
                "the request is {request:?}, and it is told {told:?}"
            )),
        };
        let executed = request == Request::Executed;
        if let Some(session) = after {
            self.set(id, session, if executed { Some(seen.told) } else { answer });
        }
        differs
            .or_else(|| {
                (seen.changed && !executed)
                    .then(|| format!("the request is {request:?}, and something changed"))
            })
            .or_else(|| remembers_not(seen, after))
    }

    fn set(&mut self, id: u64, session: Session, answer: Option<Told>) {
        self.forget(id);
        self.sessions.insert(id, (session, answer));
        self.sum ^= sum(id, session);
    }

    fn forget(&mut self, id: u64) {
        if let Some((session, _)) = self.sessions.remove(&id) {
            self.sum ^= sum(id, session);
        }
    }
}

fn remembers_not(seen: &Applied, expected: Option<Session>) -> Option<String> {
    let expected = expected.map(|session| (session.executed, session.used));
    let is = seen.remembers;
    (is != expected).then(|| format!("of the session it remembers {is:?}, not {expected:?}"))
}

/// A session in a number, so that a set of them is the exclusive or.
fn sum(id: u64, session: Session) -> u64 {
    [id, session.executed, session.used]
        .iter()
        .fold(0, |sum: u64, part| scrambled(sum.wrapping_add(*part)))
}

/// splitmix64.
fn scrambled(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
