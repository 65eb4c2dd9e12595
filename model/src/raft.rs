//! The specification: bounds and ablations on one side, stateright's `Model` on the other.

use std::fmt;

use crate::ablations::{Ablation, Ablations};
use crate::bounds::{Bounds, BoundsError};
use crate::claims::Claim;
use crate::log::{Index, Term};
use crate::message::{Message, Packed};
use crate::properties::Property;
use crate::reductions::Reductions;
use crate::rules;
use crate::server::ServerId;
use crate::state::State;
use crate::symmetry;

/// One step that the cluster may take. Loss, duplication and reordering are not steps: see
/// [`crate::Network`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A server times out and stands for election (§5.2).
    Timeout(ServerId),
    /// A server adopts a higher term that it saw in a message (§5.1).
    AdoptTerm(ServerId, Term),
    /// A server receives a request for its vote (§5.2, §5.4.1).
    HandleRequestVote(ServerId, Packed),
    /// A candidate counts a majority of votes (§5.2).
    BecomeLeader(ServerId),
    /// A leader takes a client's command (§5.3).
    ClientRequest(ServerId),
    /// A leader sends entries; only where sends are not eager (§5.3).
    SendAppendEntries(ServerId, Packed),
    /// A server receives entries or a commit index (§5.3).
    HandleAppendEntries(ServerId, Packed),
    /// A leader commits up to an index (§5.3, §5.4.2).
    AdvanceCommit(ServerId, Index),
    /// A server's term, vote and log reach its disk (Figure 2).
    Persist(ServerId),
    /// A server crashes and starts again from its disk.
    CrashAndRestart(ServerId),
}

/// The rules, for counting how often each was taken.
pub const RULES: [&str; 10] = [
    "Timeout",
    "AdoptTerm",
    "HandleRequestVote",
    "BecomeLeader",
    "ClientRequest",
    "SendAppendEntries",
    "HandleAppendEntries",
    "AdvanceCommit",
    "Persist",
    "CrashAndRestart",
];

impl Action {
    /// The rule's place in [`RULES`].
    #[must_use]
    pub const fn rule(self) -> usize {
        match self {
            Action::Timeout(_) => 0,
            Action::AdoptTerm(..) => 1,
            Action::HandleRequestVote(..) => 2,
            Action::BecomeLeader(_) => 3,
            Action::ClientRequest(_) => 4,
            Action::SendAppendEntries(..) => 5,
            Action::HandleAppendEntries(..) => 6,
            Action::AdvanceCommit(..) => 7,
            Action::Persist(_) => 8,
            Action::CrashAndRestart(_) => 9,
        }
    }

    /// The server that takes the step.
    #[must_use]
    pub const fn server(self) -> ServerId {
        match self {
            Action::Timeout(id)
            | Action::AdoptTerm(id, _)
            | Action::HandleRequestVote(id, _)
            | Action::BecomeLeader(id)
            | Action::ClientRequest(id)
            | Action::SendAppendEntries(id, _)
            | Action::HandleAppendEntries(id, _)
            | Action::AdvanceCommit(id, _)
            | Action::Persist(id)
            | Action::CrashAndRestart(id) => id,
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rule, id) = (RULES[self.rule()], self.server());
        match self {
            Action::AdoptTerm(_, term) => write!(f, "{id}: {rule} {term}"),
            Action::AdvanceCommit(_, index) => write!(f, "{id}: {rule} to {index}"),
            Action::HandleRequestVote(_, message)
            | Action::HandleAppendEntries(_, message)
            | Action::SendAppendEntries(_, message) => write!(f, "{id}: {rule} {message:?}"),
            _ => write!(f, "{id}: {rule}"),
        }
    }
}

/// Raft in stated bounds, with or without some of its rules.
#[derive(Clone, Debug)]
pub struct Raft {
    bounds: Bounds,
    ablations: Ablations,
    reductions: Reductions,
    symmetry: bool,
    quorum: u32,
}

impl Raft {
    /// Raft within `bounds`, with the rules in `ablations` removed.
    ///
    /// # Errors
    /// If a packed state cannot hold these bounds.
    pub fn new(bounds: Bounds, ablations: Ablations) -> Result<Raft, BoundsError> {
        bounds.validate()?;
        let quorum = if ablations.has(Ablation::HalfIsMajority) {
            (u32::from(bounds.servers) / 2).max(1)
        } else {
            bounds.majority()
        };
        Ok(Raft {
            bounds,
            ablations,
            reductions: Reductions::ALL,
            symmetry: false,
            quorum,
        })
    }

    /// With other reductions than all of them, for comparing.
    #[must_use]
    pub fn with_reductions(self, reductions: Reductions) -> Raft {
        Raft { reductions, ..self }
    }

    /// With states that differ only in the servers' numbers taken as one: see [`symmetry`].
    #[must_use]
    pub fn with_symmetry(self, symmetry: bool) -> Raft {
        Raft { symmetry, ..self }
    }

    /// The bounds.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Whether states that differ only in the servers' numbers are taken as one.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.symmetry
    }

    pub(crate) fn reductions(&self) -> Reductions {
        self.reductions
    }

    /// Whether a rule is removed.
    #[inline]
    pub(crate) fn without(&self, ablation: Ablation) -> bool {
        self.ablations.has(ablation)
    }

    /// How many servers decide.
    #[inline]
    pub(crate) fn quorum(&self) -> u32 {
        self.quorum
    }

    /// The initial state.
    #[must_use]
    pub fn initial(&self) -> State {
        State::initial(self.bounds.servers)
    }

    /// The state after `action`, or `None` if a rule does not allow it in `state`.
    #[must_use]
    pub fn step(&self, state: &State, action: Action) -> Option<State> {
        match action {
            Action::Timeout(id) => rules::timeout(self, state, id),
            Action::AdoptTerm(id, term) => rules::adopt_term(self, state, id, term),
            Action::HandleRequestVote(id, m) => rules::handle_request_vote(self, state, id, m),
            Action::BecomeLeader(id) => rules::become_leader(self, state, id),
            Action::ClientRequest(id) => rules::client_request(self, state, id),
            Action::SendAppendEntries(id, m) => rules::send_append_entries(self, state, id, m),
            Action::HandleAppendEntries(id, m) => rules::handle_append_entries(self, state, id, m),
            Action::AdvanceCommit(id, index) => rules::advance_commit(self, state, id, index),
            Action::Persist(id) => rules::persist(self, state, id),
            Action::CrashAndRestart(id) => rules::crash_and_restart(self, state, id),
        }
    }

    /// Calls `each` with every step that is worth trying in `state`, in a fixed order. Guards are in
    /// the rules: a step offered here may turn out not to be allowed.
    #[inline]
    pub(crate) fn offers(&self, state: &State, mut each: impl FnMut(Action)) {
        let messages = state.network().as_slice();
        for id in state.ids() {
            let server = state.server(id);
            each(Action::Timeout(id));
            let mut heard = server.term();
            for &message in messages {
                let term = message.term();
                if term > heard {
                    heard = term;
                    each(Action::AdoptTerm(id, term));
                }
                if term != server.term() || message.from() == id {
                    continue;
                }
                match message.unpack() {
                    Message::RequestVote { .. } => each(Action::HandleRequestVote(id, message)),
                    Message::AppendEntries { .. } => each(Action::HandleAppendEntries(id, message)),
                    Message::Grant { .. } | Message::Ack { .. } => {}
                }
            }
            each(Action::BecomeLeader(id));
            if server.is_leader() {
                each(Action::ClientRequest(id));
                if !self.reductions.eager_send {
                    rules::appends_of(state, id)
                        .for_each(|message| each(Action::SendAppendEntries(id, message)));
                }
                for index in server.commit() + 1..=server.log().len() {
                    each(Action::AdvanceCommit(id, index));
                }
            }
            each(Action::Persist(id));
            each(Action::CrashAndRestart(id));
        }
    }
}

impl stateright::Model for Raft {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.initial()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.offers(state, |action| {
            if self.step(state, action).is_some() {
                actions.push(action);
            }
        });
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.step(state, action)
    }

    fn format_action(&self, action: &Action) -> String {
        format!("{action:?}")
    }

    fn format_step(&self, state: &State, action: Action) -> Option<String> {
        let next = self.step(state, action)?;
        let step = crate::story::Step::tell(self, state, action, &next);
        Some(format!("{step}\n{next:#?}"))
    }

    /// The safety properties, and those claims that a state alone can show.
    fn properties(&self) -> Vec<stateright::Property<Raft>> {
        type P = stateright::Property<Raft>;
        vec![
            P::always(Property::ElectionSafety.name(), |_, s| {
                Property::ElectionSafety.holds(s)
            }),
            P::always(Property::LeaderAppendOnly.name(), |_, s| {
                Property::LeaderAppendOnly.holds(s)
            }),
            P::always(Property::LogMatching.name(), |_, s| {
                Property::LogMatching.holds(s)
            }),
            P::always(Property::LeaderCompleteness.name(), |_, s| {
                Property::LeaderCompleteness.holds(s)
            }),
            P::always(Property::StateMachineSafety.name(), |_, s| {
                Property::StateMachineSafety.holds(s)
            }),
            P::always(Property::DurablePromises.name(), |_, s| {
                Property::DurablePromises.holds(s)
            }),
            P::sometimes(Claim::LeaderElected.name(), |_, s| {
                s.servers().iter().any(|server| server.is_leader())
            }),
            P::sometimes(Claim::EntryCommitted.name(), |_, s| {
                !s.ghost().committed().is_empty()
            }),
        ]
    }
}

/// Symmetry for stateright's depth-first checker (its others ignore it).
impl stateright::Representative for State {
    fn representative(&self) -> State {
        symmetry::representative(self)
    }
}
