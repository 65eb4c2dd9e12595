//! What one client does next and how it is written down, whoever carries the operations out: each
//! client draws from a stream of its own (or follows a script) and records what it was told. An operation
//! of unknown fate is `info`, and its process never acts again: the client goes on as a new process.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use plumb_histories::{Recorder, Value};
use plumb_raft::client::Outcome;
use plumb_raft::kv::{Operation, Reply};

use super::txn::{self, Step};
use crate::scenario::{Action, Scenario, ScriptedOperation, Workload, WorkloadKind};
use crate::sim::seams::random::Stream;

/// The clients' shared history; a run is one thread.
pub type SharedRecorder = Rc<RefCell<Recorder>>;

/// The operations that all clients started, in the order in which they did.
pub type SharedScript = Rc<RefCell<Vec<ScriptedOperation>>>;

/// Why a compare-and-set failed that was carried out, and found another value than it expected.
pub const MISMATCH: &str = "another value";

/// What a client asks of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The value of a key, linearizably.
    Read(String),
    /// An operation, once.
    Execute(Operation),
}

/// What the cluster answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// A read's value.
    Value(Option<Bytes>),
    /// An operation's reply.
    Reply(Reply),
}

/// One client's present self, and what it knows.
pub struct Book {
    number: u64,
    workload: Workload,
    draw: Stream,
    /// How many of its operations are reads, in tenths.
    reads: u64,
    /// When the faults are over, until it has written something from then on.
    to_write_from_us: Option<u64>,
    recorder: SharedRecorder,
    script: SharedScript,
    /// The operations of this client, if a script says so, in reverse.
    ahead: Option<Vec<ScriptedOperation>>,
    count: u64,
    process: u64,
    /// What it last saw of each key.
    seen: Vec<Option<Bytes>>,
    /// What is under way.
    open: Option<ScriptedOperation>,
}

/// How an operation is recorded.
enum End {
    Ok(Value),
    Fail(&'static str),
    Info(&'static str),
}

impl Book {
    /// A client that has done nothing yet. `number` counts the clients from zero; where no script says what
    /// it does, a stream of its own decides.
    #[must_use]
    pub fn new(
        scenario: &Scenario,
        number: u64,
        recorder: SharedRecorder,
        script: SharedScript,
    ) -> Book {
        let mut draw = Stream::derive(scenario.seed, "client", number);
        let mut workload = scenario.workload.clone();
        let ahead = workload.script.take().map(|all| {
            let mine = all.into_iter().filter(|o| o.client == number);
            mine.rev().collect()
        });
        Book {
            number,
            // One that writes waits out a partition; one that reads sees what its leader still serves.
            reads: [1, 4, 4, 9][draw.index(4)],
            draw,
            to_write_from_us: Some(scenario.heal_at_ms * 1_000),
            recorder,
            script,
            ahead,
            count: 0,
            process: number,
            seen: vec![None; workload.keys as usize],
            open: None,
            workload,
        }
    }

    /// What this client does next, to be started at its time or as soon as it can be; `None` at the
    /// end of its script. Every value is written once.
    pub fn next(&mut self, now_us: u64) -> Option<ScriptedOperation> {
        if let Some(ahead) = &mut self.ahead {
            return ahead.pop();
        }
        let at_us = now_us + self.draw.below(self.workload.think_ms.max(1) * 1000);
        self.count += 1;
        let key = self.draw.below(self.workload.keys);
        let mut reads = self.draw.below(10) < self.reads;
        if self.to_write_from_us.is_some_and(|healed| at_us >= healed) {
            // That the healed cluster commits is judged by what it commits.
            self.to_write_from_us = None;
            reads = false;
        }
        let action = match (self.workload.kind, self.draw.chance(0.5)) {
            _ if reads => Action::Read,
            (WorkloadKind::Append, _) => Action::Append,
            (WorkloadKind::Txn, _) => Action::Txn,
            (WorkloadKind::Register, true) => Action::Write,
            (WorkloadKind::Register, false) => Action::Cas,
        };
        Some(ScriptedOperation {
            client: self.number,
            at_us,
            action,
            key,
            value: self.number + 1 + self.count * self.workload.clients,
        })
    }

    /// Starts an operation at `node` and says what to ask.
    ///
    /// # Panics
    /// If one is under way.
    pub fn begin(&mut self, now_ns: u64, operation: ScriptedOperation, node: &str) -> Ask {
        assert!(self.open.is_none(), "one operation at a time");
        let operation = ScriptedOperation {
            at_us: now_ns / 1_000,
            ..operation
        };
        self.open = Some(operation);
        self.script.borrow_mut().push(operation);
        let key = key_name(operation.key);
        let f = match (self.workload.kind, operation.action) {
            (WorkloadKind::Txn, _) | (_, Action::Txn) => "txn",
            (WorkloadKind::Append, Action::Read) => "get",
            (WorkloadKind::Register, Action::Read) => "read",
            (_, Action::Write) => "write",
            (_, Action::Cas) => "cas",
            (_, Action::Append) => "append",
        };
        self.recorder.borrow_mut().invoke(
            now_ns,
            self.process,
            f,
            (f != "txn").then(|| Value::Str(key.clone())),
            self.argument(operation),
            Some(node),
        );
        let value = Bytes::from(operation.value.to_string());
        match operation.action {
            Action::Read => Ask::Read(key),
            Action::Write => Ask::Execute(Operation::Write { key, value }),
            Action::Cas => Ask::Execute(Operation::Cas {
                key,
                expected: self.seen[operation.key as usize].clone(),
                value,
            }),
            Action::Append => Ask::Execute(Operation::Append {
                key,
                suffix: Bytes::from(suffix(operation)),
            }),
            Action::Txn => {
                let steps = txn::steps(operation, self.workload.keys);
                Ask::Execute(Operation::Txn(steps.iter().map(txn::asked).collect()))
            }
        }
    }

    /// Ends the operation under way. True if its fate is unknown: the client that carried it out must
    /// be replaced by one with a session of its own.
    ///
    /// # Panics
    /// If none is under way.
    pub fn end(&mut self, now_ns: u64, outcome: Outcome<Got>) -> bool {
        let operation = self.open.take().expect("an operation ends after it began");
        // An operation without a result is remembered by what it asked for.
        let asked = self.argument(operation);
        let end = match outcome {
            Outcome::Ok(got) => self.result(operation, &asked, got),
            Outcome::Failed(why) => End::Fail(why),
            Outcome::Unknown(why) => End::Info(why),
        };
        let mut recorder = self.recorder.borrow_mut();
        match end {
            End::Ok(value) => recorder.ok(now_ns, self.process, value),
            End::Fail(why) => recorder.fail(now_ns, self.process, asked, Some(why)),
            End::Info(why) => {
                recorder.info(now_ns, self.process, asked, Some(why));
                // Jepsen's rule: a process with an operation of unknown fate is retired.
                self.process += self.workload.clients;
                return true;
            }
        }
        false
    }

    /// An operation's argument as it is recorded.
    fn argument(&self, operation: ScriptedOperation) -> Value {
        match operation.action {
            Action::Read if self.workload.kind == WorkloadKind::Txn => {
                txn::recorded(&[Step::Read { key: operation.key }], None)
            }
            Action::Read => Value::Null,
            Action::Txn => txn::recorded(&txn::steps(operation, self.workload.keys), None),
            Action::Write => Value::Int(operation.value as i64),
            Action::Cas => {
                let expected = self.seen[operation.key as usize].as_ref();
                Value::List(vec![number(expected), Value::Int(operation.value as i64)])
            }
            Action::Append => Value::Str(suffix(operation)),
        }
    }

    fn result(&mut self, operation: ScriptedOperation, asked: &Value, got: Got) -> End {
        let seen = &mut self.seen[operation.key as usize];
        match (operation.action, got) {
            (Action::Read, Got::Value(read)) => match self.workload.kind {
                WorkloadKind::Append => End::Ok(Value::Str(text(read.as_ref()))),
                WorkloadKind::Txn => {
                    let step = Step::Read { key: operation.key };
                    End::Ok(txn::recorded(&[step], Some(&[read])))
                }
                WorkloadKind::Register => {
                    let value = number(read.as_ref());
                    *seen = read;
                    End::Ok(value)
                }
            },
            (Action::Write, Got::Reply(Reply::Done))
            | (Action::Cas, Got::Reply(Reply::Swapped)) => {
                *seen = Some(Bytes::from(operation.value.to_string()));
                End::Ok(asked.clone())
            }
            (Action::Cas, Got::Reply(Reply::Mismatch(found))) => {
                *seen = found;
                End::Fail(MISMATCH)
            }
            (Action::Append, Got::Reply(Reply::Done)) => End::Ok(asked.clone()),
            (Action::Txn, Got::Reply(Reply::Committed(reads))) => {
                let steps = txn::steps(operation, self.workload.keys);
                End::Ok(txn::recorded(&steps, Some(&reads)))
            }
            _ => End::Info("the server answered something else"),
        }
    }
}

/// A key's name.
pub(super) fn key_name(key: u64) -> String {
    format!("k{key}")
}

fn suffix(operation: ScriptedOperation) -> String {
    format!("{} ", operation.value)
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
