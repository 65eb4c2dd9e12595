//! A client that carries out what its book says, through the shipped client: one that dies and never knows, one that comes
//! back with the session that it had saved, and one whose requests arrive again long after.

use std::time::Duration;

use plumb_raft::client::{Client, Outcome, SavedSession};
use plumb_raft::core::ReadMode;
use plumb_raft::kv::{Operation, Reply};
use plumb_raft::seams::Seams;
use plumb_raft::types::NodeId;

use super::{Ask, Book, Got, Then, contact, patience};
use crate::scenario::{Scenario, ScriptedOperation};
use crate::sim::seams::random::Stream;
use crate::sim::watch::now_ns;

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
            if !self.carry_out(&mut client, ask, operation).await {
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
    async fn carry_out(
        &mut self,
        client: &mut Client,
        ask: Ask,
        operation: ScriptedOperation,
    ) -> bool {
        let mut asking = Asking::new(ask, self.read_mode);
        let goes_on = match operation.dies_after_us {
            None => asking.act(&mut self.book, client).await,
            Some(after_us) => {
                let lived = tokio::select! {
                    biased;
                    goes_on = asking.act(&mut self.book, client) => Some(goes_on),
                    () = tokio::time::sleep(Duration::from_micros(after_us)) => None,
                };
                match (lived, operation.returns_after_us) {
                    (Some(goes_on), _) => goes_on,
                    (None, None) => {
                        self.book.die(now_ns());
                        false
                    }
                    (None, Some(away_us)) => {
                        self.book.go_away();
                        *client = self.successor(client.save());
                        tokio::time::sleep(Duration::from_micros(away_us)).await;
                        self.book.come_back();
                        asking.again = true;
                        asking.act(&mut self.book, client).await
                    }
                }
            }
        };
        if let (Some(after_us), Some(told)) = (operation.repeats_after_us, asking.told) {
            self.repeat(client, told, after_us);
        }
        goes_on
    }

    /// The last request of this client's session arrives once more, whatever its client does meanwhile.
    fn repeat(&mut self, client: &Client, (operation, first): (Operation, Reply), after_us: u64) {
        let Some(saved) = client.save() else { return };
        let servers = self.servers.iter();
        let place = servers
            .map(|(id, _)| *id)
            .position(|id| id == client.current_server());
        let mut late = self.client(place.unwrap_or(0));
        late.resume(saved);
        let books = self.book.books().clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_micros(after_us)).await;
            if let Outcome::Ok(again) = late.execute_again(operation).await {
                books.told_again(now_ns(), &first, &again);
            }
        });
    }

    /// Another process that goes on with the session of one that died, if there was one.
    fn successor(&mut self, saved: Option<SavedSession>) -> Client {
        let mut client = self.new_client();
        if let Some(saved) = saved {
            client.resume(saved);
        }
        client
    }

    fn new_client(&mut self) -> Client {
        let first = self.draw_server.index(self.servers.len());
        self.client(first)
    }

    fn client(&self, first: usize) -> Client {
        let Seams { clock, network, .. } = self.seams.clone();
        Client::new(
            self.servers.clone(),
            first,
            patience(self.scenario.workload.kind),
            clock,
            network,
        )
    }
}

/// What a client asks for, until an operation is over.
struct Asking {
    ask: Ask,
    mode: ReadMode,
    /// It was asked for before, by a process that died.
    again: bool,
    /// The last request that may have changed something, and what its client was told.
    told: Option<(Operation, Reply)>,
}

impl Asking {
    fn new(ask: Ask, mode: ReadMode) -> Asking {
        Asking {
            ask,
            mode,
            again: false,
            told: None,
        }
    }

    /// Whether the client can go on with its session.
    async fn act(&mut self, book: &mut Book, client: &mut Client) -> bool {
        loop {
            let outcome = self.ask_once(client).await;
            self.again = false;
            self.told = match (&self.ask, &outcome) {
                (Ask::Execute(operation), Outcome::Ok(Got::Reply(reply))) => {
                    Some((operation.clone(), reply.clone()))
                }
                _ => None,
            };
            match book.hear(now_ns(), outcome) {
                Then::Ask(next) => self.ask = next,
                Then::Done => return true,
                Then::Retired => return false,
            }
        }
    }

    async fn ask_once(&self, client: &mut Client) -> Outcome<Got> {
        match &self.ask {
            Ask::Read(key) => got(client.read_by(key, self.mode).await, Got::Value),
            Ask::Execute(operation) if self.again => {
                let told = client.execute_again(operation.clone()).await;
                got(told, Got::Reply)
            }
            Ask::Execute(operation) => got(client.execute(operation.clone()).await, Got::Reply),
        }
    }
}

fn got<T>(outcome: Outcome<T>, got: impl FnOnce(T) -> Got) -> Outcome<Got> {
    match outcome {
        Outcome::Ok(value) => Outcome::Ok(got(value)),
        Outcome::Failed(why) => Outcome::Failed(why),
        Outcome::Unknown(why) => Outcome::Unknown(why),
    }
}
