//! What a client does next where no script says so: which action, to which key, and whether it lives to hear of it.

use crate::scenario::{Action, Scenario, ScriptedOperation, Skew, Workload, WorkloadKind};
use crate::sim::seams::random::Stream;

/// A client that dies does so within this time of asking: most operations take less.
const DIES_WITHIN_US: u64 = 30_000;
/// Of ten operations on a queue, so many take at least: else queues only grow.
const LEAST_TAKEN: u64 = 5;

/// One client's draws.
pub(super) struct Draw {
    number: u64,
    clients: u64,
    workload: Workload,
    draw: Stream,
    /// Of streams of their own: what else a client draws does not depend on them.
    keys: Stream,
    deaths: Stream,
    returns: Stream,
    repeats: Stream,
    /// How many of its operations are reads, in tenths.
    reads: u64,
    /// When the faults are over, until it has written something from then on.
    to_write_from_us: Option<u64>,
    count: u64,
}

impl Draw {
    pub(super) fn new(scenario: &Scenario, number: u64) -> Draw {
        let mut draw = Stream::derive(scenario.seed, "client", number);
        Draw {
            number,
            clients: scenario.workload.clients,
            // One that writes waits out a partition; one that reads sees what its leader still serves.
            reads: [1, 4, 4, 9][draw.index(4)],
            draw,
            keys: Stream::derive(scenario.seed, "client.keys", number),
            deaths: Stream::derive(scenario.seed, "client.deaths", number),
            returns: Stream::derive(scenario.seed, "client.returns", number),
            repeats: Stream::derive(scenario.seed, "client.repeats", number),
            to_write_from_us: Some(scenario.heal_at_ms * 1_000),
            count: 0,
            workload: Workload {
                script: None,
                ..scenario.workload.clone()
            },
        }
    }

    /// The next operation. Every value is written once.
    pub(super) fn next(&mut self, now_us: u64) -> ScriptedOperation {
        let at_us = now_us + self.draw.below(self.workload.think_ms.max(1) * 1000);
        self.count += 1;
        let key = self.key();
        let mut reads = self.draw.below(10) < self.reads_in_ten();
        if self.to_write_from_us.is_some_and(|healed| at_us >= healed) {
            // That the healed cluster commits is judged by what it commits.
            self.to_write_from_us = None;
            reads = false;
        }
        let action = match (self.workload.kind, self.draw.chance(0.5)) {
            (WorkloadKind::Queue, _) if reads => Action::Dequeue,
            _ if reads => Action::Read,
            (WorkloadKind::Append, _) => Action::Append,
            (WorkloadKind::Txn, _) => Action::Txn,
            (WorkloadKind::Register, true) => Action::Write,
            (WorkloadKind::Register, false) => Action::Cas,
            (WorkloadKind::Bank, _) => Action::Transfer,
            (WorkloadKind::Set | WorkloadKind::Counter, _) => Action::Add,
            (WorkloadKind::Queue, _) => Action::Enqueue,
        };
        let dies = self.dies();
        let returns = dies.and_then(|_| self.returns());
        ScriptedOperation {
            client: self.number,
            at_us,
            action,
            key,
            value: self.number + 1 + self.count * self.clients,
            // Who comes back hears what became of it, whatever it was.
            dies_after_us: dies.filter(|_| returns.is_some() || self.may_die_of(action)),
            returns_after_us: returns,
            repeats_after_us: self.repeats().filter(|_| action != Action::Read),
        }
    }

    fn reads_in_ten(&self) -> u64 {
        match self.workload.kind {
            WorkloadKind::Queue => self.reads.max(LEAST_TAKEN),
            _ => self.reads,
        }
    }

    fn key(&mut self) -> u64 {
        let keys = self.workload.keys;
        match self.workload.skew {
            Skew::Uniform => self.draw.below(keys),
            Skew::Hot if self.keys.chance(0.9) => 0,
            Skew::Hot => self.keys.below(keys),
            Skew::Zipf => zipf(&mut self.keys, keys),
        }
    }

    /// Who takes from a queue, adds to a counter or moves money lives to tell, or comes back: see [`patience`](super::patience).
    fn may_die_of(&self, action: Action) -> bool {
        let adds = action == Action::Add && self.workload.kind == WorkloadKind::Counter;
        !matches!(action, Action::Dequeue | Action::Transfer) && !adds
    }

    /// At once, soon, or once others have gone on for a while.
    fn returns(&mut self) -> Option<u64> {
        let permille = u64::from(self.workload.returns_permille);
        let returns = permille > 0 && self.returns.below(1_000) < permille;
        returns.then(|| {
            let longest_us = [1_000, 100_000, 1_000_000][self.returns.index(3)];
            1 + self.returns.below(longest_us)
        })
    }

    /// Before the next request of its session, or after many.
    fn repeats(&mut self) -> Option<u64> {
        let permille = u64::from(self.workload.repeats_permille);
        let repeats = permille > 0 && self.repeats.below(1_000) < permille;
        repeats.then(|| {
            let longest_us = [1_000, 100_000, 2_000_000][self.repeats.index(3)];
            1 + self.repeats.below(longest_us)
        })
    }

    fn dies(&mut self) -> Option<u64> {
        let permille = u64::from(self.workload.deaths_permille);
        let dies = permille > 0 && self.deaths.below(1_000) < permille;
        dies.then(|| 1 + self.deaths.below(DIES_WITHIN_US))
    }
}

/// One of so many, the nth with a weight of one nth; in whole numbers, so that every machine draws the same.
fn zipf(draw: &mut Stream, keys: u64) -> u64 {
    let weight = |key: u64| 1_000_000 / (key + 1);
    let mut left = draw.below((0..keys).map(weight).sum());
    for key in 0..keys {
        match left.checked_sub(weight(key)) {
            Some(rest) => left = rest,
            None => return key,
        }
    }
    unreachable!("what was drawn is less than all weights together")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_key_is_drawn_half_as_often_as_the_first() {
        let mut draw = Stream::derive(1, "zipf", 0);
        let mut counts = [0_u64; 4];
        for _ in 0..25_000 {
            counts[zipf(&mut draw, 4) as usize] += 1;
        }
        // 12 : 6 : 4 : 3.
        for (count, expected) in counts.into_iter().zip([12_000, 6_000, 4_000, 3_000]) {
            assert!(count.abs_diff(expected) < 400, "{counts:?}");
        }
    }
}
