//! The steps of the specification, as data.

use std::fmt;

use crate::features::Features;
use crate::log::{Index, Term, value_name};
use crate::message::Packed;
use crate::server::ServerId;

/// One step that the cluster may take. Loss, duplication and reordering are not steps: see
/// [`crate::Network`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A server times out and stands for election (§5.2).
    Timeout(ServerId),
    /// A server adopts a higher term that it saw in a message (§5.1).
    AdoptTerm(ServerId, Term),
    /// A server receives a request for its vote (§5.2, §5.4.1).
    HandleRequestVote(ServerId, Packed),
    /// A candidate counts a majority of votes (§5.2).
    BecomeLeader(ServerId),
    /// A leader takes a client's command (§5.3).
    ClientRequest(ServerId),
    /// A leader sends entries; only where sends are not eager (§5.3).
    SendAppendEntries(ServerId, Packed),
    /// A server receives entries or a commit index (§5.3).
    HandleAppendEntries(ServerId, Packed),
    /// A leader commits up to an index (§5.3, §5.4.2).
    AdvanceCommit(ServerId, Index),
    /// A server's term, vote and log reach its disk (Figure 2).
    Persist(ServerId),
    /// A server crashes and starts again from its disk.
    CrashAndRestart(ServerId),
    /// A tick of time passes for all servers (dissertation §6.4.1).
    Tick,
    /// A majority has confirmed a leader's lease (dissertation §6.4.1).
    ConfirmLease(ServerId),
    /// A leader serves a read by its lease (dissertation §6.4.1).
    LeaseRead(ServerId),
    /// A leader tells the second server to stand for election (dissertation §3.10).
    TransferLeadership(ServerId, ServerId),
    /// A server that its leader told to stands for election (dissertation §3.10).
    HandleTimeoutNow(ServerId, Packed),
    /// A server discards the entries that it has applied (§7).
    Compact(ServerId),
    /// A server receives a snapshot (§7).
    HandleInstallSnapshot(ServerId, Packed),
    /// A leader appends the configuration of that number (§6).
    ChangeConfiguration(ServerId, u8),
    /// A leader that is no longer a voter steps down (§6).
    LeaveOffice(ServerId),
    /// A server asks whether it would win (dissertation §9.6).
    AskPreVote(ServerId),
    /// A server says that it would vote for another (dissertation §9.6).
    HandlePreVote(ServerId, Packed),
    /// A leader takes a request that was made before (§8).
    ClientRetry(ServerId, u8),
    /// A leader that does not hear from a majority gives up (dissertation §6.2).
    StepDown(ServerId),
    /// A leader begins a round of heartbeats (dissertation §6.4).
    BeginRound(ServerId),
    /// A server receives and answers a heartbeat (dissertation §6.4).
    HandleHeartbeat(ServerId, Packed),
    /// A client asks a leader for a read, which notes its commit index (dissertation §6.4).
    AskRead(ServerId),
    /// A read that the first server's round confirmed is served by the second (dissertation §6.4).
    ServeRead(ServerId, ServerId),
}

/// The rules, for counting how often each was taken.
pub const RULES: [&str; 27] = [
    "Timeout",
    "AdoptTerm",
    "HandleRequestVote",
    "BecomeLeader",
    "ClientRequest",
    "SendAppendEntries",
    "HandleAppendEntries",
    "AdvanceCommit",
    "Persist",
    "CrashAndRestart",
    "BeginRound",
    "HandleHeartbeat",
    "AskRead",
    "ServeRead",
    "StepDown",
    "Tick",
    "ConfirmLease",
    "LeaseRead",
    "TransferLeadership",
    "HandleTimeoutNow",
    "Compact",
    "HandleInstallSnapshot",
    "ChangeConfiguration",
    "LeaveOffice",
    "AskPreVote",
    "HandlePreVote",
    "ClientRetry",
];

impl Action {
    /// The rule's place in [`RULES`].
    #[must_use]
    pub const fn rule(self) -> usize {
        match self {
            Action::Timeout(_) => 0,
            Action::AdoptTerm(..) => 1,
            Action::HandleRequestVote(..) => 2,
            Action::BecomeLeader(_) => 3,
            Action::ClientRequest(_) => 4,
            Action::SendAppendEntries(..) => 5,
            Action::HandleAppendEntries(..) => 6,
            Action::AdvanceCommit(..) => 7,
            Action::Persist(_) => 8,
            Action::CrashAndRestart(_) => 9,
            Action::BeginRound(_) => 10,
            Action::HandleHeartbeat(..) => 11,
            Action::AskRead(_) => 12,
            Action::ServeRead(..) => 13,
            Action::StepDown(_) => 14,
            Action::Tick => 15,
            Action::ConfirmLease(_) => 16,
            Action::LeaseRead(_) => 17,
            Action::TransferLeadership(..) => 18,
            Action::HandleTimeoutNow(..) => 19,
            Action::Compact(_) => 20,
            Action::HandleInstallSnapshot(..) => 21,
            Action::ChangeConfiguration(..) => 22,
            Action::LeaveOffice(_) => 23,
            Action::AskPreVote(_) => 24,
            Action::HandlePreVote(..) => 25,
            Action::ClientRetry(..) => 26,
        }
    }

    /// The server that takes the step; none where time passes for all.
    #[must_use]
    pub const fn server(self) -> Option<ServerId> {
        Some(match self {
            Action::Tick => return None,
            Action::Timeout(id)
            | Action::AdoptTerm(id, _)
            | Action::HandleRequestVote(id, _)
            | Action::BecomeLeader(id)
            | Action::ClientRequest(id)
            | Action::SendAppendEntries(id, _)
            | Action::HandleAppendEntries(id, _)
            | Action::AdvanceCommit(id, _)
            | Action::Persist(id)
            | Action::CrashAndRestart(id)
            | Action::StepDown(id)
            | Action::AskPreVote(id)
            | Action::HandlePreVote(id, _)
            | Action::ClientRetry(id, _)
            | Action::ChangeConfiguration(id, _)
            | Action::LeaveOffice(id)
            | Action::Compact(id)
            | Action::HandleInstallSnapshot(id, _)
            | Action::ConfirmLease(id)
            | Action::LeaseRead(id)
            | Action::TransferLeadership(id, _)
            | Action::HandleTimeoutNow(id, _)
            | Action::BeginRound(id)
            | Action::HandleHeartbeat(id, _)
            | Action::AskRead(id)
            | Action::ServeRead(id, _) => id,
        })
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = RULES[self.rule()];
        let Some(id) = self.server() else {
            return f.write_str(rule);
        };
        match self {
            Action::AdoptTerm(_, term) => write!(f, "{id}: {rule} {term}"),
            Action::AdvanceCommit(_, index) => write!(f, "{id}: {rule} to {index}"),
            Action::HandleRequestVote(_, message)
            | Action::HandleAppendEntries(_, message)
            | Action::HandleHeartbeat(_, message)
            | Action::HandlePreVote(_, message)
            | Action::HandleInstallSnapshot(_, message)
            | Action::HandleTimeoutNow(_, message)
            | Action::SendAppendEntries(_, message) => write!(f, "{id}: {rule} {message:?}"),
            Action::TransferLeadership(_, to) => write!(f, "{id}: {rule} to {to}"),
            Action::ChangeConfiguration(_, change) => write!(f, "{id}: {rule} {change}"),
            Action::ClientRetry(_, value) => write!(f, "{id}: {rule} {}", value_name(*value)),
            Action::ServeRead(_, at) => write!(f, "{id}: {rule} at {at}"),
            _ => write!(f, "{id}: {rule}"),
        }
    }
}

/// Whether a rule, by its place in [`RULES`], is one of a scope with these optional parts.
pub(crate) const fn is_rule_of(features: &Features, rule: usize) -> bool {
    match rule {
        10 | 11 => features.rounds > 0,
        12 | 13 => features.reads > 0,
        14 => features.check_quorum,
        15..=17 => features.patience > 0,
        18 | 19 => features.transfer,
        20 | 21 => features.snapshots,
        22 | 23 => features.plan.is_on(),
        24 | 25 => features.pre_vote,
        26 => features.retries > 0,
        _ => true,
    }
}
