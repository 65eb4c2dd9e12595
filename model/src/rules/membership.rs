//! Changes of membership: joint consensus (§6, dissertation §4.3), and by single servers (dissertation
//! §4.1).
//!
//! Messages reach servers whatever their configuration: whether a server takes part is no question
//! when it receives one (dissertation §4.2.2), only when it is counted.

use crate::ablations::Ablation;
use crate::log::{Entry, Index};
use crate::membership::{Config, Plan, majority};
use crate::raft::Raft;
use crate::rules::election::ServerSet;
use crate::rules::reads::has_committed_in_its_term;
use crate::rules::replication::send_all;
use crate::rules::settle::{Taken, settle};
use crate::server::{Role, Server, ServerId};
use crate::state::State;

/// §6: a server uses the latest configuration in its log, whether it is committed or not; so when
/// entries are deleted, the one before is back in force. A snapshot has
/// the one that was in force at its last index (§7). Returns where it stands, 0 for the first.
pub(crate) fn in_force(raft: &Raft, server: Server) -> (Index, Config) {
    let upto = if raft.without(Ablation::ConfigOnceCommitted) {
        server.commit()
    } else {
        server.log().len()
    };
    latest(raft, server, upto)
}

/// The latest configuration that the log has up to an index, and where it stands.
fn latest(raft: &Raft, server: Server, upto: Index) -> (Index, Config) {
    let plan = &raft.features().plan;
    let log = server.log();
    let first = if raft.without(Ablation::SnapshotWithoutConfig) {
        server.base() + 1
    } else {
        1
    };
    let named = (first..=upto).rev().find_map(|index| {
        let entry = log.get(index)?;
        Some((index, plan.named_by(entry.value)?))
    });
    named.unwrap_or((0, plan.0[0]))
}

/// Whether these servers decide where `server`'s configuration is in force (§6): a majority of the
/// voters, in the joint phase of the old ones and of the new ones.
#[inline]
pub(crate) fn is_quorum(raft: &Raft, server: Server, set: ServerSet) -> bool {
    if !raft.features().plan.is_on() {
        return set.count() >= raft.quorum();
    }
    decides(raft, in_force(raft, server).1, set.members())
}

pub(crate) fn decides(raft: &Raft, config: Config, set: u8) -> bool {
    if raft.without(Ablation::JointByUnion) {
        return majority(config.voters | config.incoming, set);
    }
    if raft.without(Ablation::JointByOld) {
        return majority(config.voters, set);
    }
    if raft.without(Ablation::CountLearners) {
        let counted = set & (config.voters | config.learners);
        return counted.count_ones() * 2 > config.voters.count_ones();
    }
    config.is_decided_by(set)
}

/// §6: only voters stand for election. One that is about to be removed still may: the entry that removes it is
/// not committed, and the others may need what only its log holds (dissertation §4.2.2).
#[inline]
pub(crate) fn may_stand(raft: &Raft, server: Server, id: ServerId) -> bool {
    if !raft.features().plan.is_on() {
        return true;
    }
    let (at, config) = in_force(raft, server);
    config.has_voter(id) || (at > server.commit() && latest(raft, server, at - 1).1.has_voter(id))
}

/// §6, dissertation §4.1: a leader appends a configuration that may follow the one in force, if that is
/// committed, and if the leader has committed an entry of its own term.
///
/// The latter is missing in the dissertation; without it, two leaders that each change a single server
/// decide apart from each other (Ongaro on raft-dev, "bug in single-server membership changes", 2015).
pub(crate) fn change_configuration(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    change: u8,
) -> Taken {
    let server = state.server(id);
    let (at, config) = in_force(raft, server);
    let next_config = raft.features().plan.0[usize::from(change)];
    let follows = config.may_be_followed_by(next_config)
        || (raft.without(Ablation::SkipJoint) && config != next_config);
    let committed = at <= server.commit() || raft.without(Ablation::TwoChanges);
    let knows = has_committed_in_its_term(server) || raft.without(Ablation::ChangeBeforeOwnCommit);
    if !server.is_leader()
        || server.log().len() >= raft.bounds().max_log
        || config == next_config
        || !(follows && committed && knows)
    {
        return None;
    }
    next.clone_from(state);
    let entry = Entry {
        term: server.term(),
        value: Plan::value(change),
    };
    next.server_mut(id).set_log(server.log().with(entry));
    send_all(raft, next, id);
    settle(raft, state, next, id)
}

/// §6: a leader that the committed configuration does not have as a voter steps down. Until then it
/// leads servers without counting itself.
pub(crate) fn leave_office(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    let (at, config) = in_force(raft, server);
    if !server.is_leader() || at > server.commit() || config.has_voter(id) {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id).set_role(Role::Follower);
    settle(raft, state, next, id)
}
