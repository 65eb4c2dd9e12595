//! The seams of production: tokio's clock and sockets, the operating system's entropy. The disk's is
//! `storage::RealDisk`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::seams::{BoxFuture, Clock, Disk, Listener, Network, Random, Seams, Stream, Tasks};

/// Tokio's monotonic clock.
#[derive(Clone, Debug)]
pub struct TokioClock {
    started: Instant,
}

impl TokioClock {
    /// A clock that starts at zero now.
    #[must_use]
    pub fn start() -> TokioClock {
        TokioClock {
            started: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Sockets without Nagle's delay.
#[derive(Clone, Copy, Debug)]
pub struct TcpNetwork;

impl Network for TcpNetwork {
    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(addr).await?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

impl Listener for TcpListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let (stream, _) = TcpListener::accept(self).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn local_addr(&self) -> io::Result<String> {
        TcpListener::local_addr(self).map(|addr| addr.to_string())
    }
}

/// A generator seeded by the operating system.
#[derive(Debug)]
pub struct OsSeeded(StdRng);

impl OsSeeded {
    /// A fresh generator.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "production is where OS entropy belongs"
    )]
    pub fn new() -> OsSeeded {
        OsSeeded(StdRng::from_rng(&mut rand::rng()))
    }
}

impl Default for OsSeeded {
    fn default() -> OsSeeded {
        OsSeeded::new()
    }
}

impl Random for OsSeeded {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// All of production's seams over a data folder.
#[must_use]
pub fn seams(disk: Arc<dyn Disk>) -> Seams {
    Seams {
        tasks: Tasks::Pool,
        clock: Arc::new(TokioClock::start()),
        disk,
        network: Arc::new(TcpNetwork),
    }
}
