//! openraft's calls to other servers as messages: a question with a number, and the answer that names it.

use std::future::Future;
use std::time::Duration;

use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Timeout,
};
use openraft::network::{RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{AsyncRuntime, LogId, Snapshot, Vote};

use crate::desk::{Desk, Done};
use crate::disk::Saved;
use crate::runtime::{Gone, Runtime};
use crate::server::{Engine, Types};

/// What goes from one server to another.
#[derive(Clone, Debug)]
pub enum Message {
    Question(u64, Question),
    Answer(u64, Answer),
}

#[derive(Clone, Debug)]
pub enum Question {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<u64>),
    Install(Vote<u64>, Box<Saved>),
}

#[derive(Clone, Debug)]
pub enum Answer {
    Append(Appended),
    Vote(VoteResponse<u64>),
    Install(Vote<u64>),
}

/// openraft's `AppendEntriesResponse`, which cannot be cloned.
#[derive(Clone, Debug)]
pub enum Appended {
    All,
    UpTo(Option<LogId<u64>>),
    Conflict,
    HigherVote(Vote<u64>),
}

impl From<AppendEntriesResponse<u64>> for Appended {
    fn from(response: AppendEntriesResponse<u64>) -> Appended {
        match response {
            AppendEntriesResponse::Success => Appended::All,
            AppendEntriesResponse::PartialSuccess(up_to) => Appended::UpTo(up_to),
            AppendEntriesResponse::Conflict => Appended::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Appended::HigherVote(vote),
        }
    }
}

impl From<Appended> for AppendEntriesResponse<u64> {
    fn from(appended: Appended) -> AppendEntriesResponse<u64> {
        match appended {
            Appended::All => AppendEntriesResponse::Success,
            Appended::UpTo(up_to) => AppendEntriesResponse::PartialSuccess(up_to),
            Appended::Conflict => AppendEntriesResponse::Conflict,
            Appended::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote),
        }
    }
}

impl Message {
    /// About as many bytes as it would take on a wire.
    pub fn bytes(&self) -> usize {
        const HEAD: usize = 50;
        let payload = match self {
            Message::Question(_, Question::Append(request)) => {
                let entries = request.entries.iter();
                let bytes = entries.map(|entry| match &entry.payload {
                    openraft::EntryPayload::Normal(command) => 20 + command.len(),
                    _ => 20,
                });
                bytes.sum()
            }
            Message::Question(_, Question::Install(_, saved)) => saved.data.len(),
            _ => 0,
        };
        HEAD + payload
    }
}

/// Makes links to others.
pub struct Links(pub Desk);

impl RaftNetworkFactory<Types> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: u64, (): &()) -> Link {
        Link {
            desk: self.0.clone(),
            target,
        }
    }
}

/// A link to another.
pub struct Link {
    desk: Desk,
    target: u64,
}

/// A question is forgotten when nobody waits for its answer any more.
struct Asked(Desk, u64);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.borrow_mut().forget(self.1);
    }
}

impl Link {
    async fn ask(&self, question: Question) -> Result<Answer, NetworkError> {
        let (number, answer) = {
            let mut desk = self.desk.borrow_mut();
            let (number, answer) = desk.ask();
            let message = Message::Question(number, question);
            desk.done.push(Done::Sent(self.target, message));
            (number, answer)
        };
        let _asked = Asked(self.desk.clone(), number);
        answer.await.map_err(|_| NetworkError::new(&Gone))
    }
}

type Lost = RPCError<u64, (), RaftError<u64>>;

const OTHER_KIND: &str = "an answer is of the kind of its question";

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Lost> {
        match self.ask(Question::Append(request)).await? {
            Answer::Append(appended) => Ok(appended.into()),
            _ => unreachable!("{OTHER_KIND}"),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _: RPCOption,
    ) -> Result<VoteResponse<u64>, Lost> {
        match self.ask(Question::Vote(request)).await? {
            Answer::Vote(response) => Ok(response),
            _ => unreachable!("{OTHER_KIND}"),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<u64>,
        snapshot: Snapshot<Types>,
        _: impl Future<Output = ReplicationClosed> + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<Types, Fatal<u64>>> {
        let saved = Box::new(Saved {
            meta: snapshot.meta,
            data: *snapshot.snapshot,
        });
        // openraft sets no limit here, but says what it would be. Whoever cancels waits no longer than that.
        let limit: Duration = option.hard_ttl();
        let asked = self.ask(Question::Install(vote, saved));
        match Runtime::timeout(limit, asked).await {
            Ok(Ok(Answer::Install(vote))) => Ok(SnapshotResponse::new(vote)),
            Ok(Ok(_)) => unreachable!("{OTHER_KIND}"),
            Ok(Err(lost)) => Err(lost.into()),
            Err(_) => Err(StreamingError::Timeout(Timeout {
                action: RPCTypes::InstallSnapshot,
                id: vote.leader_id.voted_for.unwrap_or_default(),
                target: self.target,
                timeout: limit,
            })),
        }
    }
}

/// Answers a question; none, if the server has come to an end meanwhile.
pub async fn answer(raft: Engine, desk: Desk, from: u64, number: u64, question: Question) {
    let answer = match question {
        Question::Append(request) => {
            let response = raft.append_entries(request).await;
            response
                .ok()
                .map(|response| Answer::Append(response.into()))
        }
        Question::Vote(request) => raft.vote(request).await.ok().map(Answer::Vote),
        Question::Install(vote, saved) => {
            let snapshot = Snapshot {
                meta: saved.meta,
                snapshot: Box::new(saved.data),
            };
            let response = raft.install_full_snapshot(vote, snapshot).await;
            response.ok().map(|response| Answer::Install(response.vote))
        }
    };
    if let Some(answer) = answer {
        let message = Message::Answer(number, answer);
        desk.borrow_mut().done.push(Done::Sent(from, message));
    }
}
