//! The load: closed loops, each client with one operation at a time over keys of its own. Latencies are kept one
//! by one, so quantiles are exact.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use plumb_raft::core::ReadMode;
use plumb_raft::seams::Clock;
use serde::Serialize;
use tokio::task::JoinSet;

use super::cluster::Connection;
use crate::cli::CliError;

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Sets a key.
    Write,
    /// Reads a key linearizably: the leader asks a majority whether it still leads.
    Read,
    /// Reads a key linearizably by the leader's lease; etcd has no such read.
    LeaseRead,
}

impl Operation {
    /// All of them, in the order of the table.
    pub const ALL: [Operation; 3] = [Operation::Write, Operation::Read, Operation::LeaseRead];

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Operation::Write => "write",
            Operation::Read => "read",
            Operation::LeaseRead => "lease-read",
        }
    }

    pub(super) fn is_of_etcd(self) -> bool {
        self != Operation::LeaseRead
    }

    pub(super) fn mode(self) -> ReadMode {
        match self {
            Operation::Write | Operation::Read => ReadMode::Leader,
            Operation::LeaseRead => ReadMode::Lease,
        }
    }
}

/// A measurement.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub(super) operation: Operation,
    pub(super) clients: usize,
    /// Bytes of a value.
    pub(super) value: usize,
    /// At least as many as clients.
    pub(super) keys: usize,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { clients, value, .. } = self;
        write!(
            f,
            "{}s of {value} bytes by {clients} clients",
            self.operation.name()
        )
    }
}

impl Load {
    /// A client's keys: no other client has them.
    fn keys_of(&self, client: usize) -> Vec<String> {
        (client..self.keys).step_by(self.clients).map(key).collect()
    }

    fn value(&self) -> Bytes {
        Bytes::from(vec![b'v'; self.value])
    }
}

/// The name of a key; all are of one length.
#[must_use]
pub fn key(number: usize) -> String {
    format!("key-{number:08}")
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Of every operation that began in the time measured and succeeded, ascending.
    pub(super) latencies: Vec<Duration>,
    /// Operations that failed, or whose fate is unknown.
    pub(super) failed: u64,
    /// Why one of them did.
    pub(super) why: Option<String>,
    /// From the beginning until the last of these operations had ended.
    pub(super) took: Duration,
}

/// Runs all at once and gathers what they come to.
pub(super) async fn all<T: Send + 'static>(
    tasks: impl IntoIterator<Item: Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut set: JoinSet<T> = tasks.into_iter().collect();
    let mut results = Vec::new();
    while let Some(result) = set.join_next().await {
        results.push(result.expect("clients don't panic"));
    }
    results
}

/// Each connection writes its first keys, as many as `each`.
pub(super) async fn fill(
    connections: Vec<Connection>,
    load: &Load,
    each: usize,
) -> Result<(), CliError> {
    let value = load.value();
    let fillers = connections
        .into_iter()
        .enumerate()
        .map(|(number, mut connection)| {
            let (keys, value) = (load.keys_of(number), value.clone());
            async move {
                for key in keys.iter().take(each) {
                    connection.perform(Operation::Write, key, &value).await?;
                }
                Ok::<(), String>(())
            }
        });
    let filled: Result<(), String> = all(fillers).await.into_iter().collect();
    filled.map_err(|why| {
        CliError::new(
            format!("the keys can't be written: {why}"),
            "is there room on the disk?",
        )
    })
}

/// Runs the load over these connections.
pub(super) async fn run(
    connections: Vec<Connection>,
    load: &Load,
    clock: &Arc<dyn Clock>,
    stop: &'static AtomicBool,
) -> Measured {
    assert_eq!(connections.len(), load.clients, "a connection a client");
    let begins = clock.now() + load.warm_up;
    let ends = begins + load.measured;
    let (operation, value) = (load.operation, load.value());
    let loops = connections
        .into_iter()
        .enumerate()
        .map(|(number, mut connection)| {
            let (keys, value, clock) = (load.keys_of(number), value.clone(), Arc::clone(clock));
            async move {
                let mut measured = Measured::default();
                for key in keys.iter().cycle() {
                    let called = clock.now();
                    if called >= ends || stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let outcome = connection.perform(operation, key, &value).await;
                    let answered = clock.now();
                    match outcome {
                        Ok(()) if called >= begins => {
                            measured.latencies.push(answered - called);
                            measured.took = answered - begins;
                        }
                        Ok(()) => {}
                        Err(why) => {
                            measured.failed += 1;
                            measured.why = Some(why);
                            // A cluster that is gone shall not make this a busy loop.
                            clock.sleep(Duration::from_millis(10)).await;
                        }
                    }
                }
                measured
            }
        });
    let mut sum = Measured::default();
    for one in all(loops).await {
        sum.latencies.extend(one.latencies);
        sum.failed += one.failed;
        sum.why = sum.why.or(one.why);
        sum.took = sum.took.max(one.took);
    }
    sum.latencies.sort_unstable();
    sum
}
