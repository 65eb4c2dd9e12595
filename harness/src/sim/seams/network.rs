//! Turmoil's TCP, made as unkind as a real network: frames between nodes are lost, doubled, delayed
//! and overtaken, links stall, connections break, and reads come in pieces.
//!
//! TCP hides loss and reordering from one connection, but not from a cluster, whose peers reconnect
//! and use several: so these faults strike whole frames (a `u32` big-endian length, then as many
//! bytes), never the bytes inside, and never the first of a connection, its handshake.

mod chopped;
mod faults;
mod outbox;
mod peer;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use plumb_raft::seams::{BoxFuture, Listener, Network, Stream as ByteStream};
use turmoil::net::{TcpListener, TcpStream};

use self::chopped::Chopped;
use self::peer::PeerStream;
use super::gate::Gate;
use super::random::Stream;

pub use self::faults::{Flow, LONGEST_WAIT, LinkCounts, LinkFault, LinkFaults};

/// A connection as seen from one of its ends, for deciding whether it is a link between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// The node at this end.
    pub local: &'a str,
    /// The node, or client, at the other.
    pub remote: &'a str,
    /// The port that was listened on, whichever end that was.
    pub port: u16,
}

type IsPeer = Arc<dyn Fn(Connection<'_>) -> bool + Send + Sync>;

/// A host's network. Use it inside that host only. Clones are the same network.
///
/// Streams between nodes meet the table's faults; others (to clients) are only read in pieces.
#[derive(Clone)]
pub struct SimNetwork {
    local: Arc<str>,
    seed: u64,
    faults: LinkFaults,
    is_peer: IsPeer,
    gate: Gate,
}

impl SimNetwork {
    /// The network of the host called `local` in turmoil's DNS. `is_peer` says which connections
    /// are links between nodes; both ends must agree on it.
    #[must_use]
    pub fn new(
        seed: u64,
        local: &str,
        faults: LinkFaults,
        is_peer: impl Fn(Connection<'_>) -> bool + Send + Sync + 'static,
    ) -> SimNetwork {
        SimNetwork {
            local: local.into(),
            seed,
            faults,
            is_peer: Arc::new(is_peer),
            gate: Gate::default(),
        }
    }

    /// The network of a node that is frozen while this gate is shut: nothing reaches it.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> SimNetwork {
        self.gate = gate.clone();
        self
    }

    fn is_peer(&self, remote: &str, port: u16) -> bool {
        (self.is_peer)(Connection {
            local: &self.local,
            remote,
            port,
        })
    }

    fn wrap(&self, stream: TcpStream, remote: &str, port: u16) -> Box<dyn ByteStream> {
        let link = self.faults.link(&self.local, remote);
        let nth = link.counts().connections;
        link.count(|counts| counts.connections += 1);
        let rng = |what| {
            Stream::derive(
                self.seed,
                &format!("net.{what}.{}>{remote}", self.local),
                nth,
            )
        };
        if self.is_peer(remote, port) {
            let gate = self.gate.clone();
            Box::new(PeerStream::new(
                stream,
                link,
                rng("frames"),
                rng("reads"),
                gate,
            ))
        } else {
            Box::new(Chopped::new(stream, rng("reads"), self.gate.clone()))
        }
    }

    /// The name by which the fault table knows a host, given its name or its address.
    fn name_of(&self, host: &str) -> String {
        match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => self.local.to_string(),
            Ok(ip) => turmoil::reverse_lookup(ip).unwrap_or_else(|| host.to_owned()),
            Err(_) => host.to_owned(),
        }
    }

    async fn connect(&self, addr: &str) -> io::Result<Box<dyn ByteStream>> {
        let (host, port) = split_addr(addr)?;
        let remote = self.name_of(host);
        if self.is_peer(&remote, port) {
            // A SYN needs both ways. Waiting here, and not in turmoil, costs none of its ports.
            self.faults.link(&self.local, &remote).opened().await;
            self.faults.link(&remote, &self.local).opened().await;
        }
        if self.faults.is_down(&remote) {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                format!("{remote} is down"),
            ));
        }
        let stream = TcpStream::connect(addr).await?;
        self.gate.pass().await;
        Ok(self.wrap(stream, &remote, port))
    }
}

impl fmt::Debug for SimNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNetwork")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

impl Network for SimNetwork {
    /// The host part is not looked at: turmoil listens on all of a host's addresses.
    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (_, port) = split_addr(addr)?;
            let inner = TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).await?;
            let port = inner.local_addr()?.port();
            Ok(Box::new(SimListener {
                network: self.clone(),
                inner,
                port,
            }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(self.connect(addr))
    }
}

struct SimListener {
    network: SimNetwork,
    inner: TcpListener,
    port: u16,
}

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (stream, origin) = self.inner.accept().await?;
            self.network.gate.pass().await;
            let remote = self.network.name_of(&origin.ip().to_string());
            Ok(self.network.wrap(stream, &remote, self.port))
        })
    }

    fn local_addr(&self) -> io::Result<String> {
        Ok(format!("{}:{}", self.network.local, self.port))
    }
}

fn split_addr(addr: &str) -> io::Result<(&str, u16)> {
    let parts = addr
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{addr:?} is not host:port"),
        )
    })
}
