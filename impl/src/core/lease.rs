//! A leader's lease (dissertation §6.4.1): for a while after a quorum has heard it, nobody else can be
//! elected, and reads need no round.
//!
//! Why it holds. A voter that hears its leader refuses votes for the least election timeout `T` by its own
//! clock (stickiness, which leases require), also across a restart, since a server that starts sticks to a
//! leader it has not heard yet. So nobody is elected within `T / (1 + ρ)` of real time after a quorum heard
//! round `r`, and it heard it no earlier than the round was *sent*, at `t`. The leader's own clock may be
//! slow by ρ: it counts on `T · (1 − ρ) / (1 + ρ)` from `t` on, which is over in time by any clock that is
//! within ρ of the truth. The quorums are those of the membership in force, so that of any election meets
//! them (§6).
//!
//! The exception: a successor that was told to stand at once is not refused. From then on this leader has
//! no lease for the rest of its term, whatever becomes of the transfer.

use std::collections::VecDeque;
use std::time::Duration;

use super::message::Round;

/// How long a leader may count on not being deposed, measured from the sending of a round.
///
/// `least_election_timeout` must be the same on all servers; `max_drift_ppm` bounds how far any of their
/// clocks runs from the truth, in parts per million.
#[must_use]
pub fn lease_duration(least_election_timeout: Duration, max_drift_ppm: u32) -> Duration {
    const WHOLE: u64 = 1_000_000;
    let drift = u64::from(max_drift_ppm).min(WHOLE);
    let micros = u64::try_from(least_election_timeout.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(micros.saturating_mul(WHOLE - drift) / (WHOLE + drift))
}

/// What a leader knows of its lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Rounds under way, with when each was sent; both ascend.
    sent: VecDeque<(Round, Duration)>,
    /// When the latest round was sent that a quorum has answered.
    since: Option<Duration>,
    /// A successor was told to stand.
    void: bool,
}

impl Lease {
    /// A round leaves now.
    pub fn send(&mut self, round: Round, now: Duration) {
        self.sent.push_back((round, now));
    }

    /// The rounds under way, with when each was sent.
    pub fn sent(&self) -> impl Iterator<Item = &(Round, Duration)> {
        self.sent.iter()
    }

    /// When the latest round was sent that a quorum has answered.
    #[must_use]
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// Whether it is given up for the rest of the term.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.void
    }

    /// A quorum has answered this round.
    pub fn confirm(&mut self, round: Round) {
        while let Some((_, sent)) = self.sent.pop_front_if(|(sent, _)| *sent <= round) {
            self.since = self.since.max(Some(sent));
        }
    }

    /// A successor was told to stand: there is no lease in this term any more.
    pub fn give_up(&mut self) {
        self.void = true;
    }

    /// Whether nobody else can have been elected by now.
    #[must_use]
    pub fn holds(&self, now: Duration, lasts: Duration) -> bool {
        !self.void && self.since.is_some_and(|since| now < since + lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_lease_runs_from_the_sending_of_a_round_not_from_its_answers() {
        let mut lease = Lease::default();
        lease.send(Round(1), 10 * MS);
        assert!(!lease.holds(11 * MS, 100 * MS), "nobody has answered");
        lease.send(Round(2), 60 * MS);
        lease.confirm(Round(1));
        assert!(lease.holds(109 * MS, 100 * MS));
        assert!(!lease.holds(110 * MS, 100 * MS));
        lease.confirm(Round(2));
        assert!(lease.holds(159 * MS, 100 * MS));
        lease.confirm(Round(1));
        assert!(lease.holds(159 * MS, 100 * MS), "a late answer");
    }

    #[test]
    fn a_lease_is_given_up_for_good_once_a_successor_was_told() {
        let mut lease = Lease::default();
        lease.send(Round(1), 10 * MS);
        lease.confirm(Round(1));
        lease.give_up();
        lease.send(Round(2), 20 * MS);
        lease.confirm(Round(2));
        assert!(!lease.holds(21 * MS, 100 * MS));
    }

    #[test]
    fn clocks_that_drift_shorten_a_lease() {
        assert_eq!(lease_duration(150 * MS, 0), 150 * MS);
        let micros = Duration::from_micros;
        assert_eq!(lease_duration(150 * MS, 100_000), micros(122_727));
        assert_eq!(lease_duration(150 * MS, 2_000_000), Duration::ZERO);
    }
}
