//! The four places where production and simulation differ, and the only four: clock, disk, network,
//! randomness. Each is a small trait with one implementation for production in this crate and one
//! for simulation in the harness; everything else is the same code in both. (What else differs is
//! whose threads run it: [`Tasks`], and the log's driver.)

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinHandle, JoinSet};

/// A boxed future, so that the seams stay object-safe and no type parameter spreads from them.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A node's own monotonic clock; it may drift from its peers'.
pub trait Clock: Send + Sync {
    /// Time since an epoch that means nothing outside this node's present life.
    fn now(&self) -> Duration;
    /// Resolves once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// Lets other tasks go first. Time passes meanwhile, so a simulation makes some pass: what was read from
    /// the clock before is the past.
    fn give_way(&self) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

/// A node's source of random bits.
pub trait Random: Send {
    /// 64 uniform bits.
    fn next_u64(&mut self) -> u64;
}

/// A node's data folder: flat, file names without separators.
///
/// What was written is safe from a crash only after [`DiskFile::sync`]; that a file exists, was
/// renamed or removed, only after [`Disk::sync_dir`]. Implementations in simulation take both
/// literally.
pub trait Disk: Send + Sync {
    /// Opens a file for reading and writing, creating it empty if `create` and it is absent.
    ///
    /// # Errors
    /// `NotFound` if absent and not to be created; otherwise whatever the medium reports.
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>>;
    /// The names of all files, sorted.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Renames a file, replacing the target if it exists.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn sync_dir(&self) -> io::Result<()>;
    /// How long a sync takes beyond the call itself. A real disk blocks in the call and says zero;
    /// a simulated one can't block, so the driver of the log sleeps this long before it syncs.
    fn sync_delay(&self) -> Duration {
        Duration::ZERO
    }
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send {
    /// Its length in bytes, unsynced writes included.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn len(&self) -> io::Result<u64>;
    /// Whether it is empty.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `buf` from `offset`; returns how many bytes there were, short only at the end.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`, extending the file as needed. Not durable by itself.
    ///
    /// # Errors
    /// Whatever the medium reports; part of the bytes may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file. Not durable by itself.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Makes content and length durable. After an error nothing about unsynced bytes is known, and
    /// a second call proves nothing (fsyncgate): the caller must treat the error as fatal.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn sync(&mut self) -> io::Result<()>;
}

/// A byte stream between two addresses.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A listening address.
pub trait Listener: Send {
    /// The next connection.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;
    /// The address it listens on, with the port filled in.
    ///
    /// # Errors
    /// Whatever the network reports.
    fn local_addr(&self) -> io::Result<String>;
}

/// Streams to and from `host:port` addresses.
pub trait Network: Send + Sync {
    /// Listens on an address.
    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;
    /// Connects to an address.
    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Stream>>>;
}

/// Where a node's tasks run.
///
/// Which of several tasks goes first when a runtime is dropped, as at a simulated crash, depends for
/// [`Tasks::Pool`] on their ids (tokio 1.54 keeps them in shards by id), hence on a counter that
/// everything in the process shares: runs beside each other would change one another. Those of a
/// `LocalSet` go in the order of their birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tasks {
    /// On the runtime's own threads.
    Pool,
    /// In the `LocalSet` of whoever spawns.
    Local,
}

impl Tasks {
    /// Starts a task.
    pub(crate) fn spawn(self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        match self {
            Tasks::Pool => tokio::spawn(task),
            Tasks::Local => tokio::task::spawn_local(task),
        }
    }

    /// Starts a task that ends with the set.
    pub(crate) fn spawn_in(
        self,
        set: &mut JoinSet<()>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        match self {
            Tasks::Pool => set.spawn(task),
            Tasks::Local => set.spawn_local(task),
        };
    }
}

/// A node's share of the world.
#[derive(Clone)]
pub struct Seams {
    /// Where its tasks run.
    pub tasks: Tasks,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its data folder.
    pub disk: Arc<dyn Disk>,
    /// Its network.
    pub network: Arc<dyn Network>,
}
