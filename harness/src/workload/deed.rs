//! One operation under way: what it asks of the cluster, and what the answers mean. Most ask once; to take from a
//! queue or to move money takes a look and then a change that holds only if nothing has changed since.

use bytes::Bytes;
use plumb_histories::Value;
use plumb_raft::kv::{Operation, Reply, TxnStep};

use super::book::{Ask, Got, MISMATCH, UNCOVERED};
use super::txn::{self, Step};
use super::values::{balance, elements, key_name, listed, number, sum, text};
use crate::scenario::{Action, ScriptedOperation, WorkloadKind};
use crate::sim::seams::random::Stream;

/// How often an operation tries to change what others change meanwhile, before it gives up.
const MOST_ROUNDS: u32 = 4;
/// The most that one transfer moves: some are more than there is.
const MOST_MOVED: u64 = 60;
/// The most that is added to a counter at once: sums of a few amounts differ.
const MOST_ADDED: u64 = 1_000_000;

/// How an operation is recorded.
pub(super) enum End {
    Ok(Value),
    Fail(&'static str),
    Info(&'static str),
}

/// What follows from an answer.
pub(super) enum Next {
    Ask(Ask),
    End(End),
}

/// An operation from its start to its end.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) operation: ScriptedOperation,
    kind: WorkloadKind,
    keys: u64,
    /// What the client last saw of the key, which a compare-and-set expects.
    expected: Option<Bytes>,
    /// The element that it is about to take.
    taking: Value,
    /// What it has asked for may have changed something.
    changing: bool,
    rounds: u32,
}

impl Deed {
    pub(super) fn new(
        operation: ScriptedOperation,
        kind: WorkloadKind,
        keys: u64,
        seen: Option<Bytes>,
    ) -> Deed {
        Deed {
            operation,
            kind,
            keys,
            expected: seen,
            taking: Value::Null,
            changing: false,
            rounds: 0,
        }
    }

    /// Its name in the history.
    pub(super) fn f(&self) -> &'static str {
        match (self.kind, self.operation.action) {
            (WorkloadKind::Txn, _) | (_, Action::Txn) => "txn",
            (WorkloadKind::Append, Action::Read) => "get",
            (_, Action::Read) => "read",
            (_, Action::Write) => "write",
            (_, Action::Cas) => "cas",
            (_, Action::Append) => "append",
            (_, Action::Add) => "add",
            (_, Action::Enqueue) => "enqueue",
            (_, Action::Dequeue) => "dequeue",
            (_, Action::Transfer) => "transfer",
        }
    }

    /// The one key that it is about, unless it is about several.
    pub(super) fn key(&self) -> Option<Value> {
        let several = matches!(self.kind, WorkloadKind::Txn | WorkloadKind::Bank);
        (!several).then(|| Value::Str(key_name(self.operation.key)))
    }

    /// Its argument as it is recorded.
    pub(super) fn argument(&self) -> Value {
        let ScriptedOperation { key, value, .. } = self.operation;
        match self.operation.action {
            Action::Read if self.kind == WorkloadKind::Txn => {
                txn::recorded(&[Step::Read { key }], None)
            }
            Action::Read | Action::Dequeue => Value::Null,
            Action::Txn => txn::recorded(&txn::steps(self.operation, self.keys), None),
            Action::Write | Action::Enqueue => Value::Int(value as i64),
            Action::Cas => Value::List(vec![
                number(self.expected.as_ref()),
                Value::Int(value as i64),
            ]),
            Action::Append => Value::Str(suffix(value as i64)),
            Action::Add => Value::Int(self.added()),
            Action::Transfer => {
                let (to, amount) = self.moved();
                let pairs = [
                    ("from", Value::Str(key_name(key))),
                    ("to", Value::Str(key_name(to))),
                    ("amount", Value::Int(amount)),
                ];
                Value::map(pairs.map(|(name, value)| (name.to_owned(), value)))
            }
        }
    }

    /// What it asks first.
    pub(super) fn ask(&mut self) -> Ask {
        let key = key_name(self.operation.key);
        let value = Bytes::from(self.operation.value.to_string());
        let asked = match self.operation.action {
            Action::Read if self.kind == WorkloadKind::Bank => {
                let read = |key| TxnStep::Read { key: key_name(key) };
                Operation::Txn((0..self.keys).map(read).collect())
            }
            Action::Read | Action::Dequeue => return Ask::Read(key),
            Action::Transfer => return self.look_at_both(),
            Action::Write => Operation::Write { key, value },
            Action::Cas => Operation::Cas {
                key,
                expected: self.expected.clone(),
                value,
            },
            Action::Append | Action::Add | Action::Enqueue => {
                let added = match self.operation.action {
                    Action::Add => self.added(),
                    _ => self.operation.value as i64,
                };
                Operation::Append {
                    key,
                    suffix: Bytes::from(suffix(added)),
                }
            }
            Action::Txn => {
                let steps = txn::steps(self.operation, self.keys);
                Operation::Txn(steps.iter().map(txn::asked).collect())
            }
        };
        self.changing = true;
        Ask::Execute(asked)
    }

    /// Nobody knows whether the cluster has done what it was asked for. Who has only looked so far has changed nothing; but a read without an answer
    /// is recorded as what it is.
    pub(super) fn unknown(&self, why: &'static str) -> End {
        let looks_first = matches!(self.operation.action, Action::Dequeue | Action::Transfer);
        if looks_first && !self.changing {
            End::Fail(why)
        } else {
            End::Info(why)
        }
    }

    /// The cluster has answered.
    pub(super) fn answered(&mut self, got: Got) -> Next {
        let done = |deed: &Deed| Next::End(End::Ok(deed.argument()));
        match (self.operation.action, got) {
            (Action::Read, Got::Value(read)) => Next::End(End::Ok(self.read(read))),
            (Action::Read, Got::Reply(Reply::Committed(reads))) => {
                let account = |(key, read)| (key_name(key), Value::Int(balance(read)));
                let balances = Value::map((0..).zip(reads.iter().map(Option::as_ref)).map(account));
                Next::End(End::Ok(balances))
            }
            (
                Action::Write | Action::Append | Action::Add | Action::Enqueue,
                Got::Reply(Reply::Done),
            )
            | (Action::Cas, Got::Reply(Reply::Swapped)) => done(self),
            (Action::Cas, Got::Reply(Reply::Mismatch(_))) => Next::End(End::Fail(MISMATCH)),
            (Action::Txn, Got::Reply(Reply::Committed(reads))) => {
                let steps = txn::steps(self.operation, self.keys);
                Next::End(End::Ok(txn::recorded(&steps, Some(&reads))))
            }
            (Action::Dequeue, Got::Reply(Reply::Swapped)) => {
                Next::End(End::Ok(self.taking.clone()))
            }
            (Action::Dequeue, Got::Value(found)) => self.take_first(found),
            (Action::Dequeue, Got::Reply(Reply::Mismatch(found))) => {
                self.again(|deed| deed.take_first(found))
            }
            (Action::Transfer, Got::Reply(Reply::Committed(reads))) => match &reads[..] {
                [] => done(self),
                [from, to] => self.change_both(from.clone(), to.clone()),
                _ => Next::End(End::Info(STRANGE)),
            },
            (Action::Transfer, Got::Reply(Reply::Aborted { .. })) => {
                self.again(|deed| Next::Ask(deed.look_at_both()))
            }
            _ => Next::End(End::Info(STRANGE)),
        }
    }

    /// Somebody else came first.
    fn again(&mut self, next: impl FnOnce(&mut Deed) -> Next) -> Next {
        self.changing = false;
        self.rounds += 1;
        if self.rounds >= MOST_ROUNDS {
            return Next::End(End::Fail(MISMATCH));
        }
        next(self)
    }

    fn read(&self, read: Option<Bytes>) -> Value {
        match self.kind {
            WorkloadKind::Append => Value::Str(text(read.as_ref())),
            WorkloadKind::Txn => {
                let step = Step::Read {
                    key: self.operation.key,
                };
                txn::recorded(&[step], Some(&[read]))
            }
            WorkloadKind::Set => listed(read.as_ref()),
            WorkloadKind::Counter => sum(read.as_ref()),
            WorkloadKind::Register | WorkloadKind::Bank | WorkloadKind::Queue => {
                number(read.as_ref())
            }
        }
    }

    fn take_first(&mut self, found: Option<Bytes>) -> Next {
        let held = text(found.as_ref());
        let Some((first, rest)) = held.split_once(' ') else {
            return Next::End(End::Ok(Value::Null));
        };
        self.taking = elements(first).next().unwrap_or(Value::Null);
        self.changing = true;
        Next::Ask(Ask::Execute(Operation::Cas {
            key: key_name(self.operation.key),
            value: Bytes::from(rest.to_owned()),
            expected: found,
        }))
    }

    fn look_at_both(&self) -> Ask {
        let accounts = [self.operation.key, self.moved().0];
        let read = |key| TxnStep::Read { key: key_name(key) };
        Ask::Execute(Operation::Txn(accounts.map(read).to_vec()))
    }

    fn change_both(&mut self, from: Option<Bytes>, to: Option<Bytes>) -> Next {
        let (other, amount) = self.moved();
        let after = [
            balance(from.as_ref()) - amount,
            balance(to.as_ref()) + amount,
        ];
        if after[0] < 0 {
            return Next::End(End::Fail(UNCOVERED));
        }
        let keys = [self.operation.key, other].map(key_name);
        let mut steps = Vec::with_capacity(4);
        for (key, value) in keys.iter().cloned().zip([from, to]) {
            steps.push(TxnStep::Expect { key, value });
        }
        for (key, after) in keys.into_iter().zip(after) {
            let value = Bytes::from(after.to_string());
            steps.push(TxnStep::Write { key, value });
        }
        self.changing = true;
        Next::Ask(Ask::Execute(Operation::Txn(steps)))
    }

    /// To which account a transfer goes, and how much: by its number alone, so that a script need not say it.
    fn moved(&self) -> (u64, i64) {
        let ScriptedOperation { key, value, .. } = self.operation;
        let mut draw = Stream::derive(value, "transfer", key);
        let to = (key + 1 + draw.below(self.keys - 1)) % self.keys;
        (to, 1 + draw.below(MOST_MOVED) as i64)
    }

    /// What is added to a set: a number that nobody else ever adds; or to a counter: any, sometimes less than zero.
    fn added(&self) -> i64 {
        let ScriptedOperation { key, value, .. } = self.operation;
        if self.kind == WorkloadKind::Set {
            return value as i64;
        }
        let mut draw = Stream::derive(value, "amount", key);
        let amount = 1 + draw.below(MOST_ADDED) as i64;
        if draw.chance(0.25) { -amount } else { amount }
    }
}

const STRANGE: &str = "the server answered something else";

fn suffix(number: i64) -> String {
    format!("{number} ")
}
