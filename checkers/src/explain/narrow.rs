//! Where an algorithm knows more than that a history fails, or a moment is known at which its state is sure, little of
//! the history is left to explain.

use std::borrow::Cow;

use plumb_histories::Value;

use super::window;
use crate::budget::{Meter, Shared};
use crate::intern::Interner;
use crate::linear::{Rules, elements, one_register, sets};
use crate::part::{Class, FOREVER, NONE, Op, Part, Tables};
use crate::{Limit, SetCall, Spec};

/// What is left, with what it is judged by.
pub(super) struct Narrow<'a> {
    pub(super) part: Part,
    pub(super) init: Cow<'a, Value>,
    pub(super) tables: Cow<'a, Tables>,
    /// All else is on other elements.
    pub(super) by_themselves: bool,
    /// Another specification than that of the whole.
    spec: Option<Spec>,
    /// The operation, as a place in what was narrowed, since whose completion the state is sure.
    pub(super) since: Option<u32>,
}

impl<'a> Narrow<'a> {
    pub(super) fn rules<'n>(&'n self, rules: Rules<'n>) -> Rules<'n> {
        Rules {
            spec: self.spec.as_ref().map_or(rules.spec, |spec| &*spec.0),
            init: &self.init,
            tables: &self.tables,
        }
    }

    fn of(part: Part, rules: Rules<'a>) -> Narrow<'a> {
        Narrow {
            part,
            init: Cow::Borrowed(rules.init),
            tables: Cow::Borrowed(rules.tables),
            by_themselves: false,
            spec: None,
            since: None,
        }
    }
}

/// What fails by itself of queues, stacks, priority queues and growing sets; or one register of several.
/// `part` is the beginning that fails, of `whole`.
pub(super) fn by_elements<'a>(
    part: &Part,
    whole: &Part,
    rules: Rules<'a>,
    meter: &mut Meter<'_>,
) -> Result<Option<Narrow<'a>>, Limit> {
    if elements::are_different(whole, rules)
        && let Some(ops) = elements::core(part, rules, meter)?
    {
        // With the completions that came later: what is on an element is known from the whole.
        let numbers: Vec<u32> = ops.iter().map(|op| part.ops[*op as usize].number).collect();
        let all = elements::all_on(whole, rules, &numbers);
        return Ok(Some(Narrow {
            by_themselves: true,
            ..Narrow::of(whole.cut(&all), rules)
        }));
    }
    if let Some((ops, elements)) = sets::core(part, rules, meter)? {
        return Ok(Some(cut_to_elements(part, rules, &ops, &elements)));
    }
    let one = one_register::wrong(part, rules, meter)?;
    Ok(one.map(|one| Narrow {
        part: one.part,
        init: Cow::Owned(one.init),
        tables: Cow::Owned(one.tables),
        by_themselves: false,
        spec: Some(one.spec),
        since: None,
    }))
}

/// The end of a history from the last moment on at which its state is sure.
pub(super) fn by_time<'a>(
    part: &Part,
    rules: Rules<'a>,
    shared: &Shared<'_>,
    steps: u64,
) -> Result<Option<Narrow<'a>>, Limit> {
    let mut meter = shared.meter();
    let found = meter.limited(steps, |meter| window::last_sure(part, rules, meter));
    let Some(window) = found.transpose()?.flatten() else {
        return Ok(None);
    };
    Ok(Some(Narrow {
        init: Cow::Owned(window.state),
        since: Some(window.since),
        ..Narrow::of(window.part, rules)
    }))
}

/// Operations on a set, as if it could only hold some elements. Additions of these that are not among the operations
/// may have happened.
fn cut_to_elements<'a>(
    part: &Part,
    rules: Rules<'a>,
    places: &[u32],
    elements: &[&Value],
) -> Narrow<'a> {
    let mut tables = Tables {
        names: rules.tables.names.clone(),
        processes: rules.tables.processes.clone(),
        values: Interner::default(),
    };
    let only = |items: &[Value]| -> Value {
        let kept = items.iter().filter(|item| elements.contains(item));
        Value::List(kept.cloned().collect())
    };
    let mut classes = Interner::default();
    let mut ops = Vec::new();
    for (place, op) in (0u32..).zip(&part.ops) {
        let listed = places.binary_search(&place).is_ok();
        let class = part.classes.get(op.class);
        let call = rules.tables.call(class);
        let (argument, result) = match rules.spec.as_set(&call) {
            Some(SetCall::Add(element)) if listed || elements.contains(&element) => {
                (element.clone(), None)
            }
            Some(SetCall::Read(items)) if listed => (Value::Null, Some(only(items))),
            _ => continue,
        };
        let mut number = |value: &Value| tables.values.intern(value);
        let class = Class {
            key: NONE,
            argument: number(&argument),
            result: result.map_or(NONE, |result| number(&result)),
            ..*class
        };
        let ret = if listed { op.ret } else { FOREVER };
        let class = classes.intern(&class);
        ops.push(Op { class, ret, ..*op });
    }
    let initial = rules.spec.show_init(rules.init);
    let part = Part {
        key: part.key,
        recorded: ops.len(),
        ops,
        classes,
        registers: None,
    };
    Narrow {
        part,
        init: Cow::Owned(only(initial.as_list().unwrap_or_default())),
        tables: Cow::Owned(tables),
        by_themselves: false,
        spec: None,
        since: None,
    }
}
