//! One of several registers that transactions read and write together. An order of the transactions is one of what they
//! do to a single register, as reads, writes and compare-and-sets: so what no register could do by itself, they could not
//! do together. The converse does not hold.

use std::collections::BTreeSet;

use plumb_histories::Value;

use super::registers::Registers;
use super::{Outcome, Rules, decide};
use crate::budget::Meter;
use crate::intern::Interner;
use crate::part::{Class, NONE, Op, Part, Tables};
use crate::spec::{Call, Spec, on_register, register_names};
use crate::{Algorithm, Limit};

/// What the transactions do to one register.
pub(crate) struct OneRegister {
    pub(crate) part: Part,
    pub(crate) spec: Spec,
    pub(crate) init: Value,
    pub(crate) tables: Tables,
    /// Who is to blame, as a place in the whole part, and what decided.
    pub(crate) blamed: u32,
    pub(crate) algorithm: Algorithm,
}

/// More registers are not looked at one by one.
const MOST: usize = 64;

impl OneRegister {
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            spec: &*self.spec.0,
            init: &self.init,
            tables: &self.tables,
        }
    }
}

/// A register that could not do by itself what it did; `None` if there is none, or these are no transactions on
/// registers.
pub(crate) fn wrong(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<OneRegister>, Limit> {
    if rules.spec.name() != "multi-register" {
        return Ok(None);
    }
    let calls = part.calls(rules.tables);
    let names: BTreeSet<String> = calls.iter().flat_map(register_names).collect();
    if names.len() > MOST {
        return Ok(None);
    }
    for name in names {
        meter.pass(part.ops.len())?;
        let Some(mut one) = of_one(part, rules, &calls, &name) else {
            continue;
        };
        let steps = 20_000 + 20 * one.part.ops.len() as u64;
        let decided = meter.limited(steps, |meter| {
            let (algorithm, outcome) = decide(&one.part, one.rules(), meter);
            match outcome {
                Outcome::Violation(finding) => Ok(Some((algorithm, finding.blamed(&one.part)))),
                Outcome::Valid(_) => Ok(None),
                Outcome::Unknown(limit) => Err(limit),
            }
        });
        match decided {
            Some(Ok(Some((algorithm, blamed)))) => {
                let number = one.part.ops[blamed as usize].number;
                let place = part.ops.partition_point(|op| op.number < number);
                one.blamed = u32::try_from(place).expect("fewer operations than events");
                one.algorithm = algorithm;
                return Ok(Some(one));
            }
            Some(Err(limit)) => return Err(limit),
            Some(Ok(None)) | None => {}
        }
    }
    Ok(None)
}

fn of_one(part: &Part, rules: Rules<'_>, calls: &[Call<'_>], name: &str) -> Option<OneRegister> {
    let initial = rules.spec.show_init(rules.init);
    let held = match &initial {
        Value::Map(held) => held.iter().find(|(register, _)| register == name),
        _ => None,
    };
    // Those that the initial value does not name hold null, or it is what all hold.
    let initial = match (held, rules.init) {
        (Some((_, value)), _) => value.clone(),
        (None, Value::Map(_)) => Value::Null,
        (None, all) => all.clone(),
    };
    let mut tables = Tables {
        processes: rules.tables.processes.clone(),
        ..Tables::default()
    };
    let mut classes: Interner<Class> = Interner::default();
    let mut translated = Vec::with_capacity(calls.len());
    for call in calls {
        let (read, written) = on_register(call, name)?;
        let (f, argument, result) = match (read, written) {
            (None, None) => {
                translated.push(NONE);
                continue;
            }
            (Some(read), None) => ("read", Value::Null, Some(read.clone())),
            (None, Some(written)) => ("write", written.clone(), None),
            (Some(read), Some(written)) => (
                "cas",
                Value::List(vec![read.clone(), written.clone()]),
                None,
            ),
        };
        let class = Class {
            f: tables.names.intern_with(f, || f.to_owned()),
            key: NONE,
            argument: tables.values.intern(&argument),
            result: result.map_or(NONE, |result| tables.values.intern(&result)),
        };
        translated.push(classes.intern(&class));
    }
    let ops = part.ops.iter().filter_map(|op| {
        let class = translated[op.class as usize];
        // A read that never returned says nothing.
        let says =
            class != NONE && (op.is_certain() || tables.names.get(classes.get(class).f) != "read");
        says.then_some(Op { class, ..*op })
    });
    let ops: Vec<_> = ops.collect();
    let mut one = OneRegister {
        part: Part {
            key: part.key,
            recorded: ops.len(),
            ops,
            classes,
            registers: None,
        },
        spec: Spec::by_name("cas-register").ok()?,
        init: initial,
        tables,
        blamed: 0,
        algorithm: Algorithm::Search,
    };
    one.part.registers = Registers::of(&one.part, one.rules());
    if let Some(registers) = &one.part.registers {
        registers.drop_needless(&mut one.part.ops);
    }
    Some(one)
}
