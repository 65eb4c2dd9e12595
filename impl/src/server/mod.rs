//! The server: joins core, log, links and state machine on tokio. It decides nothing itself; what
//! it does, and in which order, is the core's [`Effects`](crate::core::Effects).

mod connections;
mod links;
mod observer;
mod pictures;
mod replica;
mod runtime;
mod snapshot_every;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::core::{CoreConfig, Node};
use crate::net::protocol::DEFAULT_CLUSTER;
use crate::net::{LinkConfig, Myself};
use crate::seams::{Random, Seams};
use crate::storage::{Identity, LogWriter, StorageError, Wal, WalOptions};
use crate::types::NodeId;

pub use observer::{Load, Observer, Unobserved};
pub use replica::{Developed, Picture, Replica, Work};
pub use snapshot_every::SnapshotEvery;

/// How the log is written: on a thread of its own, or as a task among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogDriver {
    /// A dedicated thread with group commit, for disks that block.
    Thread,
    /// A task that sleeps for the simulated disk's delay, for worlds with a single thread.
    Inline,
}

/// A server's settings.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The core's settings, this server's id among them.
    pub core: CoreConfig,
    /// The cluster's name: whoever asks for another one is sent away.
    pub cluster: String,
    /// Where to listen, `host:port`.
    pub listen: String,
    /// Where others reach this server, `host:port`.
    pub advertise: String,
    /// The election timeout's range, lower bound included (§9.3: 150–300 ms).
    pub election_timeout: (Duration, Duration),
    /// How often a leader makes itself heard; well below the election timeout.
    pub heartbeat: Duration,
    /// How often snapshots are taken; whoever keeps a handle may change it while the server runs.
    pub snapshot_every: SnapshotEvery,
    /// How many clients may be connected; more are told to ask another server. Below the limit on all
    /// connections, so that peers find a place.
    pub max_clients: usize,
    /// The links to the peers.
    pub link: LinkConfig,
    /// The log on disk.
    pub wal: WalOptions,
    /// How the log is written.
    pub log_driver: LogDriver,
}

impl ServerConfig {
    /// The defaults for a server among the first voters at these addresses.
    ///
    /// # Panics
    /// If `id` has no address.
    #[must_use]
    pub fn new(id: NodeId, addrs: &BTreeMap<NodeId, String>) -> ServerConfig {
        let listen = addrs.get(&id).expect("the server is one of the cluster");
        ServerConfig {
            core: CoreConfig {
                addresses: addrs.clone(),
                ..CoreConfig::new(id, addrs.keys().copied().collect())
            },
            ..ServerConfig::joining(id, listen)
        }
    }

    /// The defaults for a server that waits at this address to be added to a cluster that runs.
    #[must_use]
    pub fn joining(id: NodeId, listen: &str) -> ServerConfig {
        ServerConfig {
            core: CoreConfig::new(id, BTreeSet::new()),
            cluster: DEFAULT_CLUSTER.to_owned(),
            listen: listen.to_owned(),
            advertise: listen.to_owned(),
            election_timeout: (Duration::from_millis(150), Duration::from_millis(300)),
            heartbeat: Duration::from_millis(50),
            snapshot_every: SnapshotEvery::from(16_384),
            max_clients: 4096,
            link: LinkConfig::default(),
            wal: WalOptions::default(),
            log_driver: LogDriver::Thread,
        }
    }
}

/// Why a server stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The log can't be read or written. A server that can't trust its disk must not go on.
    #[error("the log failed: {0}")]
    Storage(#[from] StorageError),
    /// The address can't be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: String,
        /// Why.
        source: io::Error,
    },
}

/// Runs a server until `shutdown` resolves or something fatal happens. Dropping the future stops it
/// as a crash would.
///
/// # Errors
/// See [`ServerError`].
pub async fn run(
    config: ServerConfig,
    seams: Seams,
    mut random: Box<dyn Random>,
    observer: Arc<dyn Observer>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let identity = Identity {
        cluster: config.cluster.clone(),
        server: config.core.id,
    };
    identity.claim(&*seams.disk)?;
    let (wal, recovered) = Wal::open(Arc::clone(&seams.disk), config.wal.clone())?;
    let ahead = wal.ahead();
    let report = recovered.report.clone();
    let (node, effects) = Node::recover(config.core.clone(), recovered.remembered());
    observer.recovered(&node, &report);

    let addr = config.listen.clone();
    let listener = seams
        .network
        .listen(&addr)
        .await
        .map_err(|source| ServerError::Listen { addr, source })?;

    let (peer_sender, from_peers) = mpsc::channel(1024);
    let (client_sender, from_clients) = mpsc::channel(1024);
    let mut tasks = JoinSet::new();
    let inbox = connections::Inbox {
        peers: peer_sender,
        clients: client_sender,
    };
    // Not the seams as a whole: a task that is aborted lets go of what it holds a little later, and
    // the disk must be free for the next life as soon as this one is over.
    let clock = Arc::clone(&seams.clock);
    let me = Myself {
        id: config.core.id,
        listens: config.advertise.clone(),
        cluster: config.cluster.clone(),
    };
    let clients = config.max_clients;
    let accepting = connections::accept(listener, me.clone(), clients, inbox, seams.tasks, clock);
    let writer = match config.log_driver {
        LogDriver::Thread => LogWriter::on_thread(wal),
        LogDriver::Inline => {
            let (writer, driver) =
                LogWriter::inline(wal, Arc::clone(&seams.clock), Arc::clone(&seams.disk));
            seams.tasks.spawn_in(&mut tasks, driver);
            writer
        }
    };
    let links = links::Links::new(me, config.link.clone(), seams.clone());

    // Half of all numbers are never reached from the other half.
    let first_request = random.next_u64() >> 1;
    let timers = timers::Timers::new(
        Arc::clone(&seams.clock),
        random,
        config.election_timeout,
        config.heartbeat,
    );
    let replica = Replica::new(
        node,
        effects,
        observer,
        config.snapshot_every,
        first_request,
    );
    let clock = Arc::clone(&seams.clock);
    let pictures = pictures::Pictures::new(seams.clone(), ahead);
    let runtime = runtime::Runtime::new(replica, writer, links, timers, pictures, clock);
    let running = runtime.run(from_peers, from_clients, shutdown);
    tokio::select! {
        biased;
        ended = running => ended,
        // In this task, so that the address is free as soon as the server is gone.
        () = accepting => unreachable!("connections are accepted until the server ends"),
    }
}
