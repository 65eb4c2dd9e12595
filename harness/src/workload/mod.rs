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

use crate::scenario::{Workload, WorkloadKind};
use crate::sim::seams::random::Stream;
use crate::sim::watch::now_ns;

pub use operator::{Operator, Task};

/// The clients' shared history; a run is one thread.
pub type SharedRecorder = Rc<RefCell<Recorder>>;

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
    /// Its choices.
    pub draw: Stream,
    /// Where it writes down what it sees.
    pub recorder: SharedRecorder,
    /// It starts nothing from here on (simulated).
    pub until: Duration,
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
    /// Acts until its time is up.
    pub async fn run(mut self) {
        let mut process = self.number;
        let mut client = self.new_client();
        let mut last_seen: Vec<Option<Bytes>> = vec![None; self.workload.keys as usize];
        let mut count = 0;
        loop {
            let think = self.draw.below(self.workload.think_ms.max(1) * 1000);
            tokio::time::sleep(Duration::from_micros(think)).await;
            if Duration::from_nanos(now_ns()) >= self.until {
                return;
            }
            let key_number = self.draw.index(self.workload.keys as usize);
            let key = format!("k{key_number}");
            count += 1;
            let fresh = self.number + 1 + count * self.workload.clients;
            let last = &mut last_seen[key_number];
            let unknown = match self.workload.kind {
                WorkloadKind::Register => {
                    self.register(&mut client, process, &key, fresh, last).await
                }
                WorkloadKind::Append => self.append(&mut client, process, &key, fresh).await,
            };
            if unknown {
                // Jepsen's rule: a process with an operation of unknown fate is retired.
                process += self.workload.clients;
                client = self.new_client();
            }
        }
    }

    fn new_client(&mut self) -> Client {
        let config = ClientConfig {
            try_for: Duration::from_millis(300),
            give_up_after: Duration::from_millis(1_500),
            pause: Duration::from_millis(20),
        };
        let first = self.draw.index(self.servers.len());
        let Seams { clock, network, .. } = self.seams.clone();
        Client::new(
            self.servers.clone(),
            first,
            config,
            clock,
            Arc::clone(&network),
        )
    }

    /// One operation on a register of numbers; whether its fate is unknown.
    async fn register(
        &mut self,
        client: &mut Client,
        process: u64,
        key: &str,
        fresh: u64,
        last: &mut Option<Bytes>,
    ) -> bool {
        let value = Bytes::from(fresh.to_string());
        match self.draw.below(10) {
            0..4 => {
                self.invoke(process, "read", key, Value::Null, client);
                let outcome = client.read(key).await;
                if let Outcome::Ok(read) = &outcome {
                    last.clone_from(read);
                }
                self.complete(
                    process,
                    end(outcome, |read| number(read.as_ref())),
                    Value::Null,
                )
            }
            4..7 => {
                let written = number(Some(&value));
                self.invoke(process, "write", key, written.clone(), client);
                let outcome = client.write(key, value.clone()).await;
                if outcome == Outcome::Ok(()) {
                    *last = Some(value);
                }
                self.complete(process, end(outcome, |()| written.clone()), written)
            }
            _ => {
                let pair = Value::List(vec![number(last.as_ref()), number(Some(&value))]);
                self.invoke(process, "cas", key, pair.clone(), client);
                let outcome = client.cas(key, last.clone(), value.clone()).await;
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
                self.complete(process, end, pair)
            }
        }
    }

    /// One operation on a string that only grows; whether its fate is unknown.
    async fn append(&mut self, client: &mut Client, process: u64, key: &str, fresh: u64) -> bool {
        if self.draw.chance(0.4) {
            self.invoke(process, "get", key, Value::Null, client);
            let outcome = client.read(key).await;
            let value = |read: Option<Bytes>| Value::Str(text(read.as_ref()));
            self.complete(process, end(outcome, value), Value::Null)
        } else {
            let suffix = format!("{fresh} ");
            let appended = Value::Str(suffix.clone());
            self.invoke(process, "append", key, appended.clone(), client);
            let outcome = client.append(key, Bytes::from(suffix)).await;
            self.complete(process, end(outcome, |()| appended.clone()), appended)
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
