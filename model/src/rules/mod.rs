//! The next-state rules, one function a rule, in the order of the paper (Ongaro and Ousterhout, "In
//! Search of an Understandable Consensus Algorithm", extended version).
//!
//! Each rule takes a state and writes the next one where it is told to, or returns `None` where its guard
//! does not hold or nothing would change. A guard is part of its rule and is written nowhere else.
//!
//! Three things of Figure 2 are not in a server's state, because the network holds them already.
//! *Votes received* and *matchIndex*: grants and acknowledgements stay in the network, so that to
//! become leader, or to commit, is to count those that a quorum has sent. A run in which they are
//! received one by one has the same servers at each of the other steps, since receiving one changes
//! nothing but the count; and a run here becomes one of those by receiving them just before they
//! are counted. *nextIndex*: a hint of what to send next. Here a leader has sent every entry of its
//! log, and a follower may receive any of them next.

mod crash;
mod election;
mod leases;
mod membership;
mod pre_vote;
mod reads;
mod replication;
mod sessions;
mod settle;
mod snapshots;

pub(crate) use crash::{crash_and_restart, persist};
pub(crate) use election::{
    adopt_term, become_leader, handle_request_vote, step_down, supporters, timeout,
};
pub(crate) use leases::{confirm_lease, handle_timeout_now, lease_read, tick, transfer_leadership};
pub(crate) use membership::{change_configuration, decides, in_force, leave_office};
pub(crate) use pre_vote::{ask_pre_vote, handle_pre_vote};
pub(crate) use reads::{ask_read, begin_round, confirmers, handle_heartbeat, serve_read};
pub(crate) use replication::{
    advance_commit, appends_of, client_request, handle_append_entries, holders, send_append_entries,
};
pub(crate) use sessions::{client_retry, executions};
pub(crate) use settle::Taken;
pub(crate) use snapshots::{compact, handle_install_snapshot};
