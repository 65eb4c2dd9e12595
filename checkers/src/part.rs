//! One independent object's operations in the compact form that the algorithms work on: 24 bytes
//! each, values replaced by numbers. Built by [`Intake`](crate::intake), never changed after.

use plumb_histories::Value;

use crate::intern::Interner;
use crate::linear::registers::Registers;
use crate::spec::{Call, ErasedSpec, Machine};

/// The time of a completion that never came.
pub(crate) const FOREVER: u32 = u32::MAX;
/// No value.
pub(crate) const NONE: u32 = u32::MAX;

/// An operation that took place, or may have. Times are event indices, all different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    /// Counts all operations of the history in the order of their invocations.
    pub(crate) number: u32,
    /// When it was invoked.
    pub(crate) call: u32,
    /// When it completed; [`FOREVER`] if that is unknown, and then it need not have happened.
    pub(crate) ret: u32,
    /// Its class among the part's classes.
    pub(crate) class: u32,
    /// Who asked, as a number among the history's processes.
    pub(crate) process: u32,
}

impl Op {
    /// It took place for certain.
    pub(crate) fn is_certain(&self) -> bool {
        self.ret != FOREVER
    }
}

/// Operations of one class look the same to any specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    pub(crate) f: u32,
    pub(crate) key: u32,
    pub(crate) argument: u32,
    pub(crate) result: u32,
}

/// The values behind the numbers, shared by all parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) names: Interner<String>,
    pub(crate) values: Interner<Value>,
    pub(crate) processes: Interner<u64>,
}

impl Tables {
    pub(crate) fn value(&self, number: u32) -> Option<&Value> {
        (number != NONE).then(|| self.values.get(number))
    }

    pub(crate) fn call(&self, class: &Class) -> Call<'_> {
        Call {
            f: self.names.get(class.f),
            key: self.value(class.key),
            argument: self.value(class.argument).unwrap_or(&Value::Null),
            result: self.value(class.result),
        }
    }
}

/// One independent object's operations, in the order of their invocations.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The object, as a number of a value.
    pub(crate) key: u32,
    pub(crate) ops: Vec<Op>,
    pub(crate) classes: Interner<Class>,
    /// Operations that were asked for, failed ones included.
    pub(crate) recorded: usize,
    /// What the classes do, if the object is a register.
    pub(crate) registers: Option<Registers>,
}

impl Part {
    /// These operations alone, by their places in order.
    pub(crate) fn cut(&self, places: &[u32]) -> Part {
        Part {
            key: self.key,
            ops: places.iter().map(|at| self.ops[*at as usize]).collect(),
            classes: self.classes.clone(),
            recorded: places.len(),
            registers: None,
        }
    }

    /// The calls by class.
    pub(crate) fn calls<'a>(&self, tables: &'a Tables) -> Vec<Call<'a>> {
        self.classes
            .items()
            .iter()
            .map(|class| tables.call(class))
            .collect()
    }

    /// The machine that runs this part's calls.
    pub(crate) fn machine<'a>(
        &self,
        spec: &'a dyn ErasedSpec,
        init: &Value,
        tables: &'a Tables,
    ) -> Box<dyn Machine + 'a> {
        spec.machine(init, self.calls(tables))
            .expect("the initial value was checked before any part was built")
    }
}
