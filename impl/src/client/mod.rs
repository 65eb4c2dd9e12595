//! A client: finds the leader, retries, and tells honestly what it knows. A command whose fate is
//! unknown is reported as unknown, never as failed; within a session a retry takes effect once.

mod connection;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::core::ReadMode;
use crate::kv::{Operation, Reply, SessionId, TxnStep};
use crate::net::FrameError;
use crate::net::protocol::{DEFAULT_CLUSTER, RequestBody, ResponseBody, Status};
use crate::seams::{Clock, Network};
use crate::types::NodeId;
use connection::{Connection, Unanswered};

/// What a client knows of an operation after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It took effect, with this result.
    Ok(T),
    /// It had no effect and never will.
    Failed(&'static str),
    /// It may have taken effect, may still, or never will.
    Unknown(&'static str),
}

/// What a client keeps where it outlives its process: with it, another process goes on in the same session, and a request
/// whose answer nobody heard can be made again and still takes effect once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedSession {
    session: SessionId,
    /// The number of the last request.
    sequence: u64,
}

/// Why a change failed that the leader refuses for now only: asked for again, it may succeed.
pub const TOO_EARLY: &str = "it is too early for that";

/// A compare-and-set's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CasResult {
    /// The value was replaced.
    Swapped,
    /// The value was another one, this one, and stays.
    Mismatch(Option<Bytes>),
}

/// A transaction's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnResult {
    /// It took effect; what each of its reads saw, in order.
    Committed(Vec<Option<Bytes>>),
    /// One of its expectations was not met; nothing was changed.
    Aborted {
        /// Which of its steps, from zero.
        step: u32,
        /// The value there.
        found: Option<Bytes>,
    },
}

/// A client's patience.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// How long one server may take to answer before another is tried.
    pub try_for: Duration,
    /// How long an operation may take in all.
    pub give_up_after: Duration,
    /// The pause before trying again where nobody leads.
    pub pause: Duration,
    /// The name of the cluster that is asked.
    pub cluster: String,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            try_for: Duration::from_millis(500),
            give_up_after: Duration::from_secs(5),
            pause: Duration::from_millis(25),
            cluster: DEFAULT_CLUSTER.to_owned(),
        }
    }
}

/// One client with one operation at a time.
pub struct Client {
    servers: Vec<(NodeId, String)>,
    config: ClientConfig,
    clock: Arc<dyn Clock>,
    network: Arc<dyn Network>,
    /// Index into `servers` of the one to try next.
    next: usize,
    /// The last one that was tried without being named by another.
    sweep: usize,
    connection: Option<(usize, Connection)>,
    session: Option<SessionId>,
    sequence: u64,
    last_request: u64,
    trouble: Option<String>,
}

/// What one operation has come to, over all its tries.
struct Attempts {
    deadline: Duration,
    /// Whether some try may have taken effect without our hearing of it.
    in_doubt: bool,
}

impl Client {
    /// A client of these servers; `first` picks the one to try first (any number).
    ///
    /// # Panics
    /// If there are no servers.
    #[must_use]
    pub fn new(
        servers: Vec<(NodeId, String)>,
        first: usize,
        config: ClientConfig,
        clock: Arc<dyn Clock>,
        network: Arc<dyn Network>,
    ) -> Client {
        assert!(!servers.is_empty(), "a client needs a server to talk to");
        Client {
            next: first % servers.len(),
            sweep: first % servers.len(),
            servers,
            config,
            clock,
            network,
            connection: None,
            session: None,
            sequence: 0,
            last_request: 0,
            trouble: None,
        }
    }

    /// The server that the next try goes to.
    #[must_use]
    pub fn current_server(&self) -> NodeId {
        self.servers[self.next].0
    }

    /// Turns to this server next, by its place among those that the client was given (any number).
    pub fn turn_to(&mut self, server: usize) {
        self.next = server % self.servers.len();
    }

    /// What to keep of its session, if it has one, with the number of its last request.
    #[must_use]
    pub fn save(&self) -> Option<SavedSession> {
        let sequence = self.sequence;
        self.session
            .map(|session| SavedSession { session, sequence })
    }

    /// Goes on with the session of a client that is gone.
    pub fn resume(&mut self, saved: SavedSession) {
        (self.session, self.sequence) = (Some(saved.session), saved.sequence);
    }

    /// What went wrong with the last try that failed, in words: for people.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How the server that is asked sees itself and the cluster: the one that would be tried next.
    pub async fn status(&mut self) -> Outcome<Status> {
        let mut attempts = self.attempts();
        match self.call(&RequestBody::Status, &mut attempts).await {
            Some(ResponseBody::Status(status)) => Outcome::Ok(*status),
            Some(_) => Outcome::Unknown("the server answered something else"),
            None => Outcome::Unknown("no answer in time"),
        }
    }

    /// Reads a key, linearizably, by the leader's word.
    pub async fn read(&mut self, key: &str) -> Outcome<Option<Bytes>> {
        self.read_by(key, ReadMode::Leader).await
    }

    /// Reads a key, linearizably, in the way that is asked for. With [`ReadMode::Anywhere`] each read goes
    /// to the next server.
    pub async fn read_by(&mut self, key: &str, mode: ReadMode) -> Outcome<Option<Bytes>> {
        if mode == ReadMode::Anywhere {
            self.next = (self.next + 1) % self.servers.len();
        }
        let key = key.to_owned();
        self.ask_for_value(&RequestBody::Read { key, mode }).await
    }

    /// Reads a key as it is on some server: it may be long out of date.
    pub async fn read_stale(&mut self, key: &str) -> Outcome<Option<Bytes>> {
        let key = key.to_owned();
        self.ask_for_value(&RequestBody::ReadStale { key }).await
    }

    async fn ask_for_value(&mut self, body: &RequestBody) -> Outcome<Option<Bytes>> {
        let mut attempts = self.attempts();
        match self.call(body, &mut attempts).await {
            Some(ResponseBody::Value(value)) => Outcome::Ok(value),
            Some(_) => Outcome::Unknown("the server answered something else"),
            None => Outcome::Unknown("no answer in time"),
        }
    }

    /// Sets a key.
    pub async fn write(&mut self, key: &str, value: Bytes) -> Outcome<()> {
        self.done(Operation::Write {
            key: key.to_owned(),
            value,
        })
        .await
    }

    /// Adds bytes behind a key's value.
    pub async fn append(&mut self, key: &str, suffix: Bytes) -> Outcome<()> {
        self.done(Operation::Append {
            key: key.to_owned(),
            suffix,
        })
        .await
    }

    /// Sets a key if it has the expected value; `None` expects it absent.
    pub async fn cas(
        &mut self,
        key: &str,
        expected: Option<Bytes>,
        value: Bytes,
    ) -> Outcome<CasResult> {
        match self
            .execute(Operation::Cas {
                key: key.to_owned(),
                expected,
                value,
            })
            .await
        {
            Outcome::Ok(Reply::Swapped) => Outcome::Ok(CasResult::Swapped),
            Outcome::Ok(Reply::Mismatch(found)) => Outcome::Ok(CasResult::Mismatch(found)),
            other => unexpected(&other),
        }
    }

    /// Carries out a transaction: all of its steps or none, with nothing of another client's between.
    pub async fn transact(&mut self, steps: Vec<TxnStep>) -> Outcome<TxnResult> {
        match self.execute(Operation::Txn(steps)).await {
            Outcome::Ok(Reply::Committed(reads)) => Outcome::Ok(TxnResult::Committed(reads)),
            Outcome::Ok(Reply::Aborted { step, found }) => {
                Outcome::Ok(TxnResult::Aborted { step, found })
            }
            other => unexpected(&other),
        }
    }

    /// Changes who takes part: who votes (as before if `None`), who receives the log without a vote, and
    /// where servers listen that the cluster does not know or that have moved. A change of voters is
    /// decided when this returns `Ok`, and complete shortly after.
    pub async fn change_membership(
        &mut self,
        voters: Option<BTreeSet<NodeId>>,
        learners: BTreeSet<NodeId>,
        addresses: BTreeMap<NodeId, String>,
    ) -> Outcome<()> {
        let body = RequestBody::ChangeMembership {
            voters,
            learners,
            addresses,
        };
        self.ask_leader(&body).await
    }

    /// Has the leader hand over to another server. `Failed` says that it leads on.
    pub async fn transfer(&mut self, to: NodeId) -> Outcome<()> {
        self.ask_leader(&RequestBody::Transfer { to }).await
    }

    async fn ask_leader(&mut self, body: &RequestBody) -> Outcome<()> {
        let mut attempts = self.attempts();
        match self.call(body, &mut attempts).await {
            Some(ResponseBody::Done) => Outcome::Ok(()),
            Some(ResponseBody::Refused(_) | ResponseBody::TooEarly(_)) if attempts.in_doubt => {
                Outcome::Unknown("an earlier try may have been heard")
            }
            Some(ResponseBody::Refused(why)) => {
                self.trouble = Some(why);
                Outcome::Failed("the leader refused")
            }
            Some(ResponseBody::TooEarly(why)) => {
                self.trouble = Some(why);
                Outcome::Failed(TOO_EARLY)
            }
            Some(_) => Outcome::Unknown("the server answered something else"),
            None => Outcome::Unknown("no answer in time"),
        }
    }

    async fn done(&mut self, operation: Operation) -> Outcome<()> {
        match self.execute(operation).await {
            Outcome::Ok(Reply::Done) => Outcome::Ok(()),
            other => unexpected(&other),
        }
    }

    /// Carries out an operation once, in a session that is opened if need be.
    pub async fn execute(&mut self, operation: Operation) -> Outcome<Reply> {
        let mut attempts = self.attempts();
        let session = match self.session {
            Some(session) => session,
            None => match self.call(&RequestBody::OpenSession, &mut attempts).await {
                Some(ResponseBody::Applied(Reply::SessionOpened(session))) => {
                    self.session = Some(session);
                    self.sequence = 0;
                    session
                }
                _ => return Outcome::Failed("no session could be opened"),
            },
        };
        self.sequence += 1;
        attempts.in_doubt = false;
        self.request(session, operation, attempts).await
    }

    /// Makes the last request of a session again that was [resumed](Client::resume), and nobody has heard what became of
    /// it. Where there is no session, nothing was asked for in one yet.
    pub async fn execute_again(&mut self, operation: Operation) -> Outcome<Reply> {
        let Some(session) = self.session else {
            return self.execute(operation).await;
        };
        let attempts = Attempts {
            in_doubt: true,
            ..self.attempts()
        };
        self.request(session, operation, attempts).await
    }

    async fn request(
        &mut self,
        session: SessionId,
        operation: Operation,
        mut attempts: Attempts,
    ) -> Outcome<Reply> {
        let body = RequestBody::Execute {
            session,
            sequence: self.sequence,
            operation,
        };
        let answer = self.call(&body, &mut attempts).await;
        let in_doubt = attempts.in_doubt;
        let undone = |why| {
            if in_doubt {
                Outcome::Unknown(why)
            } else {
                Outcome::Failed(why)
            }
        };
        match answer {
            Some(ResponseBody::Applied(Reply::SessionExpired)) => {
                self.session = None;
                undone("the session expired")
            }
            Some(ResponseBody::TooLarge) => undone("the command is larger than an entry may be"),
            Some(ResponseBody::Applied(Reply::TooLarge)) => {
                Outcome::Failed("a value would be larger than it may be")
            }
            Some(ResponseBody::Applied(reply)) => Outcome::Ok(reply),
            Some(_) => undone("the server answered something else"),
            None => undone("no answer in time"),
        }
    }

    fn attempts(&self) -> Attempts {
        Attempts {
            deadline: self.clock.now() + self.config.give_up_after,
            in_doubt: false,
        }
    }

    /// Asks until somebody answers the question or time is up.
    async fn call(&mut self, body: &RequestBody, attempts: &mut Attempts) -> Option<ResponseBody> {
        while self.clock.now() < attempts.deadline {
            match self.try_once(body, attempts).await {
                Some(ResponseBody::NotLeader(leader)) => self.redirect(leader).await,
                Some(ResponseBody::Busy) => self.clock.sleep(self.config.pause).await,
                Some(answer) => return Some(answer),
                None => self.redirect(None).await,
            }
        }
        None
    }

    /// One try with one server; `None` if it can't be reached or does not answer in time.
    async fn try_once(
        &mut self,
        body: &RequestBody,
        attempts: &mut Attempts,
    ) -> Option<ResponseBody> {
        let left = attempts.deadline.saturating_sub(self.clock.now());
        let patience = self.clock.sleep(self.config.try_for.min(left));
        self.last_request += 1;
        let request = self.last_request;
        let server = self.next;
        let open = self.connection.take().filter(|(to, _)| *to == server);
        let mut sent = false;
        let exchange = async {
            let mut connection = match open {
                Some((_, connection)) => connection,
                None => {
                    let stream = self.network.connect(&self.servers[server].1).await;
                    let stream = stream.map_err(FrameError::Io)?;
                    Connection::greet(stream, &self.config.cluster).await?
                }
            };
            sent = true;
            let answer = connection.ask(request, body).await?;
            Ok((connection, answer))
        };
        let result: Result<_, Unanswered> = tokio::select! {
            biased;
            result = exchange => result,
            () = patience => Err(FrameError::Io(std::io::ErrorKind::TimedOut.into()).into()),
        };
        match result {
            Ok((connection, answer)) => {
                self.connection = Some((server, connection));
                Some(answer)
            }
            Err(why) => {
                let (id, addr) = &self.servers[server];
                self.trouble = Some(format!("{id} at {addr}: {why}"));
                attempts.in_doubt |= sent && !matches!(why, Unanswered::Refused(_));
                None
            }
        }
    }

    /// Turns to the leader that was named, or to the next server after a pause. A server that was
    /// removed may go on naming a leader that is none: the sweep over all servers goes on where it
    /// was, not behind the one that was named.
    async fn redirect(&mut self, leader: Option<NodeId>) {
        let named = leader.and_then(|id| self.servers.iter().position(|(s, _)| *s == id));
        match named {
            Some(position) if position != self.next => self.next = position,
            _ => {
                self.sweep = (self.sweep + 1) % self.servers.len();
                self.next = self.sweep;
                self.clock.sleep(self.config.pause).await;
            }
        }
    }
}

/// An outcome of another type, for a reply that does not answer the question.
fn unexpected<T>(outcome: &Outcome<Reply>) -> Outcome<T> {
    match outcome {
        Outcome::Failed(why) => Outcome::Failed(why),
        Outcome::Unknown(why) => Outcome::Unknown(why),
        Outcome::Ok(_) => Outcome::Unknown("the server answered something else"),
    }
}
