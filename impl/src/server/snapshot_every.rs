//! How often a server takes snapshots: the one setting that may be changed while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot is taken whenever this many entries were applied since the last; never if zero. Clones are handles to
/// the same setting.
#[derive(Clone, Debug, Default)]
pub struct SnapshotEvery(Arc<AtomicU64>);

impl SnapshotEvery {
    /// Changes it, for a server that runs too: it looks whenever something has happened to it.
    pub fn set(&self, entries: u64) {
        self.0.store(entries, Ordering::Relaxed);
    }

    /// Whether it is time for a snapshot when so many entries were applied since the last.
    pub(super) fn is_due(&self, applied_since: u64) -> bool {
        let every = self.0.load(Ordering::Relaxed);
        every > 0 && applied_since >= every
    }
}

impl From<u64> for SnapshotEvery {
    fn from(entries: u64) -> SnapshotEvery {
        SnapshotEvery(Arc::new(AtomicU64::new(entries)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_after_so_many_entries_and_never_if_zero_and_handles_share_it() {
        let every = SnapshotEvery::from(3);
        assert!(!every.is_due(2) && every.is_due(3));
        let handle = every.clone();
        handle.set(0);
        assert!(!every.is_due(1_000));
        handle.set(1);
        assert!(every.is_due(1) && !every.is_due(0));
    }
}
