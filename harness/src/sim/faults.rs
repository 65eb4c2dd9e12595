//! Carries out a scenario's faults: what begins and ends when, and what the network looks like while
//! several of them overlap.

use std::collections::BTreeSet;

use crate::scenario::{DiskLie, Fault, FaultKind, Target};

/// A moment of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) at_ms: u64,
    pub(super) turn: Turn,
    /// Which fault.
    pub(super) fault: usize,
}

/// What becomes of a fault at a moment; of several at the same one, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    Ends,
    Begins,
    /// It ends at the moment at which it began.
    EndsAtOnce,
    /// A disk's lie comes to light, if it does.
    Exposes,
    /// It waits for its event from now on.
    Waits,
    /// It has waited long enough.
    GivesUp,
}

/// All moments of a schedule that are known beforehand.
pub(super) fn moments(faults: &[Fault]) -> BTreeSet<Moment> {
    let moments = |(number, fault): (usize, &Fault)| {
        let at = |at_ms, turn| Moment {
            at_ms,
            turn,
            fault: number,
        };
        match fault.when {
            None => {
                let mut moments = after_beginning(number, fault, fault.at_ms);
                moments.push(at(fault.at_ms, Turn::Begins));
                moments
            }
            Some(anchor) => vec![
                at(fault.at_ms, Turn::Waits),
                at(fault.at_ms + anchor.within_ms, Turn::GivesUp),
            ],
        }
    };
    faults.iter().enumerate().flat_map(moments).collect()
}

/// What becomes of a fault once it has begun.
pub(super) fn after_beginning(number: usize, fault: &Fault, begun_ms: u64) -> Vec<Moment> {
    let at = |after_ms, turn| Moment {
        at_ms: begun_ms + after_ms,
        turn,
        fault: number,
    };
    let ends = if fault.for_ms == 0 {
        Turn::EndsAtOnce
    } else {
        Turn::Ends
    };
    let mut moments = vec![at(fault.for_ms, ends)];
    if matches!(fault.what, FaultKind::Lie { .. }) {
        moments.push(at(fault.for_ms / 2, Turn::Exposes));
    }
    moments
}

/// The ordered pairs of servers that a fault cuts or stalls, if it is one of the network.
pub(super) fn cut_pairs(
    what: &FaultKind,
    servers: u64,
    struck: Option<u64>,
) -> BTreeSet<(u64, u64)> {
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
        FaultKind::OneWay { from: side }
        | FaultKind::Stall { from: side }
        | FaultKind::Slow { from: side, .. } => {
            pairs(&|from, to| side.contains(&from) && !side.contains(&to))
        }
        FaultKind::Isolate { .. } => pairs(&|from, to| struck == Some(from) || struck == Some(to)),
        FaultKind::Links { cut } => cut.iter().copied().collect(),
        FaultKind::Crash { .. }
        | FaultKind::PowerLoss { .. }
        | FaultKind::Pause { .. }
        | FaultKind::Jump { .. }
        | FaultKind::Disk { .. }
        | FaultKind::Rot { .. }
        | FaultKind::Lie { .. }
        | FaultKind::Reset { .. }
        | FaultKind::Noise { .. }
        | FaultKind::SlowDisk { .. }
        | FaultKind::SnapshotStorm { .. }
        | FaultKind::Transfer { .. }
        | FaultKind::Replace
        | FaultKind::Membership { .. } => BTreeSet::new(),
    }
}

/// A fault in a few words, for the history and the trace, with whom it strikes, if it is aimed at one.
pub(super) fn describe(fault: &Fault, struck: Option<u64>) -> String {
    let words = describe_kind(&fault.what, struck);
    match fault.when {
        Some(anchor) => format!("{words} (upon: {})", anchor.event.text()),
        None => words,
    }
}

fn describe_kind(what: &FaultKind, struck: Option<u64>) -> String {
    let list = |ids: &[u64]| {
        ids.iter()
            .map(|id| format!("n{id}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let whom = |target: &Target| match target {
        Target::Server(id) => format!("n{id}"),
        Target::Leader => "the leader".to_owned(),
        Target::Subject => struck.map_or("nobody".to_owned(), |id| format!("n{id}")),
    };
    match what {
        FaultKind::Partition { side } => format!("partition: {} | the rest", list(side)),
        FaultKind::OneWay { from } => format!("one-way partition: {} can't send", list(from)),
        FaultKind::Stall { from } => format!("stall: what {} send arrives later", list(from)),
        FaultKind::Isolate { target } => format!("isolate {}", whom(target)),
        FaultKind::Crash { target, unsynced } => {
            format!("crash {}, unsynced writes {unsynced:?}", whom(target)).to_lowercase()
        }
        FaultKind::Links { cut } => {
            let links: Vec<String> = cut.iter().map(|(f, t)| format!("n{f}>n{t}")).collect();
            format!("links cut: {}", links.join(" "))
        }
        FaultKind::Lie {
            target,
            about,
            skip,
        } => {
            let lie = match about {
                DiskLie::Syncs => "syncs do nothing".to_owned(),
                DiskLie::LostWrite => "a write is lost".to_owned(),
                DiskLie::MisdirectedWrite { by } => format!("a write lands {by} bytes further on"),
            };
            format!("the disk of {} lies: {lie}, after {skip}", whom(target))
        }
        FaultKind::Reset { target } => format!("connections of {} break", whom(target)),
        FaultKind::Slow { from, bytes_per_s } => {
            format!(
                "narrow links: {} send {bytes_per_s} bytes a second",
                list(from)
            )
        }
        FaultKind::SlowDisk { target, slower_ms } => {
            let (least, most) = slower_ms;
            format!("syncs of {} take {least} to {most} ms longer", whom(target))
        }
        FaultKind::SnapshotStorm { servers, every } => {
            format!("snapshot storm: {} take one every {every}", list(servers))
        }
        FaultKind::Rot { target } => format!("a bit of the disk of {} turns over", whom(target)),
        FaultKind::Pause { target } => format!("pause {}", whom(target)),
        FaultKind::Jump { target, by_ms } => {
            format!("the clock of {} jumps by {by_ms} ms", whom(target))
        }
        FaultKind::Disk {
            target,
            call,
            error,
            skip,
            unsynced,
        } => {
            let failing = format!("{call:?} fails with {error:?}").to_uppercase();
            let kept = format!("{unsynced:?}").to_lowercase();
            let whose = whom(target);
            format!("disk of {whose}: {failing} after {skip}, unsynced writes {kept}")
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
        let one_way = cut_pairs(&FaultKind::OneWay { from: vec![1] }, 3, None);
        assert_eq!(one_way, BTreeSet::from([(1, 2), (1, 3)]));
        let both = cut_pairs(&FaultKind::Partition { side: vec![1] }, 3, None);
        assert_eq!(both, BTreeSet::from([(1, 2), (1, 3), (2, 1), (3, 1)]));
        let isolated = cut_pairs(
            &FaultKind::Isolate {
                target: Target::Leader,
            },
            3,
            Some(1),
        );
        assert_eq!(isolated, both);
        let cut = vec![(1, 3), (3, 1)];
        let one_cable = cut_pairs(&FaultKind::Links { cut }, 3, None);
        assert_eq!(one_cable, BTreeSet::from([(1, 3), (3, 1)]));
    }
}
