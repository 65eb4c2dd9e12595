//! Service after healing: a cluster that elects and commits, but answers nobody, is of no use. Judged by
//! the clients' history alone, so that it sees what the observers within the servers can't: answers that
//! are lost, or mean nothing to who gets them.

use plumb_histories::{History, Operation, Outcome, Value};

use crate::scenario::Scenario;
use crate::workload::{DIED, was_served};

const NS_PER_MS: u64 = 1_000_000;

/// Who has waited this long while the cluster was due to be alive has been refused: several tries.
const WAITED_NS: u64 = 500 * NS_PER_MS;

/// What is wrong, if clients were left without service: of the operations of a kind that were under way once the healed
/// cluster was due to be alive, not one was served.
///
/// None, and not each: one may meet a leader that is handing over, or the last of the changes that an
/// operator asked for.
pub(super) fn lack_of_service(scenario: &Scenario, history: &History) -> Option<String> {
    if scenario.live_within_ms == 0 {
        return None;
    }
    let alive_ns = (scenario.heal_at_ms + scenario.live_within_ms) * NS_PER_MS;
    let end_ns = scenario.end_at_ms * NS_PER_MS;
    for (kind, is_read) in [("read", true), ("change", false)] {
        let under_way: Vec<Operation<'_>> = history
            .operations()
            .filter(|operation| reads_only(operation) == is_read)
            .filter(|operation| {
                let completion = operation.completion;
                completion.is_none_or(|event| event.time_ns >= alive_ns)
            })
            .collect();
        let refused: Vec<&Operation<'_>> = under_way
            .iter()
            .filter(|operation| refused(operation, alive_ns, end_ns))
            .collect();
        if let Some(last) = refused.last().filter(|_| !under_way.iter().any(served)) {
            let why = last.completion.and_then(|event| event.error.as_deref());
            return Some(format!(
                "not one of {} {kind}s was served that were asked for {} ms after healing or later, or were still waiting: {}",
                refused.len(),
                scenario.live_within_ms,
                why.unwrap_or("no reason was given")
            ));
        }
    }
    None
}

/// Whether an operation was turned away, or kept waiting, while the cluster was due to be alive. What the end of the run cut
/// off before it had waited is nobody's fault, nor that a client died, nor that a queue was empty.
fn refused(operation: &Operation<'_>, alive_ns: u64, end_ns: u64) -> bool {
    if left_by_its_client(operation) || served(operation) {
        return false;
    }
    let begun_ns = operation.invocation.time_ns;
    match operation.completion {
        Some(_) if begun_ns >= alive_ns => true,
        Some(event) => event.time_ns - alive_ns >= WAITED_NS,
        None if operation.f() == "dequeue" => false,
        None => end_ns.saturating_sub(begun_ns.max(alive_ns)) >= WAITED_NS,
    }
}

/// Whether it changes nothing: a read, or a transaction of reads.
fn reads_only(operation: &Operation<'_>) -> bool {
    let steps = operation.invocation.value.as_list();
    match operation.f() {
        "txn" => steps.is_some_and(|steps| {
            let f = |step: &Value| Some(step.as_list()?.first()?.as_str()? == "r");
            steps.iter().all(|step| f(step) == Some(true))
        }),
        f => matches!(f, "read" | "get"),
    }
}

/// Its client died before it could be served.
fn left_by_its_client(operation: &Operation<'_>) -> bool {
    let error = operation
        .completion
        .and_then(|event| event.error.as_deref());
    error == Some(DIED)
}

/// A compare-and-set that found another value was served, too, and a transfer that was not covered.
fn served(operation: &Operation<'_>) -> bool {
    let error = operation
        .completion
        .and_then(|event| event.error.as_deref());
    operation.outcome() == Outcome::Ok || was_served(error)
}
