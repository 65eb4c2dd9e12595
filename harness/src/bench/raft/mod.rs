//! What our server does under load, and what etcd does in its place: the same machine, disk, number of nodes,
//! clients and keys, one after the other in turns. Nodes are processes with real disks; what is measured is
//! what a client sees, from its call to its answer.

mod cluster;
mod etcd;
mod grpc;
mod load;
pub mod node;
mod ours;
pub mod process;
mod protobuf;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plumb_raft::production::TokioClock;
use plumb_raft::seams::Clock;

use crate::artifacts::create_folder;
use crate::cli::CliError;
use cluster::Cluster;
use load::{Load, Measured};

pub use load::{Operation, key};
pub use report::{Figures, Ratios, Report, Row};

/// How long both clusters are left alone between two measurements: what one has left behind (a disk's cache,
/// garbage) shall not cost the other.
const PAUSE: Duration = Duration::from_millis(200);
/// How many connections fill the keys before anything is measured.
const FILLERS: usize = 64;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Order {
    /// How many clients at once, a case each.
    pub clients: Vec<usize>,
    /// How many bytes a value has, a case each.
    pub values: Vec<usize>,
    /// How long a measurement takes.
    pub measured: Duration,
    /// How long the load runs before it.
    pub warm_up: Duration,
    /// How often each case is measured; the median counts.
    pub rounds: usize,
    /// How many nodes a cluster has.
    pub nodes: u64,
    /// How many keys there are; each belongs to one client.
    pub keys: usize,
    /// Whether etcd is measured beside.
    pub etcd: bool,
    /// Data folders are made in here, and removed.
    pub folder: PathBuf,
}

/// Measures; hands out each row as it is complete. Ends early once `stop` is set, with what is complete.
///
/// # Errors
/// If a cluster can't be started, or does not serve.
pub fn measure(
    order: &Order,
    stop: &'static AtomicBool,
    mut on_row: impl FnMut(&Row),
) -> Result<Report, CliError> {
    // Before anything is started: what is missing shall be said at once.
    let etcd = order.etcd.then(etcd::version).transpose()?;
    create_folder(&order.folder)?;
    let failed = |error: std::io::Error| {
        CliError::new(
            format!("{}: {error}", order.folder.display()),
            "name a folder that can be written with --dir",
        )
    };
    let data = tempfile::Builder::new()
        .prefix("bench-raft-")
        .tempdir_in(&order.folder)
        .map_err(failed)?;
    let folder = std::path::absolute(data.path()).map_err(failed)?;
    // One thread: the nodes need the others more, and both servers' clients get the same.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let mut report = Report::new(order, file_system(&folder), etcd);
    runtime.block_on(async {
        let bench = Bench {
            order,
            clock: Arc::new(TokioClock::start()),
            stop,
        };
        let mut ours = bench.start(Cluster::ours(order.nodes, &folder)?).await?;
        let mut peer = match &report.etcd {
            Some(_) => Some(bench.start(Cluster::etcd(order.nodes, &folder)?).await?),
            None => None,
        };
        for &value in &order.values {
            bench.fill(&mut ours, value).await?;
            if let Some(peer) = &mut peer {
                bench.fill(peer, value).await?;
            }
            for &clients in &order.clients {
                for operation in Operation::ALL {
                    let peer = peer.as_mut().filter(|_| operation.is_of_etcd());
                    let load = bench.load(operation, clients, value);
                    let row = match bench.case(&load, &mut ours, peer).await {
                        // Whoever stopped us may have stopped the nodes as well.
                        Err(_) if bench.stopped() => None,
                        row => row?,
                    };
                    let Some(row) = row else { return Ok(()) };
                    on_row(&row);
                    report.rows.push(row);
                }
            }
        }
        Ok::<(), CliError>(())
    })?;
    Ok(report)
}

struct Bench<'a> {
    order: &'a Order,
    clock: Arc<dyn Clock>,
    stop: &'static AtomicBool,
}

impl Bench<'_> {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn load(&self, operation: Operation, clients: usize, value: usize) -> Load {
        Load {
            operation,
            clients,
            value,
            keys: self.order.keys.max(clients),
            warm_up: self.order.warm_up,
            measured: self.order.measured,
        }
    }

    /// Waits until it serves.
    async fn start(&self, mut cluster: Cluster) -> Result<Cluster, CliError> {
        cluster.connect(1, &self.clock).await?;
        Ok(cluster)
    }

    /// Gives every key a value of this size.
    async fn fill(&self, cluster: &mut Cluster, value: usize) -> Result<(), CliError> {
        let connections = cluster.connect(FILLERS, &self.clock).await?;
        let load = self.load(Operation::Write, FILLERS, value);
        let each = load.keys.div_ceil(FILLERS);
        load::fill(connections, &load, each).await
    }

    /// One row: each round both servers, and each round the other one first. `None` if it was stopped.
    async fn case(
        &self,
        load: &Load,
        ours: &mut Cluster,
        mut peer: Option<&mut Cluster>,
    ) -> Result<Option<Row>, CliError> {
        let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
        for round in 0..self.order.rounds {
            let ours_first = round % 2 == 0;
            if ours_first {
                of_ours.push(self.once(load, ours).await?);
            }
            if let Some(peer) = &mut peer {
                of_peer.push(self.once(load, peer).await?);
            }
            if !ours_first {
                of_ours.push(self.once(load, ours).await?);
            }
            if self.stopped() {
                return Ok(None);
            }
        }
        Ok(Some(Row::new(load, &of_ours, &of_peer)))
    }

    async fn once(&self, load: &Load, cluster: &mut Cluster) -> Result<Figures, CliError> {
        self.clock.sleep(PAUSE).await;
        let connections = cluster.connect(load.clients, &self.clock).await?;
        let before = cluster.counters().await?;
        let measured: Measured = load::run(connections, load, &self.clock, self.stop).await;
        let after = cluster.counters().await?;
        if measured.latencies.is_empty() && !self.stopped() {
            return Err(CliError::new(
                format!("{} answered none of {load}", cluster.name()),
                measured.why.unwrap_or_else(|| {
                    "give it more time with --seconds, or fewer --clients".to_owned()
                }),
            ));
        }
        Ok(Figures::new(&measured, before, after))
    }
}

/// The kind of file system that holds a folder, where the system says so: one that lives in memory syncs for
/// nothing.
fn file_system(folder: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let mut best: Option<(usize, &str)> = None;
    for mount in mounts.lines() {
        let mut words = mount.split(' ').skip(1);
        let (Some(at), Some(kind)) = (words.next(), words.next()) else {
            continue;
        };
        // The last one mounted at a place is the one that is seen.
        if folder.starts_with(at) && best.is_none_or(|(length, _)| at.len() >= length) {
            best = Some((at.len(), kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}
