//! What a check may cost, and the meter that enforces it. Steps are deterministic; time and memory
//! depend on the machine, so simulations ask for steps alone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Limit;

/// Limits that end a check as [`Verdict::Unknown`](crate::Verdict::Unknown), never as valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Steps of search for each part (each key) by itself, so that the verdict does not depend on
    /// how many threads share the work.
    pub steps: Option<u64>,
    /// Wall time for the whole check. The only limit that makes a verdict depend on the machine.
    pub time: Option<Duration>,
    /// Bytes that the search may take, over all parts.
    pub memory: Option<usize>,
}

impl Default for Budget {
    /// 200 million steps a part and 2 GiB; no clock is read.
    fn default() -> Budget {
        Budget {
            steps: Some(200_000_000),
            time: None,
            memory: Some(2 << 30),
        }
    }
}

impl Budget {
    /// Steps and nothing else: the same everywhere.
    #[must_use]
    pub fn steps(steps: u64) -> Budget {
        Budget {
            steps: Some(steps),
            time: None,
            memory: None,
        }
    }
}

/// What all parts of one check share.
pub(crate) struct Shared<'a> {
    budget: Budget,
    started: Option<Instant>,
    memory: AtomicUsize,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(budget: Budget, stop: Option<&'a AtomicBool>) -> Shared<'a> {
        Shared {
            started: budget.time.map(|_| now()),
            budget,
            memory: AtomicUsize::new(0),
            stop,
        }
    }

    pub(crate) fn meter(&self) -> Meter<'_> {
        Meter {
            shared: self,
            limit: self.budget.steps.unwrap_or(u64::MAX),
            steps: 0,
            held: 0,
            peak: 0,
        }
    }

    /// The same clock and stop flag with other limits of steps and memory.
    pub(crate) fn with_budget(&self, budget: Budget) -> Shared<'a> {
        Shared {
            started: budget.time.map(|_| now()),
            budget,
            memory: AtomicUsize::new(0),
            stop: self.stop,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a time budget was asked for: the one place that reads the clock"
)]
fn now() -> Instant {
    Instant::now()
}

/// Counts what one part costs.
pub(crate) struct Meter<'s> {
    shared: &'s Shared<'s>,
    limit: u64,
    steps: u64,
    held: usize,
    peak: usize,
}

/// The clock and the stop flag are looked at once in so many steps.
const EVERY: u64 = 1 << 12;

impl Meter<'_> {
    /// Does something with no more than so many steps of the budget; `None` if only these ran out.
    pub(crate) fn limited<T>(
        &mut self,
        steps: u64,
        run: impl FnOnce(&mut Self) -> Result<T, Limit>,
    ) -> Option<Result<T, Limit>> {
        let whole = self.limit;
        self.limit = whole.min(self.steps.saturating_add(steps));
        let result = run(self);
        let here = std::mem::replace(&mut self.limit, whole);
        match result {
            Err(Limit::Steps { .. }) if here < whole => None,
            result => Some(result),
        }
    }

    /// Many steps at once, as of a pass over a list.
    pub(crate) fn pass(&mut self, steps: usize) -> Result<(), Limit> {
        let before = self.steps / EVERY;
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > self.limit {
            return Err(Limit::Steps { limit: self.limit });
        }
        if self.steps / EVERY != before {
            self.look()?;
        }
        Ok(())
    }

    fn look(&self) -> Result<(), Limit> {
        if self
            .shared
            .stop
            .is_some_and(|stop| stop.load(Ordering::Relaxed))
        {
            return Err(Limit::Stopped);
        }
        if let (Some(limit), Some(started)) = (self.shared.budget.time, self.shared.started)
            && now().duration_since(started) > limit
        {
            return Err(Limit::Time {
                limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            });
        }
        Ok(())
    }

    /// The search now holds so many bytes.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Limit> {
        let total = &self.shared.memory;
        let all = if bytes >= self.held {
            total.fetch_add(bytes - self.held, Ordering::Relaxed) + (bytes - self.held)
        } else {
            total.fetch_sub(self.held - bytes, Ordering::Relaxed) - (self.held - bytes)
        };
        self.held = bytes;
        self.peak = self.peak.max(bytes);
        match self.shared.budget.memory {
            Some(limit) if all > limit => Err(Limit::Memory { limit }),
            _ => Ok(()),
        }
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// The most bytes held at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.shared.memory.fetch_sub(self.held, Ordering::Relaxed);
    }
}
