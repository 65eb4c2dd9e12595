//! A search on disk, between two batches: whose it is, what it counted, the visited set and the frontiers.
//!
//! A file of sections, each with its length before it and a sum that shows damage behind it. It is written
//! beside its place and then moved there, so that there is always a whole one.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

use super::frontier::{Bytes, Chunk, Frontier};
use super::spill::{Spill, sum};
use super::table::Table;
use super::{Course, End, Found, Search, StorageError};
use crate::action::RULES;
use crate::claims::Claims;
use crate::state::State;

const MAGIC: &[u8; 8] = b"PLUMBCK1";
const COUNTERS: usize = 9 + RULES.len();

/// Writes `course` if a file was asked for.
pub(super) fn write(
    search: &Search<'_>,
    course: &mut Course,
    spill: Option<&Spill>,
) -> Result<(), StorageError> {
    course.saved = search.started.elapsed();
    let Some(path) = &search.storage.checkpoint else {
        return Ok(());
    };
    let failed = |error| StorageError::Checkpoint {
        path: path.clone(),
        error,
    };
    let beside = path.with_extension("part");
    let written = File::create(&beside).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        sections(search, course, spill, &mut out)?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&beside, path));
    moved.map_err(failed)
}

fn sections(
    search: &Search<'_>,
    course: &Course,
    spill: Option<&Spill>,
    out: &mut impl Write,
) -> io::Result<()> {
    out.write_all(MAGIC)?;
    section(out, identity(search).as_bytes())?;
    let found = &course.found;
    let elapsed = found.earlier + search.started.elapsed();
    let mut counters = vec![
        found.unique,
        found.generated,
        found.depth as u64,
        found.covered as u64,
        u64::from(found.claims.bits()),
        found.peak_memory as u64,
        elapsed.as_millis() as u64,
        course.level.chunks.len() as u64,
        course.next.chunks.len() as u64,
    ];
    counters.extend(found.rules);
    section(out, &to_bytes(counters))?;
    for part in 0..Table::PARTS {
        section(out, &to_bytes(course.table.part(part)))?;
    }
    for chunk in course.level.chunks.iter().chain(&course.next.chunks) {
        section(out, &to_bytes([chunk.count as u64]))?;
        match &chunk.bytes {
            Bytes::Held(bytes) => section(out, bytes)?,
            Bytes::Spilled(place) => {
                let spill = spill.expect("who spilled it is there");
                section(out, &spill.read(place)?)?;
            }
        }
    }
    section(out, b"end")
}

/// The search that `path` holds.
pub(super) fn read(search: &Search<'_>, path: &Path) -> Result<Course, StorageError> {
    let failed = |error| StorageError::Checkpoint {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(failed)?;
    let left = file.metadata().map_err(failed)?.len();
    let mut file = Sections {
        path,
        left,
        file: BufReader::with_capacity(1 << 20, file),
    };
    file.magic()?;
    let theirs = String::from_utf8_lossy(&file.next()?).into_owned();
    let ours = identity(search);
    if theirs != ours {
        let path = path.to_owned();
        return Err(StorageError::Foreign { path, theirs, ours });
    }
    let counters = file.words()?;
    let Ok(counters) = <[u64; COUNTERS]>::try_from(counters) else {
        return Err(file.damaged());
    };
    let [
        unique,
        generated,
        depth,
        covered,
        claims,
        peak,
        millis,
        level,
        next,
        rules @ ..,
    ] = counters;
    let mut table = Table::new(search.width);
    for part in 0..Table::PARTS {
        let words = file.words()?;
        table.set_part(part, &words).ok_or_else(|| file.damaged())?;
    }
    let initial = search.raft.initial();
    let level = file.frontier(&initial, level)?;
    let next = file.frontier(&initial, next)?;
    if file.next()? != b"end" || file.left != 0 {
        return Err(file.damaged());
    }
    Ok(Course {
        table,
        level,
        done: 0,
        next,
        saved: Duration::ZERO,
        found: Found {
            end: End::Exhausted,
            unique,
            generated,
            depth: depth as usize,
            covered: covered as usize,
            claims: Claims::of_bits(claims as u32),
            rules,
            peak_memory: peak as usize,
            earlier: Duration::from_millis(millis),
        },
    })
}

/// Whose search it is: what it explores and how it tells states apart; and what the first steps come to, so
/// that no checkpoint of other rules is taken for one of these.
fn identity(search: &Search<'_>) -> String {
    let raft = search.raft;
    let symmetry = if raft.is_symmetric() {
        "up to renaming servers"
    } else {
        "no symmetry"
    };
    format!(
        "{}; {symmetry}; without {:?}; {:?}; {:?}; {} bits, salt {}; rules {:016x}",
        raft.bounds(),
        raft.ablations(),
        search.properties,
        search.claims,
        search.width.bits(),
        search.salt,
        first_steps(search)
    )
}

fn first_steps(search: &Search<'_>) -> u64 {
    const LEVELS: usize = 12;
    const STATES: usize = 200;
    let mut level = vec![search.raft.initial()];
    let mut prints = Vec::new();
    for _ in 0..LEVELS {
        let mut next: Vec<State> = Vec::new();
        for state in &level {
            search.raft.offers(state, |action| {
                if let Some(after) = search.raft.step(state, action) {
                    prints.push(search.fingerprint(&after).low);
                    next.push(after);
                }
            });
        }
        // From all over the level.
        let every = next.len().div_ceil(STATES).max(1);
        level = next.into_iter().step_by(every).collect();
    }
    sum(&to_bytes(prints))
}

fn to_bytes(words: impl IntoIterator<Item = u64>) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn section(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)?;
    out.write_all(&sum(bytes).to_le_bytes())
}

/// A file that is read section by section.
struct Sections<'a> {
    path: &'a Path,
    file: BufReader<File>,
    /// Bytes that are left of it.
    left: u64,
}

impl Sections<'_> {
    fn damaged(&self) -> StorageError {
        StorageError::damaged(
            self.path,
            "the checkpoint is damaged; begin the search anew, or go on from an earlier copy",
        )
    }

    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, StorageError> {
        self.left = self.left.checked_sub(count).ok_or_else(|| self.damaged())?;
        let mut bytes = vec![0; count as usize];
        let read = self.file.read_exact(&mut bytes);
        read.map_err(|error| StorageError::Checkpoint {
            path: self.path.to_owned(),
            error,
        })?;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<u64, StorageError> {
        let bytes = self.bytes(8)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)))
    }

    fn magic(&mut self) -> Result<(), StorageError> {
        let not_one = StorageError::damaged(
            self.path,
            "this is no checkpoint; give a file that --checkpoint has written",
        );
        match self.bytes(8) {
            Ok(bytes) if bytes == MAGIC => Ok(()),
            Ok(_) | Err(StorageError::Damaged { .. }) => Err(not_one),
            Err(error) => Err(error),
        }
    }

    fn next(&mut self) -> Result<Vec<u8>, StorageError> {
        let len = self.word()?;
        let bytes = self.bytes(len)?;
        if self.word()? != sum(&bytes) {
            return Err(self.damaged());
        }
        Ok(bytes)
    }

    fn words(&mut self) -> Result<Vec<u64>, StorageError> {
        let bytes = self.next()?;
        let words = bytes.chunks_exact(8);
        if !words.remainder().is_empty() {
            return Err(self.damaged());
        }
        let word = |chunk: &[u8]| chunk.iter().rev().fold(0, |w, &b| w << 8 | u64::from(b));
        Ok(words.map(word).collect())
    }

    fn frontier(&mut self, initial: &State, chunks: u64) -> Result<Frontier, StorageError> {
        let mut frontier = Frontier::new(initial);
        for _ in 0..chunks {
            let [count] = self.words()?[..] else {
                return Err(self.damaged());
            };
            let bytes = Bytes::Held(self.next()?);
            let count = count as usize;
            frontier.chunks.push(Chunk { count, bytes });
        }
        Ok(frontier)
    }
}
