//! What a scan of the log amounts to: hard state and entries, and the records that no witness vouches
//! for.

use std::collections::VecDeque;

use super::error::StorageError;
use super::format::{SegmentHeader, segment_name};
use super::scan::{Position, Scan, Seen, Visitor};
use super::shape::LogEnd;
use crate::core::effects::Write;
use crate::core::snapshot::Snapshot;
use crate::types::{Entry, LogIndex, Term};

/// Takes in a log in order.
#[derive(Default)]
pub(crate) struct Recovery {
    pub(crate) end: LogEnd,
    /// The entries behind the base, if none of them is missing.
    pub(crate) entries: Vec<Entry>,
    /// The last entry that was dropped, and its term.
    pub(crate) base: (LogIndex, Term),
    /// The latest snapshot, without its data.
    pub(crate) snapshot: Option<Snapshot>,
    /// The highest entry that was ever appended in each segment.
    pub(crate) highest: VecDeque<(u64, LogIndex)>,
    /// The first of `entries`, or where it would be.
    first: LogIndex,
    /// Records of the last segment at or above the highest witness so far.
    unproven: VecDeque<Unproven>,
}

/// A valid record that may be in the page cache only.
struct Unproven {
    position: Position,
    /// What the log was before it.
    chain: u32,
    end: LogEnd,
    payload: Vec<u8>,
}

/// Where to seal a segment, and what to copy into the next.
#[derive(Debug)]
pub(crate) struct Seal {
    pub(crate) offset: u64,
    pub(crate) chain: u32,
    pub(crate) end: LogEnd,
    pub(crate) payloads: Vec<Vec<u8>>,
}

impl Recovery {
    fn forget_below(&mut self, durable: Position) {
        while self
            .unproven
            .front()
            .is_some_and(|record| record.position < durable)
        {
            self.unproven.pop_front();
        }
    }

    /// Whether every entry behind the base is here, and every segment if nothing was compacted.
    pub(crate) fn check_whole(&self) -> Result<(), StorageError> {
        let Some((oldest, _)) = self.highest.front() else {
            return Ok(());
        };
        let whole = match self.snapshot {
            None => *oldest == 1,
            Some(_) => self.first == self.base.0.next(),
        };
        if whole {
            return Ok(());
        }
        Err(StorageError::MissingSegment {
            file: segment_name(oldest - 1),
        })
    }

    /// Splits the last segment where its witnesses end.
    pub(crate) fn seal(&mut self, scan: &Scan) -> Seal {
        self.forget_below(scan.durable);
        let (offset, chain, end) = match self.unproven.front() {
            Some(first) => (first.position.offset, first.chain, first.end),
            None => (scan.end.offset, scan.chain, self.end),
        };
        let payloads = self
            .unproven
            .drain(..)
            .map(|record| record.payload)
            .collect();
        Seal {
            offset,
            chain,
            end,
            payloads,
        }
    }
}

impl Visitor for Recovery {
    fn segment(&mut self, header: &SegmentHeader) -> Result<(), String> {
        self.unproven.clear();
        let said = LogEnd::at(header);
        if self.highest.is_empty() {
            // Those before it, if there were any, held nothing that is still needed: see
            // `check_whole`.
            self.end = said;
            self.first = said.last_index.next();
        }
        self.highest.push_back((header.sequence, LogIndex::ZERO));
        if said == self.end {
            return Ok(());
        }
        Err(format!(
            "its header says {said:?} where the segments before it say {:?}",
            self.end
        ))
    }

    fn record(&mut self, seen: Seen<'_>) -> Result<(), String> {
        let after = self.end.after_all(&seen.writes)?;
        let Seen {
            position,
            frame,
            chain,
            payload,
            writes,
        } = seen;
        self.forget_below(Position {
            offset: frame.synced,
            ..position
        });
        let payload = payload.to_vec();
        self.unproven.push_back(Unproven {
            position,
            chain,
            end: self.end,
            payload,
        });
        for write in writes {
            match write {
                Write::HardState(_) => {}
                Write::Truncate(from) => {
                    self.entries.retain(|entry| entry.index < from);
                    self.first = self.first.min(from);
                }
                Write::Append(entries) => {
                    let (_, highest) = self.highest.back_mut().expect("a segment has begun");
                    *highest = entries.last().map_or(*highest, |e| e.index.max(*highest));
                    self.entries.extend(entries);
                }
                Write::Snapshot { snapshot, base } => {
                    self.entries.retain(|entry| entry.index > base.0);
                    self.first = self.first.max(base.0.next());
                    self.base = base;
                    self.snapshot = Some(snapshot);
                }
            }
        }
        self.end = after;
        Ok(())
    }
}
