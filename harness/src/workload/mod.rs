//! What clients do in a run: a [`Book`] says what comes next and writes down what became of it; an
//! [`Actor`] carries it out through the shipped client.

mod book;
mod deed;
mod draw;
mod operator;
mod txn;
mod values;

use std::sync::Arc;
use std::time::Duration;

use plumb_raft::client::{Client, ClientConfig, Outcome};
use plumb_raft::core::ReadMode;
use plumb_raft::seams::Seams;
use plumb_raft::types::NodeId;

use crate::scenario::{Contact, Scenario, ScriptedOperation, WorkloadKind};
use crate::sim::seams::random::Stream;
use crate::sim::watch::now_ns;

pub use book::{Ask, Book, Books, Got, Then, was_served};
pub use operator::{Operator, Task};
pub use values::FIRST_BALANCE;
pub(crate) use values::key_name;

/// A client's patience, in simulation. Clients of queues and counters insist on an answer: of an element that may have
/// been taken, or an amount that may have been added, nobody can tell any more from what others see whether it was,
/// and checking takes for ever.
#[must_use]
pub fn patience(kind: WorkloadKind) -> ClientConfig {
    let give_up_after = match kind {
        WorkloadKind::Queue | WorkloadKind::Counter => Duration::from_secs(600),
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

/// One client of a run.
pub struct Actor {
    /// The run.
    pub scenario: Scenario,
    /// What it does.
    pub book: Book,
    /// Where the servers are.
    pub servers: Vec<(NodeId, String)>,
    /// Its clock and network.
    pub seams: Seams,
    /// Which server it turns to first; a stream of its own, so that a script disturbs nothing.
    pub draw_server: Stream,
    /// How it reads.
    pub read_mode: ReadMode,
    /// It starts nothing from here on (simulated).
    pub until: Duration,
}

impl Actor {
    /// Acts until its time or its script is over, and never returns.
    pub async fn run(mut self) {
        let mut client = self.new_client();
        while let Some(operation) = self.book.next(now_ns() / 1_000) {
            let wait = operation.at_us.saturating_sub(now_ns() / 1_000);
            tokio::time::sleep(Duration::from_micros(wait)).await;
            if Duration::from_nanos(now_ns()) >= self.until {
                break;
            }
            if let Some(place) = contact(&self.scenario, operation) {
                client.turn_to(self.contact_for(operation, place));
            }
            let node = client.current_server().to_string();
            let ask = self.book.begin(now_ns(), operation, &node);
            if !self
                .carry_out(&mut client, ask, operation.dies_after_us)
                .await
            {
                client = self.new_client();
            }
        }
        // It stays connected: when a client leaves, the network draws for its last packets, and one
        // that has come to the end of its script would leave earlier than one that draws.
        std::future::pending::<()>().await;
    }

    /// A client that may read anywhere goes on to the next server for each read: from the one before its own.
    fn contact_for(&self, operation: ScriptedOperation, place: usize) -> usize {
        let goes_on =
            self.read_mode == ReadMode::Anywhere && self.book.begins_with_a_read(operation);
        let servers = self.servers.len();
        if goes_on {
            (place + servers - 1) % servers
        } else {
            place
        }
    }

    /// Whether the client can go on with its session.
    async fn carry_out(&mut self, client: &mut Client, ask: Ask, dies: Option<u64>) -> bool {
        let (book, mode) = (&mut self.book, self.read_mode);
        let acts = async {
            let mut ask = ask;
            loop {
                let outcome = match ask {
                    Ask::Read(key) => got(client.read_by(&key, mode).await, Got::Value),
                    Ask::Execute(operation) => got(client.execute(operation).await, Got::Reply),
                };
                match book.hear(now_ns(), outcome) {
                    Then::Ask(next) => ask = next,
                    Then::Done => return true,
                    Then::Retired => return false,
                }
            }
        };
        let Some(after_us) = dies else {
            return acts.await;
        };
        let lived = tokio::select! {
            biased;
            goes_on = acts => Some(goes_on),
            () = tokio::time::sleep(Duration::from_micros(after_us)) => None,
        };
        lived.unwrap_or_else(|| {
            self.book.die(now_ns());
            false
        })
    }

    fn new_client(&mut self) -> Client {
        let first = self.draw_server.index(self.servers.len());
        let Seams { clock, network, .. } = self.seams.clone();
        Client::new(
            self.servers.clone(),
            first,
            patience(self.scenario.workload.kind),
            clock,
            Arc::clone(&network),
        )
    }
}

fn got<T>(outcome: Outcome<T>, got: impl FnOnce(T) -> Got) -> Outcome<Got> {
    match outcome {
        Outcome::Ok(value) => Outcome::Ok(got(value)),
        Outcome::Failed(why) => Outcome::Failed(why),
        Outcome::Unknown(why) => Outcome::Unknown(why),
    }
}
