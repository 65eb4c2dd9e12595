//! A part whose calls are all calls on a register, with values numbered; and the indeterminate writes
//! that cannot matter left out.

use plumb_histories::Value;

use super::Rules;
use crate::RegisterCall;
use crate::intern::Interner;
use crate::part::{Op, Part};
use crate::spec::{DEAD, Machine};

/// What the calls of a class do. Values are numbers; 0 is the initial one.
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
pub(crate) struct Registers<'a> {
    actions: Vec<Action>,
    /// `None` is the initial value.
    values: Interner<Option<&'a Value>>,
    initial: Value,
}

impl<'a> Registers<'a> {
    /// The part as a register, if all its calls are.
    pub(crate) fn of(part: &Part, rules: Rules<'a>) -> Option<Registers<'a>> {
        let initial = rules.spec.show_init(rules.init);
        let mut values: Interner<Option<&Value>> = Interner::default();
        values.intern(None);
        let mut number = |value: &'a Value| values.intern(Some(value).filter(|v| **v != initial));
        let mut actions = Vec::with_capacity(part.classes.len());
        for class in part.classes.items() {
            let call = rules.tables.call(class);
            actions.push(match rules.spec.as_register(&call)? {
                RegisterCall::Read(value) => Action::Read(number(value)),
                RegisterCall::Write(value) => Action::Write(number(value)),
                RegisterCall::Cas(old, new) if old == new => Action::Read(number(old)),
                RegisterCall::Cas(old, new) => {
                    let old = number(old);
                    Action::Cas(old, number(new))
                }
            });
        }
        Some(Registers {
            actions,
            values,
            initial,
        })
    }

    /// How many values there are, the initial one included.
    pub(crate) fn values(&self) -> usize {
        self.values.len()
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
    pub(crate) fn drop_needless(&self, part: &mut Part) {
        if part.ops.iter().all(Op::is_certain) {
            return;
        }
        let mut seen = vec![false; self.values()];
        for op in part.ops.iter().filter(|op| op.is_certain()) {
            if let Some(value) = self.action(op).observes() {
                seen[value as usize] = true;
            }
        }
        // A value seen by an indeterminate compare-and-set counts once that itself is needed.
        let mut changed = true;
        while changed {
            changed = false;
            for op in part.ops.iter().rev().filter(|op| !op.is_certain()) {
                if let Action::Cas(old, new) = self.action(op)
                    && seen[new as usize]
                    && !seen[old as usize]
                {
                    seen[old as usize] = true;
                    changed = true;
                }
            }
        }
        part.ops.retain(|op| {
            let value = self.action(op).produces();
            op.is_certain() || value.is_some_and(|value| seen[value as usize])
        });
    }

    /// The register itself.
    pub(crate) fn machine(&self) -> RegisterMachine<'_> {
        RegisterMachine { registers: self }
    }

    /// The value of that number.
    pub(crate) fn value(&self, number: u32) -> &Value {
        self.values.get(number).unwrap_or(&self.initial)
    }
}

/// A register whose states are the numbers of its values.
pub(crate) struct RegisterMachine<'r> {
    registers: &'r Registers<'r>,
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
        self.registers.value(state).clone()
    }

    fn memory(&self) -> usize {
        0
    }
}
