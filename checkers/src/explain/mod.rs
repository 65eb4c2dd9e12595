//! Why a history is not in order, in words: built after the verdict stands and under its own budget
//! (Knossos hangs exactly there).

mod describe;

use std::fmt;

use plumb_histories::Value;
use serde::Serialize;

pub use describe::Described;

use crate::budget::Shared;
use crate::intake::Taken;
use crate::linear::{Finding, Rules};
use crate::{Limit, Options};

/// Why no order explains a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counterexample {
    /// The explanation in one sentence.
    pub sentence: String,
    /// The object that it concerns, where the history has several.
    pub key: Option<Value>,
    /// Operations that together cannot be explained, in the order of their invocations.
    pub operations: Vec<Described>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        for operation in &self.operations {
            write!(f, "\n  {operation}")?;
        }
        Ok(())
    }
}

pub(crate) fn counterexample(
    taken: &Taken,
    number: usize,
    finding: &Finding,
    rules: Rules<'_>,
    _options: &Options,
    _shared: &Shared<'_>,
) -> Result<Counterexample, Limit> {
    let part = &taken.parts[number];
    let places = match finding {
        Finding::Zones(conflict) => conflict.operations(),
        Finding::Stuck { op } => vec![*op],
    };
    let operations: Vec<Described> = places
        .iter()
        .map(|place| Described::new(taken, part, *place))
        .collect();
    let key = rules.tables.value(part.key).cloned();
    let sentence = "no order of these operations explains their results".to_owned();
    Ok(Counterexample {
        sentence,
        key,
        operations,
    })
}
