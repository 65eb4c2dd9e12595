//! A message in 32 bits. The term stands on top, so that packed messages sort by term.

use super::Message;
use crate::log::{Entry, Index, Term};
use crate::server::ServerId;

const KIND: u32 = 27;
const TERM: u32 = 29;
const FROM: u32 = 24;
const TO: u32 = 21;
const INDEX: u32 = 18;
const LOG_TERM: u32 = 15;
const ENTRY: u32 = 9;
const COMMIT: u32 = 6;
/// Tells messages of one kind apart that optional parts add; 0 for those of Figure 2.
const PART: u32 = 4;

/// A message in one word.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Packed(pub(crate) u32);

/// What a message is, without what it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    RequestVote,
    Grant,
    AppendEntries,
    Ack,
    Heartbeat,
    HeartbeatAck,
    InstallSnapshot,
    PreVote,
    PreVoteGrant,
    TimeoutNow,
}

/// What a message is: its kind, by which it is sorted, and its part.
const fn what(kind: u32, part: u32) -> u32 {
    kind << KIND | part << PART
}

const REQUEST_VOTE: u32 = what(0, 0);
const HEARTBEAT: u32 = what(0, 1);
const PRE_VOTE: u32 = what(0, 2);
const PRE_VOTE_GRANT: u32 = what(1, 3);
const INSTALL_SNAPSHOT: u32 = what(0, 3);
const GRANT: u32 = what(1, 0);
const HEARTBEAT_ACK: u32 = what(1, 1);
const TIMEOUT_NOW: u32 = what(1, 2);
const APPEND_ENTRIES: u32 = what(2, 0);
const ACK: u32 = what(3, 0);

/// Packs the two kinds of number that every message has, and one index.
const fn head(what: u32, term: Term, from: ServerId, to: ServerId, index: Index) -> u32 {
    (term as u32) << TERM
        | what
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

    /// Whether it takes who receives it to its term. A question about the next term, and its answer,
    /// do not.
    #[inline]
    #[must_use]
    pub const fn makes_its_term_known(self) -> bool {
        !matches!(self.0 & what(3, 3), PRE_VOTE | PRE_VOTE_GRANT)
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

    /// Whom it is sent to, if not to all.
    #[inline]
    pub(crate) const fn to(self) -> Option<ServerId> {
        // The kinds that have a receiver are the odd ones.
        if self.0 & 1 << KIND == 0 {
            return None;
        }
        Some(ServerId(self.field(TO)))
    }

    /// Whether it is the same but for its index.
    #[inline]
    pub(crate) const fn differs_in_index_only(self, other: Packed) -> bool {
        (self.0 ^ other.0) & !(7 << INDEX) == 0
    }

    /// Whether it is counted where it lies, rather than handled by who receives it.
    #[inline]
    pub(crate) const fn is_counted(self) -> bool {
        self.0 & 1 << KIND != 0 && self.0 & what(3, 3) != TIMEOUT_NOW
    }

    /// What it is.
    #[inline]
    pub(crate) const fn kind(self) -> Kind {
        match self.0 & what(3, 3) {
            REQUEST_VOTE => Kind::RequestVote,
            GRANT => Kind::Grant,
            APPEND_ENTRIES => Kind::AppendEntries,
            ACK => Kind::Ack,
            HEARTBEAT => Kind::Heartbeat,
            HEARTBEAT_ACK => Kind::HeartbeatAck,
            INSTALL_SNAPSHOT => Kind::InstallSnapshot,
            PRE_VOTE => Kind::PreVote,
            PRE_VOTE_GRANT => Kind::PreVoteGrant,
            TIMEOUT_NOW => Kind::TimeoutNow,
            _ => panic!("no message is packed so"),
        }
    }

    /// The index that it names: its last entry's, the one before its entry, the one up to which a log is
    /// held, or a round.
    #[inline]
    pub(crate) const fn index(self) -> Index {
        self.field(INDEX)
    }

    /// Whom it is sent to; means nothing if it is sent to all.
    #[inline]
    pub(crate) const fn receiver(self) -> ServerId {
        ServerId(self.field(TO))
    }

    /// The message in words.
    #[inline]
    #[must_use]
    pub const fn unpack(self) -> Message {
        let (term, from, to) = (self.term(), self.from(), ServerId(self.field(TO)));
        match self.kind() {
            Kind::RequestVote => Message::RequestVote {
                term,
                candidate: from,
                last_index: self.field(INDEX),
                last_term: self.field(LOG_TERM),
                transfer: self.field(COMMIT) == 1,
            },
            Kind::Grant => Message::Grant {
                term,
                voter: from,
                candidate: to,
            },
            Kind::AppendEntries => {
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
            Kind::Ack => Message::Ack {
                term,
                follower: from,
                leader: to,
                matched: self.field(INDEX),
            },
            Kind::Heartbeat => Message::Heartbeat {
                term,
                leader: from,
                round: self.field(INDEX),
            },
            Kind::HeartbeatAck => Message::HeartbeatAck {
                term,
                follower: from,
                leader: to,
                round: self.field(INDEX),
            },
            Kind::TimeoutNow => Message::TimeoutNow {
                term,
                leader: from,
                to,
            },
            Kind::InstallSnapshot => Message::InstallSnapshot {
                term,
                leader: from,
                last_index: self.field(INDEX),
                last_term: self.field(LOG_TERM),
            },
            Kind::PreVote => Message::PreVote {
                term,
                candidate: from,
                last_index: self.field(INDEX),
                last_term: self.field(LOG_TERM),
            },
            Kind::PreVoteGrant => Message::PreVoteGrant {
                term,
                voter: from,
                candidate: to,
            },
        }
    }

    /// What it says but for the servers that it names.
    #[inline]
    pub(crate) const fn without_names(self) -> Packed {
        Packed(self.0 & !(7 << FROM | 7 << TO))
    }

    /// The message with its servers renamed by `f`.
    #[inline]
    pub(crate) fn rename(self, f: impl Fn(ServerId) -> ServerId) -> Packed {
        let to = self.to().map_or(ServerId(0), &f);
        let rest = self.without_names().0;
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
                transfer,
            } => {
                head(REQUEST_VOTE, term, candidate, ServerId(0), last_index)
                    | (last_term as u32) << LOG_TERM
                    | (transfer as u32) << COMMIT
            }
            Message::Grant {
                term,
                voter,
                candidate,
            } => head(GRANT, term, voter, candidate, 0),
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
                head(APPEND_ENTRIES, term, leader, ServerId(0), prev_index)
                    | (prev_term as u32) << LOG_TERM
                    | bits << ENTRY
                    | (commit as u32) << COMMIT
            }
            Message::Ack {
                term,
                follower,
                leader,
                matched,
            } => head(ACK, term, follower, leader, matched),
            Message::InstallSnapshot {
                term,
                leader,
                last_index,
                last_term,
            } => {
                head(INSTALL_SNAPSHOT, term, leader, ServerId(0), last_index)
                    | (last_term as u32) << LOG_TERM
            }
            Message::PreVote {
                term,
                candidate,
                last_index,
                last_term,
            } => {
                head(PRE_VOTE, term, candidate, ServerId(0), last_index)
                    | (last_term as u32) << LOG_TERM
            }
            Message::PreVoteGrant {
                term,
                voter,
                candidate,
            } => head(PRE_VOTE_GRANT, term, voter, candidate, 0),
            Message::TimeoutNow { term, leader, to } => head(TIMEOUT_NOW, term, leader, to, 0),
            Message::Heartbeat {
                term,
                leader,
                round,
            } => head(HEARTBEAT, term, leader, ServerId(0), round),
            Message::HeartbeatAck {
                term,
                follower,
                leader,
                round,
            } => head(HEARTBEAT_ACK, term, follower, leader, round),
        })
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
            (1u8..=7, id.clone(), small.clone(), 0u8..=7, any::<bool>()).prop_map(
                |(term, candidate, last_index, last_term, transfer)| Message::RequestVote {
                    term,
                    candidate,
                    last_index,
                    last_term,
                    transfer
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
            (1u8..=7, id.clone(), id.clone(), small).prop_map(
                |(term, follower, leader, matched)| Message::Ack {
                    term,
                    follower,
                    leader,
                    matched,
                }
            ),
            (1u8..=7, id.clone(), id.clone()).prop_map(|(term, leader, to)| Message::TimeoutNow {
                term,
                leader,
                to
            }),
            (1u8..=7, id.clone(), 1u8..=6, 1u8..=7).prop_map(
                |(term, leader, last_index, last_term)| Message::InstallSnapshot {
                    term,
                    leader,
                    last_index,
                    last_term
                }
            ),
            (1u8..=7, id.clone(), 1u8..=6, 1u8..=7).prop_map(
                |(term, candidate, last_index, last_term)| Message::PreVote {
                    term,
                    candidate,
                    last_index,
                    last_term
                }
            ),
            (1u8..=7, id.clone(), id.clone()).prop_map(|(term, voter, candidate)| {
                Message::PreVoteGrant {
                    term,
                    voter,
                    candidate,
                }
            }),
            (1u8..=7, id.clone(), 1u8..=3).prop_map(|(term, leader, round)| Message::Heartbeat {
                term,
                leader,
                round
            }),
            (1u8..=7, id.clone(), id, 1u8..=3).prop_map(|(term, follower, leader, round)| {
                Message::HeartbeatAck {
                    term,
                    follower,
                    leader,
                    round,
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
