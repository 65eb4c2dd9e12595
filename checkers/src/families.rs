//! Histories made to measure: families with stated concurrency, size and share of indeterminate
//! operations, valid by construction or with one lie. They are handed out event by event, so that a
//! family of ten million operations takes no memory of its own. Same parameters, same history.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use plumb_histories::{Event, Kind, Value};

use crate::Discipline;

/// The object that a family is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// Reads and writes.
    Register,
    /// Reads, writes and compare-and-set.
    CasRegister,
    /// Texts with get, put and append, as in Porcupine's data: a put in sixteen.
    KvAppend,
    /// Transfers between so many accounts, and reads of all of them.
    Bank {
        /// How many.
        accounts: u32,
    },
    /// Transactions of reads and writes on so many registers.
    MultiRegister {
        /// How many.
        registers: u32,
    },
    /// Transactions of reads and appends on lists that are renewed as they grow long.
    ListAppend,
    /// Transactions of reads and writes of unique values on registers that are renewed.
    RwRegister,
    /// Insertions of unique elements into one object, and removals.
    Queue(Discipline),
    /// Additions of unique elements to one set, and reads of all: one in so many operations.
    GrowingSet {
        /// How rare reads are.
        reads: u64,
    },
}

/// Where the one lie is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nowhere: the history is valid.
    None,
    /// After a tenth of the operations.
    Early,
    /// After nine tenths.
    Late,
}

/// A family of histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// What is operated on.
    pub object: Object,
    /// Operations in all.
    pub operations: u64,
    /// Clients, each of which always has an operation open.
    pub clients: u64,
    /// Distinct values to write; 0 makes each written value new.
    pub values: u64,
    /// Independent objects.
    pub keys: u64,
    /// Of a hundred operations, how many never tell how they ended.
    pub indeterminate: u64,
    /// Where a read returns what it cannot.
    pub lie: Lie,
    /// Names the history.
    pub seed: u64,
}

/// Splitmix64 (Steele, Lea and Flood 2014).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The bias of a multiply-shift is far below what any measurement here could see.
        u64::try_from((u128::from(z) * u128::from(limit.max(1))) >> 64).expect("below a limit")
    }
}

enum Client {
    Idle,
    /// Invoked, without effect so far.
    Asked(Asked),
    /// With its effect and result.
    Answered(Asked, Option<Value>),
}

struct Asked {
    f: &'static str,
    key: u64,
    argument: Value,
}

/// What the objects hold.
enum States {
    Values(Vec<(Value, Value)>),
    Texts(Vec<String>),
    Balances(Vec<i64>),
    Lists(BTreeMap<u64, Vec<Value>>),
    Queue(VecDeque<Value>),
    Sorted(BTreeSet<Value>),
}

impl Family {
    /// A register with distinct values under so many clients.
    #[must_use]
    pub fn register(operations: u64, clients: u64) -> Family {
        Family {
            object: Object::Register,
            operations,
            clients,
            values: 0,
            keys: 1,
            indeterminate: 0,
            lie: Lie::None,
            seed: 1,
        }
    }

    /// The specification by name.
    #[must_use]
    pub fn spec(&self) -> &'static str {
        match self.object {
            Object::Register => "register",
            Object::CasRegister => "cas-register",
            Object::KvAppend => "kv-append",
            Object::Bank { .. } => "bank",
            Object::MultiRegister { .. } | Object::RwRegister => "multi-register",
            Object::ListAppend => "list-append",
            Object::Queue(discipline) => discipline.spec(),
            Object::GrowingSet { .. } => "set",
        }
    }

    /// The initial value.
    #[must_use]
    pub fn init(&self) -> Value {
        match self.object {
            Object::KvAppend => Value::from(""),
            Object::Bank { accounts } => {
                Value::map((0..accounts).map(|n| (n.to_string(), Value::Int(100))))
            }
            _ => Value::Null,
        }
    }

    /// Hands out the events in order.
    pub fn events(&self, mut emit: impl FnMut(Event)) {
        let mut run = Run::new(self);
        let mut clients: Vec<(u64, Client)> =
            (0..self.clients).map(|n| (n, Client::Idle)).collect();
        let mut next_process = self.clients;
        let lie_at = match self.lie {
            Lie::None => u64::MAX,
            Lie::Early => self.operations / 10,
            Lie::Late => self.operations / 10 * 9,
        };
        let (mut asked, mut open, mut lied, mut index) = (0, 0u64, false, 0);
        while asked < self.operations || open > 0 {
            let number = usize::try_from(run.draw.below(self.clients)).expect("few clients");
            let (process, client) = &mut clients[number];
            let mut event = |kind, asked: &Asked, value| {
                emit(Event {
                    index,
                    time_ns: index * 1000,
                    process: *process,
                    kind,
                    f: asked.f.to_owned(),
                    key: self
                        .has_keys()
                        .then(|| Value::Str(format!("k{}", asked.key))),
                    value,
                    node: None,
                    error: None,
                });
                index += 1;
            };
            *client = match std::mem::replace(client, Client::Idle) {
                Client::Idle if asked < self.operations => {
                    asked += 1;
                    open += 1;
                    let operation = run.ask(asked);
                    event(Kind::Invoke, &operation, operation.argument.clone());
                    Client::Asked(operation)
                }
                Client::Idle => Client::Idle,
                Client::Asked(operation) => {
                    // Of those that never tell, half have no effect.
                    let result = if run.draw.below(200) < self.indeterminate {
                        None
                    } else {
                        run.apply(&operation)
                    };
                    Client::Answered(operation, result)
                }
                Client::Answered(operation, result) => {
                    open -= 1;
                    let lost = result.is_none() || run.draw.below(200) < self.indeterminate;
                    if lost && operation.f == "cas" && self.indeterminate == 0 {
                        event(Kind::Fail, &operation, operation.argument.clone());
                    } else if lost {
                        event(Kind::Info, &operation, Value::Null);
                        *process = next_process;
                        next_process += 1;
                    } else {
                        let mut value = result.unwrap_or_default();
                        if asked >= lie_at && !lied {
                            lied = run.lie(&operation, &mut value);
                        }
                        event(Kind::Ok, &operation, value);
                    }
                    Client::Idle
                }
            };
        }
    }

    /// One object needs no name.
    fn has_keys(&self) -> bool {
        self.keys > 1
    }
}

struct Run<'f> {
    family: &'f Family,
    draw: Draw,
    states: States,
    /// The first value of each object, which a lie brings back.
    count: u64,
}

fn micro(f: &str, key: u64, value: Value) -> Value {
    Value::List(vec![f.into(), Value::Int(key.cast_signed()), value])
}

impl<'f> Run<'f> {
    fn new(family: &'f Family) -> Run<'f> {
        let keys = usize::try_from(family.keys).expect("few keys");
        let states = match family.object {
            Object::KvAppend => States::Texts(vec![String::new(); keys]),
            Object::Bank { accounts } => States::Balances(vec![100; accounts as usize]),
            Object::ListAppend | Object::RwRegister => States::Lists([].into()),
            Object::MultiRegister { registers } => {
                States::Values(vec![(Value::Null, Value::Null); registers as usize])
            }
            Object::Register | Object::CasRegister => {
                States::Values(vec![(Value::Null, Value::Null); keys])
            }
            Object::Queue(Discipline::Least) | Object::GrowingSet { .. } => {
                States::Sorted([].into())
            }
            Object::Queue(_) => States::Queue([].into()),
        };
        Run {
            family,
            draw: Draw(family.seed),
            states,
            count: 0,
        }
    }

    fn value(&mut self, fresh: u64) -> Value {
        Value::Int(match self.family.values {
            0 => fresh.cast_signed(),
            values => self.draw.below(values).cast_signed(),
        })
    }

    fn ask(&mut self, fresh: u64) -> Asked {
        let key = self.draw.below(self.family.keys);
        let dice = self.draw.below(16);
        let (f, argument) = match self.family.object {
            Object::Register | Object::CasRegister if dice < 8 => ("read", Value::Null),
            Object::CasRegister if dice < 12 => {
                let States::Values(values) = &self.states else {
                    unreachable!("registers hold values");
                };
                let old = values[usize::try_from(key).expect("few keys")].0.clone();
                ("cas", Value::List(vec![old, self.value(fresh)]))
            }
            Object::Register | Object::CasRegister => ("write", self.value(fresh)),
            Object::KvAppend if dice < 8 => ("get", Value::Null),
            Object::KvAppend => {
                let f = if dice == 8 { "put" } else { "append" };
                (f, Value::Str(format!("x {fresh} y")))
            }
            Object::Queue(discipline) => self.ask_queue(discipline, fresh),
            Object::GrowingSet { reads } if self.draw.below(reads) == 0 => ("read", Value::Null),
            Object::GrowingSet { .. } => ("add", Value::Int(fresh.cast_signed())),
            Object::Bank { .. } if dice < 4 => ("read", Value::Null),
            Object::Bank { accounts } => {
                let mut number = |limit: u64| Value::Int(self.draw.below(limit).cast_signed());
                let accounts = u64::from(accounts);
                let pairs = [
                    ("from", number(accounts)),
                    ("to", number(accounts)),
                    ("amount", number(5)),
                ];
                let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
                ("transfer", Value::map(pairs))
            }
            Object::MultiRegister { registers } => {
                let mut micros = Vec::new();
                for n in 0..1 + self.draw.below(2) {
                    let key = self.draw.below(u64::from(registers));
                    let value = self.value(fresh * 2 + n);
                    micros.push(if self.draw.below(2) == 0 {
                        micro("r", key, Value::Null)
                    } else {
                        micro("w", key, value)
                    });
                }
                ("txn", Value::List(micros))
            }
            Object::ListAppend | Object::RwRegister => {
                // Eight objects at a time, each for 256 transactions: lists stay short.
                let write = match self.family.object {
                    Object::ListAppend => "append",
                    _ => "w",
                };
                let mut micros = Vec::new();
                for n in 0..1 + self.draw.below(4) {
                    let key = fresh / 32 + self.draw.below(8);
                    let value = Value::Int((fresh * 4 + n).cast_signed());
                    micros.push(if self.draw.below(2) == 0 {
                        micro("r", key, Value::Null)
                    } else {
                        micro(write, key, value)
                    });
                }
                ("txn", Value::List(micros))
            }
        };
        Asked { f, key, argument }
    }

    fn ask_queue(&mut self, discipline: Discipline, fresh: u64) -> (&'static str, Value) {
        let [put, get] = discipline.operations();
        // A little more is put in than taken out, as long as it is not many.
        let many = 64 + 8 * self.family.clients;
        let held = match &self.states {
            States::Queue(items) => items.len(),
            States::Sorted(items) => items.len(),
            _ => 0,
        };
        if held as u64 > many || self.draw.below(16) < 7 {
            return (get, Value::Null);
        }
        let value = match discipline {
            Discipline::Least => self.draw.below(1 << 20) << 32 | fresh,
            _ => fresh,
        };
        (put, Value::Int(value.cast_signed()))
    }

    /// The effect of an operation and its result; `None` if it cannot happen now.
    fn apply(&mut self, asked: &Asked) -> Option<Value> {
        self.count += 1;
        let key = usize::try_from(asked.key).expect("few keys");
        match (&mut self.states, asked.f) {
            (States::Queue(items), "enqueue" | "push") => {
                items.push_back(asked.argument.clone());
                Some(asked.argument.clone())
            }
            (States::Queue(items), "pop") => Some(items.pop_back().unwrap_or_default()),
            (States::Queue(items), _) => Some(items.pop_front().unwrap_or_default()),
            (States::Sorted(items), "read") => Some(Value::List(items.iter().cloned().collect())),
            (States::Sorted(items), "extract-min") => Some(items.pop_first().unwrap_or_default()),
            (States::Sorted(items), _) => {
                items.insert(asked.argument.clone());
                Some(asked.argument.clone())
            }
            (States::Values(values), "read") => Some(values[key].0.clone()),
            (States::Values(values), "write") => {
                values[key].0 = asked.argument.clone();
                Some(asked.argument.clone())
            }
            (States::Values(values), "cas") => {
                let [old, new] = asked.argument.as_list()? else {
                    return None;
                };
                (values[key].0 == *old).then(|| {
                    values[key].0 = new.clone();
                    asked.argument.clone()
                })
            }
            (States::Texts(texts), "get") => Some(Value::Str(texts[key].clone())),
            (States::Texts(texts), f) => {
                if f == "put" {
                    texts[key].clear();
                }
                texts[key].push_str(asked.argument.as_str()?);
                Some(asked.argument.clone())
            }
            (States::Balances(balances), "read") => Some(balances_value(balances)),
            (States::Balances(balances), _) => {
                let Value::Map(pairs) = &asked.argument else {
                    return None;
                };
                let [
                    (_, Value::Int(amount)),
                    (_, Value::Int(from)),
                    (_, Value::Int(to)),
                ] = pairs[..]
                else {
                    return None;
                };
                let place = |n: i64| usize::try_from(n).expect("an account");
                if balances[place(from)] < amount {
                    return None;
                }
                balances[place(from)] -= amount;
                balances[place(to)] += amount;
                Some(asked.argument.clone())
            }
            (States::Lists(lists), _) => {
                let is_list = self.family.object == Object::ListAppend;
                let mut result = Vec::new();
                for item in asked.argument.as_list()? {
                    let [f, Value::Int(key), value] = item.as_list()? else {
                        return None;
                    };
                    let list = lists.entry(key.cast_unsigned()).or_default();
                    let value = if f.as_str() != Some("r") {
                        list.push(value.clone());
                        value.clone()
                    } else if is_list {
                        Value::List(list.clone())
                    } else {
                        list.last().cloned().unwrap_or_default()
                    };
                    result.push(Value::List(vec![f.clone(), Value::Int(*key), value]));
                }
                // Objects that are out of use are forgotten.
                while lists.len() > 64 {
                    lists.pop_first();
                }
                Some(Value::List(result))
            }
            (States::Values(values), _) => {
                let mut result = Vec::new();
                for item in asked.argument.as_list()? {
                    let [f, Value::Int(key), value] = item.as_list()? else {
                        return None;
                    };
                    let held = &mut values[usize::try_from(*key).expect("few registers")].0;
                    if f.as_str() == Some("w") {
                        *held = value.clone();
                    }
                    result.push(Value::List(vec![f.clone(), Value::Int(*key), held.clone()]));
                }
                Some(Value::List(result))
            }
        }
    }

    /// Makes a result impossible, or at least stale; whether this operation lends itself to it.
    fn lie(&mut self, asked: &Asked, value: &mut Value) -> bool {
        let many = 3 * usize::try_from(self.family.clients).expect("few clients");
        match (asked.f, &mut *value) {
            // Nothing, of much.
            ("dequeue" | "pop" | "extract-min", value) => match &self.states {
                States::Queue(items) if items.len() > many => *value = Value::Null,
                States::Sorted(items) if items.len() > many => *value = Value::Null,
                _ => return false,
            },
            // Without an element that was there long before.
            ("read", Value::List(items)) if items.len() > many => {
                items.remove(0);
            }
            // The initial value, long after.
            ("read", Value::Int(_)) => *value = Value::Null,
            ("get", Value::Str(text)) if text.len() > 20 => text.truncate(9),
            ("read", Value::Map(pairs)) => {
                let rich = pairs.iter().position(|(_, b)| *b > Value::Int(0));
                let Some(rich) = rich else { return false };
                let poor = (rich + 1) % pairs.len();
                for (place, change) in [(rich, -1), (poor, 1)] {
                    if let Value::Int(balance) = &mut pairs[place].1 {
                        *balance += change;
                    }
                }
            }
            ("txn", Value::List(micros)) => {
                let read = micros.iter_mut().find_map(|item| match item {
                    Value::List(parts) if parts[0].as_str() == Some("r") => Some(&mut parts[2])
                        .filter(|value| match value {
                            // Without the last element alone it might be concurrent with its append.
                            Value::List(items) => items.len() > 12,
                            value => !value.is_null(),
                        }),
                    _ => None,
                });
                match read {
                    Some(Value::List(items)) => {
                        items.truncate(1);
                    }
                    Some(value) => *value = Value::Null,
                    None => return false,
                }
            }
            _ => return false,
        }
        true
    }
}

fn balances_value(balances: &[i64]) -> Value {
    let pairs = balances.iter().enumerate();
    Value::map(pairs.map(|(n, balance)| (n.to_string(), Value::Int(*balance))))
}
