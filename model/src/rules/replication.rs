//! Log replication and commitment (§5.3, §5.4.2).

use crate::ablations::Ablation;
use crate::log::{Entry, Index};
use crate::message::{Message, Packed};
use crate::properties::Property;
use crate::raft::Raft;
use crate::rules::election::ServerSet;
use crate::rules::membership::is_quorum;
use crate::rules::settle::{Taken, settle};
use crate::server::{Role, ServerId};
use crate::state::State;

/// §5.3: a leader appends a client's command to its log and sends it. It does not wait for its own
/// disk: its copy counts only once durable, see [`advance_commit`].
pub(crate) fn client_request(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    let bounds = raft.bounds();
    if !server.is_leader()
        || server.log().len() >= bounds.max_log
        || state.ghost().requests() >= bounds.requests
    {
        return None;
    }
    next.clone_from(state);
    next.ghost.count_request();
    let entry = Entry {
        term: server.term(),
        value: next.ghost.requests(),
    };
    next.server_mut(id).set_log(server.log().with(entry));
    send_all(raft, next, id);
    settle(raft, state, next, id)
}

/// §5.3: what a leader may send now, as AppendEntries of one entry or none; and its snapshot, where it
/// has discarded entries (§7).
///
/// One entry at a time is enough: a follower that takes a batch is where it would be after taking
/// its entries one by one, without a step of another server between. So is a commit index apart
/// from entries: AppendEntries with an entry and `leaderCommit` does what the entry alone does,
/// followed by an empty one whose `prev` is the lower of the entry's index and `leaderCommit`, and
/// which names that as committed. Every such empty message up to the leader's commit index is here.
/// That lets a leader send an entry with a lower commit index than its own, which Figure 2 does not:
/// a few more servers' states, none fewer. `tests/reference.rs` measures just that.
pub(crate) fn appends_of(state: &State, id: ServerId) -> impl Iterator<Item = Packed> + use<> {
    let server = state.server(id);
    let (term, log, base) = (server.term(), server.log(), server.base());
    let message = move |prev_index: Index, entry, commit| {
        let prev_term = log.term_at(prev_index);
        Message::AppendEntries {
            term,
            leader: id,
            prev_index,
            prev_term,
            entry,
            commit,
        }
        .pack()
    };
    let entries = (base + 1..=log.len()).map(move |index| message(index - 1, log.get(index), 0));
    let commits = base..=server.commit().min(log.len());
    let snapshot = Message::InstallSnapshot {
        term,
        leader: id,
        last_index: base,
        last_term: log.term_at(base),
    };
    entries
        .chain(commits.map(move |commit| message(commit, None, commit)))
        .chain((base > 0).then_some(snapshot.pack()))
}

/// §5.3: a leader sends AppendEntries. A rule of its own only where sends are not eager.
pub(crate) fn send_append_entries(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    message: Packed,
) -> Taken {
    next.clone_from(state);
    if !state.server(id).is_leader() || !next.network.insert(message) {
        return None;
    }
    settle(raft, state, next, id)
}

/// A leader sends all that it may at once, as part of the step that lets it. Sound and complete for
/// the servers' states, since the network only grows: a message in it need not be received, and one
/// that a leader would send later may as well lie there until then.
pub(crate) fn send_all(raft: &Raft, state: &mut State, id: ServerId) {
    if raft.reductions().eager_send {
        for message in appends_of(state, id) {
            state.network.insert(message);
        }
    }
}

/// §5.3: a follower checks that its log holds the entry before the new one, deletes what conflicts,
/// appends what is new, and learns what is committed. Its acknowledgement leaves once durable: see
/// [`settle`]. A candidate that hears from the leader of its term returns to follower (§5.2).
pub(crate) fn handle_append_entries(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    message: Packed,
) -> Taken {
    let Message::AppendEntries {
        term,
        leader,
        prev_index,
        prev_term,
        entry,
        commit,
    } = message.unpack()
    else {
        return None;
    };
    let mut server = state.server(id);
    if leader == id || term != server.term() {
        return None;
    }
    if server.role() == Role::Candidate {
        server.set_role(Role::Follower);
    }
    let log = server.log();
    // §7: what a snapshot stands for is committed, hence what the leader has there.
    let consistent = prev_index <= server.base()
        || log.term_at(prev_index) == prev_term
        || (prev_index <= log.len() && raft.without(Ablation::NoConsistencyCheck));
    if consistent {
        let last_new = prev_index + u8::from(entry.is_some());
        let replaced = match entry {
            // §5.3: "if an existing entry conflicts with a new one (same index but different
            // terms), delete the existing entry and all that follow it".
            Some(_) if last_new <= server.base() => {
                if raft.without(Ablation::TruncateBelowSnapshot) {
                    log.prefix(server.base())
                } else {
                    log
                }
            }
            Some(entry) if log.term_at(last_new) != entry.term => {
                log.prefix(prev_index).with(entry)
            }
            _ if raft.without(Ablation::AlwaysTruncate) => log.prefix(last_new),
            _ => log,
        };
        server.set_log(replaced);
        server.set_commit(server.commit().max(commit.min(last_new)));
        server.set_matched(match server.role() {
            Role::Leader => 0,
            _ if raft.without(Ablation::AckWholeLog) => replaced.len(),
            _ => server.matched().max(last_new),
        });
    } else if raft.without(Ablation::CommitUnmatched) {
        server.set_commit(server.commit().max(commit.min(log.len())));
    }
    if server == state.server(id) {
        return None;
    }
    next.clone_from(state);
    *next.server_mut(id) = server;
    settle(raft, state, next, id)
}

/// §5.3, §5.4.2: a leader commits up to `index` if a majority holds its log so far and the entry
/// there is of its own term; those before it are then committed too.
pub(crate) fn advance_commit(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    index: Index,
) -> Taken {
    let server = state.server(id);
    let own_term = server.log().term_at(index) == server.term();
    if !server.is_leader()
        || index <= server.commit()
        || index > server.log().len()
        || !(own_term || raft.without(Ablation::CountEarlierTerms))
        || !is_quorum(raft, server, holders(raft, state, id, index))
    {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id).set_commit(index);
    next.ghost.commit(server.log().prefix(index), server.term());
    if server.durable_len() < index && raft.without(Ablation::OwnCopyBeforePersist) {
        next.ghost.set_broken(Property::DurablePromises);
    }
    send_all(raft, next, id);
    settle(raft, state, next, id)
}

/// The servers that are known to the leader to hold its log up to `index`: those that acknowledged
/// it in this term, and itself once its own copy is durable.
pub(crate) fn holders(raft: &Raft, state: &State, id: ServerId, index: Index) -> ServerSet {
    let server = state.server(id);
    let mut set = ServerSet::default();
    if server.durable_len() >= index || raft.without(Ablation::OwnCopyBeforePersist) {
        set.insert(id);
    }
    for message in state.network().as_slice() {
        if let Message::Ack {
            term,
            follower,
            leader,
            matched,
        } = message.unpack()
            && term == server.term()
            && leader == id
            && matched >= index
        {
            set.insert(follower);
        }
    }
    set
}
