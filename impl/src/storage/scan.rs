//! Reads a log without changing it, and judges its end: torn, or damaged? The argument is in
//! [`super`].

use std::io;

use super::error::StorageError;
use super::format::{
    ALIGNMENT, BadHeader, FRAME_BYTES, Frame, SegmentHeader, VERSION, decode_record, decode_writes,
    segment_name, segment_sequence,
};
use super::mark::read_mark;
use crate::core::effects::Write;
use crate::seams::{Disk, DiskFile};

/// A byte of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// In which segment.
    pub(crate) segment: u64,
    /// Where in its file.
    pub(crate) offset: u64,
}

/// A valid record.
pub(crate) struct Seen<'a> {
    pub(crate) position: Position,
    pub(crate) frame: Frame,
    /// The chain before the record.
    pub(crate) chain: u32,
    pub(crate) payload: &'a [u8],
    pub(crate) writes: Vec<Write>,
}

/// Is shown what a scan finds, in order; an objection is damage.
pub(crate) trait Visitor {
    /// A segment begins.
    fn segment(&mut self, header: &SegmentHeader) -> Result<(), String>;
    /// A record follows.
    fn record(&mut self, seen: Seen<'_>) -> Result<(), String>;
}

/// A log that is not damaged.
pub(crate) struct Scan {
    /// How many segments there are.
    pub(crate) segments: u64,
    /// How many valid records.
    pub(crate) records: u64,
    /// Behind the last valid record.
    pub(crate) end: Position,
    /// The chain there.
    pub(crate) chain: u32,
    /// The header checksum of the last segment.
    pub(crate) seed: u32,
    /// The header's length there.
    pub(crate) header_len: u64,
    /// The length of the last segment's file; what stands between the end and here is torn.
    pub(crate) len: u64,
    /// The highest witness: at most the end.
    pub(crate) durable: Position,
    /// Earlier segments whose files go on behind the place where they are sealed, with that place.
    pub(crate) uncut: Vec<(String, u64)>,
}

/// Shows a whole log to `visitor`; `None` if there is none. What was shown means nothing if an error
/// follows.
pub(crate) fn scan(
    disk: &dyn Disk,
    visitor: &mut dyn Visitor,
) -> Result<Option<Scan>, StorageError> {
    let mark = read_mark(disk)?;
    let names = disk
        .list()
        .map_err(|e| StorageError::io("list", "the data folder", e))?;
    let mut present: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_sequence(name))
        .collect();
    present.sort_unstable();
    let last = present
        .last()
        .copied()
        .unwrap_or(0)
        .max(mark.map_or(0, |mark| mark.segment));
    // Segments from the front may have been dropped: whether rightly, the entries tell.
    let first = present.first().copied().unwrap_or(last.max(1));
    if let Some(missing) = (first..=last).find(|sequence| present.binary_search(sequence).is_err())
    {
        return Err(StorageError::MissingSegment {
            file: segment_name(missing),
        });
    }
    let headers = present
        .iter()
        .map(|sequence| read_header(disk, *sequence))
        .collect::<Result<Vec<_>, _>>()?;

    let mut records = 0;
    let mut uncut = Vec::new();
    let mut chain = headers.first().map_or(0, |first| first.previous_chain);
    for (at, sequence) in present.iter().copied().enumerate() {
        let next = headers.get(at + 1);
        let seal = next.map_or(u64::MAX, |next| next.previous_len);
        let read = read_segment(
            disk,
            Extent {
                sequence,
                previous_chain: chain,
                seal,
            },
            visitor,
        )?;
        records += read.records;
        chain = read.chain;
        let len = read.bytes.len() as u64;
        if let Some(next) = next {
            read.check_sealed(next)?;
            if len > seal {
                uncut.push((read.name, seal));
            }
            continue;
        }
        let durable = read.judge_end(mark.filter(|mark| mark.segment == sequence))?;
        return Ok(Some(Scan {
            segments: present.len() as u64,
            records,
            end: Position {
                segment: sequence,
                offset: read.end,
            },
            chain,
            seed: read.seed,
            header_len: read.header_len,
            len,
            durable: Position {
                segment: sequence,
                offset: durable,
            },
            uncut,
        }));
    }
    Ok(None)
}

/// A segment as far as its records are valid.
struct ReadSegment {
    name: String,
    bytes: Vec<u8>,
    seed: u32,
    header_len: u64,
    records: u64,
    end: u64,
    chain: u32,
    /// The highest witness among the valid records.
    witnessed: u64,
}

/// What of a segment to read.
#[derive(Clone, Copy)]
struct Extent {
    sequence: u64,
    previous_chain: u32,
    /// Where the next segment says that this one ends. Behind it may stand a torn tail and records
    /// that live on as copies in the next segment, if a crash came before the file was cut.
    seal: u64,
}

fn read_segment(
    disk: &dyn Disk,
    Extent {
        sequence,
        previous_chain,
        seal,
    }: Extent,
    visitor: &mut dyn Visitor,
) -> Result<ReadSegment, StorageError> {
    let name = segment_name(sequence);
    let file = disk
        .open(&name, false)
        .map_err(|e| StorageError::io("open", &name, e))?;
    let bytes = read_whole(&*file, &name)?;
    let (header, header_len, seed) = decode_header(&name, sequence, &bytes)?;
    if header.previous_chain != previous_chain {
        return Err(StorageError::corrupt(
            &name,
            0,
            "it does not follow the segment before it",
        ));
    }
    visitor
        .segment(&header)
        .map_err(|what| StorageError::corrupt(&name, 0, what))?;

    let (mut at, mut chain, mut records) = (header_len, seed, 0);
    let mut witnessed = header_len as u64;
    while (at as u64) < seal
        && let Some((frame, payload)) = decode_record(&bytes, at, seed, chain)
    {
        let position = Position {
            segment: sequence,
            offset: at as u64,
        };
        let damaged = |what: String| StorageError::corrupt(&name, position.offset, what);
        let writes = decode_writes(payload)
            .ok_or_else(|| damaged("a record with a right checksum does not decode".to_owned()))?;
        visitor
            .record(Seen {
                position,
                frame,
                chain,
                payload,
                writes,
            })
            .map_err(damaged)?;
        witnessed = witnessed.max(frame.synced);
        at += frame.record_bytes();
        chain = frame.chain;
        records += 1;
    }
    let (header_len, end) = (header_len as u64, at as u64);
    Ok(ReadSegment {
        name,
        bytes,
        seed,
        header_len,
        records,
        end,
        chain,
        witnessed,
    })
}

impl ReadSegment {
    /// All of a sealed segment was durable before the next one came to be.
    fn check_sealed(&self, next: &SegmentHeader) -> Result<(), StorageError> {
        if self.end == next.previous_len && self.chain == next.previous_chain {
            return Ok(());
        }
        let what = format!("it was durable up to byte {}", next.previous_len);
        Err(StorageError::corrupt(&self.name, self.end, what))
    }

    /// The highest witness, unless it says that what is bad here was durable.
    fn judge_end(&self, mark: Option<Position>) -> Result<u64, StorageError> {
        let marked = mark.map_or(0, |mark| mark.offset);
        let durable = self.witnessed.max(marked).max(self.witness_behind_end());
        if durable <= self.end {
            return Ok(durable);
        }
        let at_end = self.end == self.bytes.len() as u64;
        let what = if at_end {
            "the file ends"
        } else {
            "the record is bad"
        };
        let what = format!("{what}, and the segment was durable up to byte {durable}");
        Err(StorageError::corrupt(&self.name, self.end, what))
    }

    /// What intact frames behind the first bad record say. Their payloads and chains don't matter:
    /// that a frame was written is enough.
    fn witness_behind_end(&self) -> u64 {
        let behind = (self.end as usize)..self.bytes.len().saturating_sub(FRAME_BYTES - 1);
        behind
            .step_by(ALIGNMENT)
            .filter_map(|offset| Frame::decode(&self.bytes, offset, self.seed))
            .map(|frame| frame.synced)
            .max()
            .unwrap_or(0)
    }
}

fn read_header(disk: &dyn Disk, sequence: u64) -> Result<SegmentHeader, StorageError> {
    let name = segment_name(sequence);
    let file = disk
        .open(&name, false)
        .map_err(|e| StorageError::io("open", &name, e))?;
    let mut bytes = [0; 256];
    let len = file
        .read_at(0, &mut bytes)
        .map_err(|e| StorageError::io("read", &name, e))?;
    decode_header(&name, sequence, &bytes[..len]).map(|(header, _, _)| header)
}

fn decode_header(
    name: &str,
    sequence: u64,
    bytes: &[u8],
) -> Result<(SegmentHeader, usize, u32), StorageError> {
    match SegmentHeader::decode(bytes) {
        Ok(decoded) if decoded.0.sequence == sequence => Ok(decoded),
        Ok(decoded) => {
            let what = format!("the header is that of segment {}", decoded.0.sequence);
            Err(StorageError::corrupt(name, 0, what))
        }
        Err(BadHeader::Damaged) => Err(StorageError::corrupt(name, 0, "the header is bad")),
        Err(BadHeader::Version(found)) => Err(StorageError::UnsupportedVersion {
            file: name.to_owned(),
            found,
            supported: VERSION,
        }),
    }
}

/// All bytes of a file.
pub(crate) fn read_whole(file: &dyn DiskFile, name: &str) -> Result<Vec<u8>, StorageError> {
    let read = || -> io::Result<Vec<u8>> {
        let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; len];
        let got = file.read_at(0, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    };
    read().map_err(|e| StorageError::io("read", name, e))
}
