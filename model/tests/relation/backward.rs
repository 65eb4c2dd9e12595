//! Where the unbounded rules allow a step, the specification takes it, but for what a bound cuts off; and where they
//! do not, it does not.

use plumb_model::relation::{
    Change, Standing, adopt_term, ask_pre_vote, ask_read, begin_round, change_configuration,
    client_request, compact, handle_heartbeat, is_deaf_to, lease_read, leave_office, timeout,
    timeout_now, transfer_leadership,
};
use plumb_model::{Action, Message, Packed, ServerId};

use super::forward::{
    append, commits, confirms, installs, leads, may_begin, serves, vote, would_vote,
};
use super::packed::{Cluster, NOW, Named};

struct Steps<'a> {
    cluster: &'a Cluster<'a>,
    id: ServerId,
    taken: &'a [Action],
}

impl Steps<'_> {
    /// The unbounded rules allow just what the specification does.
    fn same(&self, allowed: bool, action: Action) {
        let taken = self.taken.contains(&action);
        let state = self.cluster.state;
        assert_eq!(allowed, taken, "{action:?}: allowed, taken\n{state:#?}");
    }

    /// What the unbounded rules allow, the specification does.
    fn at_least(&self, allowed: bool, action: Action) {
        let taken = self.taken.contains(&action);
        assert!(taken || !allowed, "{action:?}\n{:#?}", self.cluster.state);
    }
}

/// Compares what a server may do in a state by either side.
pub fn nothing_else(cluster: &Cluster<'_>, id: ServerId, taken: &[Action]) {
    let steps = Steps { cluster, id, taken };
    steps.of_elections();
    steps.of_leaders();
    steps.of_reads();
    for message in cluster.state.network().as_slice() {
        if message.from() != id {
            steps.of_message(*message);
        }
    }
}

impl Steps<'_> {
    fn of_elections(&self) {
        let (cluster, id, me) = (self.cluster, self.id, u64::from(self.id.0));
        let was = cluster.position(id);
        let in_bounds = cluster.server(id).term() < cluster.bounds.max_term;
        let stands = timeout(was, me).is_some() && may_begin(cluster, id);
        self.same(stands && in_bounds, Action::Timeout(id));
        self.same(leads(cluster, id).is_some(), Action::BecomeLeader(id));
        if cluster.bounds.features.pre_vote {
            let log = cluster.server(id).log();
            let asked = cluster.senders(|message| match message {
                Message::PreVote {
                    term,
                    candidate,
                    last_index,
                    last_term,
                } if u64::from(term) == was.term
                    && candidate == id
                    && (last_index, last_term) == (log.len(), log.last_term()) =>
                {
                    Some(candidate)
                }
                _ => None,
            });
            let asks = ask_pre_vote(was) && cluster.may_stand(id);
            let new = in_bounds && asked.is_empty();
            self.same(asks && new, Action::AskPreVote(id));
        }
        for term in 1..=cluster.bounds.max_term {
            let heard = cluster.state.network().as_slice().iter().any(|message| {
                message.term() == term && self.makes_its_term_known(message.unpack())
            });
            let adopts = adopt_term(was, term.into()) != was && heard;
            self.same(adopts, Action::AdoptTerm(id, term));
        }
    }

    /// Whether a message takes this server to its term (Figure 2, "Rules for Servers").
    fn makes_its_term_known(&self, message: Message) -> bool {
        let patience = self.cluster.bounds.features.patience > 0;
        match message {
            Message::PreVote { .. } | Message::PreVoteGrant { .. } => false,
            Message::RequestVote { transfer, .. } => {
                !is_deaf_to(self.cluster.position(self.id), transfer)
            }
            // Without patience it does not matter from whom it hears of the term.
            Message::Grant { candidate: to, .. }
            | Message::Ack { leader: to, .. }
            | Message::HeartbeatAck { leader: to, .. }
            | Message::TimeoutNow { to, .. } => !patience || to == self.id,
            Message::AppendEntries { .. }
            | Message::InstallSnapshot { .. }
            | Message::Heartbeat { .. } => true,
        }
    }

    fn of_leaders(&self) {
        let (cluster, id, me) = (self.cluster, self.id, u64::from(self.id.0));
        let (was, log) = (cluster.position(id), cluster.log(id));
        let (bounds, features) = (cluster.bounds, &cluster.bounds.features);
        let ghost = cluster.state.ghost();
        let room = cluster.server(id).log().len() < bounds.max_log;
        let takes = client_request(was, &log, 1).is_some() && room;
        let new = ghost.requests() < bounds.requests;
        self.same(takes && new, Action::ClientRequest(id));
        for value in 1..=ghost.requests() {
            let again = ghost.retries() < features.retries;
            self.same(takes && again, Action::ClientRetry(id, value));
        }
        for index in 1..=bounds.max_log {
            let commits = commits(cluster, id, index).is_some();
            self.same(commits, Action::AdvanceCommit(id, index));
        }
        let (at, now) = cluster.in_force(id);
        for to in features.plan.changes() {
            let next = Named(features.plan.0[usize::from(to)]);
            let follows = change_configuration(was, &log, (at, &now), &next).is_some();
            let other = next != now;
            self.same(
                follows && other && room,
                Action::ChangeConfiguration(id, to),
            );
        }
        let leaves = leave_office(was, (at, &now), me).is_some();
        self.same(leaves, Action::LeaveOffice(id));
        if features.check_quorum {
            let leads = was.standing == Standing::Leader;
            self.same(leads, Action::StepDown(id));
        }
        if features.snapshots {
            let more = compact(was, was.commit).is_some();
            self.same(more, Action::Compact(id));
        }
        if features.transfer {
            for to in cluster.state.ids() {
                // The model hands over once in a term.
                let hands_over = transfer_leadership(was, me, to.0.into()).is_some();
                let action = Action::TransferLeadership(id, to);
                self.same(hands_over && !was.told, action);
            }
        }
    }

    fn of_reads(&self) {
        let (cluster, id) = (self.cluster, self.id);
        let (was, log) = (cluster.position(id), cluster.log(id));
        let (features, extra) = (&cluster.bounds.features, cluster.server(id).extra());
        let more_rounds = extra.round() < features.rounds;
        let begins = begin_round(was).is_some() && more_rounds;
        self.same(begins, Action::BeginRound(id));
        // The model's leaders take one read at a time.
        let more = extra.read().is_none() && cluster.state.ghost().reads() < features.reads;
        let takes = ask_read(was, &log).is_some() && more && more_rounds;
        self.same(takes, Action::AskRead(id));
        if features.reads > 0 {
            for at in cluster.state.ids() {
                self.same(serves(cluster, id, at), Action::ServeRead(id, at));
            }
        }
        if features.patience > 0 {
            let serves = lease_read(was, &log, NOW, cluster.lease_lasts());
            self.same(serves, Action::LeaseRead(id));
            // A leader that has told another to stand has none, whatever its rounds.
            let runs = (was.told || extra.lease() > 0) && !extra.holds_lease();
            let confirms = runs && confirms(cluster, id).is_some();
            self.same(confirms, Action::ConfirmLease(id));
        }
    }

    fn of_message(&self, message: Packed) {
        let (cluster, id, me) = (self.cluster, self.id, u64::from(self.id.0));
        let was = cluster.position(id);
        if matches!(message.unpack(), Message::PreVote { .. }) {
            let answered = cluster.senders(|other| match other {
                Message::PreVoteGrant {
                    term,
                    voter,
                    candidate,
                } if term == message.term() && voter == id && candidate == message.from() => {
                    Some(voter)
                }
                _ => None,
            });
            // An answer that can't count any more is forgotten as soon as it is given.
            let action = Action::HandlePreVote(id, message);
            let would = would_vote(cluster, id, message);
            let taken = self.taken.contains(&action);
            assert!(!taken || would, "{action:?}\n{:#?}", cluster.state);
            let candidate = cluster.server(message.from());
            let waits = candidate.term() == message.term() && !candidate.is_leader();
            self.at_least(would && answered.is_empty() && waits, action);
        }
        if let Message::TimeoutNow { term, to, .. } = message.unpack() {
            let stands = timeout_now(was, me, term.into()).is_some() && cluster.may_stand(id);
            let in_bounds = to == id && term < cluster.bounds.max_term;
            self.same(stands && in_bounds, Action::HandleTimeoutNow(id, message));
        }
        if message.term() != cluster.server(id).term() {
            return;
        }
        let votes = vote(cluster, id, message).is_some_and(|is| is != was);
        self.same(votes, Action::HandleRequestVote(id, message));
        let appends = append(cluster, id, message).is_some_and(|(is, change)| {
            is != was || change.unwrap_or(Change::Kept) != Change::Kept
        });
        self.at_least(appends, Action::HandleAppendEntries(id, message));
        let installs = installs(cluster, id, message)
            .is_some_and(|(is, change)| is != was || change != Change::Kept);
        self.at_least(installs, Action::HandleInstallSnapshot(id, message));
        if let Message::Heartbeat { .. } = message.unpack() {
            let sticks = cluster.bounds.features.patience > 0;
            let changes = handle_heartbeat(was, sticks) != was;
            self.at_least(changes, Action::HandleHeartbeat(id, message));
        }
    }
}
