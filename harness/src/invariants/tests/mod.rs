//! Each rule on shipped servers, with a story in which it fires first, beside the same story without the
//! fault. Servers are real cores without a network; a fault is a server that becomes who it would be in
//! another course of events, an input that the judge is not shown, or effects that no core asked for.

mod cluster;
mod elections;
mod list;
mod memberships;
mod promises;
mod replication;
mod snapshots;
mod traffic;
