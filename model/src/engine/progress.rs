//! Progress, over the whole graph of a scope: from which states can more be committed?
//!
//! Not stateright's `eventually`, which is unsound on joins and cycles and knows no fairness: nothing is
//! said here of what must happen, only of what still can. All states and steps are kept, so this is for
//! small scopes: some 40 bytes a state and eight a step. Under symmetry a state has the continuations of
//! all that it stands for, renamed; so what one can reach, all can.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::Search;
use crate::action::Action;
use crate::fingerprint::Fingerprint;
use crate::raft::Raft;
use crate::state::State;

/// From how many states more can be committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Continuations {
    /// States from which some continuation commits an entry that is not committed yet.
    pub live: u64,
    /// States from which none does, for want of a term, a request or a place in a log.
    pub bounded: u64,
}

/// What came of looking for continuations.
pub(crate) enum Reach {
    /// There is one from every state that the bounds leave room.
    Everywhere(Continuations),
    /// The steps to the nearest state without one, though there is room.
    Stuck(Vec<Action>),
    /// The stop flag was raised.
    Stopped,
}

/// The explored graph; states have numbers in the order in which they were found.
#[derive(Default)]
struct Graph {
    numbers: HashMap<Fingerprint, u32>,
    /// From where to where.
    steps: Vec<(u32, u32)>,
    /// States with a step that commits something new.
    commits: Vec<u32>,
    /// Whether the bounds leave a state room.
    roomy: Vec<bool>,
    /// As in [`Search::retrace`].
    trail: Vec<Vec<(u32, u16)>>,
}

impl Search<'_> {
    /// Explores the scope anew, and looks backwards from all steps that commit something new.
    pub(crate) fn continuations(&self, stop: &AtomicBool) -> Reach {
        let Some(mut graph) = self.graph(stop) else {
            return Reach::Stopped;
        };
        let live = graph.reaching_a_commit();
        let count = |wanted: bool| live.iter().filter(|&&l| l == wanted).count() as u64;
        let stuck = live
            .iter()
            .zip(&graph.roomy)
            .position(|(&l, &room)| !l && room);
        match stuck {
            Some(number) => {
                graph.cut_trail(number);
                Reach::Stuck(self.retrace(&graph.trail))
            }
            None => Reach::Everywhere(Continuations {
                live: count(true),
                bounded: count(false),
            }),
        }
    }

    fn graph(&self, stop: &AtomicBool) -> Option<Graph> {
        let mut graph = Graph::default();
        let mut level = vec![self.raft.initial()];
        graph.add(self, &level[0]);
        let mut first = 0;
        while !level.is_empty() {
            let (mut next_level, mut origins) = (Vec::new(), Vec::new());
            for (place, state) in (0u32..).zip(&level) {
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                let mut offer = 0;
                self.raft.offers(state, |action| {
                    offer += 1;
                    let Some(next) = self.raft.step(state, action) else {
                        return;
                    };
                    if next.ghost().committed().len() > state.ghost().committed().len() {
                        graph.commits.push(first + place);
                    }
                    let (number, is_new) = graph.add(self, &next);
                    graph.steps.push((first + place, number));
                    if is_new {
                        origins.push((place, offer - 1));
                        next_level.push(next);
                    }
                });
            }
            first += level.len() as u32;
            graph.trail.push(origins);
            level = next_level;
        }
        Some(graph)
    }
}

impl Graph {
    /// The state's number, and whether it has it from now on.
    fn add(&mut self, search: &Search<'_>, state: &State) -> (u32, bool) {
        let next = self.roomy.len() as u32;
        let print = search.fingerprint(state);
        let number = *self.numbers.entry(print).or_insert(next);
        if number == next {
            self.roomy.push(has_room(search.raft, state));
        }
        (number, number == next)
    }

    /// For each state, whether some continuation commits something new.
    fn reaching_a_commit(&mut self) -> Vec<bool> {
        // Steps by where they lead.
        self.steps.sort_unstable_by_key(|&(_, to)| to);
        let mut live = vec![false; self.roomy.len()];
        let mut open = std::mem::take(&mut self.commits);
        while let Some(number) = open.pop() {
            if std::mem::replace(&mut live[number as usize], true) {
                continue;
            }
            let from = self.steps.partition_point(|&(_, to)| to < number);
            let into = self.steps[from..]
                .iter()
                .take_while(|&&(_, to)| to == number);
            open.extend(into.map(|&(from, _)| from));
        }
        live
    }

    /// Cuts the trail so that it ends with the state of that number.
    fn cut_trail(&mut self, number: usize) {
        // The initial state has number 0 and is in no level of the trail.
        let mut left = number;
        for level in 0..self.trail.len() {
            if left == 0 {
                self.trail.truncate(level);
                return;
            }
            let here = self.trail[level].len();
            if left <= here {
                self.trail[level].truncate(left);
                self.trail.truncate(level + 1);
                return;
            }
            left -= here;
        }
    }
}

/// Whether the bounds leave what it takes to elect another leader and commit another request: a term
/// above all, a request, and a place in every log.
fn has_room(raft: &Raft, state: &State) -> bool {
    let bounds = raft.bounds();
    let roomy =
        |s: &crate::server::Server| s.term() < bounds.max_term && s.log().len() < bounds.max_log;
    state.ghost().requests() < bounds.requests && state.servers().iter().all(roomy)
}
