//! Where the time of a run goes, for `plumb bench sim`: one step in so many is timed part by part, since a clock that
//! is read at every step would be a good part of what it measures. No run depends on it.

use std::time::{Duration, Instant};

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The core itself.
    Core,
    /// The judge's rules on all servers.
    Invariants,
    /// The specification's rules on this one.
    Conformance,
}

/// A prime, so that no rhythm of the run's is met at the same beat.
const EVERY: u64 = 31;
/// No part of a step takes so long by itself: something else had the processor.
const INTERRUPTED: Duration = Duration::from_micros(50);

/// The time that parts of steps took.
#[derive(Clone, Debug)]
pub struct Laps {
    running: bool,
    clock: fn() -> Instant,
    steps: u64,
    /// When the lap under way began, if this step is timed.
    since: Option<Instant>,
    spent: [(Duration, u32); 3],
}

impl Laps {
    /// With a clock, or without.
    pub(crate) fn new(running: bool) -> Laps {
        Laps {
            running,
            clock: now,
            steps: 0,
            since: None,
            spent: Default::default(),
        }
    }

    /// A step begins.
    #[inline]
    pub(super) fn begin(&mut self) {
        if !self.running {
            return;
        }
        self.steps += 1;
        self.since = self.steps.is_multiple_of(EVERY).then(self.clock);
    }

    /// A part of it ends, and the next begins.
    #[inline]
    pub(super) fn end(&mut self, part: Part) {
        if let Some(since) = self.since {
            self.note(part, since);
        }
    }

    fn note(&mut self, part: Part, since: Instant) {
        let now = (self.clock)();
        let lap = now - since;
        if lap < INTERRUPTED {
            let (spent, laps) = &mut self.spent[part as usize];
            *spent += lap;
            *laps += 1;
        }
        self.since = Some(now);
    }

    /// What a part took of all steps, less what the clock took.
    pub(crate) fn of(&self, part: Part) -> Duration {
        let (spent, laps) = self.spent[part as usize];
        let every = u32::try_from(EVERY).unwrap_or(u32::MAX);
        spent.saturating_sub(cost_of_a_look(self.clock) * laps) * every
    }
}

impl Default for Laps {
    fn default() -> Laps {
        Laps::new(false)
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}

/// How long it takes to look at the clock.
fn cost_of_a_look(clock: fn() -> Instant) -> Duration {
    const LOOKS: u32 = 1_000;
    let begun = clock();
    (0..LOOKS).for_each(|_| {
        std::hint::black_box(clock());
    });
    (clock() - begun) / (LOOKS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        /// A clock that stands still but for what a test says, and for a microsecond at each look.
        static PASSED: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
    }

    fn work_for(duration: Duration) {
        PASSED.set(PASSED.get() + duration);
    }

    fn told() -> Instant {
        thread_local!(static BEGUN: Instant = now());
        work_for(Duration::from_micros(1));
        BEGUN.with(|begun| *begun) + PASSED.get()
    }

    fn laps(running: bool) -> Laps {
        Laps {
            clock: told,
            ..Laps::new(running)
        }
    }

    #[test]
    fn a_part_that_takes_long_is_told_from_one_that_does_not() {
        let mut laps = laps(true);
        for _ in 0..200 * EVERY {
            laps.begin();
            laps.end(Part::Invariants);
            let timed = laps.since.is_some();
            work_for(Duration::from_micros(if timed { 10 } else { 0 }));
            laps.end(Part::Core);
        }
        let (core, rest) = (laps.of(Part::Core), laps.of(Part::Invariants));
        // Each look that ends a lap costs a microsecond, which is taken off again.
        assert_eq!(core, Duration::from_micros(200 * 10 * EVERY));
        assert_eq!(rest, Duration::ZERO);
        assert_eq!(laps.of(Part::Conformance), Duration::ZERO);
    }

    #[test]
    fn what_was_interrupted_is_left_out() {
        let mut laps = laps(true);
        for _ in 0..EVERY {
            laps.begin();
            work_for(Duration::from_micros(if laps.since.is_some() {
                60
            } else {
                0
            }));
            laps.end(Part::Core);
        }
        assert_eq!(laps.of(Part::Core), Duration::ZERO);
    }

    #[test]
    fn without_a_clock_nothing_is_timed() {
        let mut laps = laps(false);
        for _ in 0..2 * EVERY {
            laps.begin();
            work_for(Duration::from_micros(10));
            laps.end(Part::Core);
        }
        assert_eq!(laps.of(Part::Core), Duration::ZERO);
    }
}
