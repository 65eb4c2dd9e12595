//! Where the time of runs goes, for `plumb bench sim` and `plumb sim sweep --profile`. Nothing of it is the same twice, and
//! no run depends on it.

use std::time::Duration;

use serde::Serialize;

use super::laps::Part;
use super::run::Run;
use crate::verify::stopwatch;

/// Where the time of runs goes that all judges look at: shares of one.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Shares {
    /// The core.
    pub core: f64,
    /// The rules on all servers.
    pub invariants: f64,
    /// The specification's rules.
    pub conformance: f64,
    /// The checker.
    pub checker: f64,
    /// From a seed to a scenario.
    pub scenario: f64,
    /// All else: events, network, disks and clients with their history; in the full tier turmoil, the server's runtime,
    /// framing and log besides.
    pub world: f64,
}

impl Shares {
    /// In one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        let parts = [
            ("core", self.core),
            ("invariants", self.invariants),
            ("conformance", self.conformance),
            ("checker", self.checker),
            ("scenario", self.scenario),
            ("world", self.world),
        ];
        let words = parts.map(|(name, share)| format!("{name} {:.0} %", 100.0 * share));
        words.join(", ")
    }
}

/// What runs that were timed took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    all: Duration,
    simulated: Duration,
    scenario: Duration,
    checker: Duration,
    parts: [Duration; 3],
}

impl Spent {
    const PARTS: [Part; 3] = [Part::Core, Part::Invariants, Part::Conformance];

    /// Of a run that was timed: what it took in all with the drawing of its scenario, and what that took.
    pub(crate) fn of(all: Duration, drawing: Duration, run: &Run) -> Spent {
        Spent {
            all,
            simulated: run.simulated,
            scenario: drawing,
            checker: run.checking,
            parts: Spent::PARTS.map(|part| run.laps.of(part)),
        }
    }

    /// Takes in what others took.
    pub(crate) fn add(&mut self, other: &Spent) {
        self.all += other.all;
        self.simulated += other.simulated;
        self.scenario += other.scenario;
        self.checker += other.checker;
        for (sum, part) in self.parts.iter_mut().zip(other.parts) {
            *sum += part;
        }
    }

    /// All of it.
    pub(crate) fn all(&self) -> Duration {
        self.all
    }

    /// How much was simulated in it.
    pub(crate) fn simulated(&self) -> Duration {
        self.simulated
    }

    /// Where it went.
    pub(crate) fn shares(&self) -> Shares {
        // Parts go by the wall's clock, which stretches where others work, too: they may come to more than the processor
        // gave to all.
        let parts: Duration = self.parts.iter().sum();
        let whole = self.all.max(parts + self.checker + self.scenario);
        let share = |part: Duration| part.as_secs_f64() / whole.as_secs_f64().max(1e-9);
        let [core, invariants, conformance] = self.parts.map(share);
        let (checker, scenario) = (share(self.checker), share(self.scenario));
        let told = core + invariants + conformance + checker + scenario;
        Shares {
            core,
            invariants,
            conformance,
            checker,
            scenario,
            world: (1.0 - told).max(0.0),
        }
    }
}

/// A moment by what this thread has had of its processor: on a machine that others use, too, the wall's clock tells
/// what they did.
pub(crate) enum Processor {
    /// So much it has had.
    Had(Duration),
    /// Where the system does not tell: a watch that was started then.
    Wall(Box<dyn Fn() -> Duration>),
}

impl Processor {
    /// Now.
    pub(crate) fn now() -> Processor {
        match had() {
            Some(had) => Processor::Had(had),
            None => Processor::Wall(Box::new(stopwatch())),
        }
    }

    /// How much the thread has had since then.
    pub(crate) fn since(&self) -> Duration {
        match self {
            Processor::Had(then) => had().unwrap_or(*then).saturating_sub(*then),
            Processor::Wall(elapsed) => elapsed(),
        }
    }
}

/// How long this thread has had a processor, by Linux.
fn had() -> Option<Duration> {
    // The kernel brings the figure up to date when the thread gives way.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// While others had the processor, the wall's clock ran on.
    #[test]
    fn shares_are_of_a_whole_even_where_parts_took_longer_than_all() {
        let ms = Duration::from_millis;
        let spent = |all| Spent {
            all: ms(all),
            simulated: ms(1_000),
            scenario: ms(1),
            checker: ms(9),
            parts: [ms(20), ms(30), ms(40)],
        };
        for all in [50, 100, 200] {
            let shares = spent(all).shares();
            let Shares {
                core,
                invariants,
                conformance,
                checker,
                scenario,
                world,
            } = shares;
            let sum = core + invariants + conformance + checker + scenario + world;
            assert!((sum - 1.0).abs() < 1e-9, "{all} ms: {shares:?}");
        }
        assert!((spent(200).shares().world - 0.5).abs() < 1e-9);
    }
}
