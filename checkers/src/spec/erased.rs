//! Specifications without their type parameter, and machines: a specification bound to the calls of
//! one part, with states and calls numbered and every transition computed once (the memoisation of
//! Knossos, grown lazily).

use plumb_histories::Value;

use super::{Call, Discipline, QueueCall, RegisterCall, SequentialSpec, SetCall, TextCall};
use crate::hash::FastMap;
use crate::intern::Interner;

/// No state: the call cannot happen.
pub(crate) const DEAD: u32 = u32::MAX;
/// A transition that was not computed yet.
const UNSEEN: u32 = u32::MAX - 1;

/// A deterministic machine over numbered states and numbered calls.
pub(crate) trait Machine {
    /// The state at the start.
    fn init(&self) -> u32;
    /// The state after, or [`DEAD`].
    fn step(&mut self, state: u32, class: u32) -> u32;
    /// The calls of this class never change a state.
    fn is_read(&self, class: u32) -> bool;
    /// The calls of this class are always possible and forget the state before.
    fn is_write(&self, class: u32) -> bool;
    /// The state for people.
    fn show(&self, state: u32) -> Value;
    /// Bytes taken.
    fn memory(&self) -> usize;
}

/// [`SequentialSpec`] as an object.
pub(crate) trait ErasedSpec: Send + Sync {
    fn name(&self) -> &str;
    fn check(&self, call: &Call<'_>) -> Result<(), String>;
    fn check_init(&self, init: &Value) -> Result<(), String>;
    /// The initial state for people; the initial value must fit.
    fn show_init(&self, init: &Value) -> Value;
    fn partition<'a>(&self, call: &Call<'a>) -> Option<&'a Value>;
    fn is_read(&self, call: &Call<'_>) -> bool;
    fn as_register<'a>(&self, call: &Call<'a>) -> Option<RegisterCall<'a>>;
    fn as_text<'a>(&self, call: &Call<'a>) -> Option<TextCall<'a>>;
    fn as_queue<'a>(&self, call: &Call<'a>) -> Option<QueueCall<'a>>;
    fn discipline(&self) -> Discipline;
    fn as_set<'a>(&self, call: &Call<'a>) -> Option<SetCall<'a>>;
    fn machine<'a>(
        &'a self,
        init: &Value,
        calls: Vec<Call<'a>>,
    ) -> Result<Box<dyn Machine + 'a>, String>;
}

impl<S: SequentialSpec> ErasedSpec for S {
    fn name(&self) -> &str {
        SequentialSpec::name(self)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        SequentialSpec::check(self, call)
    }

    fn check_init(&self, init: &Value) -> Result<(), String> {
        self.init(init).map(|_| ())
    }

    fn show_init(&self, init: &Value) -> Value {
        let state = self.init(init);
        self.show(&state.expect("the initial value was checked before any part was built"))
    }

    fn partition<'a>(&self, call: &Call<'a>) -> Option<&'a Value> {
        SequentialSpec::partition(self, call)
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        SequentialSpec::is_read(self, call)
    }

    fn as_register<'a>(&self, call: &Call<'a>) -> Option<RegisterCall<'a>> {
        SequentialSpec::as_register(self, call)
    }

    fn as_text<'a>(&self, call: &Call<'a>) -> Option<TextCall<'a>> {
        SequentialSpec::as_text(self, call)
    }

    fn as_queue<'a>(&self, call: &Call<'a>) -> Option<QueueCall<'a>> {
        SequentialSpec::as_queue(self, call)
    }

    fn discipline(&self) -> Discipline {
        SequentialSpec::discipline(self)
    }

    fn as_set<'a>(&self, call: &Call<'a>) -> Option<SetCall<'a>> {
        SequentialSpec::as_set(self, call)
    }

    fn machine<'a>(
        &'a self,
        init: &Value,
        calls: Vec<Call<'a>>,
    ) -> Result<Box<dyn Machine + 'a>, String> {
        let mut states = Interner::default();
        let init = self.init(init)?;
        let weight = self.weight(&init);
        states.intern(&init);
        let flags = calls
            .iter()
            .map(|call| (self.is_read(call), self.is_write(call)))
            .collect();
        let next = if calls.len() <= DENSE {
            Next::Rows(Vec::new())
        } else {
            Next::Pairs(FastMap::default())
        };
        Ok(Box::new(Table {
            spec: self,
            calls,
            flags,
            states,
            next,
            weight,
        }))
    }
}

/// Up to so many classes of calls, each state has a full row of successors.
const DENSE: usize = 256;

enum Next {
    /// By state, by class.
    Rows(Vec<u32>),
    /// By both.
    Pairs(FastMap<(u32, u32), u32>),
}

struct Table<'a, S: SequentialSpec> {
    spec: &'a S,
    calls: Vec<Call<'a>>,
    flags: Vec<(bool, bool)>,
    states: Interner<S::State>,
    next: Next,
    weight: usize,
}

impl<S: SequentialSpec> Table<'_, S> {
    fn compute(&mut self, state: u32, class: u32) -> u32 {
        let call = &self.calls[class as usize];
        let Some(after) = self.spec.step(self.states.get(state), call) else {
            return DEAD;
        };
        let known = self.states.len();
        let weight = self.spec.weight(&after);
        let after = self.states.intern(&after);
        if self.states.len() > known {
            self.weight += weight;
        }
        assert!(
            !self.flags[class as usize].0 || after == state,
            "the specification {} calls {call:?} a read, yet it changes the state",
            SequentialSpec::name(self.spec)
        );
        after
    }
}

impl<S: SequentialSpec> Machine for Table<'_, S> {
    fn init(&self) -> u32 {
        0
    }

    fn step(&mut self, state: u32, class: u32) -> u32 {
        let place = state as usize * self.calls.len() + class as usize;
        match &mut self.next {
            Next::Rows(rows) => {
                if place >= rows.len() {
                    let states = self.states.len().max(state as usize + 1);
                    rows.resize(states * self.calls.len(), UNSEEN);
                }
                if rows[place] != UNSEEN {
                    return rows[place];
                }
            }
            Next::Pairs(pairs) => {
                if let Some(after) = pairs.get(&(state, class)) {
                    return *after;
                }
            }
        }
        let after = self.compute(state, class);
        match &mut self.next {
            Next::Rows(rows) => rows[place] = after,
            Next::Pairs(pairs) => {
                pairs.insert((state, class), after);
            }
        }
        after
    }

    fn is_read(&self, class: u32) -> bool {
        self.flags[class as usize].0
    }

    fn is_write(&self, class: u32) -> bool {
        self.flags[class as usize].1
    }

    fn show(&self, state: u32) -> Value {
        self.spec.show(self.states.get(state))
    }

    fn memory(&self) -> usize {
        let next = match &self.next {
            Next::Rows(rows) => rows.capacity() * 4,
            Next::Pairs(pairs) => pairs.capacity() * 14,
        };
        self.weight + self.states.memory() + next
    }
}
