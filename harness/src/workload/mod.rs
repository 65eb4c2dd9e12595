//! What clients do in a run: a [`Book`] says what comes next and writes down what became of it; an
//! [`Actor`] carries it out through the shipped client.

mod actor;
mod book;
mod deed;
mod draw;
mod operator;
mod txn;
mod values;

use std::time::Duration;

use plumb_raft::client::ClientConfig;

use crate::scenario::{Contact, Scenario, ScriptedOperation, WorkloadKind};
use crate::sim::seams::random::Stream;

pub use actor::Actor;
pub use book::{Ask, Book, Books, DIED, Got, Then, was_served};
pub use operator::{Operator, Task};
pub use values::FIRST_BALANCE;
pub(crate) use values::key_name;

/// A client's patience, in simulation. Clients of queues, counters and banks insist on an answer: of an element that may
/// have been taken, or an amount that may have been added or moved, nobody can tell any more from what others see
/// whether it was, and checking takes for ever.
#[must_use]
pub fn patience(kind: WorkloadKind) -> ClientConfig {
    let give_up_after = match kind {
        WorkloadKind::Queue | WorkloadKind::Counter | WorkloadKind::Bank => {
            Duration::from_secs(600)
        }
        _ => Duration::from_millis(1_500),
    };
    ClientConfig {
        try_for: Duration::from_millis(300),
        give_up_after,
        pause: Duration::from_millis(20),
        ..ClientConfig::default()
    }
}

/// Which server a client turns to for an operation, by its place, if that is not left to the client.
#[must_use]
pub fn contact(scenario: &Scenario, operation: ScriptedOperation) -> Option<usize> {
    let servers = scenario.servers as usize;
    match scenario.workload.contact {
        Contact::Last => None,
        Contact::Pinned => Some(operation.client as usize % servers),
        // Of the operation, not of those before it: a script may drop any.
        Contact::Roaming => {
            let mut draw = Stream::derive(scenario.seed, "client.roams", operation.value);
            Some(draw.index(servers))
        }
    }
}
