//! Carries out a scenario's faults: what begins and ends when, and what the network looks like while
//! several of them overlap.

use std::collections::BTreeSet;

use crate::scenario::{Fault, FaultKind, Target};

/// A moment at which a fault begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) at_ms: u64,
    /// Ends come before beginnings of the same moment.
    pub(super) begins: bool,
    /// Which fault.
    pub(super) fault: usize,
}

/// All moments of a schedule, in order.
pub(super) fn moments(faults: &[Fault]) -> Vec<Moment> {
    let mut moments: Vec<Moment> = faults
        .iter()
        .enumerate()
        .flat_map(|(fault, Fault { at_ms, for_ms, .. })| {
            [
                Moment {
                    at_ms: *at_ms,
                    begins: true,
                    fault,
                },
                Moment {
                    at_ms: at_ms + for_ms,
                    begins: false,
                    fault,
                },
            ]
        })
        .collect();
    moments.sort_unstable();
    moments
}

/// The ordered pairs of servers that a fault cuts or stalls, if it is one of the network.
pub(super) fn cut_pairs(what: &FaultKind, servers: u64, leader: u64) -> BTreeSet<(u64, u64)> {
    let pairs = |cut: &dyn Fn(u64, u64) -> bool| {
        (1..=servers)
            .flat_map(|from| (1..=servers).map(move |to| (from, to)))
            .filter(|(from, to)| from != to && cut(*from, *to))
            .collect()
    };
    match what {
        FaultKind::Partition { side } => {
            pairs(&|from, to| side.contains(&from) != side.contains(&to))
        }
        FaultKind::OneWay { from: side } | FaultKind::Stall { from: side } => {
            pairs(&|from, to| side.contains(&from) && !side.contains(&to))
        }
        FaultKind::Isolate { target } => {
            let alone = resolve(*target, leader);
            pairs(&|from, to| from == alone || to == alone)
        }
        FaultKind::Crash { .. }
        | FaultKind::PowerLoss { .. }
        | FaultKind::Noise { .. }
        | FaultKind::Transfer { .. }
        | FaultKind::Replace
        | FaultKind::Membership { .. } => BTreeSet::new(),
    }
}

/// The server that a fault strikes, given who leads.
pub(super) fn resolve(target: Target, leader: u64) -> u64 {
    match target {
        Target::Server(id) => id,
        Target::Leader => leader,
    }
}

/// A fault in a few words, for the history and the trace.
pub(super) fn describe(what: &FaultKind) -> String {
    let list = |ids: &[u64]| {
        ids.iter()
            .map(|id| format!("n{id}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let whom = |target: &Target| match target {
        Target::Server(id) => format!("n{id}"),
        Target::Leader => "the leader".to_owned(),
    };
    match what {
        FaultKind::Partition { side } => format!("partition: {} | the rest", list(side)),
        FaultKind::OneWay { from } => format!("one-way partition: {} can't send", list(from)),
        FaultKind::Stall { from } => format!("stall: what {} send arrives later", list(from)),
        FaultKind::Isolate { target } => format!("isolate {}", whom(target)),
        FaultKind::Crash { target, unsynced } => {
            format!("crash {}, unsynced writes {unsynced:?}", whom(target)).to_lowercase()
        }
        FaultKind::PowerLoss { unsynced } => {
            format!("power loss, unsynced writes {unsynced:?}").to_lowercase()
        }
        FaultKind::Membership { voters, learners } => {
            format!(
                "membership: voters {}; learners {}",
                list(voters),
                list(learners)
            )
        }
        FaultKind::Replace => "replace a server that takes no part by an empty one".to_owned(),
        FaultKind::Transfer { to } => format!("transfer to n{to}"),
        FaultKind::Noise {
            drop_permille,
            duplicate_permille,
            delay_permille,
            delay_ms,
        } => format!(
            "noise: {drop_permille}‰ lost, {duplicate_permille}‰ repeated, {delay_permille}‰ \
             delayed by up to {delay_ms} ms"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_cuts_one_direction_and_a_partition_both() {
        let one_way = cut_pairs(&FaultKind::OneWay { from: vec![1] }, 3, 0);
        assert_eq!(one_way, BTreeSet::from([(1, 2), (1, 3)]));
        let both = cut_pairs(&FaultKind::Partition { side: vec![1] }, 3, 0);
        assert_eq!(both, BTreeSet::from([(1, 2), (1, 3), (2, 1), (3, 1)]));
        let isolated = cut_pairs(
            &FaultKind::Isolate {
                target: Target::Leader,
            },
            3,
            1,
        );
        assert_eq!(isolated, both);
    }
}
