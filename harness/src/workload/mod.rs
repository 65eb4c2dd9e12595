//! What clients do in a run: each draws operations from a stream of its own, carries them out through
//! the shipped client and records what it was told. An operation of unknown fate is `info`, and its
//! process never acts again: the client goes on as a new process, with a new session.

mod operator;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plumb_histories::{Recorder, Value};
use plumb_raft::client::{CasResult, Client, ClientConfig, Outcome};
use plumb_raft::seams::Seams;
use plumb_raft::types::NodeId;

use crate::scenario::{Action, ScriptedOperation, Workload, WorkloadKind};
use crate::sim::seams::random::Stream;
use crate::sim::watch::now_ns;

pub use operator::{Operator, Task};

/// The clients' shared history; a run is one thread.
pub type SharedRecorder = Rc<RefCell<Recorder>>;

/// The operations that all clients started, in the order in which they did.
pub type SharedScript = Rc<RefCell<Vec<ScriptedOperation>>>;

/// One client of a run.
pub struct Actor {
    /// Counts from zero.
    pub number: u64,
    /// What it does.
    pub workload: Workload,
    /// Where the servers are.
    pub servers: Vec<(NodeId, String)>,
    /// Its clock and network.
    pub seams: Seams,
    /// What it does next, where no script says so.
    pub draw: Stream,
    /// Which server it turns to first; a stream of its own, so that a script disturbs nothing.
    pub draw_server: Stream,
    /// Where it writes down what it sees.
    pub recorder: SharedRecorder,
    /// Where it writes down what it does.
    pub script: SharedScript,
    /// It starts nothing from here on (simulated).
    pub until: Duration,
}

/// A client's present self, and what it knows.
struct Session {
    process: u64,
    client: Client,
    /// What it last saw of each key.
    seen: Vec<Option<Bytes>>,
}

/// How an operation is recorded.
enum End {
    Ok(Value),
    Fail(&'static str),
    Info(&'static str),
}

fn end<T>(outcome: Outcome<T>, value: impl FnOnce(T) -> Value) -> End {
    match outcome {
        Outcome::Ok(result) => End::Ok(value(result)),
        Outcome::Failed(why) => End::Fail(why),
        Outcome::Unknown(why) => End::Info(why),
    }
}

impl Actor {
    /// Acts until its time or its script is over, and never returns.
    pub async fn run(mut self) {
        let mut session = Session {
            process: self.number,
            client: self.new_client(),
            seen: vec![None; self.workload.keys as usize],
        };
        let script = self.workload.script.take();
        let number = self.number;
        let mut mine = script.iter().flatten().filter(|o| o.client == number);
        let mut count = 0;
        loop {
            let operation = if script.is_some() {
                let Some(operation) = mine.next().copied() else {
                    break;
                };
                let wait = operation.at_us.saturating_sub(now_ns() / 1_000);
                tokio::time::sleep(Duration::from_micros(wait)).await;
                operation
            } else {
                let think = self.draw.below(self.workload.think_ms.max(1) * 1000);
                tokio::time::sleep(Duration::from_micros(think)).await;
                count += 1;
                self.draw_operation(count)
            };
            if Duration::from_nanos(now_ns()) >= self.until {
                break;
            }
            self.script.borrow_mut().push(operation);
            if self.act(&mut session, operation).await {
                // Jepsen's rule: a process with an operation of unknown fate is retired.
                session.process += self.workload.clients;
                session.client = self.new_client();
            }
        }
        // It stays connected: when a client leaves, the network draws for its last packets, and one
        // that has come to the end of its script would leave earlier than one that draws.
        std::future::pending::<()>().await;
    }

    fn new_client(&mut self) -> Client {
        let config = ClientConfig {
            try_for: Duration::from_millis(300),
            give_up_after: Duration::from_millis(1_500),
            pause: Duration::from_millis(20),
        };
        let first = self.draw_server.index(self.servers.len());
        let Seams { clock, network, .. } = self.seams.clone();
        Client::new(
            self.servers.clone(),
            first,
            config,
            clock,
            Arc::clone(&network),
        )
    }

    /// What a client without a script does next; every value is written once.
    fn draw_operation(&mut self, count: u64) -> ScriptedOperation {
        let key = self.draw.below(self.workload.keys);
        let action = match (self.workload.kind, self.draw.below(10)) {
            (_, 0..4) => Action::Read,
            (WorkloadKind::Append, _) => Action::Append,
            (WorkloadKind::Register, 4..7) => Action::Write,
            (WorkloadKind::Register, _) => Action::Cas,
        };
        ScriptedOperation {
            client: self.number,
            at_us: now_ns() / 1_000,
            action,
            key,
            value: self.number + 1 + count * self.workload.clients,
        }
    }

    /// Carries out an operation; whether its fate is unknown.
    async fn act(&self, session: &mut Session, operation: ScriptedOperation) -> bool {
        let Session {
            process,
            client,
            seen,
        } = session;
        let last = &mut seen[operation.key as usize];
        let key = format!("k{}", operation.key);
        let value = Bytes::from(operation.value.to_string());
        let written = number(Some(&value));
        match (self.workload.kind, operation.action) {
            (WorkloadKind::Append, Action::Read) => {
                self.invoke(*process, "get", &key, Value::Null, client);
                let outcome = client.read(&key).await;
                let value = |read: Option<Bytes>| Value::Str(text(read.as_ref()));
                self.complete(*process, end(outcome, value), Value::Null)
            }
            (WorkloadKind::Register, Action::Read) => {
                self.invoke(*process, "read", &key, Value::Null, client);
                let outcome = client.read(&key).await;
                if let Outcome::Ok(read) = &outcome {
                    last.clone_from(read);
                }
                self.complete(
                    *process,
                    end(outcome, |read| number(read.as_ref())),
                    Value::Null,
                )
            }
            (_, Action::Write) => {
                self.invoke(*process, "write", &key, written.clone(), client);
                let outcome = client.write(&key, value.clone()).await;
                if outcome == Outcome::Ok(()) {
                    *last = Some(value);
                }
                self.complete(*process, end(outcome, |()| written.clone()), written)
            }
            (_, Action::Cas) => {
                let pair = Value::List(vec![number(last.as_ref()), written]);
                self.invoke(*process, "cas", &key, pair.clone(), client);
                let outcome = client.cas(&key, last.clone(), value.clone()).await;
                let end = match outcome {
                    Outcome::Ok(CasResult::Swapped) => {
                        *last = Some(value);
                        End::Ok(pair.clone())
                    }
                    Outcome::Ok(CasResult::Mismatch(found)) => {
                        *last = found;
                        End::Fail("another value")
                    }
                    Outcome::Failed(why) => End::Fail(why),
                    Outcome::Unknown(why) => End::Info(why),
                };
                self.complete(*process, end, pair)
            }
            (_, Action::Append) => {
                let suffix = format!("{} ", operation.value);
                let appended = Value::Str(suffix.clone());
                self.invoke(*process, "append", &key, appended.clone(), client);
                let outcome = client.append(&key, Bytes::from(suffix)).await;
                self.complete(*process, end(outcome, |()| appended.clone()), appended)
            }
        }
    }

    fn invoke(&self, process: u64, f: &str, key: &str, value: Value, client: &Client) {
        let node = client.current_server().to_string();
        let key = Value::Str(key.to_owned());
        self.recorder
            .borrow_mut()
            .invoke(now_ns(), process, f, Some(key), value, Some(&node));
    }

    /// Records the end; `asked` is what an operation without a result is remembered by.
    fn complete(&self, process: u64, end: End, asked: Value) -> bool {
        let mut recorder = self.recorder.borrow_mut();
        match end {
            End::Ok(value) => recorder.ok(now_ns(), process, value),
            End::Fail(why) => recorder.fail(now_ns(), process, asked, Some(why)),
            End::Info(why) => {
                recorder.info(now_ns(), process, asked, Some(why));
                return true;
            }
        }
        false
    }
}

/// A register's value: a number, or nothing yet.
fn number(bytes: Option<&Bytes>) -> Value {
    match bytes {
        None => Value::Null,
        Some(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            text.parse()
                .map_or_else(|_| Value::Str(text.into_owned()), Value::Int)
        }
    }
}

fn text(bytes: Option<&Bytes>) -> String {
    bytes
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}
