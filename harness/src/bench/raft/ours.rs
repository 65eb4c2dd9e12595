//! Our cluster: processes of this binary, driven by the public client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plumb_raft::client::{Client, ClientConfig, Outcome};
use plumb_raft::production::TcpNetwork;
use plumb_raft::seams::Clock;
use plumb_raft::types::NodeId;

use super::cluster::{Connection, free_addresses};
use super::load;
use super::node::Counters;
use super::process::{Process, last_words};
use crate::artifacts::create_folder;
use crate::cli::CliError;

/// A cluster that runs.
pub(super) struct Ours {
    addrs: BTreeMap<NodeId, String>,
    nodes: BTreeMap<NodeId, (Process, BufReader<ChildStdout>)>,
    /// Where the last connection found the leader.
    leader: NodeId,
    folder: PathBuf,
}

impl Ours {
    pub(super) fn start(nodes: u64, folder: &Path) -> Result<Ours, CliError> {
        create_folder(folder)?;
        let addrs: BTreeMap<NodeId, String> = (1..=nodes)
            .map(NodeId)
            .zip(free_addresses(nodes)?)
            .collect();
        let listed: Vec<String> = addrs.values().cloned().collect();
        let start = |id: NodeId| {
            let data = folder.join(id.to_string());
            let errors = folder.join(format!("{id}.log"));
            let arguments = [
                "bench".to_owned(),
                "raft-node".to_owned(),
                id.0.to_string(),
                data.display().to_string(),
                listed.join(","),
            ];
            let mut process = Process::of_ourselves(&arguments, Stdio::piped(), &errors)?;
            let output = process.output().expect("its standard output is a pipe");
            Ok((id, (process, BufReader::new(output))))
        };
        let nodes = addrs
            .keys()
            .map(|id| start(*id))
            .collect::<Result<_, CliError>>()?;
        Ok(Ours {
            addrs,
            nodes,
            leader: NodeId(1),
            folder: folder.to_owned(),
        })
    }

    fn client(&self, clock: &Arc<dyn Clock>) -> Client {
        let servers: Vec<(NodeId, String)> = self
            .addrs
            .iter()
            .map(|(id, addr)| (*id, addr.clone()))
            .collect();
        let first = servers.iter().position(|(id, _)| *id == self.leader);
        let config = ClientConfig {
            give_up_after: Duration::from_secs(20),
            ..ClientConfig::default()
        };
        let (clock, network) = (Arc::clone(clock), Arc::new(TcpNetwork));
        Client::new(servers, first.unwrap_or(0), config, clock, network)
    }

    pub(super) async fn connect(
        &mut self,
        clients: usize,
        clock: &Arc<dyn Clock>,
    ) -> Result<Vec<Connection>, CliError> {
        // The first one finds the leader for all.
        let mut first = self.client(clock);
        greet(&mut first).await.map_err(|why| self.silent(&why))?;
        self.leader = first.current_server();
        let others = (1..clients).map(|_| {
            let mut client = self.client(clock);
            async move { greet(&mut client).await.map(|()| client) }
        });
        let others = load::all(others).await;
        std::iter::once(Ok(first))
            .chain(others)
            .map(|client| client.map(|client| Connection::Ours(Box::new(client))))
            .collect::<Result<_, String>>()
            .map_err(|why| self.silent(&why))
    }

    fn silent(&self, why: &str) -> CliError {
        let log = self.folder.join(format!("{}.log", self.leader));
        CliError::new(
            format!("our cluster does not serve: {why}"),
            last_words(&log),
        )
    }

    pub(super) fn counters(&mut self) -> Result<Counters, CliError> {
        let log = self.folder.join(format!("{}.log", self.leader));
        let gone = |why: &str| {
            CliError::new(
                format!("node {} is gone: {why}", self.leader),
                last_words(&log),
            )
        };
        let (process, output) = self.nodes.get_mut(&self.leader).expect("leaders are nodes");
        let input = process.input.as_mut().expect("it is taken only at its end");
        let mut line = String::new();
        writeln!(input, "counters")
            .and_then(|()| output.read_line(&mut line))
            .map_err(|error| gone(&error.to_string()))?;
        serde_json::from_str(&line).map_err(|error| gone(&error.to_string()))
    }
}

/// A first write opens the session as well.
async fn greet(client: &mut Client) -> Result<(), String> {
    told(client.write("greeting", Bytes::new()).await)
}

/// What an outcome says, if it is no success.
pub(super) fn told<T>(outcome: Outcome<T>) -> Result<T, String> {
    match outcome {
        Outcome::Ok(value) => Ok(value),
        Outcome::Failed(why) | Outcome::Unknown(why) => Err(why.to_owned()),
    }
}
