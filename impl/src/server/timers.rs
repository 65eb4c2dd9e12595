//! The core's timers on the node's clock.

use std::sync::Arc;
use std::time::Duration;

use crate::core::Timer;
use crate::seams::{BoxFuture, Clock, Random};

/// When each timer fires next.
pub(super) struct Timers {
    clock: Arc<dyn Clock>,
    random: Box<dyn Random>,
    election_timeout: (Duration, Duration),
    heartbeat: Duration,
    election_at: Option<Duration>,
    heartbeat_at: Option<Duration>,
    stickiness_at: Option<Duration>,
}

impl Timers {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        random: Box<dyn Random>,
        election_timeout: (Duration, Duration),
        heartbeat: Duration,
    ) -> Timers {
        Timers {
            clock,
            random,
            election_timeout,
            heartbeat,
            election_at: None,
            heartbeat_at: None,
            stickiness_at: None,
        }
    }

    /// Starts a timer anew.
    pub(super) fn set(&mut self, timer: Timer) {
        let now = self.clock.now();
        match timer {
            Timer::Election => self.election_at = Some(now + self.draw_election_timeout()),
            Timer::Heartbeat => self.heartbeat_at = Some(now + self.heartbeat),
            Timer::Stickiness => self.stickiness_at = Some(now + self.election_timeout.0),
        }
    }

    /// A timer that is due, which stops it.
    pub(super) fn take_due(&mut self) -> Option<Timer> {
        let now = self.clock.now();
        let due = |at: &mut Option<Duration>| at.take_if(|at| *at <= now).is_some();
        if due(&mut self.heartbeat_at) {
            Some(Timer::Heartbeat)
        } else if due(&mut self.stickiness_at) {
            Some(Timer::Stickiness)
        } else if due(&mut self.election_at) {
            Some(Timer::Election)
        } else {
            None
        }
    }

    /// Resolves when the next timer is due.
    pub(super) fn sleep(&self) -> BoxFuture<'static, ()> {
        match [self.election_at, self.heartbeat_at, self.stickiness_at]
            .into_iter()
            .flatten()
            .min()
        {
            Some(at) => self.clock.sleep(at.saturating_sub(self.clock.now())),
            None => Box::pin(std::future::pending()),
        }
    }

    fn draw_election_timeout(&mut self) -> Duration {
        let (least, most) = self.election_timeout;
        let span = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        // A modulo's bias is below 2^-40 for spans of milliseconds.
        least + Duration::from_micros(self.random.next_u64() % span.max(1))
    }
}
