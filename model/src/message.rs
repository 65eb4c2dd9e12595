//! The messages of Figure 2, each in 32 bits. The term stands on top, so that packed messages sort
//! by term.

use std::fmt;

use crate::log::{Entry, Index, Term};
use crate::server::ServerId;

/// A message on the network.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// A candidate asks every other server for its vote (§5.2).
    RequestVote {
        /// The candidate's term.
        term: Term,
        /// Who asks.
        candidate: ServerId,
        /// Index of the candidate's last entry.
        last_index: Index,
        /// Term of the candidate's last entry.
        last_term: Term,
    },
    /// A server gives its vote. (A refusal changes nothing but the term of its receiver, which
    /// hears of that term from the request that brought it about: it is left out.)
    Grant {
        /// The term of the vote.
        term: Term,
        /// Who votes.
        voter: ServerId,
        /// Who gets the vote.
        candidate: ServerId,
    },
    /// A leader sends one entry or none, and how far it has committed, to every other server
    /// (§5.3).
    AppendEntries {
        /// The leader's term.
        term: Term,
        /// Who sends.
        leader: ServerId,
        /// The index before the entry.
        prev_index: Index,
        /// The term of the leader's entry at `prev_index`.
        prev_term: Term,
        /// The entry that follows, if any.
        entry: Option<Entry>,
        /// `leaderCommit`.
        commit: Index,
    },
    /// A follower holds the leader's log up to an index, durably.
    Ack {
        /// The leader's term.
        term: Term,
        /// Who acknowledges.
        follower: ServerId,
        /// To whom.
        leader: ServerId,
        /// Up to which index.
        matched: Index,
    },
}

const KIND: u32 = 27;
const TERM: u32 = 29;
const FROM: u32 = 24;
const TO: u32 = 21;
const INDEX: u32 = 18;
const LOG_TERM: u32 = 15;
const ENTRY: u32 = 9;
const COMMIT: u32 = 6;

/// A message in one word.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Packed(pub(crate) u32);

/// Packs the two kinds of number that every message has, and one index.
const fn head(kind: u32, term: Term, from: ServerId, to: ServerId, index: Index) -> u32 {
    (term as u32) << TERM
        | kind << KIND
        | (from.0 as u32) << FROM
        | (to.0 as u32) << TO
        | (index as u32) << INDEX
}

impl Packed {
    /// The message's term.
    #[inline]
    #[must_use]
    pub const fn term(self) -> Term {
        (self.0 >> TERM) as u8
    }

    #[inline]
    const fn field(self, shift: u32) -> u8 {
        (self.0 >> shift & 7) as u8
    }

    /// Who sent it.
    #[inline]
    #[must_use]
    pub const fn from(self) -> ServerId {
        ServerId(self.field(FROM))
    }

    /// The message in words.
    #[inline]
    #[must_use]
    pub const fn unpack(self) -> Message {
        let (term, from, to) = (self.term(), self.from(), ServerId(self.field(TO)));
        match self.0 >> KIND & 3 {
            0 => Message::RequestVote {
                term,
                candidate: from,
                last_index: self.field(INDEX),
                last_term: self.field(LOG_TERM),
            },
            1 => Message::Grant {
                term,
                voter: from,
                candidate: to,
            },
            2 => {
                let bits = (self.0 >> ENTRY & 0x3f) as u64;
                Message::AppendEntries {
                    term,
                    leader: from,
                    prev_index: self.field(INDEX),
                    prev_term: self.field(LOG_TERM),
                    entry: if bits == 0 {
                        None
                    } else {
                        Some(Entry::unpack(bits))
                    },
                    commit: self.field(COMMIT),
                }
            }
            _ => Message::Ack {
                term,
                follower: from,
                leader: to,
                matched: self.field(INDEX),
            },
        }
    }

    /// The message with its servers renamed by `f`.
    #[inline]
    pub(crate) fn rename(self, f: impl Fn(ServerId) -> ServerId) -> Packed {
        let to = match self.0 >> KIND & 3 {
            0 | 2 => ServerId(0),
            _ => f(ServerId(self.field(TO))),
        };
        let rest = self.0 & !(7 << FROM | 7 << TO);
        Packed(rest | (f(self.from()).0 as u32) << FROM | (to.0 as u32) << TO)
    }
}

impl Message {
    /// The message in one word.
    #[inline]
    #[must_use]
    pub const fn pack(self) -> Packed {
        Packed(match self {
            Message::RequestVote {
                term,
                candidate,
                last_index,
                last_term,
            } => head(0, term, candidate, ServerId(0), last_index) | (last_term as u32) << LOG_TERM,
            Message::Grant {
                term,
                voter,
                candidate,
            } => head(1, term, voter, candidate, 0),
            Message::AppendEntries {
                term,
                leader,
                prev_index,
                prev_term,
                entry,
                commit,
            } => {
                let bits = match entry {
                    Some(entry) => entry.pack() as u32,
                    None => 0,
                };
                head(2, term, leader, ServerId(0), prev_index)
                    | (prev_term as u32) << LOG_TERM
                    | bits << ENTRY
                    | (commit as u32) << COMMIT
            }
            Message::Ack {
                term,
                follower,
                leader,
                matched,
            } => head(3, term, follower, leader, matched),
        })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Message::RequestVote {
                term,
                candidate,
                last_index,
                last_term,
            } => {
                write!(f, "{candidate}'s RequestVote(term {term}, last log ")?;
                match last_index {
                    0 => f.write_str("empty)"),
                    _ => write!(f, "{last_index}@{last_term})"),
                }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> impl Strategy<Value = Message> {
        let id = (0u8..5).prop_map(ServerId);
        let entry = (1u8..=7, 1u8..=7).prop_map(|(term, value)| Entry { term, value });
        let small = 0u8..=6;
        prop_oneof![
            (1u8..=7, id.clone(), small.clone(), 0u8..=7).prop_map(
                |(term, candidate, last_index, last_term)| Message::RequestVote {
                    term,
                    candidate,
                    last_index,
                    last_term
                }
            ),
            (1u8..=7, id.clone(), id.clone()).prop_map(|(term, voter, candidate)| Message::Grant {
                term,
                voter,
                candidate
            }),
            (
                1u8..=7,
                id.clone(),
                small.clone(),
                0u8..=7,
                proptest::option::of(entry),
                0u8..=6
            )
                .prop_map(|(term, leader, prev_index, prev_term, entry, commit)| {
                    Message::AppendEntries {
                        term,
                        leader,
                        prev_index,
                        prev_term,
                        entry,
                        commit,
                    }
                }),
            (1u8..=7, id.clone(), id, small).prop_map(|(term, follower, leader, matched)| {
                Message::Ack {
                    term,
                    follower,
                    leader,
                    matched,
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_message_survives_packing(message in message()) {
            prop_assert_eq!(message.pack().unpack(), message);
        }

        #[test]
        fn renaming_there_and_back_changes_nothing(message in message()) {
            let turn = |by: u8| move |id: ServerId| ServerId((id.0 + by) % 5);
            let packed = message.pack();
            prop_assert_eq!(packed.rename(turn(2)).rename(turn(3)), packed);
        }
    }
}
