//! What a scan of the log amounts to: hard state and entries, and the records that no witness vouches
//! for.

use std::collections::VecDeque;

use super::format::SegmentHeader;
use super::scan::{Position, Scan, Seen, Visitor};
use super::shape::LogEnd;
use crate::core::effects::Write;
use crate::types::Entry;

/// Takes in a log in order.
#[derive(Default)]
pub(crate) struct Recovery {
    pub(crate) end: LogEnd,
    pub(crate) entries: Vec<Entry>,
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
        let said = LogEnd {
            hard_state: header.hard_state,
            last_index: header.last_index,
        };
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
                Write::Truncate(from) => self.entries.truncate(from.prev().0 as usize),
                Write::Append(entries) => self.entries.extend(entries),
            }
        }
        self.end = after;
        Ok(())
    }
}
