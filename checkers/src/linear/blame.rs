//! Learns from failure which indeterminate operations mattered to it. If nothing below a failed
//! configuration was ever denied for want of an operation of some class, then having more of that class
//! would not have helped: the failure holds for any number of them used. Without this, a history with
//! many indeterminate operations is searched once for each way of having used some in vain.
//!
//! A configuration may fail by leading back to one that is still being searched; what it learned then
//! holds only together with that one. So failures are settled in groups, as Tarjan's algorithm settles
//! strongly connected components.

use super::search::{DONE, Group};
use super::visited::Visited;

/// A configuration that was not remembered.
pub(super) const NO_ENTRY: u32 = u32::MAX;
/// A failure that depends on nothing that is still being searched.
const SETTLED: u32 = u32::MAX;

/// A configuration that is being searched.
struct Level {
    entry: u32,
    /// The outermost level that its failure depends on.
    low: u32,
    /// Entries from here on failed below it and are not settled yet.
    pending: usize,
}

/// What is known of the failures so far. Idle, and free of cost, where nothing is indeterminate.
pub(super) struct Blame {
    /// By group: its word among the counters, the bits of its counter, its guard.
    fields: Vec<(usize, u64, u64)>,
    /// By word of counters: all counters' bits, and all their guards.
    words: Vec<(u64, u64)>,
    /// Where counters begin in a remembered configuration.
    from: usize,
    levels: Vec<Level>,
    /// By level: guards of the groups of which one more could have helped.
    denied: Vec<u64>,
    pending: Vec<u32>,
    /// By entry: the level that its failure depends on, or [`SETTLED`].
    status: Vec<u32>,
}

impl Blame {
    /// For these groups, whose counters begin at `from` in a configuration.
    pub(super) fn new(groups: &[Group], from: usize) -> Blame {
        let fields: Vec<_> = groups
            .iter()
            .filter(|group| group.is_counted())
            .map(|group| {
                let (word, counter, guard) = group.field();
                (word - from, counter, guard)
            })
            .collect();
        let mut words = Vec::new();
        for (word, counter, guard) in &fields {
            words.resize(words.len().max(word + 1), (0, 0));
            words[*word].0 |= counter;
            words[*word].1 |= guard;
        }
        Blame {
            fields,
            words,
            from: from - DONE,
            levels: Vec::new(),
            denied: Vec::new(),
            pending: Vec::new(),
            status: Vec::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.fields.is_empty()
    }

    pub(super) fn memory(&self) -> usize {
        self.levels.capacity() * size_of::<Level>()
            + self.denied.capacity() * 8
            + (self.pending.capacity() + self.status.capacity()) * 4
    }

    /// A configuration begins to be searched.
    pub(super) fn enter(&mut self, entry: u32, denied: &[u64]) {
        if self.is_idle() {
            return;
        }
        debug_assert_eq!(entry as usize, self.status.len(), "all are remembered");
        self.status.push(self.depth());
        self.levels.push(Level {
            entry,
            low: SETTLED,
            pending: self.pending.len(),
        });
        self.denied.extend_from_slice(denied);
    }

    /// How many levels there are.
    fn depth(&self) -> u32 {
        u32::try_from(self.levels.len()).expect("fewer levels than events")
    }

    /// A choice of the innermost level led to a configuration that is no better than this one.
    pub(super) fn covered(&mut self, entry: u32, visited: &mut Visited) {
        if self.is_idle() {
            return;
        }
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        let status = self.status[entry as usize];
        if status != SETTLED {
            // Still being searched, or dependent on what is: its blame reaches that level itself.
            level.low = level.low.min(status);
            return;
        }
        // It failed whatever the counters, but for those that it still holds.
        let base = self.denied.len() - self.words.len();
        let used = &visited.config_mut(entry)[self.from..];
        for (word, (counters, guards)) in self.words.iter().enumerate() {
            // Adding all ones to a counter reaches its guard unless the counter is zero.
            self.denied[base + word] |= (used[word] + counters) & guards;
        }
    }

    /// The innermost level has failed.
    pub(super) fn leave(&mut self, visited: &mut Visited) {
        if self.is_idle() {
            return;
        }
        let level = self.levels.pop().expect("a level is left that was entered");
        let number = self.depth();
        let denied = self.denied.split_off(self.denied.len() - self.words.len());
        self.pending.push(level.entry);
        if level.low >= number {
            for entry in self.pending.drain(level.pending..) {
                let used = &mut visited.config_mut(entry)[self.from..];
                for (word, counter, guard) in &self.fields {
                    if denied[*word] & guard == 0 {
                        used[*word] &= !counter;
                    }
                }
                self.status[entry as usize] = SETTLED;
            }
        } else {
            self.status[level.entry as usize] = level.low;
            let parent = self.levels.last_mut();
            let parent = parent.expect("what it depends on is further out");
            parent.low = parent.low.min(level.low);
        }
        if let Some(base) = self.denied.len().checked_sub(self.words.len()) {
            for (word, denied) in denied.into_iter().enumerate() {
                self.denied[base + word] |= denied;
            }
        }
    }
}
