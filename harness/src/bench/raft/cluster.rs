//! A cluster under test, ours or etcd, behind the few questions that a measurement has.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use plumb_raft::client::Client;
use plumb_raft::seams::Clock;

use super::etcd::{Etcd, EtcdClient};
use super::load::Operation;
use super::node::Counters;
use super::ours::{self, Ours};
use crate::cli::CliError;

/// Nodes that run.
pub(super) enum Cluster {
    /// Ours.
    Ours(Ours),
    /// etcd's.
    Etcd(Etcd),
}

/// A client's connection to a leader.
pub(super) enum Connection {
    /// Ours: the public client, with its session, its retries and its patience.
    Ours(Box<Client>),
    /// etcd's.
    Etcd(Box<EtcdClient>),
}

impl Cluster {
    /// Starts ours.
    pub(super) fn ours(nodes: u64, folder: &Path) -> Result<Cluster, CliError> {
        Ours::start(nodes, &folder.join("plumb")).map(Cluster::Ours)
    }

    /// Starts etcd's.
    pub(super) fn etcd(nodes: u64, folder: &Path) -> Result<Cluster, CliError> {
        Etcd::start(nodes, &folder.join("etcd")).map(Cluster::Etcd)
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Cluster::Ours(_) => "plumb",
            Cluster::Etcd(_) => "etcd",
        }
    }

    /// Connections to the leader, each of which has done an operation. Waits for a leader.
    pub(super) async fn connect(
        &mut self,
        clients: usize,
        clock: &Arc<dyn Clock>,
    ) -> Result<Vec<Connection>, CliError> {
        match self {
            Cluster::Ours(ours) => ours.connect(clients, clock).await,
            Cluster::Etcd(etcd) => etcd.connect(clients, clock).await,
        }
    }

    /// What the leader, as of the last connection, has done.
    pub(super) async fn counters(&mut self) -> Result<Counters, CliError> {
        match self {
            Cluster::Ours(ours) => ours.counters(),
            Cluster::Etcd(etcd) => etcd.counters().await,
        }
    }
}

impl Connection {
    /// One operation from call to answer; a read must find a value of `expected` bytes.
    pub(super) async fn perform(
        &mut self,
        operation: Operation,
        key: &str,
        value: &Bytes,
    ) -> Result<(), String> {
        let found = match (self, operation) {
            (Connection::Ours(client), Operation::Write) => {
                return ours::told(client.write(key, value.clone()).await);
            }
            (Connection::Etcd(client), Operation::Write) => return client.put(key, value).await,
            (Connection::Ours(client), _) => {
                let mode = operation.mode();
                ours::told(client.read_by(key, mode).await)?.map(|value| value.len())
            }
            (Connection::Etcd(client), _) => client.get(key).await?,
        };
        if found == Some(value.len()) {
            Ok(())
        } else {
            Err(format!(
                "{key}: {found:?} bytes were read, where {} were written",
                value.len()
            ))
        }
    }
}

/// Ports of loopback that nobody listens on at the moment.
pub(super) fn free_addresses(n: u64) -> Result<Vec<String>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(
            format!("loopback has no free port: {error}"),
            "does this machine have a network of its own?",
        )
    };
    // All at once, so that no port is handed out twice.
    let listeners: Vec<TcpListener> = (0..n)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    listeners
        .iter()
        .map(|listener| listener.local_addr().map(|addr| addr.to_string()))
        .collect::<Result<_, _>>()
        .map_err(failed)
}
