//! A server's configuration: a TOML file, flags over it, and what both must add up to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plumb_raft::core::{CoreConfig, lease_duration};
use plumb_raft::net::TlsFiles;
use plumb_raft::net::protocol::DEFAULT_CLUSTER;
use plumb_raft::server::ServerConfig;
use plumb_raft::types::NodeId;
use serde::Deserialize;

use crate::cli::CliError;

/// The file, and the flags in its shape: whatever is left out has a default or comes from the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServeConfig {
    /// This server's number, from 1, unique in the cluster and never used again.
    pub id: Option<u64>,
    /// The cluster's name.
    pub cluster: Option<String>,
    /// The data folder.
    pub data: Option<PathBuf>,
    /// Where to listen, `host:port`.
    pub listen: Option<String>,
    /// Where others reach this server, if not where it listens.
    pub advertise: Option<String>,
    /// The first voters: number to address, the same on each of them. None for a server that is to be added.
    #[serde(default)]
    pub peers: BTreeMap<String, String>,
    /// This server waits to be added to a cluster that runs.
    pub join: Option<bool>,
    /// Where metrics are served over HTTP, if anywhere.
    pub metrics: Option<String>,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`.
    pub log: Option<String>,
    /// Election timeout, milliseconds: the least and the most.
    pub election_ms: Option<[u64; 2]>,
    /// Heartbeat interval, milliseconds.
    pub heartbeat_ms: Option<u64>,
    /// A snapshot is taken whenever so many entries were applied.
    pub snapshot_every: Option<u64>,
    /// How far this machine's clock runs from the others' at most, parts per million: turns leases on.
    pub lease_drift_ppm: Option<u32>,
    /// Certificates.
    pub tls: Option<Tls>,
}

/// Certificates, each a PEM file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tls {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// This side's certificate.
    pub cert: PathBuf,
    /// This side's private key.
    pub key: PathBuf,
    /// The name in servers' certificates, if it is not the host that is connected to.
    pub server_name: Option<String>,
}

impl Tls {
    /// The files in the shape that the network takes them.
    #[must_use]
    pub fn files(&self) -> TlsFiles {
        TlsFiles {
            authority: self.ca.clone(),
            certificate: self.cert.clone(),
            key: self.key.clone(),
            server_name: self.server_name.clone(),
        }
    }
}

/// What a server is started with.
#[derive(Debug)]
pub struct Resolved {
    /// The server's settings.
    pub server: ServerConfig,
    /// The data folder.
    pub data: PathBuf,
    /// Where metrics are served.
    pub metrics: Option<String>,
    /// What is logged.
    pub log: tracing::Level,
    /// Certificates.
    pub tls: Option<TlsFiles>,
    /// Where every step is written down, for `plumb conform`.
    pub record_steps: Option<PathBuf>,
}

impl ServeConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// If it can't be read or is no configuration; names file and line.
    pub fn read(path: &Path) -> Result<ServeConfig, CliError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::new(
                format!("cannot read {}: {error}", path.display()),
                "name a TOML file; `plumb serve --help` shows one",
            )
        })?;
        toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            CliError::new(
                format!("{}:{line}: {}", path.display(), error.message()),
                "correct the file; `plumb serve --help` shows one",
            )
        })
    }

    /// This configuration with another laid over it.
    #[must_use]
    pub fn overlaid(self, over: ServeConfig) -> ServeConfig {
        ServeConfig {
            id: over.id.or(self.id),
            cluster: over.cluster.or(self.cluster),
            data: over.data.or(self.data),
            listen: over.listen.or(self.listen),
            advertise: over.advertise.or(self.advertise),
            peers: if over.peers.is_empty() {
                self.peers
            } else {
                over.peers
            },
            join: over.join.or(self.join),
            metrics: over.metrics.or(self.metrics),
            log: over.log.or(self.log),
            election_ms: over.election_ms.or(self.election_ms),
            heartbeat_ms: over.heartbeat_ms.or(self.heartbeat_ms),
            snapshot_every: over.snapshot_every.or(self.snapshot_every),
            lease_drift_ppm: over.lease_drift_ppm.or(self.lease_drift_ppm),
            tls: over.tls.or(self.tls),
        }
    }

    /// What the server is started with.
    ///
    /// # Errors
    /// What is missing or contradicts itself.
    pub fn resolve(self) -> Result<Resolved, CliError> {
        let id = NodeId(need(self.id, "id", "1")?);
        if id.0 == 0 {
            return Err(wrong("id is 0", "servers are numbered from 1"));
        }
        let data = need(self.data, "data", "/var/lib/plumb/n1")?;
        let mut peers = BTreeMap::new();
        for (number, addr) in &self.peers {
            peers.insert(number_of(number)?, address(addr)?);
        }
        let joins = self.join.unwrap_or(false);
        if joins && !peers.is_empty() {
            return Err(wrong(
                "a server that joins knows of no first voters, and peers are given",
                "leave out either `join` or `peers`: `plumb kv member add` tells it who takes part",
            ));
        }
        if !joins && !peers.contains_key(&id) {
            return Err(wrong(
                &format!("{id} is not among its peers"),
                "name all first voters, this one included, as in `--peer 1=127.0.0.1:7001`; or say \
                 `--join` and add it with `plumb kv member add`",
            ));
        }
        let listen = match (self.listen, peers.get(&id)) {
            (Some(listen), _) => address(&listen)?,
            (None, Some(own)) => own.clone(),
            (None, None) => return Err(missing("listen", "127.0.0.1:7001")),
        };
        let mut server = if joins {
            ServerConfig::joining(id, &listen)
        } else {
            ServerConfig::new(id, &peers)
        };
        server.advertise = match (self.advertise, peers.remove(&id)) {
            (Some(own), _) => address(&own)?,
            (None, own) => own.unwrap_or_else(|| listen.clone()),
        };
        server.listen = listen;
        server.cluster = self.cluster.unwrap_or_else(|| DEFAULT_CLUSTER.to_owned());
        if let Some([least, most]) = self.election_ms {
            server.election_timeout = (Duration::from_millis(least), Duration::from_millis(most));
        }
        if let Some(heartbeat) = self.heartbeat_ms {
            server.heartbeat = Duration::from_millis(heartbeat);
        }
        let (least, most) = server.election_timeout;
        if server.heartbeat.is_zero() || 2 * server.heartbeat > least || least > most {
            return Err(wrong(
                &format!(
                    "elections after {least:?} to {most:?} with heartbeats every {:?} can't work",
                    server.heartbeat
                ),
                "let at least two heartbeats fit into the least election timeout, as in `election-ms = \
                 [150, 300]` and `heartbeat-ms = 50`",
            ));
        }
        if let Some(every) = self.snapshot_every {
            server.snapshot_every = every.into();
        }
        if let Some(ppm) = self.lease_drift_ppm {
            server.core = CoreConfig {
                lease: lease_duration(least, ppm),
                ..server.core
            };
        }
        Ok(Resolved {
            server,
            data,
            metrics: self.metrics.map(|addr| address(&addr)).transpose()?,
            log: level(self.log.as_deref().unwrap_or("info"))?,
            tls: self.tls.as_ref().map(Tls::files),
            record_steps: None,
        })
    }
}

fn level(name: &str) -> Result<tracing::Level, CliError> {
    name.parse().map_err(|_| {
        wrong(
            &format!("{name:?} is no level of logging"),
            "say error, warn, info, debug or trace",
        )
    })
}

/// A server's number, with or without its `n`.
///
/// # Errors
/// If it is none.
pub fn number_of(text: &str) -> Result<NodeId, CliError> {
    let number = text.strip_prefix('n').unwrap_or(text).parse();
    match number {
        Ok(number @ 1..) => Ok(NodeId(number)),
        _ => Err(wrong(
            &format!("{text:?} is no server's number"),
            "say a number from 1 on, as in `1` or `n1`",
        )),
    }
}

/// An address that can be connected to, as far as one can tell by looking.
///
/// # Errors
/// If it is none.
pub fn address(text: &str) -> Result<String, CliError> {
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(_) => Ok(text.to_owned()),
        None => Err(wrong(
            &format!("{text:?} is no address"),
            "say host and port, as in 127.0.0.1:7001",
        )),
    }
}

fn need<T>(value: Option<T>, name: &str, example: &str) -> Result<T, CliError> {
    value.ok_or_else(|| missing(name, example))
}

fn missing(name: &str, example: &str) -> CliError {
    wrong(
        &format!("{name} is not set"),
        &format!("say `--{name} {example}`, or set `{name}` in the file that --config names"),
    )
}

fn wrong(what: &str, remedy: &str) -> CliError {
    CliError::new(what, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Resolved, CliError> {
        let config: ServeConfig = toml::from_str(text).expect("TOML of the right shape");
        config.resolve()
    }

    const ONE: &str = "id = 1\ndata = \"d\"\n";

    #[test]
    fn a_first_voter_listens_where_its_peers_look_for_it() {
        let text = format!("{ONE}[peers]\n1 = \"a:1\"\nn2 = \"b:2\"\n");
        let found = parsed(&text).expect("it is complete");
        assert_eq!(found.server.listen, "a:1");
        assert_eq!(found.server.core.voters.len(), 2);
        assert_eq!(found.server.core.addresses[&NodeId(2)], "b:2");
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_said_with_its_remedy() {
        let cases = [
            ("data = \"d\"", "id is not set"),
            ("id = 1", "data is not set"),
            (ONE, "n1 is not among its peers"),
            ("id = 0\ndata = \"d\"", "id is 0"),
            ("id = 1\ndata = \"d\"\njoin = true", "listen is not set"),
            (
                "id = 1\ndata = \"d\"\njoin = true\n[peers]\n1 = \"a:1\"",
                "knows of no first voters",
            ),
            ("id = 1\ndata = \"d\"\n[peers]\n1 = \"a\"", "no address"),
            (
                "id = 1\ndata = \"d\"\n[peers]\nx = \"a:1\"",
                "no server's number",
            ),
            (
                "id = 1\ndata = \"d\"\nheartbeat-ms = 200\n[peers]\n1 = \"a:1\"",
                "can't work",
            ),
            (
                "id = 1\ndata = \"d\"\nlog = \"loud\"\n[peers]\n1 = \"a:1\"",
                "no level of logging",
            ),
        ];
        for (text, expected) in cases {
            let error = parsed(text).expect_err(text);
            assert!(error.what.contains(expected), "{text}: {error}");
            assert!(!error.remedy.is_empty());
        }
    }

    #[test]
    fn flags_lie_over_the_file() {
        let file: ServeConfig = toml::from_str("id = 1\nlog = \"warn\"").expect("TOML");
        let flags = ServeConfig {
            id: Some(2),
            ..ServeConfig::default()
        };
        let both = file.overlaid(flags);
        assert_eq!((both.id, both.log.as_deref()), (Some(2), Some("warn")));
    }
}
