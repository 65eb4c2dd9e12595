//! Some chunks of a level expanded on all threads.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::frontier::{Chunk, Frontier};
use super::recent::Recent;
use super::spill::Spill;
use super::table::Table;
use super::{Origin, Search};
use crate::action::RULES;
use crate::claims::Claims;
use crate::fingerprint::Fingerprint;
use crate::properties::Property;
use crate::state::State;

/// Successors that are looked up together, at least.
///
/// A look-up waits for memory, and many that are under way at once wait no longer than one.
const TOGETHER: usize = 32;

/// What one thread found in its part.
pub(super) struct Yield {
    pub(super) next: Frontier,
    pub(super) generated: u64,
    pub(super) unique: u64,
    pub(super) claims: Claims,
    pub(super) rules: [u64; RULES.len()],
    pub(super) broken: Option<Property>,
    /// For each new state, where it came from, if a trail is kept.
    pub(super) origins: Vec<Origin>,
    pub(super) failed: Option<io::Error>,
}

/// Successors that were computed and not looked up. States are large: their places are used again.
struct Pending {
    states: Vec<State>,
    rest: Vec<(Fingerprint, Origin)>,
    recent: Recent,
}

/// What all threads of a search look at.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) table: &'a Table,
    /// Where chunks are that are not in memory.
    pub(super) spill: Option<&'a Spill>,
    pub(super) stop: &'a AtomicBool,
}

impl Search<'_> {
    /// Expands chunks on all threads; `first` is the number of the first of their states in its level,
    /// and `claims` what was reached before.
    /// Returns how many it has expanded: a chunk that is begun is expanded to its end, unless something broke.
    pub(super) fn expand(
        &self,
        chunks: &[Chunk],
        first: usize,
        claims: Claims,
        Shared { table, spill, stop }: Shared<'_>,
        progress: &mut dyn FnMut(&Yield),
    ) -> (Vec<Yield>, usize) {
        let cursor = AtomicUsize::new(0);
        let halt = AtomicBool::new(false);
        let initial = self.raft.initial();
        let work = |report: &mut dyn FnMut(&Yield)| {
            let mut mine = Yield::new(&initial, claims);
            let mut pending = Pending {
                states: Vec::new(),
                rest: Vec::new(),
                recent: Recent::new(),
            };
            // With a trail there is one thread, which takes the chunks in order.
            let mut number = first as u32;
            while !halt.load(Ordering::Relaxed)
                && !stop.load(Ordering::Relaxed)
                && let Some(chunk) = chunks.get(cursor.fetch_add(1, Ordering::Relaxed))
            {
                let visited = chunk.visit(spill, &initial, |state| {
                    self.expand_state(state, number, &initial, &mut pending, &mut mine);
                    number = number.wrapping_add(1);
                    if pending.rest.len() >= TOGETHER {
                        self.look_up(&mut pending, table, &mut mine);
                    }
                    mine.broken.is_none()
                });
                self.look_up(&mut pending, table, &mut mine);
                mine.failed = visited.err();
                if mine.broken.is_some() || mine.failed.is_some() {
                    halt.store(true, Ordering::Relaxed);
                    break;
                }
                report(&mine);
            }
            mine
        };
        let threads = self.threads.clamp(1, chunks.len().max(1));
        let yields = std::thread::scope(|scope| {
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
        });
        (yields, cursor.into_inner().min(chunks.len()))
    }

    #[inline]
    fn expand_state(
        &self,
        state: &State,
        number: u32,
        initial: &State,
        pending: &mut Pending,
        mine: &mut Yield,
    ) {
        let mut offer = 0u16;
        self.raft.offers(state, |action| {
            offer += 1;
            let at = pending.rest.len();
            if at == pending.states.len() {
                pending.states.push(initial.clone());
            }
            let next = &mut pending.states[at];
            if self.raft.step_into(state, action, next).is_none() {
                return;
            }
            mine.generated += 1;
            mine.rules[action.rule()] += 1;
            mine.claims
                .observe(self.raft, self.claims, state, action, next);
            let print = self.fingerprint(next);
            if !pending.recent.knows(print) {
                pending.rest.push((print, (number, offer - 1)));
            }
        });
    }

    /// Looks up what is pending, in order.
    fn look_up(&self, pending: &mut Pending, table: &Table, mine: &mut Yield) {
        let prints = pending.rest.iter().map(|&(print, _)| print);
        let near = prints.clone().map(|print| table.touch(print));
        std::hint::black_box(near.fold(0, |all, word| all ^ word));
        let beyond = prints.map(|print| table.touch_beyond(print));
        std::hint::black_box(beyond.fold(0, |all, word| all ^ word));
        for (next, (print, origin)) in pending.states.iter().zip(pending.rest.drain(..)) {
            if mine.broken.is_some() || !table.insert(print) {
                continue;
            }
            mine.unique += 1;
            if self.trail {
                mine.origins.push(origin);
            }
            mine.broken = self.properties.first_broken(self.raft, next);
            mine.next.push(next);
        }
    }
}

impl Yield {
    fn new(initial: &State, claims: Claims) -> Yield {
        Yield {
            next: Frontier::new(initial),
            generated: 0,
            unique: 0,
            claims,
            rules: [0; RULES.len()],
            broken: None,
            origins: Vec::new(),
            failed: None,
        }
    }
}
