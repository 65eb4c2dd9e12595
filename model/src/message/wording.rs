//! Messages in words.

use std::fmt;

use crate::message::{Message, Packed};

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Message::RequestVote {
                term,
                candidate,
                last_index,
                last_term,
                transfer,
            } => {
                write!(f, "{candidate}'s RequestVote(term {term}, last log ")?;
                match last_index {
                    0 => f.write_str("empty")?,
                    _ => write!(f, "{last_index}@{last_term}")?,
                }
                f.write_str(if transfer { ", told to stand)" } else { ")" })
            }
            Message::Grant {
                term,
                voter,
                candidate,
            } => {
                write!(f, "{voter}'s vote for {candidate} in term {term}")
            }
            Message::AppendEntries {
                term,
                leader,
                prev_index,
                prev_term,
                entry,
                commit,
            } => {
                write!(
                    f,
                    "{leader}'s AppendEntries(term {term}, prev {prev_index}@{prev_term}, "
                )?;
                match entry {
                    Some(entry) => write!(f, "[{entry:?}], commit {commit})"),
                    None => write!(f, "[], commit {commit})"),
                }
            }
            Message::Ack {
                term,
                follower,
                leader,
                matched,
            } => {
                write!(
                    f,
                    "{follower}'s acknowledgement to {leader} in term {term}: up to {matched}"
                )
            }
            Message::Heartbeat {
                term,
                leader,
                round,
            } => write!(f, "{leader}'s heartbeat(term {term}, round {round})"),
            Message::TimeoutNow { term, leader, to } => {
                write!(f, "{leader}'s TimeoutNow(term {term}) to {to}")
            }
            Message::InstallSnapshot {
                term,
                leader,
                last_index,
                last_term,
            } => write!(
                f,
                "{leader}'s InstallSnapshot(term {term}, last {last_index}@{last_term})"
            ),
            Message::PreVote {
                term,
                candidate,
                last_index,
                last_term,
            } => write!(
                f,
                "{candidate}'s PreVote(for term {}, last log {last_index}@{last_term})",
                term + 1
            ),
            Message::PreVoteGrant {
                term,
                voter,
                candidate,
            } => write!(f, "{voter} would vote for {candidate} in term {}", term + 1),
            Message::HeartbeatAck {
                term,
                follower,
                leader,
                round,
            } => write!(
                f,
                "{follower}'s answer to {leader} in term {term}: round {round}"
            ),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.unpack(), f)
    }
}
