//! Service after healing: a cluster that elects and commits, but answers nobody, is of no use. Judged by
//! the clients' history alone, so that it sees what the observers within the servers can't: answers that
//! are lost, or mean nothing to who gets them.

use plumb_histories::{History, Operation, Outcome, Value};

use crate::scenario::{Fault, FaultKind, Scenario};
use crate::workload::{DIED, was_served};

const NS_PER_MS: u64 = 1_000_000;

/// What is wrong, if clients were left without service: of the operations of a kind that were begun once
/// the healed cluster was due to be alive, not one was served.
///
/// None, and not each: one may meet a leader that is handing over, or the last of the changes that an
/// operator asked for.
pub(super) fn lack_of_service(scenario: &Scenario, history: &History) -> Option<String> {
    // Who changes the membership may have to wait for new voters that catch up.
    let changes = |fault: &Fault| matches!(fault.what, FaultKind::Membership { .. });
    if scenario.live_within_ms == 0 || scenario.faults.iter().any(changes) {
        return None;
    }
    let alive_ns = (scenario.heal_at_ms + scenario.live_within_ms) * NS_PER_MS;
    for (kind, is_read) in [("read", true), ("change", false)] {
        let begun: Vec<Operation<'_>> = history
            .operations()
            .filter(|operation| operation.invocation.time_ns >= alive_ns)
            .filter(|operation| reads_only(operation) == is_read)
            // What the end of the run cut off is nobody's fault, nor that a client died.
            .filter(|operation| operation.completion.is_some() && !left_by_its_client(operation))
            .collect();
        if let Some(last) = begun.last().filter(|_| !begun.iter().any(served)) {
            let why = last.completion.and_then(|event| event.error.as_deref());
            return Some(format!(
                "not one of {} {kind}s was served that began {} ms after healing or later: {}",
                begun.len(),
                scenario.live_within_ms,
                why.unwrap_or("no reason was given")
            ));
        }
    }
    None
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
