//! The write-ahead log: append, sync, recover. Why it is right is argued in [`super`].

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::StorageError;
use super::format::{
    MAX_PAYLOAD, Place, SegmentHeader, encode_record, encode_writes, segment_name,
};
use super::mark::{self, Mark};
use super::recovery::{Recovery, Seal};
use super::scan::{Position, Scan, scan};
use super::segment::{self, Segment};
use super::shape::LogEnd;
use super::snapshots::{self, Ahead};
use crate::core::effects::{Batch, Write};
use crate::core::snapshot::{Remembered, Snapshot};
use crate::seams::Disk;
use crate::types::{Entry, HardState, LogIndex, Term};

/// What is appended goes to the file once it comes to this many bytes, or at a sync.
const BUFFER_BYTES: usize = 1 << 20;

/// A log's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalOptions {
    /// A segment that has reached this many bytes takes no further record.
    pub segment_bytes: u64,
}

impl Default for WalOptions {
    fn default() -> WalOptions {
        WalOptions {
            segment_bytes: 64 << 20,
        }
    }
}

/// What the log remembers. All of it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The term and vote.
    pub hard_state: HardState,
    /// The latest snapshot, with its data.
    pub snapshot: Option<Snapshot>,
    /// The last entry that was dropped, which the snapshot covers, and its term; zeros if none was.
    pub base: (LogIndex, Term),
    /// The entries, contiguous behind the base.
    pub entries: Vec<Entry>,
    /// What recovery met.
    pub report: RecoveryReport,
}

impl Recovered {
    /// What the core starts from.
    #[must_use]
    pub fn remembered(self) -> Remembered {
        Remembered {
            hard_state: self.hard_state,
            snapshot: self.snapshot,
            base: self.base,
            entries: self.entries,
        }
    }
}

/// What recovery met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments read.
    pub segments: u64,
    /// Valid records, each a batch.
    pub records: u64,
    /// Of these, how many were copied to a new segment, since nothing proved them durable.
    pub copied: u64,
    /// What was dropped.
    pub torn: Option<TornTail>,
}

impl RecoveryReport {
    /// How many bytes were dropped, which nobody had been promised.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.torn.as_ref().map_or(0, |torn| torn.bytes)
    }
}

/// The remains of writes that no sync had finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// In which file.
    pub file: String,
    /// From where on.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// A write-ahead log, open for appending. Dropping it writes nothing.
pub struct Wal {
    disk: Arc<dyn Disk>,
    options: WalOptions,
    segment: Segment,
    mark: Mark,
    /// The chain and the log's end, behind everything appended.
    chain: u32,
    end: LogEnd,
    /// Offsets in the segment: durable up to, written up to; the buffer comes behind.
    synced: u64,
    written: u64,
    buffer: Vec<u8>,
    /// The highest entry that was ever appended in each segment.
    highest: VecDeque<(u64, LogIndex)>,
    /// The snapshot in force once the next sync is done, and what it lets go.
    compaction: Option<(Snapshot, LogIndex)>,
    /// Snapshots whose files are durable already.
    ahead: Ahead,
    failed: Option<StorageError>,
}

impl Wal {
    /// Opens the log of a data folder, creating it in an empty one.
    ///
    /// # Errors
    /// Damage, a missing segment, another format version, or whatever the disk reports. On damage
    /// nothing is modified.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: WalOptions,
    ) -> Result<(Wal, Recovered), StorageError> {
        mark::keep(&*disk)?;
        let mut recovery = Recovery::default();
        let found = scan(&*disk, &mut recovery)?;
        recovery.check_whole()?;
        let named = recovery.snapshot.take();
        let snapshot = named
            .map(|named| snapshots::load(&*disk, &named))
            .transpose()?;
        // First, since the directory sync that makes its name durable comes next.
        let mut mark = Mark::open(&*disk)?;
        let mut report = RecoveryReport::default();
        let (segment, len, chain) = match &found {
            None => {
                recovery.highest.push_back((1, LogIndex::ZERO));
                let first = SegmentHeader {
                    sequence: 1,
                    ..SegmentHeader::default()
                };
                segment::create(&*disk, &first, &[])?
            }
            Some(scan) => {
                report = report_of(scan);
                if scan.durable == scan.end && scan.len == scan.end.offset {
                    // The name may still be in the cache only, if a crash came before its sync.
                    segment::sync_dir(&*disk)?;
                    let at = scan.end.segment;
                    let segment = segment::open(&*disk, at, scan.seed, scan.header_len)?;
                    (segment, scan.len, scan.chain)
                } else {
                    let seal = recovery.seal(scan);
                    if seal.offset != scan.durable.offset {
                        let name = segment_name(scan.end.segment);
                        let what = "it was durable up to here, which is no record's end";
                        return Err(StorageError::corrupt(&name, scan.durable.offset, what));
                    }
                    report.copied = seal.payloads.len() as u64;
                    succeed(&*disk, scan.end.segment, &seal)?
                }
            }
        };
        mark.write(Position {
            segment: segment.sequence,
            offset: len,
        })?;
        mark.sync()?;
        if let Some(scan) = found {
            for (name, len) in &scan.uncut {
                segment::cut(&*disk, name, *len)?;
            }
            if scan.end.segment < segment.sequence {
                let name = segment_name(scan.end.segment);
                segment::cut(&*disk, &name, scan.durable.offset)?;
            }
        }
        let ahead = Ahead::default();
        if let Some(snapshot) = &snapshot {
            ahead.remove_others(&*disk, snapshot)?;
        }

        let Recovery {
            end,
            entries,
            base,
            mut highest,
            ..
        } = recovery;
        let (newest, high) = highest.back().copied().unwrap_or_default();
        if newest < segment.sequence {
            // What was copied into it may be all that the last one held.
            highest.push_back((segment.sequence, high));
        }
        let wal = Wal {
            disk,
            options,
            segment,
            mark,
            chain,
            end,
            synced: len,
            written: len,
            buffer: Vec::new(),
            highest,
            compaction: None,
            ahead,
            failed: None,
        };
        Ok((
            wal,
            Recovered {
                hard_state: end.hard_state,
                snapshot,
                base,
                entries,
                report,
            },
        ))
    }

    /// Takes snapshots before the records that name them: see [`Ahead`].
    #[must_use]
    pub fn ahead(&self) -> Ahead {
        self.ahead.clone()
    }

    /// Adds a batch behind the others, as one record. Durable only after [`Wal::sync`].
    ///
    /// # Errors
    /// Any error is final: every later call returns it too.
    ///
    /// # Panics
    /// If the batch does not fit the log: entries that are not contiguous, a truncation behind the
    /// end, a term that falls.
    pub fn append(&mut self, batch: &Batch) -> Result<(), StorageError> {
        self.unless_failed(|wal| wal.try_append(batch))
    }

    /// Hands everything appended to the disk, where a crash may tear it. [`Wal::sync`] does so too.
    ///
    /// # Errors
    /// Any error is final: every later call returns it too.
    pub fn write(&mut self) -> Result<(), StorageError> {
        self.unless_failed(Wal::write_buffer)
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// Any error is final: every later call returns it too.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        self.unless_failed(Wal::try_sync)
    }

    /// Syncs, and makes the notebook durable too, so that the next recovery misses no damage.
    ///
    /// # Errors
    /// Any error is final: every later call returns it too.
    pub fn close(&mut self) -> Result<(), StorageError> {
        self.unless_failed(|wal| {
            wal.try_sync()?;
            wal.mark.sync()
        })
    }

    fn unless_failed(
        &mut self,
        action: impl FnOnce(&mut Wal) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        action(self).inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Behind everything appended.
    fn offset(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn try_append(&mut self, batch: &Batch) -> Result<(), StorageError> {
        let end = match self.end.after_all(&batch.writes) {
            Ok(end) => end,
            Err(why) => panic!("batch {} does not fit the log: {why}", batch.seq.0),
        };
        let payload = encode_writes(&batch.writes);
        if payload.len() > MAX_PAYLOAD {
            return Err(StorageError::BatchTooLarge {
                bytes: payload.len(),
                limit: MAX_PAYLOAD,
            });
        }
        if self.offset() >= self.options.segment_bytes && self.offset() > self.segment.header_len {
            self.next_segment()?;
        }
        for write in &batch.writes {
            match write {
                Write::Append(entries) => {
                    let (_, highest) = self.highest.back_mut().expect("a log has a segment");
                    *highest = entries.last().map_or(*highest, |e| e.index.max(*highest));
                }
                Write::Snapshot { snapshot, base } => {
                    if !self.ahead.has(snapshot) {
                        snapshots::save(&*self.disk, snapshot)?;
                    }
                    self.compaction = Some((snapshot.clone(), base.0));
                }
                Write::HardState(_) | Write::Truncate(_) => {}
            }
        }
        let place = Place {
            offset: self.offset(),
            seed: self.segment.seed,
            chain: self.chain,
            synced: self.synced,
        };
        self.chain = encode_record(&mut self.buffer, place, &payload);
        self.end = end;
        if self.buffer.len() >= BUFFER_BYTES {
            self.write_buffer()?;
        }
        Ok(())
    }

    fn write_buffer(&mut self) -> Result<(), StorageError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.segment
            .file
            .write_at(self.written, &self.buffer)
            .map_err(|e| StorageError::io("write", &self.segment.name, e))?;
        self.written = self.offset();
        self.buffer.clear();
        Ok(())
    }

    fn try_sync(&mut self) -> Result<(), StorageError> {
        if self.synced == self.offset() {
            return Ok(());
        }
        self.write_buffer()?;
        let segment = &mut self.segment;
        segment
            .file
            .sync()
            .map_err(|e| StorageError::io("sync", &segment.name, e))?;
        self.synced = self.written;
        self.mark.write(Position {
            segment: segment.sequence,
            offset: self.synced,
        })?;
        match self.compaction.take() {
            Some((snapshot, base)) => self.let_go(&snapshot, base),
            None => Ok(()),
        }
    }

    /// The record of a snapshot is durable: what it replaces may go, the oldest first.
    fn let_go(&mut self, snapshot: &Snapshot, base: LogIndex) -> Result<(), StorageError> {
        while self.highest.len() > 1
            && let Some((sequence, _)) = self.highest.pop_front_if(|(_, high)| *high <= base)
        {
            let name = segment_name(sequence);
            self.disk
                .remove(&name)
                .map_err(|e| StorageError::io("remove", &name, e))?;
            // One by one, so that a crash leaves no gap.
            segment::sync_dir(&*self.disk)?;
        }
        self.ahead.remove_others(&*self.disk, snapshot)
    }

    fn next_segment(&mut self) -> Result<(), StorageError> {
        self.try_sync()?;
        let seal = Seal {
            offset: self.synced,
            chain: self.chain,
            end: self.end,
            payloads: Vec::new(),
        };
        let (segment, len, chain) = succeed(&*self.disk, self.segment.sequence, &seal)?;
        self.highest.push_back((segment.sequence, LogIndex::ZERO));
        self.segment = segment;
        self.chain = chain;
        self.synced = len;
        self.written = len;
        Ok(())
    }
}

/// Creates the segment behind `sequence`, which seals that one.
fn succeed(
    disk: &dyn Disk,
    sequence: u64,
    seal: &Seal,
) -> Result<(Segment, u64, u32), StorageError> {
    let header = SegmentHeader {
        sequence: sequence + 1,
        previous_len: seal.offset,
        previous_chain: seal.chain,
        hard_state: seal.end.hard_state,
        last_index: seal.end.last_index,
    };
    segment::create(disk, &header, &seal.payloads)
}

fn report_of(scan: &Scan) -> RecoveryReport {
    let bytes = scan.len - scan.end.offset;
    let torn = (bytes > 0).then(|| TornTail {
        file: segment_name(scan.end.segment),
        offset: scan.end.offset,
        bytes,
    });
    RecoveryReport {
        segments: scan.segments,
        records: scan.records,
        copied: 0,
        torn,
    }
}
