//! What the unbounded rules make of a step that the specification takes.

use plumb_model::relation::{
    Append, Change, Durable, Position, VoteAsked, adopt_term, advance_commit, append_entries,
    ask_pre_vote, ask_read, become_leader, begin_round, change_configuration, client_request,
    compact, confirm_lease, counts_acknowledgement, counts_confirmation, counts_grant,
    counts_pre_vote, handle_heartbeat, install_snapshot, lease_read, leave_office, lose_patience,
    may_win, pre_vote, request_vote, restart, serve_read, step_down, timeout, timeout_now,
    transfer_leadership,
};
use plumb_model::{Action, Message, Packed, ServerId};

use super::packed::{Cluster, Held, NOW, Named};

/// The server's numbers and the terms in its log, after a step.
pub fn taken(cluster: &Cluster<'_>, id: ServerId, action: Action) -> Held {
    let was = cluster.position(id);
    let me = u64::from(id.0);
    let log = cluster.log(id);
    let mut change = Change::Kept;
    let is = match action {
        Action::Timeout(_) => {
            assert!(may_begin(cluster, id), "{action:?}");
            timeout(was, me).expect("it may stand")
        }
        Action::AdoptTerm(_, term) => adopt_term(was, term.into()),
        Action::HandleRequestVote(_, message) => vote(cluster, id, message).expect("it is granted"),
        Action::BecomeLeader(_) => leads(cluster, id).expect("it may lead"),
        Action::ClientRequest(_) | Action::ClientRetry(..) => {
            change = client_request(was, &log, 1).expect("it leads");
            was
        }
        Action::ChangeConfiguration(_, to) => {
            let next = Named(cluster.bounds.features.plan.0[usize::from(to)]);
            let (at, now) = cluster.in_force(id);
            let changed = change_configuration(was, &log, (at, &now), &next);
            change = changed.expect("it may follow");
            was
        }
        Action::HandleAppendEntries(_, message) => {
            let (is, changed) = append(cluster, id, message).expect("it is one");
            change = changed.unwrap_or(Change::Kept);
            is
        }
        Action::AdvanceCommit(_, index) => commits(cluster, id, index).expect("it may commit"),
        Action::LeaveOffice(_) => {
            let (at, now) = cluster.in_force(id);
            leave_office(was, (at, &now), me).expect("it is removed")
        }
        Action::StepDown(_) => step_down(was),
        Action::HandleHeartbeat(..) => handle_heartbeat(was, sticks(cluster)),
        Action::SendAppendEntries(..) | Action::Persist(_) => was,
        Action::BeginRound(_) => {
            // A leader of the model that begins a round lets go of the lease of the one before.
            let begun = begin_round(was).expect("it leads");
            Position {
                lease: None,
                ..begun
            }
        }
        Action::AskRead(_) => {
            let read = ask_read(was, &log).expect("it may take one");
            assert_eq!(read.index, u64::from(cluster.server(id).commit()));
            was
        }
        Action::ServeRead(_, at) => {
            assert!(serves(cluster, id, at), "{action:?}");
            was
        }
        Action::Tick => unreachable!("no server takes it"),
        Action::ConfirmLease(_) => confirms(cluster, id).expect("it is confirmed"),
        Action::LeaseRead(_) => {
            assert!(lease_read(was, &log, NOW, cluster.lease_lasts()));
            was
        }
        Action::TransferLeadership(_, to) => {
            transfer_leadership(was, me, to.0.into()).expect("it leads")
        }
        Action::HandleTimeoutNow(_, message) => {
            assert!(cluster.may_stand(id), "{action:?}");
            timeout_now(was, me, message.term().into()).expect("it is told")
        }
        Action::Compact(_) => compact(was, was.commit).expect("it has applied more"),
        Action::HandleInstallSnapshot(_, message) => {
            let installed = installs(cluster, id, message).expect("it may be installed");
            change = installed.1;
            installed.0
        }
        Action::AskPreVote(_) => {
            assert!(ask_pre_vote(was) && cluster.may_stand(id));
            was
        }
        Action::HandlePreVote(_, message) => {
            assert!(would_vote(cluster, id, message), "{action:?}");
            was
        }
        Action::CrashAndRestart(_) => return restarted(cluster, id),
    };
    let (last, terms) = changed(cluster, id, &change, is.snapshot);
    (is, last, terms)
}

/// Time passes: patience may end, a lease draws nearer to its end, and nothing else changes.
pub fn aged(before: &Cluster<'_>, after: &Cluster<'_>, id: ServerId) {
    let (was, is) = (before.position(id), after.position(id));
    let lease = is.lease;
    let young = Position { lease, ..was };
    assert!(is == young || is == lose_patience(young), "{was:?} {is:?}");
    // What was sent a tick ago was sent two ago, of a lease that is not over.
    let sent = was.lease.map(|sent| sent - 1);
    assert!(
        lease == sent
            || (lease.is_none() && sent.is_some_and(|at| at + before.lease_lasts() <= NOW))
    );
}

fn sticks(cluster: &Cluster<'_>) -> bool {
    cluster.bounds.features.patience > 0
}

fn changed(cluster: &Cluster<'_>, id: ServerId, change: &Change, snapshot: u64) -> (u64, Vec<u64>) {
    let mut terms = cluster.terms(id, 0);
    match change {
        Change::Kept => {}
        Change::From(index, new) => {
            terms.truncate(usize::try_from(*index).expect("small") - 1);
            terms.extend(new);
        }
        Change::Replaced(upto) => return (*upto, Vec::new()),
    }
    let last = terms.len() as u64;
    let behind = usize::try_from(snapshot).expect("small");
    (last, terms.split_off(behind.min(terms.len())))
}

fn restarted(cluster: &Cluster<'_>, id: ServerId) -> Held {
    let server = cluster.server(id);
    let disk = Durable {
        term: server.durable_term().into(),
        vote: server.durable_vote().map(|id| id.0.into()),
        snapshot: server.durable_base().into(),
    };
    let log = server.durable_log();
    let terms = log.entries().map(|entry| entry.term.into());
    let terms = terms.skip(server.durable_base().into());
    let terms = terms.collect();
    (restart(disk, sticks(cluster)), log.len().into(), terms)
}

/// Whether a server that hears of no leader may stand, as far as configuration and pre-votes go.
pub fn may_begin(cluster: &Cluster<'_>, id: ServerId) -> bool {
    let (was, me) = (cluster.position(id), u64::from(id.0));
    let (_, now) = cluster.in_force(id);
    let voted = cluster.senders(|message| match message {
        Message::PreVoteGrant {
            term,
            voter,
            candidate,
        } if candidate == id && counts_pre_vote(was, term.into()) => Some(voter),
        _ => None,
    });
    let wins = || may_win(&now, |id| id == me || voted.contains(&id));
    cluster.may_stand(id) && (!cluster.bounds.features.pre_vote || wins())
}

pub fn vote(cluster: &Cluster<'_>, id: ServerId, message: Packed) -> Option<Position> {
    let Message::RequestVote {
        term,
        candidate,
        last_index,
        last_term,
        transfer,
    } = message.unpack()
    else {
        return None;
    };
    let asked = VoteAsked {
        candidate: candidate.0.into(),
        term: term.into(),
        last: (last_term.into(), last_index.into()),
        transfer,
    };
    request_vote(cluster.position(id), &cluster.log(id), asked)
}

pub fn leads(cluster: &Cluster<'_>, id: ServerId) -> Option<Position> {
    let was = cluster.position(id);
    let own = cluster.server(id).vote_is_durable();
    let voted = cluster.senders(|message| match message {
        Message::Grant {
            term,
            voter,
            candidate,
        } if candidate == id && counts_grant(was, term.into()) => Some(voter),
        _ => None,
    });
    let me = u64::from(id.0);
    become_leader(was, &cluster.in_force(id).1, |id| {
        voted.contains(&id) || (own && id == me)
    })
}

pub fn append(
    cluster: &Cluster<'_>,
    id: ServerId,
    message: Packed,
) -> Option<(Position, Option<Change>)> {
    let Message::AppendEntries {
        prev_index,
        prev_term,
        entry,
        commit,
        ..
    } = message.unpack()
    else {
        return None;
    };
    let entries: Vec<u64> = entry.iter().map(|entry| entry.term.into()).collect();
    let append = Append {
        prev_index: prev_index.into(),
        prev_term: prev_term.into(),
        entries: &entries,
        commit: commit.into(),
    };
    Some(append_entries(
        cluster.position(id),
        &cluster.log(id),
        append,
    ))
}

pub fn commits(cluster: &Cluster<'_>, id: ServerId, index: u8) -> Option<Position> {
    let was = cluster.position(id);
    let durable = cluster.server(id).durable_len() >= index;
    let acknowledged = cluster.senders(|message| match message {
        Message::Ack {
            term,
            follower,
            leader,
            matched,
        } if leader == id && counts_acknowledgement(was, term.into()) && matched >= index => {
            Some(follower)
        }
        _ => None,
    });
    let me = u64::from(id.0);
    let (_, now) = cluster.in_force(id);
    advance_commit(was, &cluster.log(id), index.into(), &now, |id| {
        acknowledged.contains(&id) || (durable && id == me)
    })
}

/// Up to which of a leader's rounds a server has answered it.
fn answered(cluster: &Cluster<'_>, leader: ServerId, who: u64) -> u64 {
    let was = cluster.position(leader);
    if who == u64::from(leader.0) {
        return was.round;
    }
    let messages = cluster.state.network().as_slice().iter();
    let rounds = messages.filter_map(|message| match message.unpack() {
        Message::HeartbeatAck {
            term,
            follower,
            leader: to,
            round,
        } if to == leader
            && u64::from(follower.0) == who
            && counts_confirmation(was, term.into()) =>
        {
            Some(u64::from(round))
        }
        _ => None,
    });
    rounds.max().unwrap_or(0)
}

pub fn serves(cluster: &Cluster<'_>, id: ServerId, at: ServerId) -> bool {
    let Some(read) = cluster.server(id).extra().read() else {
        return false;
    };
    let read = plumb_model::relation::Read {
        index: read.index.into(),
        round: read.round.into(),
    };
    let (_, now) = cluster.in_force(id);
    let applied = cluster.server(at).commit().into();
    let was = cluster.position(id);
    serve_read(was, read, &now, |who| answered(cluster, id, who), applied)
}

pub fn confirms(cluster: &Cluster<'_>, id: ServerId) -> Option<Position> {
    let was = cluster.position(id);
    let sent = (was.round, cluster.lease_sent(id));
    let (_, now) = cluster.in_force(id);
    confirm_lease(was, sent, &now, |who| answered(cluster, id, who))
}

pub fn would_vote(cluster: &Cluster<'_>, id: ServerId, message: Packed) -> bool {
    let Message::PreVote {
        term,
        last_index,
        last_term,
        ..
    } = message.unpack()
    else {
        return false;
    };
    let last = (last_term.into(), last_index.into());
    pre_vote(cluster.position(id), &cluster.log(id), term.into(), last)
}

pub fn installs(
    cluster: &Cluster<'_>,
    id: ServerId,
    message: Packed,
) -> Option<(Position, Change)> {
    let Message::InstallSnapshot {
        last_index,
        last_term,
        ..
    } = message.unpack()
    else {
        return None;
    };
    let last = (last_index.into(), last_term.into());
    let installed = install_snapshot(cluster.position(id), &cluster.log(id), last)?;
    Some((installed.position, installed.change))
}
