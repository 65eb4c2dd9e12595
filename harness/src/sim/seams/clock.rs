//! A node's clock that may run fast, run slow or jump, over turmoil's simulated time.
//!
//! The handle outlives the node: a nemesis changes the rate while timers run, and those timers move
//! with it. Turmoil has no skew of its own, and `tokio::time::advance` would make a host fast only.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plumb_raft::seams::{BoxFuture, Clock};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::gate::Gate;
use super::lock;

/// The most that a rate may deviate: half again as fast, or half as fast.
pub const MAX_PPM: i32 = 500_000;

const MILLION: u128 = 1_000_000;

/// How long others take who are let go first.
const GIVING_WAY: Duration = Duration::from_millis(1);

/// A node's clock. Clones are handles to the same clock.
///
/// It reads turmoil's time only while a host runs; anywhere else (a destructor at a crash, the
/// driver between steps) it repeats its last reading, because turmoil has no time there that would
/// be the same in the next run. For the same reason a host must not read it before its software is
/// first polled.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    shared: Arc<Shared>,
    gate: Gate,
}

#[derive(Debug, Default)]
struct Shared {
    reading: Mutex<Reading>,
    changed: Notify,
}

/// A line through (`true_time`, `local`) with a slope, and how far it has been read.
#[derive(Debug, Default)]
struct Reading {
    true_time: Duration,
    local: Duration,
    rate_ppm: i32,
    last: Duration,
    /// When `last` was read, by the host's runtime: until that moves on or the line changes, nothing else is to be read.
    /// To ask turmoil takes a few times as long.
    read_at: Option<Instant>,
}

impl Reading {
    fn speed(&self) -> u128 {
        u128::try_from(1_000_000 + i64::from(self.rate_ppm)).expect("bounded by MAX_PPM, positive")
    }

    /// What the clock shows at a true time; never less than it has shown.
    fn at(&self, true_time: Duration) -> Duration {
        let elapsed = true_time.saturating_sub(self.true_time).as_nanos();
        (self.local + nanos(elapsed * self.speed() / MILLION)).max(self.last)
    }

    /// How much true time passes while this clock runs for `local`, rounded up past its end.
    fn true_span(&self, local: Duration) -> Duration {
        nanos((local.as_nanos() * MILLION).div_ceil(self.speed()) + 1)
    }

    /// Moves the line's anchor to a true time, so that a change from there on leaves the past alone.
    fn anchor(&mut self, true_time: Duration) {
        let elapsed = true_time.saturating_sub(self.true_time).as_nanos();
        self.local += nanos(elapsed * self.speed() / MILLION);
        self.true_time = self.true_time.max(true_time);
    }
}

fn nanos(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}

impl SimClock {
    /// A clock that shows `epoch` when the simulation starts and runs `rate_ppm` parts in a million
    /// fast (slow if negative).
    ///
    /// # Panics
    /// If the rate is beyond [`MAX_PPM`].
    #[must_use]
    pub fn new(epoch: Duration, rate_ppm: i32) -> SimClock {
        let clock = SimClock::default();
        lock(&clock.shared.reading).local = epoch;
        clock.set_rate(Duration::ZERO, rate_ppm);
        clock
    }

    /// The clock of a node that is frozen while this gate is shut: it shows the time, but wakes nobody.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> SimClock {
        self.gate = gate.clone();
        self
    }

    /// From the true time `at` on (`Sim::elapsed()` in the driver), runs `rate_ppm` parts in a
    /// million fast. Timers that are running follow.
    ///
    /// # Panics
    /// If the rate is beyond [`MAX_PPM`].
    pub fn set_rate(&self, at: Duration, rate_ppm: i32) {
        assert!(
            rate_ppm.abs() <= MAX_PPM,
            "a clock's rate stays within {MAX_PPM} ppm"
        );
        self.change(at, |reading| reading.rate_ppm = rate_ppm);
    }

    /// Jumps forward at the true time `at`.
    pub fn jump_forward(&self, at: Duration, by: Duration) {
        self.change(at, |reading| reading.local += by);
    }

    /// Jumps back at the true time `at`: to a monotonic clock's reader, it stands still until it
    /// has caught up with what it has already shown.
    pub fn jump_back(&self, at: Duration, by: Duration) {
        self.change(at, |reading| {
            reading.last = reading.last.max(reading.local);
            reading.local = reading.local.saturating_sub(by);
        });
    }

    /// Begins a node's new life at the true time `at`, with a reading that has nothing to do with
    /// the life before. Call it between the crash and the restart.
    pub fn restart(&self, at: Duration, epoch: Duration) {
        self.change(at, |reading| {
            reading.local = epoch;
            reading.last = Duration::ZERO;
        });
    }

    /// How many parts in a million it runs fast.
    #[must_use]
    pub fn rate_ppm(&self) -> i32 {
        lock(&self.shared.reading).rate_ppm
    }

    /// What it shows at a true time, whether or not a host is running: for judges.
    #[must_use]
    pub fn reading_at(&self, true_time: Duration) -> Duration {
        lock(&self.shared.reading).at(true_time)
    }

    fn change(&self, at: Duration, change: impl FnOnce(&mut Reading)) {
        {
            let mut reading = lock(&self.shared.reading);
            reading.anchor(at);
            reading.read_at = None;
            change(&mut reading);
        }
        self.shared.changed.notify_waiters();
    }
}

impl Shared {
    /// By simulated time, if this thread is running a host: turmoil's answer is an instant of whatever runtime is
    /// entered, and with none entered that is the machine's own clock.
    fn now(&self) -> Duration {
        let mut reading = lock(&self.reading);
        if Handle::try_current().is_err() {
            return reading.last;
        }
        let now = Instant::now();
        if reading.read_at != Some(now)
            && let Some(true_time) = turmoil::sim_elapsed()
        {
            reading.last = reading.at(true_time);
            reading.read_at = Some(now);
        }
        reading.last
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        self.shared.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (shared, gate) = (self.shared.clone(), self.gate.clone());
        let deadline = shared.now().saturating_add(duration);
        Box::pin(async move {
            loop {
                let mut changed = std::pin::pin!(shared.changed.notified());
                changed.as_mut().enable();
                let remaining = deadline.saturating_sub(shared.now());
                if remaining.is_zero() {
                    return gate.pass().await;
                }
                let span = lock(&shared.reading).true_span(remaining);
                tokio::select! {
                    biased;
                    () = changed => {}
                    () = tokio::time::sleep(span) => {}
                }
            }
        })
    }

    fn give_way(&self) -> BoxFuture<'static, ()> {
        self.sleep(GIVING_WAY)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sim(
        clock: &SimClock,
        log: &Rc<RefCell<Vec<(Duration, Duration)>>>,
    ) -> turmoil::Sim<'static> {
        let mut sim = turmoil::Builder::new()
            .epoch(std::time::UNIX_EPOCH)
            .rng_seed(1)
            .simulation_duration(Duration::from_secs(100))
            .build();
        let (clock, log) = (clock.clone(), log.clone());
        sim.host("n1", move || {
            let (clock, log) = (clock.clone(), log.clone());
            async move {
                loop {
                    clock.sleep(100 * MS).await;
                    let true_time = turmoil::sim_elapsed().expect("in a host");
                    log.borrow_mut().push((true_time, clock.now()));
                }
            }
        });
        sim
    }

    fn run(sim: &mut turmoil::Sim<'_>, until: Duration) {
        while sim.elapsed() < until {
            sim.step().unwrap();
        }
    }

    #[test]
    fn a_fast_clock_gains_and_a_slow_one_loses_what_its_rate_says() {
        for (ppm, expected_ms) in [(0, 10_000), (100_000, 11_000), (-100_000, 9_000)] {
            let clock = SimClock::new(5 * MS, ppm);
            let log = Rc::default();
            run(&mut sim(&clock, &log), Duration::from_secs(10));
            let log = log.borrow();
            let (true_time, local) = *log.last().unwrap();
            let exact = 5 * MS + true_time * u32::try_from(1_000_000 + ppm).unwrap() / 1_000_000;
            assert_eq!(local, exact, "at {ppm} ppm");
            // A timer is rounded up to tokio's millisecond, so at most 2 % of these are missing.
            let timers = expected_ms / 100;
            assert!(
                (timers - timers / 50..=timers).contains(&log.len()),
                "{} timers",
                log.len()
            );
        }
    }

    #[test]
    fn a_running_timer_follows_a_change_of_rate_and_a_jump() {
        let clock = SimClock::new(Duration::ZERO, 0);
        let log = Rc::default();
        let mut sim = sim(&clock, &log);
        run(&mut sim, 40 * MS);
        clock.jump_forward(sim.elapsed(), Duration::from_secs(5));
        run(&mut sim, 50 * MS);
        assert_eq!(log.borrow().len(), 1, "the jump passed the deadline");
        clock.set_rate(sim.elapsed(), -MAX_PPM);
        run(&mut sim, 200 * MS);
        assert_eq!(log.borrow().len(), 1, "100 ms now take 200");
        run(&mut sim, 260 * MS);
        assert_eq!(log.borrow().len(), 2);
    }

    #[test]
    fn a_jump_shows_at_the_very_instant_at_which_the_clock_was_last_read() {
        let clock = SimClock::new(Duration::ZERO, 0);
        let mut sim = turmoil::Builder::new().rng_seed(1).build();
        sim.client("n1", async move {
            let before = clock.now();
            assert_eq!(clock.now(), before);
            let true_time = turmoil::sim_elapsed().expect("in a host");
            clock.jump_forward(true_time, 5 * MS);
            assert_eq!(clock.now(), before + 5 * MS);
            Ok(())
        });
        sim.run().unwrap();
    }

    #[test]
    fn time_passes_for_whoever_gives_way() {
        let clock = SimClock::new(Duration::ZERO, 0);
        let log: Rc<RefCell<Vec<Duration>>> = Rc::default();
        let mut sim = turmoil::Builder::new().rng_seed(1).build();
        let (mine, seen) = (clock.clone(), log.clone());
        sim.client("n1", async move {
            for _ in 0..3 {
                seen.borrow_mut().push(mine.now());
                mine.give_way().await;
            }
            Ok(())
        });
        sim.run().unwrap();
        assert!(log.borrow().windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_jump_back_stands_still_and_never_shows_an_earlier_time() {
        let clock = SimClock::new(Duration::ZERO, 0);
        let log = Rc::default();
        let mut sim = sim(&clock, &log);
        run(&mut sim, 250 * MS);
        clock.jump_back(sim.elapsed(), 200 * MS);
        run(&mut sim, 1_000 * MS);
        let log = log.borrow();
        assert!(log.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let (true_time, local) = *log.last().unwrap();
        assert_eq!(local + 200 * MS, true_time);
    }

    #[test]
    fn a_new_life_starts_from_its_own_epoch_and_outside_a_host_time_stands() {
        let clock = SimClock::new(Duration::ZERO, 0);
        let log = Rc::default();
        let mut sim = sim(&clock, &log);
        run(&mut sim, 450 * MS);
        let before = clock.now();
        assert_eq!(before, clock.now());
        sim.crash("n1");
        clock.restart(sim.elapsed(), 7 * MS);
        sim.bounce("n1");
        run(&mut sim, 600 * MS);
        let (_, local) = *log.borrow().last().unwrap();
        assert!(local < 200 * MS, "{local:?}");
        assert_eq!(clock.reading_at(sim.elapsed()), 157 * MS);
    }
}
