//! What follows a rule within a step: a leader that has counted a majority commits, completes a change of
//! membership or leaves its office, begins rounds, has a lease, tells its successor.

use plumb_model::relation::{
    Change, Entries, Position, Standing, advance_commit, begin_round, change_configuration,
    confirm_lease, leave_office, transfer_leadership,
};
use plumb_raft::core::{Effects, Message};

use super::given::Allowed;
use super::seen::{Agreed, Seen};
use super::tallies::own_vote_is_durable;
use super::written::Written;

/// A step that has been taken.
pub(super) struct Taken<'a, L> {
    pub(super) before: &'a Seen,
    pub(super) after: &'a Seen,
    /// The log after the step.
    pub(super) log: &'a L,
    pub(super) effects: &'a Effects,
    pub(super) written: &'a Written<'a>,
    /// A vote that counts from now on.
    pub(super) vote: Option<u64>,
    /// An acknowledgement that counts from now on.
    pub(super) matched: Option<(u64, u64)>,
}

impl<L: Entries> Taken<'_, L> {
    /// How the step differs from this rule and all that may follow it; `None` if it does not.
    pub(super) fn differs(&self, allowed: &Allowed) -> Option<String> {
        let is = self.after.position();
        let mut at = allowed.position;
        let mut completed = false;
        if at.standing == Standing::Leader {
            if !self.before.leads()
                && let Some(what) = self.is_not_elected()
            {
                return Some(what);
            }
            match self.as_leader(allowed, at, is) {
                Ok((position, one_more)) => (at, completed) = (position, one_more),
                Err(what) => return Some(what),
            }
        }
        if let Some(what) = differ(at, is, self.before.leads()) {
            return Some(what);
        }
        self.written
            .log_differs(self.before, &allowed.change, completed)
            .or_else(|| {
                self.written
                    .snapshot_differs(self.before, allowed, self.effects)
            })
    }

    /// §5.2: its majority counts its own vote only once that is durable.
    fn is_not_elected(&self) -> Option<String> {
        let (before, after) = (self.before, self.after);
        let (_, in_force) = before.in_force()?;
        let voted = |id: u64| {
            let own = id == after.id && own_vote_is_durable(after);
            before.votes.contains(&id) || self.vote == Some(id) || own
        };
        let elected = plumb_model::relation::decides(&in_force, voted);
        (!elected).then(|| "it leads without the votes of a majority".to_owned())
    }

    fn as_leader(
        &self,
        allowed: &Allowed,
        mut at: Position,
        is: Position,
    ) -> Result<(Position, bool), String> {
        let (before, after, log) = (self.before, self.after, self.log);
        if allowed.names_membership {
            self.is_changed(at)?;
        }
        if is.commit > at.commit {
            let in_force = before.in_force().ok_or("no membership is known")?;
            let holds = |id: u64| self.matched(id) >= is.commit;
            at = advance_commit(at, log, is.commit, &in_force.1, holds).ok_or_else(|| {
                format!("AdvanceCommit (§5.3, §5.4.2) does not reach {}", is.commit)
            })?;
        }
        let one_more = self.written.one_more(&allowed.change);
        let completed = one_more.is_some();
        if let Some(next) = one_more {
            let (index, in_force) = before.in_force().ok_or("no membership is known")?;
            change_configuration(at, log, (index, &in_force), &Agreed(next))
                .ok_or("ChangeConfiguration (§6) does not allow what it is changed to")?;
        }
        if is.standing == Standing::Follower && is.term == at.term {
            let (index, in_force) = before.in_force().ok_or("no membership is known")?;
            at = leave_office(at, (index, &in_force), after.id)
                .ok_or("LeaveOffice (§6) is for a leader whose removal is committed")?;
            return Ok((at, completed));
        }
        if is.round > at.round {
            let begun = begin_round(at).ok_or("only a leader begins rounds")?;
            at = Position {
                round: is.round,
                ..begun
            };
        }
        at = self.told(at)?;
        if is.lease != at.lease && is.told == at.told {
            at = self.leased(at, is)?;
        }
        Ok((at, completed))
    }

    /// Up to which index a server holds the log. A leader that leaves its office in this step has no tallies any
    /// more: then it is what it counted before, and what it has just received.
    fn matched(&self, id: u64) -> u64 {
        if self.after.leads() || id == self.after.id {
            return self.after.matched(id);
        }
        let received = self.matched.filter(|(from, _)| *from == id);
        self.before.matched(id).max(received.map_or(0, |it| it.1))
    }

    /// §6: the entry that was asked for names what may follow the membership in force.
    fn is_changed(&self, at: Position) -> Result<(), String> {
        let (index, in_force) = self.before.in_force().ok_or("no membership is known")?;
        let named = self.written.one_more(&Change::Kept);
        let named = named.ok_or("the entry names no membership")?;
        let follows = change_configuration(at, self.log, (index, &in_force), &Agreed(named));
        follows.map(|_| ()).ok_or_else(|| {
            format!("ChangeConfiguration (§6) does not allow {named:?} behind {in_force:?} of entry {index}")
        })
    }

    /// §3.10 of the dissertation: whoever is told to stand was to take over, and the lease is gone.
    fn told(&self, mut at: Position) -> Result<Position, String> {
        for envelope in &self.effects.send {
            if let Message::TimeoutNow { .. } = envelope.message {
                let successor = self.after.office.as_ref().and_then(|it| it.successor);
                if successor != Some(envelope.to.0) {
                    return Err(format!(
                        "{} is told to stand, and no successor",
                        envelope.to
                    ));
                }
                at = transfer_leadership(at, self.after.id, envelope.to.0)
                    .ok_or("TransferLeadership (dissertation §3.10) is for leaders")?;
            }
        }
        Ok(at)
    }

    /// §6.4.1 of the dissertation: a lease is counted from when a round was sent that a majority has answered.
    fn leased(&self, at: Position, is: Position) -> Result<Position, String> {
        let (before, after) = (self.before, self.after);
        let rounds = before.office.iter().flat_map(|it| it.sent.iter().copied());
        let begun = (before.position().round + 1..=is.round).map(|round| (round, after.now_ns));
        let both = [before.in_force(), after.in_force()];
        let confirmed = rounds
            .chain(begun)
            .filter(|(_, sent)| Some(*sent) == is.lease)
            .flat_map(|round| both.into_iter().flatten().map(move |it| (round, it.1)))
            .find_map(|(round, in_force)| {
                confirm_lease(at, round, &in_force, |id| after.answered(id))
            });
        confirmed.ok_or_else(|| {
            format!(
                "ConfirmLease (dissertation §6.4.1) gives no lease from {:?} on",
                is.lease
            )
        })
    }
}

/// How positions differ. A server's patience is looked at while it does not lead.
fn differ(expected: Position, is: Position, led: bool) -> Option<String> {
    let mut expected = expected;
    if led || is.standing == Standing::Leader {
        expected.patient = is.patient;
    }
    if expected == is {
        return None;
    }
    let mut what = Vec::new();
    let mut say = |name: &str, expected: String, is: String| {
        if expected != is {
            what.push(format!("{name} is {is}, not {expected}"));
        }
    };
    let text = |value: Option<u64>| value.map_or("none".to_owned(), |it| it.to_string());
    say("the term", expected.term.to_string(), is.term.to_string());
    say("the vote", text(expected.vote), text(is.vote));
    say(
        "the role",
        format!("{:?}", expected.standing),
        format!("{:?}", is.standing),
    );
    say(
        "the commit index",
        expected.commit.to_string(),
        is.commit.to_string(),
    );
    say(
        "the snapshot",
        expected.snapshot.to_string(),
        is.snapshot.to_string(),
    );
    say(
        "patience",
        expected.patient.to_string(),
        is.patient.to_string(),
    );
    say(
        "the round",
        expected.round.to_string(),
        is.round.to_string(),
    );
    say(
        "that another was told to stand",
        expected.told.to_string(),
        is.told.to_string(),
    );
    say("the lease", text(expected.lease), text(is.lease));
    Some(what.join(", "))
}
