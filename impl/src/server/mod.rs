//! The server: joins core, log, links and state machine on tokio. It decides nothing itself; what
//! it does, and in which order, is the core's [`Effects`](crate::core::Effects).

mod connections;
mod observer;
mod replica;
mod runtime;
mod timers;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::core::{CoreConfig, Node};
use crate::net::{LinkConfig, PeerLink};
use crate::seams::{Random, Seams};
use crate::storage::{LogWriter, StorageError, Wal, WalOptions};
use crate::types::NodeId;

pub use observer::{Observer, Unobserved};
pub use replica::{Replica, Work};

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
    /// Where to listen, `host:port`.
    pub listen: String,
    /// Where the other voters listen.
    pub peers: BTreeMap<NodeId, String>,
    /// The election timeout's range, lower bound included (§9.3: 150–300 ms).
    pub election_timeout: (Duration, Duration),
    /// How often a leader makes itself heard; well below the election timeout.
    pub heartbeat: Duration,
    /// A snapshot is taken whenever this many entries were applied since the last; never if zero.
    pub snapshot_every: u64,
    /// The links to the peers.
    pub link: LinkConfig,
    /// The log on disk.
    pub wal: WalOptions,
    /// How the log is written.
    pub log_driver: LogDriver,
}

impl ServerConfig {
    /// The defaults for a server among these addresses.
    ///
    /// # Panics
    /// If `id` has no address.
    #[must_use]
    pub fn new(id: NodeId, addrs: &BTreeMap<NodeId, String>) -> ServerConfig {
        let mut peers = addrs.clone();
        let listen = peers.remove(&id).expect("the server is one of the cluster");
        ServerConfig {
            core: CoreConfig::new(id, addrs.keys().copied().collect()),
            listen,
            peers,
            election_timeout: (Duration::from_millis(150), Duration::from_millis(300)),
            heartbeat: Duration::from_millis(50),
            snapshot_every: 16_384,
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
    let (wal, recovered) = Wal::open(Arc::clone(&seams.disk), config.wal.clone())?;
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
    let accepting = connections::accept(listener, config.core.id, inbox, seams.tasks, clock);
    let writer = match config.log_driver {
        LogDriver::Thread => LogWriter::on_thread(wal),
        LogDriver::Inline => {
            let (writer, driver) =
                LogWriter::inline(wal, Arc::clone(&seams.clock), Arc::clone(&seams.disk));
            seams.tasks.spawn_in(&mut tasks, driver);
            writer
        }
    };
    let links = config
        .peers
        .iter()
        .map(|(id, addr)| {
            let me = config.core.id;
            let link = PeerLink::start(me, addr.clone(), config.link.clone(), &seams);
            (*id, link)
        })
        .collect();

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
    let runtime = runtime::Runtime::new(replica, writer, links, timers, clock);
    let running = runtime.run(from_peers, from_clients, shutdown);
    tokio::select! {
        biased;
        ended = running => ended,
        // In this task, so that the address is free as soon as the server is gone.
        () = accepting => unreachable!("connections are accepted until the server ends"),
    }
}
