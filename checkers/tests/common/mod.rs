//! Random small histories and the slowest, plainest judge of them. The judge shares nothing with the
//! crate: its own models of the objects, every order tried, no memory, no shortcut.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::collections::BTreeMap;

use plumb_histories::{Header, History, Operation, Outcome, Recorder, Value};

/// Splitmix64 (Steele, Lea and Flood 2014): one seed, the same histories everywhere.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}

/// An object to generate histories of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Register,
    CasRegister,
    KvAppend,
    Mutex,
    Queue,
    Stack,
    PriorityQueue,
    Set,
    /// Without `remove`.
    GrowingSet,
    Counter,
    MultiRegister,
    Bank,
}

pub const OBJECTS: [Object; 12] = [
    Object::Register,
    Object::CasRegister,
    Object::KvAppend,
    Object::Mutex,
    Object::Queue,
    Object::Stack,
    Object::PriorityQueue,
    Object::Set,
    Object::GrowingSet,
    Object::Counter,
    Object::MultiRegister,
    Object::Bank,
];

impl Object {
    pub fn spec(self) -> &'static str {
        match self {
            Object::Register => "register",
            Object::CasRegister => "cas-register",
            Object::KvAppend => "kv-append",
            Object::Mutex => "mutex",
            Object::Queue => "fifo-queue",
            Object::Stack => "stack",
            Object::PriorityQueue => "priority-queue",
            Object::Set | Object::GrowingSet => "set",
            Object::Counter => "counter",
            Object::MultiRegister => "multi-register",
            Object::Bank => "bank",
        }
    }

    pub fn init(self) -> Value {
        match self {
            Object::Register
            | Object::Queue
            | Object::Stack
            | Object::PriorityQueue
            | Object::Set
            | Object::GrowingSet => Value::Null,
            Object::CasRegister | Object::Counter | Object::MultiRegister => Value::Int(0),
            Object::KvAppend => Value::from(""),
            Object::Mutex => Value::Bool(false),
            Object::Bank => Value::map((0..3).map(|n| (n.to_string(), Value::Int(2)))),
        }
    }

    /// The state that the model starts from.
    fn start(self) -> Value {
        match self {
            Object::Queue
            | Object::Stack
            | Object::PriorityQueue
            | Object::Set
            | Object::GrowingSet => Value::List(Vec::new()),
            Object::MultiRegister => Value::map([("x", 0), ("y", 0)].map(named)),
            _ => self.init(),
        }
    }

    fn has_keys(self) -> bool {
        !matches!(self, Object::MultiRegister | Object::Bank)
    }

    /// Something to ask; `fresh` is a number that was never used.
    fn ask(self, rng: &mut Rng, values: i64, fresh: i64) -> (&'static str, Value) {
        let value = if values == 0 {
            fresh
        } else {
            i64::try_from(rng.below(values.unsigned_abs())).unwrap()
        };
        let small = |rng: &mut Rng| Value::Int(rng.below(3) as i64);
        match (self, rng.below(10)) {
            (Object::Register | Object::CasRegister, 0..4) => ("read", Value::Null),
            (Object::CasRegister, 4..7) => {
                let old = if values == 0 {
                    rng.below(fresh.unsigned_abs() + 1) as i64
                } else {
                    rng.below(values.unsigned_abs()) as i64
                };
                ("cas", Value::List(vec![Value::Int(old), Value::Int(value)]))
            }
            (Object::Register | Object::CasRegister, _) => ("write", Value::Int(value)),
            (Object::KvAppend, 0..4) => ("get", Value::Null),
            (Object::KvAppend, 4) => ("put", Value::Str(format!("{value}."))),
            (Object::KvAppend, _) => ("append", Value::Str(format!("{value}."))),
            (Object::Mutex, 0..5) => ("acquire", Value::Null),
            (Object::Mutex, _) => ("release", Value::Null),
            (Object::Queue, 0..5) => ("enqueue", Value::Int(value)),
            (Object::Queue, _) => ("dequeue", Value::Null),
            (Object::Stack, 0..5) => ("push", Value::Int(value)),
            (Object::Stack, _) => ("pop", Value::Null),
            // Not in the order of the invocations.
            (Object::PriorityQueue, 0..5) if values == 0 => {
                ("insert", Value::Int(value * 7 % 11 * 100 + value))
            }
            (Object::PriorityQueue, 0..5) => ("insert", Value::Int(value)),
            (Object::PriorityQueue, _) => ("extract-min", Value::Null),
            (Object::Set | Object::GrowingSet | Object::Counter | Object::Bank, 0..4) => {
                ("read", Value::Null)
            }
            (Object::GrowingSet, _) | (Object::Set, 4..9) => ("add", Value::Int(value)),
            (Object::Set, _) => ("remove", Value::Int(value)),
            (Object::Counter, _) => ("add", Value::Int(1 + value % 3)),
            (Object::Bank, _) => {
                let pairs = [
                    ("from", small(rng)),
                    ("to", small(rng)),
                    ("amount", small(rng)),
                ];
                (
                    "transfer",
                    Value::map(pairs.map(|(n, v)| (n.to_owned(), v))),
                )
            }
            (Object::MultiRegister, _) => {
                let mut micros = Vec::new();
                for key in ["x", "y"] {
                    if rng.chance(70) {
                        let (f, value) = if rng.chance(50) {
                            ("r", Value::Null)
                        } else {
                            ("w", Value::Int(value))
                        };
                        micros.push(Value::List(vec![f.into(), key.into(), value]));
                    }
                }
                ("txn", Value::List(micros))
            }
        }
    }

    /// The state after and the result; `None` if it cannot happen now.
    fn apply(self, state: &Value, f: &str, argument: &Value) -> Option<(Value, Value)> {
        let list = |state: &Value| state.as_list().unwrap_or_default().to_vec();
        Some(match (self, f) {
            (Object::KvAppend, "get") | (_, "read") => (state.clone(), state.clone()),
            (_, "write" | "put") => (argument.clone(), argument.clone()),
            (_, "cas") => match argument.as_list()? {
                [old, new] if old == state => (new.clone(), argument.clone()),
                _ => return None,
            },
            (_, "append") => {
                let text = format!("{}{}", state.as_str()?, argument.as_str()?);
                (Value::Str(text), argument.clone())
            }
            (_, "acquire") if *state == Value::Bool(false) => (Value::Bool(true), Value::Null),
            (_, "release") if *state == Value::Bool(true) => (Value::Bool(false), Value::Null),
            (_, "enqueue") => {
                let mut items = list(state);
                items.push(argument.clone());
                (Value::List(items), argument.clone())
            }
            (_, "push" | "insert") => {
                let mut items = list(state);
                items.push(argument.clone());
                if f == "insert" {
                    items.sort_by(|a, b| b.cmp(a));
                }
                (Value::List(items), argument.clone())
            }
            (_, "pop" | "extract-min") => {
                let mut items = list(state);
                let last = items.pop().unwrap_or_default();
                (Value::List(items), last)
            }
            (_, "dequeue") => {
                let mut items = list(state);
                if items.is_empty() {
                    (state.clone(), Value::Null)
                } else {
                    let first = items.remove(0);
                    (Value::List(items), first)
                }
            }
            (Object::Set | Object::GrowingSet, "add" | "remove") => {
                let mut items = list(state);
                items.retain(|item| item != argument);
                if f == "add" {
                    items.push(argument.clone());
                    items.sort();
                }
                (Value::List(items), argument.clone())
            }
            (Object::Counter, "add") => match (state, argument) {
                (Value::Int(a), Value::Int(b)) => (Value::Int(a + b), argument.clone()),
                _ => return None,
            },
            (_, "transfer") => {
                let entries = entries(argument);
                let mut balances = entries_of_ints(state);
                let Value::Int(amount) = entries["amount"] else {
                    return None;
                };
                let from = balances.get_mut(&entries["from"].to_string())?;
                *from -= amount;
                if *from < 0 {
                    return None;
                }
                *balances.get_mut(&entries["to"].to_string())? += amount;
                let after = balances.into_iter().map(|(n, b)| (n, Value::Int(b)));
                (Value::map(after), argument.clone())
            }
            (_, "txn") => {
                let mut registers = entries(state);
                let mut result = Vec::new();
                for micro in argument.as_list()? {
                    let [f, key, value] = micro.as_list()? else {
                        return None;
                    };
                    let register = registers.get_mut(key.as_str()?)?;
                    if f.as_str() == Some("w") {
                        *register = value.clone();
                    }
                    result.push(Value::List(vec![f.clone(), key.clone(), register.clone()]));
                }
                (Value::map(registers), Value::List(result))
            }
            _ => return None,
        })
    }

    /// Whether a recorded result is the model's.
    fn agrees(self, f: &str, recorded: &Value, model: &Value) -> bool {
        // Only what tells something is compared.
        match f {
            "read" | "get" | "dequeue" | "pop" | "extract-min" | "txn" => recorded == model,
            _ => true,
        }
    }
}

fn named((name, value): (&str, i64)) -> (String, Value) {
    (name.to_owned(), Value::Int(value))
}

fn entries(value: &Value) -> BTreeMap<String, Value> {
    match value {
        Value::Map(pairs) => pairs.iter().cloned().collect(),
        _ => BTreeMap::new(),
    }
}

fn entries_of_ints(value: &Value) -> BTreeMap<String, i64> {
    entries(value)
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::Int(number) => Some((name, number)),
            _ => None,
        })
        .collect()
}

/// What a generated history is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub object: Object,
    pub operations: usize,
    pub clients: u64,
    /// 0: every value is new.
    pub values: i64,
    pub keys: u64,
    pub crash_percent: u64,
    /// How many results are falsified.
    pub lies: u64,
}

impl Shape {
    pub fn random(rng: &mut Rng) -> Shape {
        let object = OBJECTS[rng.below(OBJECTS.len() as u64) as usize];
        Shape {
            object,
            operations: 2 + rng.below(8) as usize,
            clients: 2 + rng.below(4),
            values: rng.below(4) as i64,
            keys: if object.has_keys() {
                1 + rng.below(2)
            } else {
                0
            },
            crash_percent: [0, 10, 30, 50][rng.below(4) as usize],
            lies: [0, 1, 1, 2][rng.below(4) as usize],
        }
    }
}

enum Client {
    Idle,
    Asked(&'static str, Value, u64),
    Answered(&'static str, Option<Value>, u64),
}

/// A history that the object could have produced, but for the lies.
pub fn generate(rng: &mut Rng, shape: &Shape) -> History {
    let object = shape.object;
    let mut recorder = Recorder::new(Header::default());
    let keys = shape.keys.max(1);
    let mut states = vec![object.start(); keys as usize];
    let mut clients: Vec<(u64, Client)> = (0..shape.clients).map(|n| (n, Client::Idle)).collect();
    let (mut asked, mut time, mut next_process) = (0, 0, shape.clients);
    let lies: Vec<usize> = (0..shape.lies)
        .map(|_| rng.below(shape.operations as u64) as usize)
        .collect();
    let mut answered = 0;
    let mut patience = 40 * (shape.operations + 4);
    while patience > 0 {
        patience -= 1;
        time += 1;
        let number = rng.below(shape.clients) as usize;
        let (process, client) = &mut clients[number];
        *client = match std::mem::replace(client, Client::Idle) {
            Client::Idle if asked < shape.operations => {
                asked += 1;
                let (f, argument) = object.ask(rng, shape.values, asked as i64);
                let key = rng.below(keys);
                let name = (shape.keys > 0).then(|| Value::Str(format!("k{key}")));
                recorder.invoke(time, *process, f, name, argument.clone(), None);
                Client::Asked(f, argument, key)
            }
            Client::Idle => Client::Idle,
            Client::Asked(f, argument, key) => {
                if rng.chance(shape.crash_percent / 2) {
                    crash(&mut recorder, rng, time, process, &mut next_process);
                    Client::Idle
                } else {
                    let state = &mut states[key as usize];
                    let result = object.apply(state, f, &argument).map(|(after, result)| {
                        *state = after;
                        result
                    });
                    Client::Answered(f, result, key)
                }
            }
            Client::Answered(_, None, _) => {
                recorder.fail(time, *process, Value::Null, None);
                Client::Idle
            }
            Client::Answered(f, Some(mut result), _) => {
                if rng.chance(shape.crash_percent / 2) {
                    crash(&mut recorder, rng, time, process, &mut next_process);
                } else {
                    if lies.contains(&answered) {
                        result = falsified(object, f, result, rng);
                    }
                    answered += 1;
                    recorder.ok(time, *process, result);
                }
                Client::Idle
            }
        };
    }
    recorder.finish()
}

fn crash(recorder: &mut Recorder, rng: &mut Rng, time: u64, process: &mut u64, next: &mut u64) {
    // Some say that they do not know, some never say anything.
    if rng.chance(50) {
        recorder.info(time, *process, Value::Null, None);
        if rng.chance(50) {
            return;
        }
    }
    *process = *next;
    *next += 1;
}

fn falsified(object: Object, f: &str, result: Value, rng: &mut Rng) -> Value {
    match (object, f, &result) {
        (Object::Register | Object::CasRegister | Object::Counter, "read", _) => {
            Value::Int(rng.below(5) as i64)
        }
        (Object::Queue, "dequeue", _) | (Object::Stack, "pop", _) => match rng.below(5) {
            0 => Value::Null,
            other => Value::Int(other as i64),
        },
        (Object::PriorityQueue, "extract-min", _) => match rng.below(5) {
            0 => Value::Null,
            other => Value::Int((other * 7 % 11 * 100 + other) as i64),
        },
        (Object::KvAppend, "get", Value::Str(text)) => {
            let cut = text.find('.').map_or(0, |dot| dot + 1);
            Value::Str(text[cut..].to_owned())
        }
        (Object::Set | Object::GrowingSet, "read", Value::List(items)) => {
            let mut items = items.clone();
            match rng.below(4) {
                // An element too many, or one twice.
                0 => items.insert(0, Value::Int(1 + rng.below(9) as i64)),
                _ if items.is_empty() => {}
                1 => items[0] = items[items.len() - 1].clone(),
                _ => {
                    items.remove(0);
                }
            }
            items.sort();
            Value::List(items)
        }
        (Object::Bank, "read", _) => {
            let mut balances = entries_of_ints(&result);
            let mut names: Vec<_> = balances.keys().cloned().collect();
            names.rotate_left(rng.below(3) as usize);
            if let Some(balance) = balances.get_mut(&names[0])
                && *balance > 0
            {
                *balance -= 1;
                *balances.get_mut(&names[1]).unwrap() += 1;
            }
            Value::map(balances.into_iter().map(|(n, b)| (n, Value::Int(b))))
        }
        (Object::MultiRegister, "txn", Value::List(micros)) => Value::List(
            micros
                .iter()
                .map(|micro| match micro.as_list() {
                    Some([f, key, _]) if f.as_str() == Some("r") && rng.chance(50) => {
                        let value = Value::Int(rng.below(3) as i64);
                        Value::List(vec![f.clone(), key.clone(), value])
                    }
                    _ => micro.clone(),
                })
                .collect(),
        ),
        _ => result,
    }
}

/// Whether some order explains the history: all are tried.
pub fn is_linearizable(history: &History, object: Object) -> bool {
    let mut keys: Vec<_> = history.operations().map(|op| op.key().cloned()).collect();
    keys.sort();
    keys.dedup();
    keys.iter().all(|key| {
        let ops: Vec<Operation<'_>> = history
            .operations()
            .filter(|op| op.key() == key.as_ref() && op.outcome() != Outcome::Fail)
            .collect();
        any_order(object, &ops, &mut vec![false; ops.len()], &object.start())
    })
}

/// Whether some order of all operations respects the order of each process: all are tried.
pub fn is_sequential(history: &History, object: Object) -> bool {
    let ops: Vec<Operation<'_>> = history
        .operations()
        .filter(|op| op.outcome() != Outcome::Fail)
        .collect();
    let mut states: BTreeMap<Option<Value>, Value> = BTreeMap::new();
    for op in &ops {
        states.insert(op.key().cloned(), object.start());
    }
    any_process_order(object, &ops, &mut vec![false; ops.len()], &states)
}

fn any_process_order(
    object: Object,
    ops: &[Operation<'_>],
    placed: &mut [bool],
    states: &BTreeMap<Option<Value>, Value>,
) -> bool {
    let certain = |n: usize| ops[n].outcome() == Outcome::Ok;
    if (0..ops.len()).all(|n| placed[n] || !certain(n)) {
        return true;
    }
    for n in 0..ops.len() {
        let process = ops[n].process();
        let waits = (0..n).any(|m| ops[m].process() == process && certain(m) && !placed[m]);
        if placed[n] || waits {
            continue;
        }
        let key = ops[n].key().cloned();
        let Some((after, model)) = object.apply(&states[&key], ops[n].f(), ops[n].argument())
        else {
            continue;
        };
        if let Some(result) = ops[n].result()
            && !object.agrees(ops[n].f(), result, &model)
        {
            continue;
        }
        let mut next = states.clone();
        next.insert(key, after);
        placed[n] = true;
        let found = any_process_order(object, ops, placed, &next);
        placed[n] = false;
        if found {
            return true;
        }
    }
    false
}

fn any_order(object: Object, ops: &[Operation<'_>], placed: &mut [bool], state: &Value) -> bool {
    let certain = |op: &Operation<'_>| op.outcome() == Outcome::Ok;
    let mut remaining = (0..ops.len()).filter(|n| !placed[*n] && certain(&ops[*n]));
    let Some(deadline) = remaining.by_ref().filter_map(|n| ops[n].completed_at).min() else {
        return true;
    };
    for n in 0..ops.len() {
        if placed[n] || ops[n].invoked_at > deadline {
            continue;
        }
        let Some((after, model)) = object.apply(state, ops[n].f(), ops[n].argument()) else {
            continue;
        };
        if let Some(result) = ops[n].result()
            && !object.agrees(ops[n].f(), result, &model)
        {
            continue;
        }
        placed[n] = true;
        let found = any_order(object, ops, placed, &after);
        placed[n] = false;
        if found {
            return true;
        }
    }
    false
}
