//! Rules on what leaves a server: what a message promises is on the disk (Figure 2), and an answer to a
//! read sees all that was committed when it was asked for (§8).

use plumb_raft::core::{Answer, AppendOutcome, Envelope, InstallOutcome, Message, RequestId};
use plumb_raft::types::NodeId;

use super::judge::Judge;

impl Judge {
    /// What a message promises must be durable when it leaves.
    pub(super) fn promise(&mut self, at_ns: u64, envelope: &Envelope) {
        let Envelope { from, to, message } = envelope;
        let Some(server) = self.servers.get(from) else {
            return;
        };
        let disk = &server.disk.durable;
        let durable = disk.hard_state;
        let term = message.term();
        let current = term == durable.current_term;
        let kept = match message {
            Message::RequestVote { .. } => !current || durable.voted_for == Some(*from),
            Message::RequestVoteReply { granted: true, .. } => {
                !current || durable.voted_for == Some(*to)
            }
            Message::AppendEntriesReply {
                outcome: AppendOutcome::Matched(index),
                ..
            }
            | Message::InstallSnapshotReply {
                outcome: InstallOutcome::Installed,
                last_index: index,
                ..
            } => !current || disk.holds(*index),
            _ => true,
        };
        if !kept || term > durable.current_term {
            let what = format!("{from} promises {to} what its disk does not hold: {message:?}");
            self.rule(at_ns, "Promises Are Durable", what);
        }
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, at_ns: u64, id: NodeId, request: RequestId, answer: Answer) {
        let asked_at = self.server(id).reads.remove(&request);
        match answer {
            Answer::ReadAt(index) => {
                self.coverage.reads += 1;
                let committed = self.committed.len() as u64;
                if index.0 > committed {
                    let what = format!("{id} reads at {index}, and only {committed} are committed");
                    self.rule(at_ns, "Read Index", what);
                }
                if let Some(then) = asked_at.filter(|then| index.0 < *then) {
                    let what = format!(
                        "{id} serves a read as of entry {index}; {then} were committed when it was asked"
                    );
                    self.rule(at_ns, "Reads See What Was Committed", what);
                }
            }
            Answer::HandedOver => self.coverage.transfers += 1,
            Answer::Refused(_) => self.coverage.refusals += 1,
            Answer::Appended { .. } => {}
        }
    }
}
