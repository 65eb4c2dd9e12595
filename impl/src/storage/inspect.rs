//! Looks at a log without changing it, for people: `plumb wal inspect`.

use super::error::StorageError;
use super::format::{SegmentHeader, segment_name};
use super::scan::{Seen, Visitor, scan};
use super::shape::LogEnd;
use crate::core::effects::Write;
use crate::seams::Disk;
use crate::types::HardState;

/// One record, as a line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSummary {
    /// In which file.
    pub file: String,
    /// Where.
    pub offset: u64,
    /// The payload's size in bytes.
    pub bytes: usize,
    /// The file was durable up to here when the record was written.
    pub synced: u64,
    /// Its writes in words: `term 3 vote n1, cut 7.., add 7..=9 of term 3`.
    pub writes: String,
}

/// A whole log at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Segments.
    pub segments: u64,
    /// Valid records.
    pub records: u64,
    /// The term and vote at the end.
    pub hard_state: HardState,
    /// The index of the last entry.
    pub last_index: u64,
    /// The last segment's file.
    pub file: String,
    /// The end of its last valid record.
    pub end: u64,
    /// It is known to be durable up to here.
    pub durable: u64,
    /// Bytes behind the end, which recovery will drop.
    pub torn_bytes: u64,
}

/// Reads a log; hands each record to `show` as it goes, those before damage too.
///
/// # Errors
/// As [`Wal::open`](super::Wal::open), of which this is the half that reads. Run it on a log that
/// nobody writes: on a live one the end is a moving target.
pub fn inspect(
    disk: &dyn Disk,
    show: &mut dyn FnMut(RecordSummary),
) -> Result<Inspection, StorageError> {
    let mut inspector = Inspector {
        end: LogEnd::default(),
        show,
    };
    let Some(scan) = scan(disk, &mut inspector)? else {
        return Ok(Inspection::default());
    };
    Ok(Inspection {
        segments: scan.segments,
        records: scan.records,
        hard_state: inspector.end.hard_state,
        last_index: inspector.end.last_index.0,
        file: segment_name(scan.end.segment),
        end: scan.end.offset,
        durable: scan.durable.offset,
        torn_bytes: scan.len - scan.end.offset,
    })
}

struct Inspector<'a> {
    end: LogEnd,
    show: &'a mut dyn FnMut(RecordSummary),
}

impl Visitor for Inspector<'_> {
    fn segment(&mut self, header: &SegmentHeader) -> Result<(), String> {
        self.end = LogEnd::at(header);
        Ok(())
    }

    fn record(&mut self, seen: Seen<'_>) -> Result<(), String> {
        (self.show)(RecordSummary {
            file: segment_name(seen.position.segment),
            offset: seen.position.offset,
            bytes: seen.payload.len(),
            synced: seen.frame.synced,
            writes: seen.writes.iter().map(words).collect::<Vec<_>>().join(", "),
        });
        self.end = self.end.after_all(&seen.writes)?;
        Ok(())
    }
}

fn words(write: &Write) -> String {
    match write {
        Write::HardState(HardState {
            current_term,
            voted_for: None,
        }) => {
            format!("term {current_term} no vote")
        }
        Write::HardState(HardState {
            current_term,
            voted_for: Some(id),
        }) => {
            format!("term {current_term} vote {id}")
        }
        Write::Truncate(from) => format!("cut {from}.."),
        Write::Snapshot { snapshot, base } => format!(
            "snapshot at {} of term {}, log from {}",
            snapshot.last_index,
            snapshot.last_term,
            base.0.next()
        ),
        Write::Append(entries) => match (entries.first(), entries.last()) {
            (Some(first), Some(last)) if first.term == last.term => {
                format!(
                    "add {}..={} of term {}",
                    first.index, last.index, first.term
                )
            }
            (Some(first), Some(last)) => format!(
                "add {}..={} of terms {} to {}",
                first.index, last.index, first.term, last.term
            ),
            _ => "add nothing".to_owned(),
        },
    }
}
