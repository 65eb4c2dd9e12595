//! A disk whose syncs are timed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

use crate::seams::{Clock, Disk, DiskFile};

/// Passes every call on, and measures how long syncs take.
pub struct MeteredDisk {
    inner: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    syncs: Histogram,
}

struct MeteredFile {
    inner: Box<dyn DiskFile>,
    clock: Arc<dyn Clock>,
    syncs: Histogram,
}

impl MeteredDisk {
    /// A disk around another.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, clock: Arc<dyn Clock>, metrics: &super::Metrics) -> Self {
        MeteredDisk {
            inner,
            clock,
            syncs: metrics.syncs(),
        }
    }
}

impl Disk for MeteredDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MeteredFile {
            inner: self.inner.open(name, create)?,
            clock: Arc::clone(&self.clock),
            syncs: self.syncs.clone(),
        }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.inner.sync_dir()
    }

    fn sync_delay(&self) -> Duration {
        self.inner.sync_delay()
    }
}

impl DiskFile for MeteredFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        let started = self.clock.now();
        let synced = self.inner.sync();
        let took = self.clock.now().saturating_sub(started);
        self.syncs.observe(took.as_secs_f64());
        synced
    }
}
