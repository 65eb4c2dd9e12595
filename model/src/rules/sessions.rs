//! Client sessions (§8, dissertation §6.3): a client that got no answer sends its request again, to
//! whoever leads then, and the request may be in the log twice. It is executed once.

use crate::ablations::Ablation;
use crate::log::Entry;
use crate::raft::Raft;
use crate::rules::replication::send_all;
use crate::rules::settle::{Taken, settle};
use crate::server::{Server, ServerId};
use crate::state::State;

/// §8: a leader takes a request that was made before, and appends it again. What its log has already
/// may not be committed, so it is no answer.
pub(crate) fn client_retry(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    value: u8,
) -> Taken {
    let server = state.server(id);
    let ghost = state.ghost();
    if !server.is_leader()
        || server.log().len() >= raft.bounds().max_log
        || ghost.retries() >= raft.features().retries
        || value > ghost.requests()
    {
        return None;
    }
    next.clone_from(state);
    next.ghost.count_retry();
    let entry = Entry {
        term: server.term(),
        value,
    };
    next.server_mut(id).set_log(server.log().with(entry));
    send_all(raft, next, id);
    settle(raft, state, next, id)
}

/// §8, dissertation §6.3: how often the state machine of `server` has executed the request `value`. It
/// remembers what it has executed, and so does its snapshot.
pub(crate) fn executions(raft: &Raft, server: Server, value: u8) -> usize {
    let applied = server.log().prefix(server.commit());
    let times = |from: u8, to: u8| {
        let entries = (from + 1..=to).filter_map(|index| applied.get(index));
        let times = entries.filter(|entry| entry.value == value).count();
        if raft.without(Ablation::ExecuteTwice) {
            times
        } else {
            times.min(1)
        }
    };
    // Where snapshots do not bring what was executed, it is forgotten from there on.
    let forgot = server.extra().forgot();
    times(0, forgot) + times(forgot, applied.len())
}
