//! Why a history is not in order, in words. Built after the verdict stands and under its own budget
//! (Knossos hangs exactly there): what cannot be found in time is left out and said to be.
//!
//! Nothing is reported that a second, independent search does not confirm where it ends in time.

mod describe;
mod narrow;
mod sentence;
mod shrink;
mod window;

use std::fmt;

use plumb_histories::Value;
use serde::Serialize;

pub use describe::Described;
use describe::short;

use crate::budget::{Meter, Shared};
use crate::intake::Taken;
use crate::linear::search::{Search, Searched, Use};
use crate::linear::{Finding, Rules, wgl};
use crate::part::{FOREVER, Op, Part};
use crate::{Budget, Limit, Options, txn};
use narrow::Narrow;
use shrink::Shrinker;

/// Why no order explains a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counterexample {
    /// The explanation in one sentence.
    pub sentence: String,
    /// The object that it concerns, where the history has several.
    pub key: Option<Value>,
    /// Where a violation rests on all that went before: a state that is sure, whatever the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// Operations that together cannot be explained, in the order of their invocations, whatever all
    /// others did: each read that is not listed may have returned anything, each update that is not
    /// listed may have taken effect at any moment after its invocation, or never. After [`since`](Self::since), all
    /// this is said of what was left to do then.
    pub operations: Vec<Described>,
    /// Of queues, stacks and priority queues of different elements: no other operation on the elements of those listed
    /// may have returned anything else than it did; all others are on other elements, and in nobody's way.
    pub by_themselves: bool,
    /// No listed operation can be left out.
    pub minimal: bool,
    /// A second, independent search found no order either.
    pub confirmed: bool,
    /// The shortest beginning of the history that already fails.
    pub prefix: Option<Prefix>,
    /// How far an order of the listed operations can get.
    pub furthest: Vec<Partial>,
    /// The steps of a cycle, for violations that are cycles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

impl Counterexample {
    /// The verdict and no more.
    fn bare(key: Option<Value>) -> Counterexample {
        Counterexample {
            sentence: "no order explains the operations".to_owned(),
            key,
            since: None,
            operations: Vec::new(),
            by_themselves: false,
            minimal: false,
            confirmed: false,
            prefix: None,
            furthest: Vec::new(),
            steps: Vec::new(),
        }
    }
}

/// A moment at which all orders agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Since {
    /// The operation whose completion made the state sure.
    pub by: Described,
    /// The state, whatever the order of what was before. Operations that were open then and are not listed may have
    /// been part of it.
    pub state: Value,
}

/// A beginning of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prefix {
    /// The index of its last event.
    pub last_event: u64,
    /// Operations of the object that are invoked in it.
    pub operations: usize,
    /// It is known that no shorter one fails.
    pub shortest: bool,
}

/// An order that gets as far as any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partial {
    /// The last operations placed, in order.
    pub placed: Vec<Described>,
    /// The state then.
    pub state: Value,
    /// The operation that cannot be placed after them, though it completes next.
    pub stuck: Described,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "key {key}: ")?;
        }
        f.write_str(&self.sentence)?;
        for step in &self.steps {
            write!(f, "\n  {step}")?;
        }
        if let Some(since) = &self.since {
            write!(
                f,
                "\n  every order has the state {} when this completes: {}",
                short(&since.state),
                since.by
            )?;
        }
        if self.steps.is_empty() {
            for operation in &self.operations {
                write!(f, "\n  {operation}")?;
            }
        }
        for partial in &self.furthest {
            let placed: Vec<String> = partial.placed.iter().map(Described::action).collect();
            let placed = if placed.is_empty() {
                "nothing".to_owned()
            } else {
                placed.join(", ")
            };
            write!(
                f,
                "\n  after {placed} the state is {}, and {} is impossible",
                short(&partial.state),
                partial.stuck.action()
            )?;
        }
        if let Some(prefix) = &self.prefix {
            write!(
                f,
                "\n  the history fails from event {} on",
                prefix.last_event
            )?;
        }
        Ok(())
    }
}

/// The explanation's own budget.
const STEPS: u64 = 5_000_000;
const MEMORY: usize = 512 << 20;
/// What follows all orders at once gets so many steps.
const WINDOW: u64 = 1_000_000;
/// The second search gets so many steps.
const CONFIRM: u64 = 1_000_000;
/// So many operations are few enough to be understood.
const FEW: usize = 8;
/// A history of more operations is long: what goes before a moment at which all orders agree is not explained.
const LONG: usize = 40;
/// A step of an object that is no register makes and compares whole states: it counts for so many.
const DEAR: u64 = 16;

pub(crate) fn counterexample(
    taken: &Taken,
    number: usize,
    (finding, decided): (&Finding, u64),
    rules: Rules<'_>,
    options: &Options,
    shared: &Shared<'_>,
) -> Result<Counterexample, Limit> {
    if !options.explain {
        return Ok(Counterexample::bare(
            rules.tables.value(taken.parts[number].key).cloned(),
        ));
    }
    let (mut part, mut finding) = (&taken.parts[number], finding);
    while let Finding::Within(within) = finding {
        (part, finding) = (&within.0, &within.1);
    }
    // What took long to decide takes long to explain.
    let more = decided.min(STEPS);
    let dear = if part.registers.is_some() { 1 } else { DEAR };
    let budget = Budget {
        steps: Some(STEPS / dear + 4 * more),
        memory: Some(MEMORY),
        ..options.budget
    };
    let shared = &shared.with_budget(budget);
    let refuted = matches!(finding, Finding::Refuted { .. });
    let mut shrinker = Shrinker::new(part, rules, shared.meter())
        .by_refuting(refuted)
        .by_steps(more);
    let (prefix, shortest) = shrinker.prefix(finding);
    let until = prefix
        .ops
        .iter()
        .filter(|op| op.is_certain())
        .map(|op| op.ret)
        .max();
    let end = until.map(|last| Prefix {
        last_event: taken.base + u64::from(last),
        operations: prefix.recorded,
        shortest,
    });
    let begun = shrinker.beginning(until.unwrap_or(FOREVER - 1));
    let narrow = narrowed(&begun, &prefix, part, rules, shared);
    let narrow_rules = narrow.as_ref().map_or(rules, |narrow| narrow.rules(rules));
    let (core, minimal) = match &narrow {
        Some(narrow) => {
            Shrinker::new(&narrow.part, narrow_rules, shared.meter()).core_of(&narrow.part)
        }
        None => shrinker.core(&prefix, finding),
    };
    let certain = core.ops.iter().filter(|op| op.is_certain()).count();
    if certain > FEW
        && let Some(cycle) = txn::cycle(taken, rules, options, shared)
        && cycle.operations.len() < certain
    {
        return Ok(Counterexample {
            prefix: end,
            ..cycle
        });
    }
    let confirmed = confirm(&core, narrow_rules, CONFIRM / dear, shared)?;
    // As it was recorded, not as it was cut.
    let describe = |op: u32| {
        let number = core.ops[op as usize].number;
        let found = part.ops.binary_search_by_key(&number, |op| op.number);
        let place = found.expect("what is left was there");
        let op = Op {
            ret: core.ops[op as usize].ret,
            ..part.ops[place]
        };
        Described::of(taken, part, &op)
    };
    let operations: Vec<Described> = (0u32..)
        .zip(&core.ops)
        .filter(|(_, op)| op.is_certain())
        .map(|(place, _)| describe(place))
        .collect();
    let furthest = furthest(&core, narrow_rules, shared, CONFIRM / dear, &describe);
    let by_themselves = narrow.as_ref().is_some_and(|narrow| narrow.by_themselves);
    let since = narrow.and_then(|narrow| {
        let by = Described::of(taken, &prefix, &prefix.ops[narrow.since? as usize]);
        let state = narrow.init.into_owned();
        Some(Since { by, state })
    });
    Ok(Counterexample {
        sentence: sentence::sentence(since.as_ref(), &operations, furthest.first()),
        key: rules.tables.value(part.key).cloned(),
        since,
        operations,
        by_themselves,
        minimal,
        confirmed,
        prefix: end,
        furthest,
        steps: Vec::new(),
    })
}

/// What little can be explained instead of a whole prefix, if anything can.
fn narrowed<'a>(
    begun: &Part,
    prefix: &Part,
    whole: &Part,
    rules: Rules<'a>,
    shared: &Shared<'_>,
) -> Option<Narrow<'a>> {
    let found = narrow::by_elements(begun, whole, rules, &mut shared.meter());
    if let Ok(Some(narrow)) = found {
        return Some(narrow);
    }
    if prefix.registers.is_some() || prefix.ops.len() < LONG {
        return None;
    }
    narrow::by_time(prefix, rules, shared, WINDOW).unwrap_or(None)
}

/// How far orders of a few operations get.
fn furthest(
    core: &Part,
    rules: Rules<'_>,
    shared: &Shared<'_>,
    steps: u64,
    describe: &dyn Fn(u32) -> Described,
) -> Vec<Partial> {
    if core.ops.iter().filter(|op| op.is_certain()).count() > 100 {
        return Vec::new();
    }
    let mut machine = core.machine(rules.spec, rules.init, rules.tables);
    let mut meter = shared.meter();
    let searched = meter.limited(steps, |meter| {
        Search::new(core, &mut *machine, Use::Once).run(meter)
    });
    let Some(Ok(Searched::Stuck { op, attempts })) = searched else {
        return Vec::new();
    };
    let attempts = attempts.into_iter();
    let told = attempts.map(|attempt| Partial {
        placed: attempt.placed.iter().map(|op| describe(*op)).collect(),
        state: machine.show(attempt.state),
        stuck: describe(op),
    });
    told.collect()
}

/// Asks the plain search. If it finds an order after all there is no verdict; if it does not end in
/// time the violation stands unconfirmed.
fn confirm(core: &Part, rules: Rules<'_>, steps: u64, shared: &Shared<'_>) -> Result<bool, Limit> {
    let mut machine = core.machine(rules.spec, rules.init, rules.tables);
    let mut meter = shared.meter();
    // Most often it does not even help if what is not listed took effect again and again. Only a register's states are
    // bounded by its calls.
    let calls = core.calls(rules.tables);
    if calls
        .iter()
        .all(|call| rules.spec.as_register(call).is_some())
    {
        let often = |meter: &mut Meter<'_>| wgl::refutes(&core.ops, &mut *machine, meter);
        if let Some(Ok(true)) = meter.limited(steps / 4, often) {
            return Ok(true);
        }
    }
    let outcome = meter.limited(steps, |meter| wgl::explain(&core.ops, &mut *machine, meter));
    match outcome {
        Some(Ok(None)) => Ok(true),
        Some(Ok(Some(_))) => Err(Limit::Disagreement {
            what: format!(
                "the plain search explains {} operations that another algorithm could not",
                core.ops.len()
            ),
        }),
        Some(Err(_)) | None => Ok(false),
    }
}
