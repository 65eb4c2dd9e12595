//! The specification: bounds and ablations on one side, stateright's `Model` on the other.

use crate::ablations::{Ablation, Ablations};
use crate::action::Action;
use crate::bounds::{Bounds, BoundsError};
use crate::claims::Claim;
use crate::features::Features;
use crate::message::Message;
use crate::properties::Property;
use crate::reductions::Reductions;
use crate::rules::{self, Taken};
use crate::server::ServerId;
use crate::state::State;
use crate::symmetry;

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

    /// The optional parts that are on.
    #[inline]
    pub(crate) fn features(&self) -> &Features {
        &self.bounds.features
    }

    pub(crate) fn reductions(&self) -> Reductions {
        self.reductions
    }

    pub(crate) fn ablations(&self) -> Ablations {
        self.ablations
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
        State::initial(&self.bounds)
    }

    /// The state after `action`, or `None` if a rule does not allow it in `state`.
    #[must_use]
    pub fn step(&self, state: &State, action: Action) -> Option<State> {
        let mut next = self.initial();
        self.step_into(state, action, &mut next)?;
        Some(next)
    }

    /// The same, where `next` is written over; it means nothing if the step is not allowed.
    pub(crate) fn step_into(&self, state: &State, action: Action, next: &mut State) -> Taken {
        match action {
            Action::Timeout(id) => rules::timeout(self, state, next, id),
            Action::AdoptTerm(id, term) => rules::adopt_term(self, state, next, id, term),
            Action::HandleRequestVote(id, m) => {
                rules::handle_request_vote(self, state, next, id, m)
            }
            Action::BecomeLeader(id) => rules::become_leader(self, state, next, id),
            Action::ClientRequest(id) => rules::client_request(self, state, next, id),
            Action::SendAppendEntries(id, m) => {
                rules::send_append_entries(self, state, next, id, m)
            }
            Action::HandleAppendEntries(id, m) => {
                rules::handle_append_entries(self, state, next, id, m)
            }
            Action::AdvanceCommit(id, index) => rules::advance_commit(self, state, next, id, index),
            Action::Persist(id) => rules::persist(self, state, next, id),
            Action::CrashAndRestart(id) => rules::crash_and_restart(self, state, next, id),
            Action::Tick => rules::tick(self, state, next),
            Action::ConfirmLease(id) => rules::confirm_lease(self, state, next, id),
            Action::LeaseRead(id) => rules::lease_read(self, state, next, id),
            Action::TransferLeadership(id, to) => {
                rules::transfer_leadership(self, state, next, id, to)
            }
            Action::HandleTimeoutNow(id, m) => rules::handle_timeout_now(self, state, next, id, m),
            Action::Compact(id) => rules::compact(self, state, next, id),
            Action::HandleInstallSnapshot(id, m) => {
                rules::handle_install_snapshot(self, state, next, id, m)
            }
            Action::ChangeConfiguration(id, to) => {
                rules::change_configuration(self, state, next, id, to)
            }
            Action::LeaveOffice(id) => rules::leave_office(self, state, next, id),
            Action::AskPreVote(id) => rules::ask_pre_vote(self, state, next, id),
            Action::HandlePreVote(id, m) => rules::handle_pre_vote(self, state, next, id, m),
            Action::ClientRetry(id, value) => rules::client_retry(self, state, next, id, value),
            Action::StepDown(id) => rules::step_down(self, state, next, id),
            Action::BeginRound(id) => rules::begin_round(self, state, next, id),
            Action::HandleHeartbeat(id, m) => rules::handle_heartbeat(self, state, next, id, m),
            Action::AskRead(id) => rules::ask_read(self, state, next, id),
            Action::ServeRead(id, at) => rules::serve_read(self, state, next, id, at),
        }
    }

    /// Calls `each` with every step that is worth trying in `state`, in a fixed order. Guards are in
    /// the rules: a step offered here may turn out not to be allowed.
    #[inline]
    pub(crate) fn offers(&self, state: &State, mut each: impl FnMut(Action)) {
        if self.features().patience > 0 {
            each(Action::Tick);
        }
        let messages = state.network().as_slice();
        let refusals = self.without(Ablation::ConfirmByRefusal);
        for id in state.ids() {
            let server = state.server(id);
            if self.features().pre_vote {
                each(Action::AskPreVote(id));
            }
            each(Action::Timeout(id));
            let mut heard = server.term();
            for &message in messages {
                let term = message.term();
                if !message.makes_its_term_known() {
                    // Asked in another term, it is answered all the same.
                    each(Action::HandlePreVote(id, message));
                    continue;
                }
                if term > heard {
                    heard = term;
                    each(Action::AdoptTerm(id, term));
                }
                if (term != server.term() && !refusals)
                    || message.is_counted()
                    || message.from() == id
                {
                    continue;
                }
                match message.unpack() {
                    Message::RequestVote { .. } => each(Action::HandleRequestVote(id, message)),
                    Message::AppendEntries { .. } => each(Action::HandleAppendEntries(id, message)),
                    Message::Heartbeat { .. } => each(Action::HandleHeartbeat(id, message)),
                    Message::TimeoutNow { .. } => each(Action::HandleTimeoutNow(id, message)),
                    Message::InstallSnapshot { .. } => {
                        each(Action::HandleInstallSnapshot(id, message));
                    }
                    Message::PreVote { .. }
                    | Message::PreVoteGrant { .. }
                    | Message::Grant { .. }
                    | Message::Ack { .. }
                    | Message::HeartbeatAck { .. } => {}
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
                self.leader_offers(state, id, &mut each);
            }
            if self.features().snapshots {
                each(Action::Compact(id));
            }
            each(Action::Persist(id));
            each(Action::CrashAndRestart(id));
        }
    }

    /// What a leader may do in the optional parts that are on.
    #[inline]
    fn leader_offers(&self, state: &State, id: ServerId, each: &mut impl FnMut(Action)) {
        if self.features().check_quorum {
            each(Action::StepDown(id));
        }
        if self.features().rounds > 0 {
            each(Action::BeginRound(id));
        }
        if self.features().patience > 0 {
            each(Action::ConfirmLease(id));
            each(Action::LeaseRead(id));
        }
        if self.features().transfer {
            state
                .ids()
                .for_each(|to| each(Action::TransferLeadership(id, to)));
        }
        if self.features().plan.is_on() {
            let changes = self.features().plan.changes();
            changes.for_each(|to| each(Action::ChangeConfiguration(id, to)));
            each(Action::LeaveOffice(id));
        }
        if self.features().retries > 0 {
            let made = 1..=state.ghost().requests();
            made.for_each(|value| each(Action::ClientRetry(id, value)));
        }
        if self.features().reads > 0 {
            each(Action::AskRead(id));
            state.ids().for_each(|at| each(Action::ServeRead(id, at)));
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
        macro_rules! always {
            ($($property:ident),+) => {
                vec![$(P::always(Property::$property.name(), |raft: &Raft, state| {
                    Property::$property.holds(raft, state)
                })),+]
            };
        }
        let mut properties = always![
            ElectionSafety,
            LeaderAppendOnly,
            LogMatching,
            LeaderCompleteness,
            StateMachineSafety,
            DurablePromises,
            LinearizableReads,
            Monotonicity,
            ConfigurationSafety,
            OneChangeAtATime,
            ExactlyOnce
        ];
        properties.extend([
            P::sometimes(Claim::LeaderElected.name(), |_, s| {
                s.servers().iter().any(|server| server.is_leader())
            }),
            P::sometimes(Claim::EntryCommitted.name(), |_, s| {
                !s.ghost().committed().is_empty()
            }),
        ]);
        properties
    }
}

/// Symmetry for stateright's depth-first checker (its others ignore it).
impl stateright::Representative for State {
    fn representative(&self) -> State {
        symmetry::representative(self)
    }
}
