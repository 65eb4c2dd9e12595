//! What clients do in a run: a [`Book`] says what comes next and writes down what became of it; an
//! [`Actor`] carries it out through the shipped client.

mod book;
mod operator;
mod txn;

use std::sync::Arc;
use std::time::Duration;

use plumb_raft::client::{Client, ClientConfig, Outcome};
use plumb_raft::core::ReadMode;
use plumb_raft::seams::Seams;
use plumb_raft::types::NodeId;

use crate::sim::seams::random::Stream;
use crate::sim::watch::now_ns;

pub use book::{Ask, Book, Got, MISMATCH, SharedRecorder, SharedScript};
pub use operator::{Operator, Task};

/// A client's patience, in simulation.
#[must_use]
pub fn patience() -> ClientConfig {
    ClientConfig {
        try_for: Duration::from_millis(300),
        give_up_after: Duration::from_millis(1_500),
        pause: Duration::from_millis(20),
        ..ClientConfig::default()
    }
}

/// One client of a run.
pub struct Actor {
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
            let node = client.current_server().to_string();
            let outcome = match self.book.begin(now_ns(), operation, &node) {
                Ask::Read(key) => got(client.read_by(&key, self.read_mode).await, Got::Value),
                Ask::Execute(operation) => got(client.execute(operation).await, Got::Reply),
            };
            if self.book.end(now_ns(), outcome) {
                client = self.new_client();
            }
        }
        // It stays connected: when a client leaves, the network draws for its last packets, and one
        // that has come to the end of its script would leave earlier than one that draws.
        std::future::pending::<()>().await;
    }

    fn new_client(&mut self) -> Client {
        let first = self.draw_server.index(self.servers.len());
        let Seams { clock, network, .. } = self.seams.clone();
        Client::new(
            self.servers.clone(),
            first,
            patience(),
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
