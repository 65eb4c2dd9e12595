//! How stale were the reads? For registers whose values are each written once: by how many versions,
//! and for how long, a read lagged behind what had certainly been replaced before it began. Lower
//! bounds: a read that could be fresh counts as fresh.

use plumb_histories::{History, Value};
use serde::Serialize;

use super::sessions::writers;
use super::unsupported;
use crate::intake::Intake;
use crate::part::FOREVER;
use crate::{CheckError, Options};

/// What was seen of staleness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Staleness {
    /// Reads that were judged.
    pub reads: usize,
    /// Of these, those that were certainly stale.
    pub stale: usize,
    /// The read that lagged by the most versions, and of those the longest.
    pub worst: Option<StaleRead>,
}

/// A read that returned what had been replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaleRead {
    /// The object, where the history has several.
    pub key: Option<Value>,
    /// The operation's number.
    pub number: u32,
    /// At least so many versions are newer.
    pub versions: usize,
    /// It had certainly been replaced for so long when the read began.
    pub nanoseconds: u64,
}

/// Measures staleness.
///
/// # Errors
/// If the history does not fit the specification, the objects are not registers, or a value was
/// written twice.
pub fn staleness(history: &History, options: &Options) -> Result<Staleness, CheckError> {
    let mut intake = Intake::new(options)?;
    intake.push_all(history)?;
    let taken = intake.close()?;
    let what = "staleness is measured of registers in which each value is written once";
    let events = history.events();
    let time_of = |moment: u32| {
        let index = taken.base + u64::from(moment);
        let place = events.partition_point(|event| event.index < index);
        events.get(place).map_or(0, |event| event.time_ns)
    };
    let mut measured = Staleness::default();
    for part in &taken.parts {
        let registers = part.registers.as_ref();
        let registers = registers.ok_or_else(|| unsupported(options, what))?;
        let writers = writers(part, registers).ok_or_else(|| unsupported(options, what))?;
        // Updates that took place, by completion, and the earliest completion of those invoked from
        // each on.
        let mut updates: Vec<(u32, u32)> = part
            .ops
            .iter()
            .filter(|op| op.is_certain() && registers.action(op).produces().is_some())
            .map(|op| (op.call, op.ret))
            .collect();
        updates.sort_unstable();
        let mut earliest = vec![FOREVER; updates.len() + 1];
        for place in (0..updates.len()).rev() {
            earliest[place] = earliest[place + 1].min(updates[place].1);
        }
        for op in part.ops.iter().filter(|op| op.is_certain()) {
            let action = registers.action(op);
            let (Some(value), None) = (action.observes(), action.produces()) else {
                continue;
            };
            measured.reads += 1;
            let written = match writers.get(value as usize) {
                Some(writer) if *writer != u32::MAX => Some(part.ops[*writer as usize].ret),
                _ => None,
            };
            if written == Some(FOREVER) {
                continue;
            }
            // The first update that was invoked after this version was there.
            let first = written.map_or(0, |end| updates.partition_point(|(call, _)| *call < end));
            let replaced = earliest[first];
            if replaced >= op.call {
                continue;
            }
            measured.stale += 1;
            let newer = updates[first..]
                .iter()
                .filter(|(_, ret)| *ret < op.call)
                .count();
            let lag = time_of(op.call).saturating_sub(time_of(replaced));
            let worst = measured.worst.as_ref();
            if worst.is_none_or(|worst| (newer, lag) > (worst.versions, worst.nanoseconds)) {
                measured.worst = Some(StaleRead {
                    key: taken.tables.value(part.key).cloned(),
                    number: op.number,
                    versions: newer,
                    nanoseconds: lag,
                });
            }
        }
    }
    Ok(measured)
}
