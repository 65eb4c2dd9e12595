//! What both kinds of transactions have in common: their micro-operations, the order of processes and
//! of real time, and the words for why one transaction comes before another.

use plumb_histories::Value;

use super::anomaly::{Finding, Step};
use super::graph::{Edge, Kind};
use crate::hash::FastMap;
use crate::intake::Taken;
use crate::part::{NONE, Op};
use crate::spec::{Micro, micro};
use crate::{CheckError, Consistency};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Ok,
    Fail,
    Info,
}

/// Who wrote a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pub(super) txn: u32,
    /// It wrote nothing to the key after that.
    pub(super) last: bool,
}

/// What was inferred.
pub(super) struct Inference<'a> {
    taken: &'a Taken,
    txns: Vec<(&'a Op, Ended)>,
    /// By transaction: it took place for certain, because it returned or because something that it
    /// wrote was seen.
    happened: Vec<bool>,
    pub(super) keys: Vec<&'a Value>,
    by_key: FastMap<&'a Value, u32>,
    pub(super) writers: FastMap<(u32, &'a Value), Writer>,
    /// Of lists: the longest that was read, by key.
    pub(super) longest: Option<Vec<&'a [Value]>>,
    /// Anomalies that are no cycles.
    pub(super) direct: Vec<Finding>,
    /// Dependencies through data.
    pub(super) dependencies: Vec<(u32, Edge)>,
    /// Those that hold only where real time counts.
    pub(super) timed: Vec<(u32, Edge)>,
    /// Moments are numbered after transactions.
    pub(super) nodes: u32,
}

impl<'a> Inference<'a> {
    /// All transactions, and who wrote what.
    pub(super) fn new(taken: &'a Taken, writes: Micro) -> Result<Inference<'a>, CheckError> {
        let mut txns: Vec<(&Op, Ended)> = Vec::new();
        if let Some(part) = taken.parts.first() {
            txns.extend(part.ops.iter().map(|op| {
                let ended = if op.is_certain() {
                    Ended::Ok
                } else {
                    Ended::Info
                };
                (op, ended)
            }));
            txns.extend(taken.failed.iter().map(|op| (op, Ended::Fail)));
        }
        let mut inference = Inference {
            taken,
            nodes: u32::try_from(txns.len()).expect("fewer transactions than events"),
            happened: txns.iter().map(|(_, ended)| *ended == Ended::Ok).collect(),
            txns,
            keys: Vec::new(),
            by_key: FastMap::default(),
            writers: FastMap::default(),
            longest: None,
            direct: Vec::new(),
            dependencies: Vec::new(),
            timed: Vec::new(),
        };
        for txn in 0..inference.nodes {
            inference.note_writes(txn, writes)?;
        }
        Ok(inference)
    }

    fn note_writes(&mut self, txn: u32, writes: Micro) -> Result<(), CheckError> {
        let mut own: Vec<(u32, &'a Value)> = Vec::new();
        for (f, key, value) in self.micros(txn) {
            let key = self.key(key);
            if f != writes {
                continue;
            }
            if let Some((_, before)) = own.iter().rev().find(|(other, _)| *other == key)
                && let Some(writer) = self.writers.get_mut(&(key, *before))
            {
                writer.last = false;
            }
            own.push((key, value));
            let writer = Writer { txn, last: true };
            if self.writers.insert((key, value), writer).is_some() {
                let call = u64::from(self.op(txn).call);
                return Err(CheckError::Operation {
                    index: self.taken.base + call,
                    what: format!(
                        "the value {value} is written to key {} a second time: dependencies can be \
                         inferred only where each value is written once",
                        self.keys[key as usize]
                    ),
                });
            }
        }
        Ok(())
    }

    pub(super) fn transactions(&self) -> usize {
        self.txns.len()
    }

    pub(super) fn op(&self, txn: u32) -> &'a Op {
        self.txns[txn as usize].0
    }

    pub(super) fn ended(&self, txn: u32) -> Ended {
        self.txns[txn as usize].1
    }

    /// It took place for certain.
    pub(super) fn happened(&self, txn: u32) -> bool {
        self.happened[txn as usize]
    }

    /// What it wrote was seen.
    pub(super) fn was_seen(&mut self, txn: u32) {
        self.happened[txn as usize] = true;
    }

    /// The number of a key.
    pub(super) fn key(&mut self, key: &'a Value) -> u32 {
        let keys = &mut self.keys;
        *self.by_key.entry(key).or_insert_with(|| {
            keys.push(key);
            u32::try_from(keys.len() - 1).expect("fewer keys than values")
        })
    }

    /// The number of a key that some transaction named.
    pub(super) fn number_of(&self, key: &Value) -> u32 {
        self.by_key[key]
    }

    /// What a transaction did, with results where it completed.
    pub(super) fn micros(
        &self,
        txn: u32,
    ) -> impl Iterator<Item = (Micro, &'a Value, &'a Value)> + use<'a> {
        let taken = self.taken;
        let class = taken.parts[0].classes.get(self.op(txn).class);
        let number = if class.result == NONE {
            class.argument
        } else {
            class.result
        };
        let list = taken.tables.value(number).and_then(Value::as_list);
        list.unwrap_or_default().iter().filter_map(micro)
    }

    pub(super) fn moment(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    pub(super) fn depends(&mut self, from: u32, to: u32, kind: Kind, key: u32) {
        if from != to {
            self.dependencies.push((from, Edge { to, kind, key }));
        }
    }

    /// Moments such that an edge to the i-th leads to all targets from the i-th on (`after`), or up to
    /// and with the i-th (`before`).
    pub(super) fn fan(&mut self, targets: &[u32], key: u32) -> Fan {
        let kind = Kind::Onward;
        let after: Vec<u32> = targets.iter().map(|_| self.moment()).collect();
        let before: Vec<u32> = targets.iter().map(|_| self.moment()).collect();
        for (place, target) in targets.iter().enumerate() {
            self.depends(after[place], *target, kind, key);
            self.depends(before[place], *target, kind, key);
            if place > 0 {
                self.depends(after[place - 1], after[place], kind, key);
                self.depends(before[place], before[place - 1], kind, key);
            }
        }
        Fan { after, before }
    }

    /// An edge to all of a fan's targets but the transaction itself: it does not come before itself.
    pub(super) fn depends_on_all(
        &mut self,
        from: u32,
        targets: &[u32],
        fan: &Fan,
        kind: Kind,
        key: u32,
    ) {
        match targets.iter().position(|target| *target == from) {
            None => {
                if let Some(first) = fan.after.first() {
                    self.depends(from, *first, kind, key);
                }
            }
            Some(own) => {
                if own > 0 {
                    self.depends(from, fan.before[own - 1], kind, key);
                }
                if let Some(next) = fan.after.get(own + 1) {
                    self.depends(from, *next, kind, key);
                }
            }
        }
    }

    /// All edges that count for a consistency, and how many nodes they join.
    pub(super) fn edges(&self, consistency: Consistency) -> (usize, Vec<(u32, Edge)>) {
        let mut edges = self.dependencies.clone();
        let mut nodes = self.nodes;
        let strict = consistency == Consistency::StrictSerializable;
        if strict || consistency == Consistency::StrongSessionSerializable {
            let mut last: FastMap<u32, u32> = FastMap::default();
            for (txn, (op, ended)) in (0u32..).zip(&self.txns) {
                if *ended == Ended::Fail {
                    continue;
                }
                if let Some(before) = last.get(&op.process) {
                    let edge = Edge {
                        to: txn,
                        kind: Kind::Process,
                        key: 0,
                    };
                    edges.push((*before, edge));
                }
                if *ended == Ended::Ok {
                    last.insert(op.process, txn);
                }
            }
        }
        if strict {
            edges.extend_from_slice(&self.timed);
            let mut ends: Vec<(u32, u32)> = (0u32..)
                .zip(&self.txns)
                .filter(|(_, (_, ended))| *ended == Ended::Ok)
                .map(|(txn, (op, _))| (op.ret, txn))
                .collect();
            ends.sort_unstable();
            let edge = |to| Edge {
                to,
                kind: Kind::RealTime,
                key: 0,
            };
            let first = nodes;
            for (_, txn) in &ends {
                edges.push((*txn, edge(nodes)));
                if nodes > first {
                    edges.push((nodes - 1, edge(nodes)));
                }
                nodes += 1;
            }
            for (txn, (op, ended)) in (0u32..).zip(&self.txns) {
                let before = ends.partition_point(|(end, _)| *end < op.call);
                if *ended != Ended::Fail && before > 0 {
                    let before = u32::try_from(before).expect("fewer ends than events");
                    edges.push((first + before - 1, edge(txn)));
                }
            }
        }
        (nodes as usize, edges)
    }

    /// A transaction in words.
    pub(super) fn show(&self, txn: u32) -> String {
        let op = self.op(txn);
        let process = self.taken.tables.processes.get(op.process);
        let micros: Vec<String> = self
            .micros(txn)
            .map(|(f, key, value)| match f {
                Micro::Read => format!("read {key} → {value}"),
                Micro::Write => format!("write {key} {value}"),
                Micro::Append => format!("append {value} to {key}"),
            })
            .collect();
        let call = self.taken.base + u64::from(op.call);
        let ended = match self.ended(txn) {
            Ended::Ok => format!("events {call}–{}", self.taken.base + u64::from(op.ret)),
            Ended::Fail => format!("event {call}, failed"),
            Ended::Info => format!("event {call}, never returned"),
        };
        format!("{{{}}} by process {process} ({ended})", micros.join("; "))
    }

    /// The values that a transaction wrote to a key, in order.
    fn written(&self, txn: u32, key: u32) -> impl Iterator<Item = &'a Value> {
        let key = self.keys[key as usize];
        self.micros(txn)
            .filter(move |(f, other, _)| *f != Micro::Read && *other == key)
            .map(|(_, _, value)| value)
    }

    /// What a transaction read of a key, in order.
    fn seen(&self, txn: u32, key: u32) -> impl Iterator<Item = &'a Value> {
        let key = self.keys[key as usize];
        self.micros(txn)
            .filter(move |(f, other, _)| *f == Micro::Read && *other == key)
            .map(|(_, _, value)| value)
    }

    /// Why `step` holds, or `None` if it does not: looked up in what the two transactions say, not in
    /// the graph.
    fn reason(&self, step: &Step) -> Option<String> {
        let (from, to) = (self.op(step.from), self.op(step.to));
        let base = self.taken.base;
        let name = || self.keys[step.key as usize];
        match step.kind {
            Kind::Process => (from.process == to.process && from.ret < to.call)
                .then(|| "the same process did one after the other".to_owned()),
            Kind::RealTime => (from.ret < to.call).then(|| {
                format!(
                    "it completed at event {}, before the other was invoked at event {}",
                    base + u64::from(from.ret),
                    base + u64::from(to.call)
                )
            }),
            Kind::Onward => None,
            Kind::WriteRead => {
                let read = self.seen(step.to, step.key);
                let found = read.into_iter().find_map(|value| {
                    self.written(step.from, step.key)
                        .find(|written| self.shows(value, written))
                });
                found.map(|value| format!("the other read {value} from key {}", name()))
            }
            Kind::ReadWrite => {
                let read = self.seen(step.from, step.key).next()?;
                let missed = self
                    .written(step.to, step.key)
                    .find(|written| self.happened(step.to) && !self.shows(read, written))?;
                Some(format!(
                    "it read {read} from key {}, without the other's {missed}",
                    name()
                ))
            }
            Kind::WriteWrite => match &self.longest {
                Some(longest) => {
                    let list = longest[step.key as usize];
                    let place = |value: &Value| list.iter().position(|item| item == value);
                    let first = self.written(step.from, step.key).find_map(place)?;
                    let second = self
                        .written(step.to, step.key)
                        .find(|value| place(value).is_none_or(|place| place > first))?;
                    Some(format!(
                        "its {} stands before the other's {second} in key {}",
                        list[first],
                        name()
                    ))
                }
                None => {
                    let read = self.seen(step.to, step.key).next()?;
                    let wrote = self.written(step.from, step.key).any(|value| value == read);
                    let writes = self.written(step.to, step.key).next()?;
                    wrote.then(|| {
                        format!(
                            "the other replaced its {read} in key {} by {writes}",
                            name()
                        )
                    })
                }
            },
        }
    }

    /// A read of `value` shows that `written` had been written.
    fn shows(&self, value: &Value, written: &Value) -> bool {
        match (&self.longest, value.as_list()) {
            (Some(_), Some(list)) => list.contains(written),
            (Some(_), None) => false,
            (None, _) => value == written,
        }
    }

    pub(super) fn confirms(&self, step: &Step) -> bool {
        self.reason(step).is_some()
    }

    pub(super) fn because(&self, step: &Step) -> String {
        self.reason(step).unwrap_or_default()
    }
}

/// See [`Inference::fan`].
pub(super) struct Fan {
    pub(super) after: Vec<u32>,
    pub(super) before: Vec<u32>,
}
