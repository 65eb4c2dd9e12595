//! A run as text: one line for each thing that happened, in the order it happened. Two runs of a
//! scenario give the same bytes.

use std::fmt::Write;

use plumb_raft::core::{
    Answer, AppendOutcome, Effects, Envelope, Input, InstallOutcome, Message, Node, Refusal,
    RoleKind, Write as DiskWrite,
};
use plumb_raft::storage::RecoveryReport;

/// The lines so far; recording can be off, since a sweep has no use for them.
#[derive(Debug, Default)]
pub struct Trace {
    text: Option<String>,
    before: String,
}

impl Trace {
    /// A trace that keeps its lines, or none.
    #[must_use]
    pub fn new(recording: bool) -> Trace {
        Trace {
            text: recording.then(String::new),
            before: String::new(),
        }
    }

    /// Whether lines are kept.
    pub(super) fn is_recording(&self) -> bool {
        self.text.is_some()
    }

    /// The lines.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text.unwrap_or_default()
    }

    /// Adds a line about something outside the servers.
    pub fn note(&mut self, at_ns: u64, who: &str, what: &str) {
        if let Some(text) = &mut self.text {
            line(text, at_ns, who, what);
        }
    }

    /// A server has restarted.
    pub fn recovered(&mut self, at_ns: u64, node: &Node, report: &RecoveryReport) {
        if self.text.is_some() {
            let what = format!(
                "starts: {}, {} bytes of a torn tail dropped",
                state(node),
                report.torn_bytes()
            );
            self.note(at_ns, &node.id().to_string(), &what);
        }
    }

    /// A server is about to take an input.
    #[inline]
    pub fn before_step(&mut self, at_ns: u64, node: &Node, input: &Input) {
        if self.is_recording() {
            self.before = state(node);
            self.note(at_ns, &node.id().to_string(), &describe_input(input));
        }
    }

    /// A server has taken it.
    #[inline]
    pub fn after_step(&mut self, at_ns: u64, node: &Node, effects: &Effects) {
        if self.is_recording() {
            self.tell(at_ns, node, effects);
        }
    }

    fn tell(&mut self, at_ns: u64, node: &Node, effects: &Effects) {
        let Some(text) = &mut self.text else { return };
        let who = node.id().to_string();
        let now = state(node);
        if now != self.before {
            line(text, at_ns, &who, &format!("  {} => {now}", self.before));
        }
        if let Some(batch) = &effects.persist {
            let writes: Vec<String> = batch.writes.iter().map(describe_write).collect();
            line(
                text,
                at_ns,
                &who,
                &format!("  writes #{}: {}", batch.seq.0, writes.join(", ")),
            );
        }
        for Envelope { to, message, .. } in &effects.send {
            line(
                text,
                at_ns,
                &who,
                &format!("  -> {to} {}", describe_message(message)),
            );
        }
        if let Some(snapshot) = &effects.restore {
            let what = format!("  restores its state at {}", snapshot.last_index);
            line(text, at_ns, &who, &what);
        }
        if let (Some(first), Some(last)) = (effects.apply.first(), effects.apply.last()) {
            line(
                text,
                at_ns,
                &who,
                &format!("  applies {}..{}", first.index, last.index),
            );
        }
        for (id, answer) in &effects.answers {
            line(
                text,
                at_ns,
                &who,
                &format!("  answers #{}: {}", id.0, describe_answer(*answer)),
            );
        }
    }
}

fn line(text: &mut String, at_ns: u64, who: &str, what: &str) {
    let (ms, us) = (at_ns / 1_000_000, at_ns / 1_000 % 1_000);
    writeln!(text, "{ms:>6}.{us:03} {who:<4} {what}").expect("a String takes all that is written");
}

/// A server in one line.
#[must_use]
pub fn state(node: &Node) -> String {
    let role = match node.role_kind() {
        RoleKind::Follower => "follower",
        RoleKind::PreCandidate => "pre-candidate",
        RoleKind::Candidate => "candidate",
        RoleKind::Leader => "leader",
    };
    let vote = node
        .hard_state()
        .voted_for
        .map_or("-".to_owned(), |id| id.to_string());
    format!(
        "{role} term {} vote {vote} log {}@{} commit {}",
        node.current_term(),
        node.log().last_index(),
        node.log().last_term(),
        node.commit_index()
    )
}

/// An input in words.
#[must_use]
pub fn describe_input(input: &Input) -> String {
    match input {
        Input::Receive(Envelope { from, message, .. }) => {
            format!("<- {from} {}", describe_message(message))
        }
        Input::TimerFired(timer) => format!("{timer:?} timer fires"),
        Input::Propose(requests) => {
            let ids: Vec<String> = requests
                .iter()
                .map(|(id, _)| format!("#{}", id.0))
                .collect();
            format!("is proposed {}", ids.join(" "))
        }
        Input::Read(id, mode) => format!("is asked to read #{} ({mode:?})", id.0),
        Input::Transfer(id, to) => format!("is asked to hand over to {to} #{}", id.0),
        Input::SnapshotTaken { index, data } => {
            format!(
                "has written its state at {index} down, {} bytes",
                data.len()
            )
        }
        Input::ChangeMembership(id, change) => {
            format!("is asked for another membership #{}: {change:?}", id.0)
        }
        Input::Persisted(seq) => format!("has #{} on disk", seq.0),
    }
}

/// A write in words.
#[must_use]
pub fn describe_write(write: &DiskWrite) -> String {
    match write {
        DiskWrite::HardState(hard_state) => {
            let vote = hard_state
                .voted_for
                .map_or("-".to_owned(), |id| id.to_string());
            format!("term {} vote {vote}", hard_state.current_term)
        }
        DiskWrite::Snapshot { snapshot, base } => format!(
            "snapshot {}@{}, log from {}",
            snapshot.last_index,
            snapshot.last_term,
            base.0.next()
        ),
        DiskWrite::Truncate(from) => format!("cut from {from}"),
        DiskWrite::Append(entries) => match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => format!("entries {}..{}", first.index, last.index),
            _ => "nothing".to_owned(),
        },
    }
}

/// A message in one line.
#[must_use]
pub fn describe_message(message: &Message) -> String {
    match message {
        Message::PreVote {
            term,
            last_log_index,
            last_log_term,
        } => {
            format!("PreVote term {term} log {last_log_index}@{last_log_term}")
        }
        Message::PreVoteReply {
            term,
            asked_in,
            granted,
        } => {
            let verdict = if *granted { "would" } else { "would not" };
            format!("{verdict} vote term {term} asked in {asked_in}")
        }
        Message::InstallSnapshot { term, chunk, round } => format!(
            "InstallSnapshot term {term} {}@{} bytes {}..{} of {} round {}",
            chunk.last_index,
            chunk.last_term,
            chunk.offset,
            chunk.offset + chunk.bytes.len() as u64,
            chunk.total,
            round.0
        ),
        Message::InstallSnapshotReply {
            term,
            last_index,
            outcome,
            round,
        } => {
            let outcome = match outcome {
                InstallOutcome::Received(bytes) => format!("received {bytes} bytes of"),
                InstallOutcome::Installed => "installed".to_owned(),
                InstallOutcome::Stale => "stale".to_owned(),
            };
            format!(
                "{outcome} snapshot {last_index} term {term} round {}",
                round.0
            )
        }
        Message::TimeoutNow { term } => format!("TimeoutNow term {term}"),
        Message::ReadIndex { term, request } => format!("ReadIndex term {term} #{}", request.0),
        Message::ReadIndexReply {
            term,
            request,
            index,
        } => match index {
            Some(index) => format!("ReadIndexReply term {term} #{} at {index}", request.0),
            None => format!("ReadIndexReply term {term} #{}: I do not lead", request.0),
        },
        Message::RequestVote {
            term,
            last_log_index,
            last_log_term,
            transfer,
        } => {
            let why = if *transfer { " for a transfer" } else { "" };
            format!("RequestVote term {term} log {last_log_index}@{last_log_term}{why}")
        }
        Message::RequestVoteReply { term, granted } => {
            format!(
                "{} term {term}",
                if *granted {
                    "vote granted"
                } else {
                    "vote refused"
                }
            )
        }
        Message::AppendEntries {
            term,
            prev_log_index,
            prev_log_term,
            entries,
            leader_commit,
            round,
        } => format!(
            "AppendEntries term {term} prev {prev_log_index}@{prev_log_term} +{} commit \
             {leader_commit} round {}",
            entries.len(),
            round.0
        ),
        Message::AppendEntriesReply {
            term,
            outcome,
            round,
        } => {
            let outcome = match outcome {
                AppendOutcome::Matched(index) => format!("matched {index}"),
                AppendOutcome::Conflict {
                    rejected,
                    conflict_term,
                    first_index,
                } => format!(
                    "conflict at {rejected}{} from {first_index}",
                    conflict_term.map_or(String::new(), |term| format!(" of term {term}"))
                ),
                AppendOutcome::Stale => "stale".to_owned(),
            };
            format!("{outcome} term {term} round {}", round.0)
        }
    }
}

fn describe_answer(answer: Answer) -> String {
    match answer {
        Answer::Appended { index, term } => format!("appended {index}@{term}"),
        Answer::ReadAt(index) => format!("read at {index}"),
        Answer::Refused(Refusal::NotLeader(leader)) => {
            format!(
                "ask {}",
                leader.map_or("another".to_owned(), |id| id.to_string())
            )
        }
        Answer::HandedOver => "handed over".to_owned(),
        Answer::Refused(Refusal::Overloaded) => "too much is uncommitted".to_owned(),
        Answer::Refused(Refusal::HandingOver) => "handing over".to_owned(),
        Answer::Refused(Refusal::NoSuchVoter) => "no such voter".to_owned(),
        Answer::Refused(Refusal::TransferTimedOut) => "the transfer timed out".to_owned(),
        Answer::Refused(Refusal::ChangeUnderWay) => "a change is under way".to_owned(),
        Answer::Refused(Refusal::NotCaughtUp) => "not caught up".to_owned(),
        Answer::Refused(Refusal::NoVoters) => "no voters".to_owned(),
        Answer::Refused(Refusal::LostLeadership) => "no longer the leader".to_owned(),
    }
}
