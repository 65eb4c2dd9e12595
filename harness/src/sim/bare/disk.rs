//! A disk of batches: writes become durable a group at a time, as the shipped log's do; a crash loses the
//! rest, or leaves any first part of the group that was being written.

use std::ops::RangeInclusive;
use std::time::Duration;

use plumb_raft::core::{Remembered, Write};
use plumb_raft::types::LogIndex;

use crate::scenario::Unsynced;
use crate::sim::peer::Image;
use crate::sim::seams::random::Stream;

/// Writes that become durable together, and their number, which only grows.
#[derive(Debug)]
pub(super) struct Batch<W> {
    pub(super) seq: u64,
    pub(super) writes: Vec<W>,
}

/// One server's disk.
#[derive(Debug)]
pub(super) struct Disk<I: Image = Remembered> {
    durable: I,
    waiting: Vec<Batch<I::Write>>,
    syncing: Vec<Batch<I::Write>>,
    delay: RangeInclusive<Duration>,
    draw: Stream,
    /// How much longer a sync takes, while the disk is slow.
    slower: Option<RangeInclusive<Duration>>,
    /// Of a stream of its own: a slow disk leaves the other draws alone.
    draw_slower: Stream,
    /// Syncs that began meanwhile.
    pub(super) slow_syncs: u64,
}

impl<I: Image> Disk<I> {
    pub(super) fn new(seed: u64, id: u64, (least, most): (u64, u64)) -> Disk<I> {
        Disk {
            durable: I::default(),
            waiting: Vec::new(),
            syncing: Vec::new(),
            delay: Duration::from_micros(least)..=Duration::from_micros(most),
            draw: Stream::derive(seed, "disk", id),
            slower: None,
            draw_slower: Stream::derive(seed, "disk.slower", id),
            slow_syncs: 0,
        }
    }

    pub(super) fn submit(&mut self, batch: Batch<I::Write>) {
        self.waiting.push(batch);
    }

    /// Starts to write what waits; how long that takes, if there is something and the disk is free.
    pub(super) fn begin(&mut self) -> Option<Duration> {
        if !self.syncing.is_empty() || self.waiting.is_empty() {
            return None;
        }
        std::mem::swap(&mut self.syncing, &mut self.waiting);
        let mut delay = self.draw.range_duration(&self.delay);
        if let Some(slower) = &self.slower {
            delay += self.draw_slower.range_duration(slower);
            self.slow_syncs += 1;
        }
        Some(delay)
    }

    /// Syncs that begin from now on take so much longer, or none.
    pub(super) fn slow_down(&mut self, slower: Option<RangeInclusive<Duration>>) {
        self.slower = slower;
    }

    /// What was being written is durable: up to which batch.
    ///
    /// # Panics
    /// If nothing was being written.
    pub(super) fn end(&mut self) -> u64 {
        let last = self.syncing.last().expect("a sync ends after it began");
        let last = last.seq;
        for batch in std::mem::take(&mut self.syncing) {
            for write in batch.writes {
                self.durable.apply(write);
            }
        }
        last
    }

    /// Power is gone.
    pub(super) fn crash(&mut self, unsynced: Unsynced, draw: &mut Stream) {
        self.waiting.clear();
        let group = std::mem::take(&mut self.syncing);
        let writes: Vec<I::Write> = group.into_iter().flat_map(|batch| batch.writes).collect();
        let kept = match unsynced {
            Unsynced::Lost => 0,
            Unsynced::Torn => draw.index(writes.len() + 1),
            Unsynced::Kept => writes.len(),
        };
        for write in writes.into_iter().take(kept) {
            self.durable.apply(write);
        }
    }

    /// Everything on it is gone.
    pub(super) fn empty(&mut self) {
        self.durable = I::default();
    }

    /// What a server that starts finds.
    pub(super) fn remembered(&self) -> I {
        self.durable.clone()
    }
}

impl Image for Remembered {
    type Write = Write;

    fn apply(&mut self, write: Write) {
        apply_write(self, write);
    }
}

/// A write reaches the disk.
pub(crate) fn apply_write(durable: &mut Remembered, write: Write) {
    let position = |base: LogIndex, index: LogIndex| index.0.saturating_sub(base.0 + 1) as usize;
    let base = durable.base.0;
    match write {
        Write::HardState(hard_state) => durable.hard_state = hard_state,
        Write::Truncate(from) => durable.entries.truncate(position(base, from)),
        Write::Append(entries) => durable.entries.extend(entries),
        Write::Snapshot { snapshot, base } => {
            let dropped = position(durable.base.0, base.0.next());
            durable.entries.drain(..dropped.min(durable.entries.len()));
            durable.base = base;
            durable.snapshot = Some(snapshot);
        }
    }
}
