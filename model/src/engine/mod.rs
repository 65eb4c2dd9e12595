//! An explorer of our own: breadth-first, level by level, so that the first violation found is one
//! of the fewest steps; a packed frontier and eight bytes a slot for what was visited.
//!
//! stateright's breadth-first checker copies the path of every state for each of its successors and
//! ignores symmetry, and its depth-first one finds long counterexamples. Tests hold this engine to
//! the counts and verdicts of both.

mod frontier;
mod progress;
mod table;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::action::{Action, RULES};
use crate::claims::Claims;
use crate::properties::{Properties, Property};
use crate::raft::Raft;
use crate::state::{Shape, State};
use crate::symmetry;
use frontier::Frontier;
pub use progress::Continuations;
pub(crate) use progress::Reach;
use table::Table;

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
    /// Bytes that the visited set and the frontiers take.
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
    /// The next level would not have fitted.
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
}

/// What one thread found in its part of a level.
#[derive(Default)]
struct Yield {
    next: Frontier,
    generated: u64,
    unique: u64,
    claims: Claims,
    rules: [u64; RULES.len()],
    broken: Option<Property>,
    /// For each new state, which state of the level it came from, and by which of its offers.
    origins: Vec<(u32, u16)>,
}

/// No state of ours has more successors: offers are bounded by servers times messages.
const MOST_SUCCESSORS: usize = 128;
const FIRST_BITS: u32 = 16;

/// Grows the table until it can take what at least one chunk may yield, at no more than three
/// quarters full; returns how many chunks it can take, and the bytes held while growing.
fn make_room(table: &mut Table, unique: u64, chunks: usize) -> (usize, usize) {
    let mut moved = table.bytes();
    loop {
        let free = (table.capacity() / 4 * 3).saturating_sub(unique as usize);
        let room = free / (Frontier::most_states(1) * MOST_SUCCESSORS);
        // Below half full, or with room for all that is left of the level.
        if room >= 1 && (room >= chunks || unique as usize * 2 < table.capacity()) {
            return (room.min(chunks), moved);
        }
        let larger = table.doubled();
        moved = table.bytes() + larger.bytes();
        *table = larger;
    }
}

impl Search<'_> {
    /// Explores until nothing is left, a property breaks or `stop` is raised.
    pub(crate) fn run(&self, progress: &mut dyn FnMut(Progress), stop: &AtomicBool) -> Found {
        let mut table = Table::with_bits(FIRST_BITS);
        let mut level = Frontier::default();
        let initial = self.canonical(self.raft.initial());
        table.insert(initial.fingerprint(0));
        level.push(&initial);
        let mut found = Found {
            end: End::Exhausted,
            unique: 1,
            generated: 1,
            depth: 0,
            covered: 0,
            claims: Claims::NONE,
            rules: [0; RULES.len()],
            peak_memory: 0,
        };
        let mut trail: Vec<Vec<(u32, u16)>> = Vec::new();
        if let Some(property) = self.properties.first_broken(self.raft, &initial) {
            found.end = End::Broken(property, Vec::new());
            return found;
        }
        while level.len() > 0 {
            let mut next = Frontier::default();
            let mut origins = Vec::new();
            let mut done = 0;
            while done < level.chunks.len() {
                let (room, moved) = make_room(&mut table, found.unique, level.chunks.len() - done);
                let moving = moved + level.bytes() + next.bytes();
                found.peak_memory = found.peak_memory.max(moving);
                let yields = self.expand(&level, done, done + room, &table, stop, &mut |yielded| {
                    progress(Progress {
                        unique: found.unique + yielded.unique,
                        generated: found.generated + yielded.generated,
                        depth: found.depth,
                        frontier: level.len(),
                        memory: table.bytes() + level.bytes() + next.bytes(),
                    });
                });
                done += room;
                for mut part in yields {
                    found.unique += part.unique;
                    found.generated += part.generated;
                    found.claims = found.claims.union(part.claims);
                    for (sum, count) in found.rules.iter_mut().zip(part.rules) {
                        *sum += count;
                    }
                    next.chunks.append(&mut part.next.chunks);
                    origins.append(&mut part.origins);
                    if let (Some(property), false) =
                        (part.broken, matches!(found.end, End::Broken(..)))
                    {
                        found.end = End::Broken(property, Vec::new());
                    }
                }
                let memory = table.bytes() + level.bytes() + next.bytes();
                found.peak_memory = found.peak_memory.max(memory);
                if let End::Broken(property, _) = found.end {
                    found.depth += 1;
                    trail.push(origins);
                    let steps = if self.trail {
                        self.retrace(&trail)
                    } else {
                        Vec::new()
                    };
                    found.end = End::Broken(property, steps);
                    return found;
                }
                if stop.load(Ordering::Relaxed) {
                    found.end = End::Stopped;
                    return found;
                }
                if self.max_memory.is_some_and(|most| memory > most) {
                    found.end = End::OutOfMemory;
                    return found;
                }
            }
            if self.trail {
                trail.push(origins);
            }
            found.covered += 1;
            found.depth += usize::from(next.len() > 0);
            level = next;
        }
        found
    }

    /// Expands some chunks of a level on all threads.
    fn expand(
        &self,
        level: &Frontier,
        from: usize,
        to: usize,
        table: &Table,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(&Yield),
    ) -> Vec<Yield> {
        let cursor = AtomicUsize::new(from);
        let halt = AtomicBool::new(false);
        let first: usize = level.chunks[..from].iter().map(frontier::Chunk::len).sum();
        let work = |report: &mut dyn FnMut(&Yield)| {
            let mut mine = Yield::default();
            loop {
                let at = cursor.fetch_add(1, Ordering::Relaxed);
                if at >= to || halt.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
                    return mine;
                }
                // With a trail there is one thread, which takes the chunks in order.
                let before = if self.trail {
                    first
                        + level.chunks[from..at]
                            .iter()
                            .map(frontier::Chunk::len)
                            .sum::<usize>()
                } else {
                    0
                };
                for (i, state) in level.chunks[at]
                    .states(Shape::of(self.raft.bounds()))
                    .enumerate()
                {
                    self.expand_state(&state, (before + i) as u32, table, &mut mine);
                    if mine.broken.is_some() {
                        halt.store(true, Ordering::Relaxed);
                        return mine;
                    }
                }
                report(&mine);
            }
        };
        let threads = self.threads.clamp(1, to - from);
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .map(|_| scope.spawn(|| work(&mut |_| {})))
                .collect();
            let mut yields = vec![work(progress)];
            for other in others {
                yields.push(
                    other
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                );
            }
            yields
        })
    }

    #[inline]
    fn expand_state(&self, state: &State, number: u32, table: &Table, mine: &mut Yield) {
        let mut offer = 0u16;
        self.raft.offers(state, |action| {
            offer += 1;
            if mine.broken.is_some() {
                return;
            }
            let Some(next) = self.raft.step(state, action) else {
                return;
            };
            mine.generated += 1;
            mine.rules[action.rule()] += 1;
            mine.claims
                .observe(self.raft, self.claims, state, action, &next);
            let next = self.canonical(next);
            if !table.insert(next.fingerprint(0)) {
                return;
            }
            mine.unique += 1;
            if self.trail {
                mine.origins.push((number, offer - 1));
            }
            mine.broken = self.properties.first_broken(self.raft, &next);
            mine.next.push(&next);
        });
    }

    #[inline]
    fn canonical(&self, state: State) -> State {
        if self.raft.is_symmetric() {
            symmetry::canonical(state)
        } else {
            state
        }
    }

    /// The steps to the last state of a trail, with one name for each server throughout: under
    /// symmetry the trail leads from representative to representative, and the steps are those
    /// that take the states themselves to states of the same representatives.
    fn retrace(&self, trail: &[Vec<(u32, u16)>]) -> Vec<Action> {
        if trail.is_empty() {
            return Vec::new();
        }
        let mut offers = Vec::new();
        let mut at = trail.last().map_or(0, |level| level.len() - 1);
        for level in trail.iter().rev() {
            let (parent, offer) = level[at];
            offers.push(offer);
            at = parent as usize;
        }
        let mut state = self.raft.initial();
        let mut representative = self.canonical(state.clone());
        let mut steps = Vec::new();
        for offer in offers.into_iter().rev() {
            let action = self.offer(&representative, offer);
            let next = self.raft.step(&representative, action);
            representative = self.canonical(next.expect("the trail's steps were taken before"));
            let (action, next) = self.step_to(&state, &representative);
            steps.push(action);
            state = next;
        }
        steps
    }

    fn offer(&self, state: &State, number: u16) -> Action {
        let mut all = Vec::new();
        self.raft.offers(state, |action| all.push(action));
        all[usize::from(number)]
    }

    /// The first step from `state` to a state that `representative` stands for.
    fn step_to(&self, state: &State, representative: &State) -> (Action, State) {
        let mut found = None;
        self.raft.offers(state, |action| {
            if found.is_none()
                && let Some(next) = self.raft.step(state, action)
                && self.canonical(next.clone()) == *representative
            {
                found = Some((action, next));
            }
        });
        found.expect("a renamed state has the renamed steps")
    }
}
