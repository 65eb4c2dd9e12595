//! A part whose calls are all calls on a register, with values numbered; and the indeterminate writes
//! that cannot matter left out.

use plumb_histories::Value;

use super::{Rules, texts};
use crate::RegisterCall;
use crate::hash::FastMap;
use crate::part::{NONE, Op, Part};
use crate::spec::{Call, DEAD, Machine};

/// What the calls of a class do. Values are numbers; [`INITIAL`] is the one at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
}

impl Action {
    /// The value that must be there.
    pub(crate) fn observes(self) -> Option<u32> {
        match self {
            Action::Read(value) | Action::Cas(value, _) => Some(value),
            Action::Write(_) => None,
        }
    }

    /// The value that is there afterwards, if the call brings one.
    pub(crate) fn produces(self) -> Option<u32> {
        match self {
            Action::Write(value) | Action::Cas(_, value) => Some(value),
            Action::Read(_) => None,
        }
    }
}

/// The number of the initial value.
pub(crate) const INITIAL: u32 = 0;

/// What each class of a part does to its register.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    pub(super) actions: Vec<Action>,
    /// How many values there are, the initial one included.
    pub(super) values: u32,
    /// By class, if not empty: part of the history can be explained only with these, though not the whole.
    pub(super) kept: Vec<bool>,
}

impl Registers {
    /// The part as a register, if all its calls are.
    pub(crate) fn of(part: &Part, rules: Rules<'_>) -> Option<Registers> {
        let classes = part.classes.items();
        let first = rules.tables.call(classes.first()?);
        // Calls on different keys are calls on different registers.
        if rules.spec.partition(&first).is_some()
            && classes.iter().any(|class| class.key != classes[0].key)
        {
            return None;
        }
        if rules.spec.as_text(&first).is_some() {
            texts::registers(part, rules)
        } else {
            Registers::plain(part, rules)
        }
    }

    fn plain(part: &Part, rules: Rules<'_>) -> Option<Registers> {
        let initial = rules.spec.show_init(rules.init);
        let mut numbers = Numbers::new(rules, &initial, part.classes.len());
        let mut actions = Vec::with_capacity(part.classes.len());
        for class in part.classes.items() {
            let call = rules.tables.call(class);
            let known = [class.argument, class.result];
            actions.push(match rules.spec.as_register(&call)? {
                RegisterCall::Read(value) => Action::Read(numbers.of(value, &call, known)),
                RegisterCall::Write(value) => Action::Write(numbers.of(value, &call, known)),
                RegisterCall::Cas(old, new) if old == new => {
                    Action::Read(numbers.of(old, &call, known))
                }
                RegisterCall::Cas(old, new) => {
                    let old = numbers.of(old, &call, known);
                    Action::Cas(old, numbers.of(new, &call, known))
                }
            });
        }
        Some(Registers {
            actions,
            values: numbers.count,
            kept: Vec::new(),
        })
    }

    /// How many values there are, the initial one included.
    pub(crate) fn values(&self) -> usize {
        self.values as usize
    }

    pub(crate) fn action(&self, op: &Op) -> Action {
        self.actions[op.class as usize]
    }

    /// Leaves out indeterminate updates whose value nobody saw.
    ///
    /// An update is *needed* if it is certain, or brings a value that a needed operation observes.
    /// From any valid order all that are not needed may be deleted at once: whoever observes a value
    /// follows directly (reads apart) an update that brought it, all updates that bring it are needed
    /// themselves, and deleting others puts nothing between the two.
    pub(crate) fn drop_needless(&self, ops: &mut Vec<Op>) {
        if ops.iter().all(Op::is_certain) {
            return;
        }
        let mut seen = vec![false; self.values()];
        for op in ops.iter().filter(|op| op.is_certain()) {
            if let Some(value) = self.action(op).observes() {
                seen[value as usize] = true;
            }
        }
        // A value seen by an indeterminate compare-and-set counts once that itself is needed.
        let mut changed = true;
        while changed {
            changed = false;
            for op in ops.iter().rev().filter(|op| !op.is_certain()) {
                if let Action::Cas(old, new) = self.action(op)
                    && seen[new as usize]
                    && !seen[old as usize]
                {
                    seen[old as usize] = true;
                    changed = true;
                }
            }
        }
        ops.retain(|op| {
            let value = self.action(op).produces();
            op.is_certain()
                || value.is_some_and(|value| seen[value as usize])
                || self.kept.get(op.class as usize).is_some_and(|kept| *kept)
        });
    }

    /// The register itself.
    pub(crate) fn machine(&self) -> RegisterMachine<'_> {
        RegisterMachine { registers: self }
    }
}

/// Numbers the values of one part.
struct Numbers<'a> {
    rules: Rules<'a>,
    initial: Option<u32>,
    /// By number among all values of the history, if they are not many more than the part's.
    dense: Vec<u32>,
    sparse: FastMap<u32, u32>,
    /// Values that stand within others only, as in the pair of a compare-and-set.
    inner: FastMap<&'a Value, u32>,
    initial_value: &'a Value,
    count: u32,
}

impl<'a> Numbers<'a> {
    fn new(rules: Rules<'a>, initial_value: &'a Value, classes: usize) -> Numbers<'a> {
        let all = rules.tables.values.len();
        Numbers {
            rules,
            initial: rules.tables.values.find(initial_value),
            dense: if all / 4 <= classes {
                vec![NONE; all]
            } else {
                Vec::new()
            },
            sparse: FastMap::default(),
            inner: FastMap::default(),
            initial_value,
            count: INITIAL + 1,
        }
    }

    /// The number of a value; `known` are the history's numbers for the call's argument and result, of
    /// which the value usually is one.
    fn of(&mut self, value: &'a Value, call: &Call<'a>, known: [u32; 2]) -> u32 {
        let known = if std::ptr::eq(value, call.argument) && known[0] != NONE {
            Some(known[0])
        } else if call
            .result
            .is_some_and(|result| std::ptr::eq(value, result))
        {
            Some(known[1])
        } else {
            self.rules.tables.values.find(value)
        };
        let slot = match known {
            Some(number) if Some(number) == self.initial => return INITIAL,
            Some(number) if !self.dense.is_empty() => &mut self.dense[number as usize],
            Some(number) => self.sparse.entry(number).or_insert(NONE),
            None if value == self.initial_value => return INITIAL,
            None => self.inner.entry(value).or_insert(NONE),
        };
        if *slot == NONE {
            *slot = self.count;
            self.count += 1;
        }
        *slot
    }
}

/// A register whose states are the numbers of its values.
pub(crate) struct RegisterMachine<'r> {
    registers: &'r Registers,
}

impl Machine for RegisterMachine<'_> {
    fn init(&self) -> u32 {
        INITIAL
    }

    fn step(&mut self, state: u32, class: u32) -> u32 {
        match self.registers.actions[class as usize] {
            Action::Read(value) if value == state => state,
            Action::Write(value) => value,
            Action::Cas(old, new) if old == state => new,
            Action::Read(_) | Action::Cas(..) => DEAD,
        }
    }

    fn is_read(&self, class: u32) -> bool {
        matches!(self.registers.actions[class as usize], Action::Read(_))
    }

    fn is_write(&self, class: u32) -> bool {
        matches!(self.registers.actions[class as usize], Action::Write(_))
    }

    fn show(&self, state: u32) -> Value {
        Value::Int(i64::from(state))
    }

    fn memory(&self) -> usize {
        0
    }
}
