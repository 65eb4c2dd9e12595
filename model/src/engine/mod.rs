//! An explorer of our own: breadth-first, level by level, so that the first violation found is one
//! of the fewest steps; a packed frontier, and six to nine bytes a state for what was visited.
//!
//! stateright's breadth-first checker copies the path of every state for each of its successors and
//! ignores symmetry, and its depth-first one finds long counterexamples. Tests hold this engine to
//! the counts and verdicts of both.

mod checkpoint;
mod expand;
mod frontier;
mod packing;
mod progress;
mod recent;
mod spill;
mod storage;
mod table;
mod trail;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::action::{Action, RULES};
use crate::claims::Claims;
use crate::fingerprint::Fingerprint;
use crate::properties::{Properties, Property};
use crate::raft::Raft;
use crate::state::State;
use crate::symmetry;
use expand::{Shared, Yield};
use frontier::{CHUNK, Frontier};
pub use progress::Continuations;
pub(crate) use progress::Reach;
use spill::Spill;
pub use storage::{Storage, StorageError};
use table::Table;
pub use table::Width;
use trail::Origin;

/// How far a search is, as its caller sees it.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Distinct states found.
    pub unique: u64,
    /// Successors computed.
    pub generated: u64,
    /// Steps from the initial state to the level that is being expanded.
    pub depth: usize,
    /// States of that level.
    pub frontier: usize,
    /// Bytes that the visited set and the frontiers take in memory.
    pub memory: usize,
}

/// What a search may use.
pub(crate) struct Search<'a> {
    pub(crate) raft: &'a Raft,
    pub(crate) properties: Properties,
    /// What to look out for.
    pub(crate) claims: Claims,
    pub(crate) threads: usize,
    /// Bytes after which to stop.
    pub(crate) max_memory: Option<usize>,
    /// Whether to remember how states were reached: one thread only, and six bytes a state.
    pub(crate) trail: bool,
    pub(crate) width: Width,
    pub(crate) salt: u64,
    pub(crate) storage: &'a Storage,
    pub(crate) started: Instant,
}

/// Why a search ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Nothing was left to expand.
    Exhausted,
    /// A property broke; the steps that lead there if a trail was kept.
    Broken(Property, Vec<Action>),
    /// The stop flag was raised.
    Stopped,
    /// What follows would not have fitted.
    OutOfMemory,
}

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) end: End,
    pub(crate) unique: u64,
    pub(crate) generated: u64,
    /// Steps to the farthest level that has states.
    pub(crate) depth: usize,
    /// Levels expanded in full.
    pub(crate) covered: usize,
    pub(crate) claims: Claims,
    pub(crate) rules: [u64; RULES.len()],
    pub(crate) peak_memory: usize,
    /// Time that it took before it was resumed.
    pub(crate) earlier: Duration,
}

/// Chunks that are expanded before memory and the caller's wishes are looked at again.
const BATCH: usize = 256;
/// New states that a state is expected to have at most; more only crowd the table.
const NEW_PER_STATE: usize = 2;

/// A search between two batches: what a checkpoint holds.
struct Course {
    table: Table,
    /// What is left of the level that is being expanded.
    level: Frontier,
    /// States of that level that are expanded.
    done: usize,
    next: Frontier,
    /// When it was last written to a checkpoint, since the search began.
    saved: Duration,
    found: Found,
}

impl Search<'_> {
    /// Explores until nothing is left, a property breaks or `stop` is raised.
    ///
    /// # Errors
    /// If a file that the search was told to use is no good.
    pub(crate) fn run(
        &self,
        progress: &mut dyn FnMut(Progress),
        stop: &AtomicBool,
    ) -> Result<Found, StorageError> {
        let initial = self.raft.initial();
        let spill = self.storage.spill(self.max_memory.is_some())?;
        let mut course = match &self.storage.resume {
            Some(path) => checkpoint::read(self, path)?,
            None => self.begin(&initial),
        };
        let mut trail: Vec<Vec<Origin>> = Vec::new();
        if let Some(property) = self.properties.first_broken(self.raft, &initial) {
            course.found.end = End::Broken(property, Vec::new());
            return Ok(course.found);
        }
        if course.level.chunks.is_empty() {
            // It was stopped just at a level's end.
            self.next_level(&mut course, &initial, spill.as_ref())?;
        }
        while !course.level.chunks.is_empty() {
            let mut origins = Vec::new();
            while !course.level.chunks.is_empty() {
                if let Some(end) = self.make_room(&mut course, spill.as_ref())? {
                    course.found.end = end;
                    checkpoint::write(self, &mut course, spill.as_ref())?;
                    return Ok(course.found);
                }
                self.batch(&mut course, spill.as_ref(), &mut origins, progress, stop)?;
                if let End::Broken(property, _) = course.found.end {
                    course.found.depth += 1;
                    trail.push(origins);
                    let steps = if self.trail {
                        self.retrace(&trail)
                    } else {
                        Vec::new()
                    };
                    course.found.end = End::Broken(property, steps);
                    return Ok(course.found);
                }
                if stop.load(Ordering::Relaxed) {
                    course.found.end = End::Stopped;
                    checkpoint::write(self, &mut course, spill.as_ref())?;
                    return Ok(course.found);
                }
                if self.started.elapsed() >= course.saved + self.storage.every {
                    checkpoint::write(self, &mut course, spill.as_ref())?;
                }
            }
            if self.trail {
                trail.push(origins);
            }
            self.next_level(&mut course, &initial, spill.as_ref())?;
        }
        Ok(course.found)
    }

    fn begin(&self, initial: &State) -> Course {
        let table = Table::new(self.width);
        let mut level = Frontier::new(initial);
        table.insert(self.fingerprint(initial));
        level.push(initial);
        Course {
            table,
            level,
            done: 0,
            next: Frontier::new(initial),
            saved: Duration::ZERO,
            found: Found {
                end: End::Exhausted,
                unique: 1,
                generated: 1,
                depth: 0,
                covered: 0,
                claims: Claims::NONE,
                rules: [0; RULES.len()],
                peak_memory: 0,
                earlier: Duration::ZERO,
            },
        }
    }

    /// Sees to it that the next batch has room in the table, and the frontiers in memory; or says why it
    /// can't have it.
    fn make_room(
        &self,
        course: &mut Course,
        spill: Option<&Spill>,
    ) -> Result<Option<End>, StorageError> {
        let too_much = |bytes: usize| self.max_memory.is_some_and(|most| bytes > most);
        loop {
            let needs_growth = course.table.room(course.found.unique) < CHUNK * NEW_PER_STATE;
            let table = if needs_growth {
                course.table.bytes_grown(self.threads)
            } else {
                course.table.bytes()
            };
            let held = course.level.held() + course.next.held();
            if let Some(spill) = spill
                && (too_much(table + held) || held > self.storage.hold)
            {
                let here = course.found.depth % 2;
                course
                    .next
                    .spill(spill, 1 - here)
                    .map_err(StorageError::spilling)?;
                course
                    .level
                    .spill(spill, here)
                    .map_err(StorageError::spilling)?;
            }
            let held = course.level.held() + course.next.held();
            if too_much(table + held) {
                return Ok(Some(End::OutOfMemory));
            }
            course.found.peak_memory = course.found.peak_memory.max(table + held);
            if !needs_growth {
                return Ok(None);
            }
            course.table.grow(self.threads);
        }
    }

    /// Expands as much of the level as the table has room for.
    fn batch(
        &self,
        course: &mut Course,
        spill: Option<&Spill>,
        origins: &mut Vec<Origin>,
        progress: &mut dyn FnMut(Progress),
        stop: &AtomicBool,
    ) -> Result<(), StorageError> {
        let Course {
            table,
            level,
            done,
            next,
            found,
            ..
        } = course;
        let room = table.room(found.unique) / (CHUNK * NEW_PER_STATE);
        let take = room.clamp(1, BATCH).min(level.chunks.len());
        let (frontier, held) = (*done + level.len(), level.held() + next.held());
        let report = &mut |part: &Yield| {
            progress(Progress {
                unique: found.unique + part.unique,
                generated: found.generated + part.generated,
                depth: found.depth,
                frontier,
                memory: table.bytes() + held,
            });
        };
        let (yields, taken) = self.expand(
            &level.chunks[..take],
            *done,
            found.claims,
            Shared { table, spill, stop },
            report,
        );
        *done += level
            .chunks
            .drain(..taken)
            .map(|chunk| chunk.count)
            .sum::<usize>();
        for mut part in yields {
            if let Some(error) = part.failed {
                return Err(StorageError::spilling(error));
            }
            found.unique += part.unique;
            found.generated += part.generated;
            found.claims = found.claims.union(part.claims);
            for (sum, count) in found.rules.iter_mut().zip(part.rules) {
                *sum += count;
            }
            next.append(part.next);
            origins.append(&mut part.origins);
            if let (Some(property), false) = (part.broken, matches!(found.end, End::Broken(..))) {
                found.end = End::Broken(property, Vec::new());
            }
        }
        found.peak_memory = found
            .peak_memory
            .max(table.bytes() + level.held() + next.held());
        Ok(())
    }

    fn next_level(
        &self,
        course: &mut Course,
        initial: &State,
        spill: Option<&Spill>,
    ) -> Result<(), StorageError> {
        if let Some(spill) = spill {
            spill
                .clear(course.found.depth % 2)
                .map_err(StorageError::spilling)?;
        }
        course.found.covered += 1;
        course.level = std::mem::replace(&mut course.next, Frontier::new(initial));
        course.done = 0;
        course.found.depth += usize::from(!course.level.chunks.is_empty());
        Ok(())
    }

    #[inline]
    fn fingerprint(&self, state: &State) -> Fingerprint {
        if self.raft.is_symmetric() {
            symmetry::fingerprint(state, self.salt)
        } else {
            state.fingerprint(self.salt)
        }
    }
}
