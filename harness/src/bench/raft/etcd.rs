//! etcd, from the PATH, in our cluster's place: its defaults, its own gRPC interface, a connection a client.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use plumb_raft::seams::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cluster::{Connection, free_addresses};
use super::grpc::{Grpc, message};
use super::load;
use super::node::Counters;
use super::process::{Process, last_words};
use super::protobuf::{bytes, number, write_bytes};
use crate::artifacts::create_folder;
use crate::cli::CliError;

/// How long it may take to serve.
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster that runs; it ends when this is dropped.
pub(super) struct Etcd {
    clients: Vec<String>,
    _nodes: Vec<Process>,
    folder: PathBuf,
    /// Where the last connection found the leader.
    leader: String,
}

/// The version on the PATH.
pub(super) fn version() -> Result<String, CliError> {
    let output = Command::new("etcd").arg("--version").output();
    let output = output.map_err(|error| {
        CliError::new(
            format!("cannot run etcd: {error}"),
            "put etcd on the PATH (Debian: etcd-server), or leave --against out",
        )
    })?;
    let words = String::from_utf8_lossy(&output.stdout);
    let version = words
        .lines()
        .find_map(|line| line.strip_prefix("etcd Version: "));
    version.map(str::to_owned).ok_or_else(|| {
        CliError::new(
            format!("`etcd --version` does not name its version: {words}"),
            "is it really etcd?",
        )
    })
}

impl Etcd {
    pub(super) fn start(nodes: u64, folder: &Path) -> Result<Etcd, CliError> {
        create_folder(folder)?;
        let clients = free_addresses(nodes)?;
        let peers = free_addresses(nodes)?;
        let cluster: Vec<String> = peers
            .iter()
            .enumerate()
            .map(|(number, peer)| format!("n{number}=http://{peer}"))
            .collect();
        let processes = clients
            .iter()
            .zip(&peers)
            .enumerate()
            .map(|(number, (client, peer))| {
                let data = folder.join(format!("n{number}"));
                let mut arguments: Vec<String> =
                    ["bench", "raft-guard", "etcd"].map(str::to_owned).into();
                for (name, value) in [
                    ("name", format!("n{number}")),
                    ("data-dir", data.display().to_string()),
                    ("listen-client-urls", format!("http://{client}")),
                    ("advertise-client-urls", format!("http://{client}")),
                    ("listen-peer-urls", format!("http://{peer}")),
                    ("initial-advertise-peer-urls", format!("http://{peer}")),
                    ("initial-cluster", cluster.join(",")),
                    ("logger", "zap".to_owned()),
                    ("log-level", "warn".to_owned()),
                ] {
                    arguments.push(format!("--{name}={value}"));
                }
                let errors = folder.join(format!("n{number}.log"));
                Process::of_ourselves(&arguments, Stdio::null(), &errors)
            })
            .collect::<Result<_, _>>()?;
        Ok(Etcd {
            leader: clients[0].clone(),
            clients,
            _nodes: processes,
            folder: folder.to_owned(),
        })
    }

    pub(super) async fn connect(
        &mut self,
        clients: usize,
        clock: &Arc<dyn Clock>,
    ) -> Result<Vec<Connection>, CliError> {
        let deadline = clock.now() + PATIENCE;
        loop {
            match self.try_connect(clients).await {
                Ok(connections) => return Ok(connections),
                Err(why) if clock.now() > deadline => return Err(self.silent(&why)),
                Err(_) => clock.sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn try_connect(&mut self, clients: usize) -> Result<Vec<Connection>, String> {
        self.leader = self.find_leader().await?;
        let connecting = (0..clients).map(|_| {
            let addr = self.leader.clone();
            async move {
                let mut client = EtcdClient::connect(&addr).await?;
                client.put("greeting", &Bytes::new()).await?;
                Ok(Connection::Etcd(Box::new(client)))
            }
        });
        load::all(connecting).await.into_iter().collect()
    }

    /// The node that says of itself that it leads.
    async fn find_leader(&self) -> Result<String, String> {
        for addr in &self.clients {
            let mut grpc = Grpc::connect(addr).await?;
            let method = grpc.method("/etcdserverpb.Maintenance/Status");
            let status = grpc.call(&method, message(|_| ())).await?;
            // StatusResponse: 1 is the header, of which 2 is the member's id; 4 is the leader's.
            let me = bytes(&status, 1).and_then(|header| number(header, 2));
            if me.is_some() && me == number(&status, 4) {
                return Ok(addr.clone());
            }
        }
        Err("no node leads".to_owned())
    }

    fn silent(&self, why: &str) -> CliError {
        let log = self.folder.join("n0.log");
        CliError::new(format!("etcd does not serve: {why}"), last_words(&log))
    }

    /// By its own metrics.
    pub(super) async fn counters(&mut self) -> Result<Counters, CliError> {
        let metrics = metrics(&self.leader)
            .await
            .map_err(|error| self.silent(&error.to_string()))?;
        let of = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<f64>().ok())
                .ok_or_else(|| self.silent(&format!("its metrics have no {name}")))
        };
        Ok(Counters {
            entries: of("etcd_server_proposals_applied_total ")? as u64,
            syncs: of("etcd_disk_wal_fsync_duration_seconds_count ")? as u64,
        })
    }
}

async fn metrics(addr: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    stream
        .write_all(format!("GET /metrics HTTP/1.0\r\nHost: {addr}\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// A client with one question at a time.
pub(super) struct EtcdClient {
    grpc: Grpc,
    put: Uri,
    range: Uri,
}

impl EtcdClient {
    async fn connect(addr: &str) -> Result<EtcdClient, String> {
        let grpc = Grpc::connect(addr).await?;
        Ok(EtcdClient {
            put: grpc.method("/etcdserverpb.KV/Put"),
            range: grpc.method("/etcdserverpb.KV/Range"),
            grpc,
        })
    }

    /// Sets a key: `PutRequest {1: key, 2: value}`.
    pub(super) async fn put(&mut self, key: &str, value: &Bytes) -> Result<(), String> {
        let request = message(|out| {
            write_bytes(out, 1, key.as_bytes());
            write_bytes(out, 2, value);
        });
        self.grpc.call(&self.put, request).await.map(drop)
    }

    /// The length of a key's value, linearizably, as is etcd's default: `RangeRequest {1: key}` is answered by
    /// `{2: [{5: value}]}`.
    pub(super) async fn get(&mut self, key: &str) -> Result<Option<usize>, String> {
        let request = message(|out| write_bytes(out, 1, key.as_bytes()));
        let answer = self.grpc.call(&self.range, request).await?;
        let found = bytes(&answer, 2);
        Ok(found.map(|found| bytes(found, 5).map_or(0, <[u8]>::len)))
    }
}
