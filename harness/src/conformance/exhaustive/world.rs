//! The world as a handful of numbers: a server each, the ghost, and the messages ever sent.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use plumb_raft::core::{Answer, Envelope, Timer};
use plumb_raft::types::{LogIndex, Membership, NodeId};

use super::ghost::Ghost;
use super::interner::{Fixed, Interner};
use super::local::{Choice, ENTRY_BYTES, Local, READS, digest};
use super::properties::{Breach, Property};
use super::scope::{Scope, Start};
use crate::invariants::decide;

/// A state: the servers' numbers and the ghost's, a digest of the messages sent (two words, of their set alone),
/// and a bit for each message up to the last one sent. What was sent may arrive any time, again and again, or
/// never.
pub(super) type State = [u32];

/// A step of the world: what happens to which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action {
    /// Which server, from zero.
    pub server: u8,
    /// What happens to it.
    pub choice: Choice,
}

/// A server's step, remembered.
struct Known {
    after: u32,
    sent: Vec<u32>,
    reads: Vec<(u8, u64)>,
    breach: Option<Breach>,
    claims: u32,
    elected: bool,
    commits: Vec<(Membership, LogIndex)>,
    applied: bool,
    log_changed: bool,
}

/// Where a step leads.
pub(super) struct Next<'a> {
    pub(super) action: Action,
    pub(super) state: &'a State,
    pub(super) fingerprint: u64,
    pub(super) claims: u32,
    pub(super) breach: Option<Breach>,
}

/// Everything seen so far of a scope.
pub(super) struct World {
    pub(super) scope: Scope,
    pub(super) locals: Interner<Local>,
    pub(super) messages: Interner<Envelope>,
    ghosts: Interner<Ghost>,
    /// By server, choice and whether all is synced at once, the place in `known`; the largest number says that
    /// nothing comes of it.
    memo: HashMap<(u32, Choice, bool), u32, Fixed>,
    known: Vec<Known>,
    buffer: Vec<u32>,
    fixed: Fixed,
}

const NOTHING: u32 = u32::MAX;

impl World {
    pub(super) fn new(scope: Scope) -> World {
        World {
            scope,
            locals: Interner::new(),
            messages: Interner::new(),
            ghosts: Interner::new(),
            memo: HashMap::default(),
            known: Vec::new(),
            buffer: Vec::new(),
            fixed: Fixed::default(),
        }
    }

    fn servers(&self) -> usize {
        usize::from(self.scope.servers)
    }

    pub(super) fn local(&self, state: &State, server: usize) -> &Arc<Local> {
        self.locals.get(state[server])
    }

    fn ghost(&self, state: &State) -> Arc<Ghost> {
        Arc::clone(self.ghosts.get(state[self.servers()]))
    }

    /// The messages sent, in the order of first sight.
    pub(super) fn sent_so_far<'a>(&self, state: &'a State) -> impl Iterator<Item = u32> + use<'a> {
        let words = &state[self.servers() + 3..];
        (0..).zip(words).flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    at * 32 + bit
                })
            })
        })
    }

    /// Adds a message to those sent.
    fn send(&self, state: &mut Vec<u32>, message: u32) {
        let digest = self.servers() + 1;
        let at = digest + 2 + message as usize / 32;
        if state.len() <= at {
            state.resize(at + 1, 0);
        }
        let bit = 1 << (message % 32);
        if state[at] & bit == 0 {
            state[at] |= bit;
            let own = self.fixed.hash_one(message);
            state[digest] ^= own as u32;
            state[digest + 1] ^= (own >> 32) as u32;
        }
    }

    /// What tells a state from others, in 64 bits.
    pub(super) fn fingerprint(&self, state: &State) -> u64 {
        self.fixed.hash_one(&state[..self.servers() + 3])
    }

    /// Distinct servers and messages seen.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.locals.len(), self.messages.len())
    }

    /// Where the scope begins.
    ///
    /// # Panics
    /// If a scope that begins with a leader does not come to one.
    pub(super) fn initial(&mut self) -> Vec<u32> {
        let mut state: Vec<u32> = Vec::new();
        let scope = self.scope;
        for id in scope.ids() {
            state.push(self.locals.number(Local::new(&scope, id)));
        }
        state.extend([self.ghosts.number(Ghost::default()), 0, 0]);
        if scope.start == Start::Led {
            self.lead(&mut state);
        }
        state
    }

    /// Lets server 1 win an election without any fault, and its first entry reach everybody.
    fn lead(&mut self, state: &mut Vec<u32>) {
        let first = |choice| Action { server: 0, choice };
        // A server that has just started does not know that there is no leader to stick to.
        let sticks = if self.scope.stickiness {
            self.scope.servers
        } else {
            0
        };
        for server in 0..sticks {
            let choice = Choice::Fires(Timer::Stickiness);
            self.go(state, Action { server, choice });
        }
        self.go(state, first(Choice::Fires(Timer::Election)));
        self.settle(state);
        self.go(state, first(Choice::Fires(Timer::Heartbeat)));
        self.settle(state);
        let all = (0..usize::from(self.scope.voters))
            .all(|server| self.local(state, server).node.commit_index().0 == 1);
        assert!(all, "a cluster without faults elects its leader");
    }

    /// Everything sent arrives, and everything written is synced, until nothing changes any more.
    fn settle(&mut self, state: &mut Vec<u32>) {
        let mut arrived = BTreeSet::new();
        loop {
            let unsynced =
                (0..self.servers()).find(|server| !self.local(state, *server).unsynced.is_empty());
            let new: Vec<u32> = self.sent_so_far(state).collect();
            let action = if let Some(server) = unsynced {
                Action {
                    server: server as u8,
                    choice: Choice::Sync,
                }
            } else if let Some(message) = new.into_iter().find(|message| arrived.insert(*message)) {
                Action {
                    server: self.addressee(message),
                    choice: Choice::Receive(message),
                }
            } else {
                return;
            };
            self.go(state, action);
        }
    }

    fn go(&mut self, state: &mut Vec<u32>, action: Action) {
        let ghost = self.ghost(state);
        let before = state.clone();
        self.act(&before, &ghost, action, &mut |next| {
            next.state.clone_into(state);
        });
    }

    fn addressee(&self, message: u32) -> u8 {
        (self.messages.get(message).to.0 - 1) as u8
    }

    /// Tells every step from a state.
    pub(super) fn successors(&mut self, state: &State, tell: &mut dyn FnMut(Next<'_>)) {
        let ghost = self.ghost(state);
        for server in 0..self.servers() {
            for choice in self.choices(state, server, &ghost) {
                let action = Action {
                    server: server as u8,
                    choice,
                };
                self.act(state, &ghost, action, tell);
            }
        }
        for message in self.sent_so_far(state) {
            let action = Action {
                server: self.addressee(message),
                choice: Choice::Receive(message),
            };
            self.act(state, &ghost, action, tell);
        }
    }

    /// What may happen to a server besides that a message arrives.
    fn choices(&self, state: &State, server: usize, ghost: &Ghost) -> Vec<Choice> {
        let scope = &self.scope;
        let local = self.local(state, server);
        let leads = local.leads();
        let used = ghost.used;
        let mut choices = Vec::new();
        let mut may = |condition: bool, choice: Choice| {
            if condition {
                choices.push(choice);
            }
        };
        may(!local.unsynced.is_empty(), Choice::Sync);
        let term = local.node.current_term().0;
        let may_stand = scope.stands.is_empty() || scope.stands.contains(&(server as u64 + 1));
        let stands = !leads && may_stand && (term < u64::from(scope.max_term));
        let looks = leads && (scope.check_quorum || scope.transfers > 0);
        may(stands || looks, Choice::Fires(Timer::Election));
        may(leads && scope.heartbeats, Choice::Fires(Timer::Heartbeat));
        may(scope.stickiness, Choice::Fires(Timer::Stickiness));
        may(
            leads && used.proposals < scope.proposals,
            Choice::Propose(used.proposals + 1),
        );
        may(used.reads < scope.reads, Choice::Read(used.reads + 1));
        may(
            leads && usize::from(used.changes) < scope.changes.len(),
            Choice::Change(used.changes),
        );
        if leads && used.transfers < scope.transfers {
            for target in (1..=scope.servers).filter(|id| usize::from(*id) != server + 1) {
                may(true, Choice::Transfer(target));
            }
        }
        let applied = (local.machine.len() / ENTRY_BYTES) as u64;
        may(
            used.snapshots < scope.snapshots && applied > local.node.snapshot_index().0,
            Choice::Snapshot,
        );
        if used.crashes < scope.crashes {
            for kept in 0..=local.unsynced_writes() {
                may(true, Choice::Crash(kept as u8));
            }
        }
        choices
    }

    /// Carries one step out, unless nothing comes of it.
    fn act(
        &mut self,
        state: &State,
        ghost: &Arc<Ghost>,
        action: Action,
        tell: &mut dyn FnMut(Next<'_>),
    ) {
        let server = usize::from(action.server);
        let before = state[server];
        // What can't be lost any more is as good as synced, and a promise that leaves late is a message that
        // arrives late.
        let at_once = !self.scope.syncs_apart || ghost.used.crashes >= self.scope.crashes;
        let at = self.know(before, action.choice, at_once);
        if at == NOTHING {
            return;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let known = &self.known[at as usize];
        buffer.extend_from_slice(state);
        buffer[server] = known.after;
        for message in &known.sent {
            self.send(&mut buffer, *message);
        }
        let claims = known.claims;
        let mut breach = known.breach.clone();
        let counted = counted(action);
        if counted || known.elected || known.applied || !known.reads.is_empty() {
            let mut after = Ghost::clone(ghost);
            let broken = self.remember(&mut after, action, &buffer, at);
            breach = breach.or(broken);
            buffer[self.servers()] = self.ghosts.number(after);
        }
        let known = &self.known[at as usize];
        for (membership, index) in &known.commits {
            let broken = self.commit_is_durable(&buffer, server, membership, *index);
            breach = breach.or(broken);
        }
        if breach.is_none() && known.log_changed {
            breach = self.logs_match(&buffer, server);
        }
        // A server to which nothing happened, and a message that is still there: no step at all.
        if &buffer[..] != state || breach.is_some() {
            tell(Next {
                action,
                state: &buffer,
                fingerprint: self.fingerprint(&buffer),
                claims,
                breach,
            });
        }
        self.buffer = buffer;
    }

    /// The place of a server's step in `known`.
    fn know(&mut self, before: u32, choice: Choice, at_once: bool) -> u32 {
        if let Some(at) = self.memo.get(&(before, choice, at_once)) {
            return *at;
        }
        let local = Arc::clone(self.locals.get(before));
        let message = match choice {
            Choice::Receive(message) => Some(Arc::clone(self.messages.get(message))),
            _ => None,
        };
        let at = match local.take(&self.scope, choice, at_once, message.as_deref()) {
            None => NOTHING,
            Some(done) => {
                let (was, is) = (&local.node, &done.after.node);
                let known = Known {
                    elected: done.after.leads()
                        && (!local.leads() || was.current_term() != is.current_term()),
                    applied: done.after.machine != local.machine,
                    log_changed: was.log() != is.log(),
                    claims: done.claims,
                    sent: done
                        .sent
                        .into_iter()
                        .map(|envelope| self.messages.number(envelope))
                        .collect(),
                    reads: done
                        .answers
                        .iter()
                        .filter_map(|(id, answer)| match answer {
                            Answer::ReadAt(index) => Some(((id.0 - READS) as u8, index.0)),
                            _ => None,
                        })
                        .collect(),
                    breach: done.breach,
                    commits: done.commits,
                    after: self.locals.number(done.after),
                };
                self.known.push(known);
                u32::try_from(self.known.len() - 1).expect("no memory holds so many steps")
            }
        };
        self.memo.insert((before, choice, at_once), at);
        at
    }

    /// What the ghost notes of a step, and what it finds wrong.
    fn remember(
        &self,
        ghost: &mut Ghost,
        action: Action,
        state: &State,
        at: u32,
    ) -> Option<Breach> {
        let known = &self.known[at as usize];
        let used = &mut ghost.used;
        match action.choice {
            Choice::Propose(_) => used.proposals += 1,
            Choice::Read(number) => {
                used.reads += 1;
                let committed = (ghost.committed.len() / ENTRY_BYTES) as u8;
                ghost.reads.push((number, committed));
            }
            Choice::Change(_) => used.changes += 1,
            Choice::Transfer(_) => used.transfers += 1,
            Choice::Snapshot => used.snapshots += 1,
            Choice::Crash(_) => used.crashes += 1,
            Choice::Receive(_) | Choice::Fires(_) | Choice::Sync => {}
        }
        let local = self.local(state, usize::from(action.server));
        let id = local.node.id();
        if let Some((index, committed)) = ghost.reads_behind(&known.reads) {
            return Some(Breach::of(
                Property::ReadsSeeWhatWasCommitted,
                format!(
                    "{id} serves a read at {index}, though {committed} entries were committed when it \
                     was asked for"
                ),
            ));
        }
        let answered = |read: u8| known.reads.iter().any(|(number, _)| *number == read);
        ghost.reads.retain(|(number, _)| !answered(*number));
        if known.elected {
            let term = local.node.current_term();
            if let Some(other) = ghost.elect(term.0, id.0) {
                return Some(Breach::of(
                    Property::ElectionSafety,
                    format!(
                        "{} and {id} are both elected in term {term}",
                        NodeId(u64::from(other))
                    ),
                ));
            }
            if let Some(missing) = lacks(local, ghost) {
                return Some(Breach::of(
                    Property::LeaderCompleteness,
                    format!("{id} leads term {term} and lacks the committed entry {missing}"),
                ));
            }
        }
        if known.applied && !ghost.agrees(&local.machine, local.node.current_term().0) {
            return Some(Breach::of(
                Property::StateMachineSafety,
                format!("{id} applies what others do not"),
            ));
        }
        None
    }

    /// What a leader has just committed is on the disks of a quorum, by arithmetic of our own.
    pub(super) fn commit_is_durable(
        &self,
        state: &State,
        server: usize,
        membership: &Membership,
        index: LogIndex,
    ) -> Option<Breach> {
        let node = &self.local(state, server).node;
        let entry = node.log().get(index)?;
        let held = decide(membership, |id| {
            let at = (id.0 - 1) as usize;
            at < self.servers() && self.local(state, at).holds_durably(entry)
        });
        (!held).then(|| {
            Breach::of(
                Property::CommitsAreDurable,
                format!(
                    "{} commits entry {index}, which no quorum of its membership has on disk",
                    node.id()
                ),
            )
        })
    }

    /// The log that changed agrees with every other as Log Matching asks.
    pub(super) fn logs_match(&self, state: &State, server: usize) -> Option<Breach> {
        let ours = &self.local(state, server).node;
        for other in (0..self.servers()).filter(|other| *other != server) {
            let theirs = &self.local(state, other).node;
            let common = ours.log().last_index().min(theirs.log().last_index());
            let first = ours.log().first_index().max(theirs.log().first_index());
            // From the last entry of the same term on, backwards, all must be the same.
            let mut same = false;
            let mut index = common;
            while index >= first {
                let (a, b) = (ours.log().get(index)?, theirs.log().get(index)?);
                if (same || a.term == b.term) && a != b {
                    return Some(Breach::of(
                        Property::LogMatching,
                        format!("{} and {} differ at entry {index}", ours.id(), theirs.id()),
                    ));
                }
                same |= a.term == b.term;
                index = index.prev();
            }
        }
        None
    }
}

/// Whether a scope bounds how often it happens.
fn counted(action: Action) -> bool {
    !matches!(
        action.choice,
        Choice::Receive(_) | Choice::Fires(_) | Choice::Sync
    )
}

/// The first entry committed in an earlier term that a leader lacks (Figure 3, Leader Completeness). One that
/// is elected late, in a term that others have left behind, need not have what they committed since.
pub(super) fn lacks(local: &Local, ghost: &Ghost) -> Option<usize> {
    let log = local.node.log();
    let term = local.node.current_term().0;
    (1..=ghost.committed_in.len()).find(|index| {
        let place = LogIndex(*index as u64);
        let expected = &ghost.committed[(index - 1) * ENTRY_BYTES..index * ENTRY_BYTES];
        let held = match log.get(place) {
            Some(entry) => digest(entry) == expected,
            // What is compacted away is the snapshot's, and judged when that is restored.
            None => place <= log.base().0,
        };
        u64::from(ghost.committed_in[index - 1]) < term && !held
    })
}
