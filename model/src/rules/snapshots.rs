//! Snapshots and compaction (§7).
//!
//! A server's log keeps in the model what its snapshot stands for: as a ghost, which rules may not look
//! at, but for the snapshot's last index and term. It is what an installed snapshot brings.
//!
//! A snapshot and the cut of the log under it reach the disk at once, see [`super::persist`]. A crash
//! between the two is covered where the snapshot is written first: a server that starts with an old log
//! and a newer snapshot does to the log what installing the snapshot does.

use crate::ablations::Ablation;
use crate::log::{Index, Log, Term};
use crate::message::{Message, Packed};
use crate::raft::Raft;
use crate::rules::replication::send_all;
use crate::rules::settle::{Taken, settle};
use crate::server::{Role, ServerId};
use crate::state::State;

/// §7: a server writes down its state machine and discards the entries that it has applied. A snapshot
/// of fewer of them is one that was taken earlier.
pub(crate) fn compact(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    let upto = if raft.without(Ablation::CompactUncommitted) {
        server.log().len()
    } else {
        server.commit()
    };
    if upto <= server.base() {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id).set_base(upto);
    if server.is_leader() {
        send_all(raft, next, id);
    }
    settle(raft, state, next, id)
}

/// §7: a server that lacks what its leader has discarded installs the leader's snapshot. If its log has
/// the snapshot's last entry, it keeps what follows; if not, none of its log can be kept.
///
/// That its log goes then has no exam: entries kept in conflict with the snapshot break Log Matching only
/// among five servers (23 steps, 3.2 M states), and no other property, as those entries are of an earlier
/// term than the snapshot's last.
pub(crate) fn handle_install_snapshot(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    message: Packed,
) -> Taken {
    let Message::InstallSnapshot {
        term,
        leader,
        last_index,
        last_term,
    } = message.unpack()
    else {
        return None;
    };
    let mut server = state.server(id);
    if leader == id || term != server.term() || server.is_leader() {
        return None;
    }
    server.set_role(Role::Follower);
    // Leader Completeness: what a server knows to be committed, the snapshot has too.
    if last_index > server.commit() || raft.without(Ablation::InstallOlder) {
        let log = server.log();
        let replaced = if log.term_at(last_index) == last_term {
            if raft.without(Ablation::InstallDropsSuffix) {
                log.prefix(last_index)
            } else {
                log
            }
        } else {
            content(state, last_index, last_term)?
        };
        server.set_log(replaced);
        server.set_base(last_index);
        server.set_commit(last_index);
        if raft.without(Ablation::SnapshotWithoutSessions) {
            server.extra_mut().forget_executions(last_index);
        }
    }
    server.set_matched(server.matched().max(last_index));
    if server == state.server(id) {
        return None;
    }
    next.clone_from(state);
    *next.server_mut(id) = server;
    settle(raft, state, next, id)
}

/// The entries that the snapshot with this last entry stands for. By Log Matching its index and term
/// say which they are, whoever still has them; what is committed the ghosts have.
fn content(state: &State, last_index: Index, last_term: Term) -> Option<Log> {
    let logs = state
        .servers()
        .iter()
        .flat_map(|s| [s.log(), s.durable_log()]);
    std::iter::once(state.ghost().committed())
        .chain(logs)
        .find(|log| log.term_at(last_index) == last_term)
        .map(|log| log.prefix(last_index))
}
