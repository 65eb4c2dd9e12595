//! Why a history is not in order, in words. Built after the verdict stands and under its own budget
//! (Knossos hangs exactly there): what cannot be found in time is left out and said to be.
//!
//! Nothing is reported that a second, independent search does not confirm where it ends in time.

mod describe;
mod sentence;
mod shrink;

use std::fmt;

use plumb_histories::Value;
use serde::Serialize;

pub use describe::Described;

use crate::budget::Shared;
use crate::intake::Taken;
use crate::linear::search::{Search, Searched, Use};
use crate::linear::{Finding, Rules, wgl};
use crate::part::Part;
use crate::{Budget, Limit, Options};
use shrink::Shrinker;

/// Why no order explains a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counterexample {
    /// The explanation in one sentence.
    pub sentence: String,
    /// The object that it concerns, where the history has several.
    pub key: Option<Value>,
    /// Operations that together cannot be explained, in the order of their invocations, whatever all
    /// others did: each read that is not listed may have returned anything, each update that is not
    /// listed may have taken effect at any moment after its invocation, or never.
    pub operations: Vec<Described>,
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
            operations: Vec::new(),
            minimal: false,
            confirmed: false,
            prefix: None,
            furthest: Vec::new(),
            steps: Vec::new(),
        }
    }
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
                partial.state,
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
/// The second search gets so many steps.
const CONFIRM: u64 = 1_000_000;
/// A step of an object that is no register makes and compares whole states: it counts for so many.
const DEAR: u64 = 16;

pub(crate) fn counterexample(
    taken: &Taken,
    number: usize,
    finding: &Finding,
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
    let dear = if part.registers.is_some() { 1 } else { DEAR };
    let budget = Budget {
        steps: Some(STEPS / dear),
        memory: Some(MEMORY),
        ..options.budget
    };
    let shared = shared.with_budget(budget);
    let mut shrinker = Shrinker::new(part, rules, shared.meter());
    let (prefix, shortest) = shrinker.prefix(finding);
    let (core, minimal) = shrinker.core(&prefix, finding);
    let confirmed = confirm(&core, rules, CONFIRM / dear, &shared)?;
    let describe = |part: &Part, place: u32| Described::new(taken, part, place);
    let operations: Vec<Described> = (0u32..)
        .zip(&core.ops)
        .filter(|(_, op)| op.is_certain())
        .map(|(place, _)| describe(&core, place))
        .collect();
    let mut furthest = Vec::new();
    if operations.len() <= 100 {
        let mut machine = core.machine(rules.spec, rules.init, rules.tables);
        let mut meter = shared.meter();
        if let Some(Ok(Searched::Stuck { op, attempts })) = meter.limited(CONFIRM / dear, |meter| {
            Search::new(&core, &mut *machine, Use::Once).run(meter)
        }) {
            furthest.extend(attempts.into_iter().map(|attempt| {
                Partial {
                    placed: attempt
                        .placed
                        .iter()
                        .map(|op| describe(&core, *op))
                        .collect(),
                    state: machine.show(attempt.state),
                    stuck: describe(&core, op),
                }
            }));
        }
    }
    let last = prefix
        .ops
        .iter()
        .filter(|op| op.is_certain())
        .map(|op| op.ret)
        .max();
    Ok(Counterexample {
        sentence: sentence::sentence(&operations, furthest.first()),
        key: rules.tables.value(part.key).cloned(),
        operations,
        minimal,
        confirmed,
        prefix: last.map(|last| Prefix {
            last_event: taken.base + u64::from(last),
            operations: prefix.recorded,
            shortest,
        }),
        furthest,
        steps: Vec::new(),
    })
}

/// Asks the plain search. If it finds an order after all there is no verdict; if it does not end in
/// time the violation stands unconfirmed.
fn confirm(core: &Part, rules: Rules<'_>, steps: u64, shared: &Shared<'_>) -> Result<bool, Limit> {
    let mut machine = core.machine(rules.spec, rules.init, rules.tables);
    let mut meter = shared.meter();
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
