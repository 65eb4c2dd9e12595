//! `plumb serve`: a real server, from the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::{CliError, Exit};
use crate::serve::{self, ServeConfig, Tls};

/// Runs a server of a replicated key-value store.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  Three servers on one machine, each in a terminal of its own:
    plumb serve --id 1 --data d1 --peer 1=127.0.0.1:7001 --peer 2=127.0.0.1:7002 --peer 3=127.0.0.1:7003
    plumb serve --id 2 --data d2 --peer 1=127.0.0.1:7001 --peer 2=127.0.0.1:7002 --peer 3=127.0.0.1:7003
    plumb serve --id 3 --data d3 --peer 1=127.0.0.1:7001 --peer 2=127.0.0.1:7002 --peer 3=127.0.0.1:7003
  A fourth one that joins them:
    plumb serve --id 4 --data d4 --listen 127.0.0.1:7004 --join
    plumb kv --at 127.0.0.1:7001 member add 4=127.0.0.1:7004
  From a file, with metrics:
    plumb serve --config n1.toml --metrics 127.0.0.1:9101

n1.toml:
  id = 1
  cluster = \"orders\"
  data = \"/var/lib/plumb/n1\"
  listen = \"0.0.0.0:7001\"
  election-ms = [150, 300]
  [peers]
  1 = \"10.0.0.1:7001\"
  2 = \"10.0.0.2:7001\"
  3 = \"10.0.0.3:7001\"
  [tls]
  ca = \"ca.pem\"
  cert = \"n1.pem\"
  key = \"n1.key\"

SIGTERM or Ctrl-C: a leader hands over, what was being written is finished, exit code 0. Exit code 2: it
could not start, or its disk failed and it had to stop.")]
pub struct ServeArgs {
    /// A TOML file with the settings; flags go before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// This server's number, from 1: unique in the cluster, and never used again.
    #[arg(long, value_name = "N")]
    id: Option<u64>,
    /// The cluster's name: servers and clients of another are sent away [default: plumb].
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The data folder; created if absent.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen [default: the address among the peers].
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where others reach this server [default: the address among the peers, or where it listens].
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// One of the first voters; once for each, this server included, the same on all.
    #[arg(long = "peer", value_name = "N=HOST:PORT")]
    peers: Vec<String>,
    /// Wait to be added to a cluster that runs.
    #[arg(long)]
    join: bool,
    /// Serve metrics for Prometheus at http://HOST:PORT/metrics.
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    /// What is logged to standard error: error, warn, info, debug or trace [default: info].
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Write every step of this server as JSON Lines, for `plumb conform`: for tests, as it takes some kilobytes a step.
    #[arg(long, value_name = "FILE")]
    record_steps: Option<PathBuf>,
    /// How far clocks run apart at most, in parts per million: turns leases on.
    #[arg(long, value_name = "PPM")]
    lease_drift_ppm: Option<u32>,
    /// A snapshot is taken whenever so many entries were applied; 0 for never [default: 16384].
    #[arg(long, value_name = "ENTRIES")]
    snapshot_every: Option<u64>,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Certificates, all or none.
#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// The authority's certificate (PEM), where the cluster uses TLS: both sides must show one that it signed.
    #[arg(long, value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    tls_ca: Option<PathBuf>,
    /// This side's certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_cert: Option<PathBuf>,
    /// This side's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_key: Option<PathBuf>,
    /// The name in servers' certificates, if it is not the host that is connected to.
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_server_name: Option<String>,
}

impl TlsArgs {
    /// The files, if any are named.
    pub(super) fn files(&self) -> Option<Tls> {
        Some(Tls {
            ca: self.tls_ca.clone()?,
            cert: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
            server_name: self.tls_server_name.clone(),
        })
    }
}

/// Runs the command.
///
/// # Errors
/// If the settings do not add up, the server can't start, or its disk fails.
pub fn run(args: &ServeArgs) -> Result<Exit, CliError> {
    let file = match &args.config {
        Some(path) => ServeConfig::read(path)?,
        None => ServeConfig::default(),
    };
    let mut resolved = file.overlaid(flags(args)?).resolve()?;
    resolved.record_steps.clone_from(&args.record_steps);
    serve::run(resolved)?;
    Ok(Exit::Holds)
}

fn flags(args: &ServeArgs) -> Result<ServeConfig, CliError> {
    let mut peers = BTreeMap::new();
    for peer in &args.peers {
        let Some((number, addr)) = peer.split_once('=') else {
            return Err(CliError::new(
                format!("--peer {peer}: neither number nor address"),
                "say which server listens where, as in --peer 1=127.0.0.1:7001",
            ));
        };
        peers.insert(number.to_owned(), addr.to_owned());
    }
    Ok(ServeConfig {
        id: args.id,
        cluster: args.cluster.clone(),
        data: args.data.clone(),
        listen: args.listen.clone(),
        advertise: args.advertise.clone(),
        peers,
        join: args.join.then_some(true),
        metrics: args.metrics.clone(),
        log: args.log.clone(),
        lease_drift_ppm: args.lease_drift_ppm,
        snapshot_every: args.snapshot_every,
        tls: args.tls.files(),
        ..ServeConfig::default()
    })
}
