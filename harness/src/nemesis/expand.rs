//! From a nemesis to single faults: when each strikes, at a time or upon an event. What they are in particular is drawn in
//! [`kinds`](super::kinds).

use super::Nemesis;
use super::kinds::{fault, is_cut, lasts};
use crate::scenario::{Anchor, Fault, FaultKind, FaultName, Target};
use crate::sim::seams::random::Stream;

impl Nemesis {
    /// Its faults among so many servers, all of them over by `faults_ms`.
    pub(super) fn expand(&self, draw: &mut Stream, servers: u64, faults_ms: u64) -> Vec<Fault> {
        let mut faults = Vec::new();
        let kinds: Vec<FaultName> = self
            .kinds
            .iter()
            .copied()
            .filter(|kind| servers > 1 || kind.is_of_one_server())
            .collect();
        if matches!(self.target, Some(Target::Server(id)) if id > servers) {
            return faults;
        }
        let (least, most) = self.every_ms;
        let until_ms = self.to_ms.unwrap_or(faults_ms).min(faults_ms);
        let mut at_ms = self.from_ms;
        while let Some(kind) = draw.choose(&kinds).copied() {
            at_ms = at_ms.saturating_add(least + draw.below(most - least + 1));
            if at_ms >= until_ms {
                break;
            }
            if kind == FaultName::Replace
                || kind == FaultName::Membership
                    && servers > 1
                    && draw.chance(share(self.replaces_permille))
            {
                let steps = replacement(draw, servers, at_ms);
                if steps.iter().any(|step| step.over_by_ms() > faults_ms) {
                    continue;
                }
                at_ms = steps[3].at_ms;
                faults.extend(steps);
                continue;
            }
            let left_ms = faults_ms.saturating_sub(at_ms);
            let when = self.aim(draw, kind, left_ms);
            let what = self.aimed(fault(draw, kind, servers, when.is_some()), when.is_some());
            let own_ms = lasts(draw, &what);
            let for_ms = match self.for_ms {
                Some((least, most)) if kind.lasts() => least + draw.below(most - least + 1),
                _ => own_ms,
            };
            let fault = Fault {
                when,
                ..Fault::at(at_ms, for_ms, what)
            };
            if fault.over_by_ms() > faults_ms {
                continue;
            }
            let flaps = share(self.flaps_permille);
            if when.is_none() && is_cut(&fault.what) && draw.chance(flaps) {
                at_ms = flap(draw, &fault, faults_ms, &mut faults);
                continue;
            }
            faults.push(fault);
        }
        faults
    }

    /// Some faults don't come at a time, but upon an event.
    fn aim(&self, draw: &mut Stream, kind: FaultName, left_ms: u64) -> Option<Anchor> {
        let waits = !kind.is_by_operator() && draw.chance(share(self.waits_permille));
        waits.then(|| Anchor {
            event: self.upon[draw.index(self.upon.len())],
            skip: {
                let drawn = [0, 0, 1, 7][draw.index(4)];
                self.skip.unwrap_or(drawn)
            },
            // What is rare is worth waiting for.
            within_ms: 1 + [left_ms / 10, left_ms * 4 / 5][draw.index(2)],
        })
    }

    /// The fault, at whom it is to strike.
    fn aimed(&self, mut what: FaultKind, waits: bool) -> FaultKind {
        match (self.target, what.target_mut()) {
            // Who waits for nothing has no subject.
            (Some(Target::Subject), _) if !waits => {}
            (Some(target), Some(aimed_at)) => *aimed_at = target,
            _ => {}
        }
        what
    }
}

pub(super) fn share(permille: u32) -> f64 {
    f64::from(permille) / 1000.0
}

/// A cut that comes and goes; when the next one may come.
fn flap(draw: &mut Stream, fault: &Fault, faults_ms: u64, faults: &mut Vec<Fault>) -> u64 {
    let mut at_ms = fault.at_ms;
    for _ in 0..1 + draw.below(5) {
        let again = Fault {
            for_ms: 10 + draw.below(250),
            ..fault.clone()
        };
        at_ms = again.over_by_ms() + 10 + draw.below(250);
        let next = Fault { at_ms, ..again };
        if next.over_by_ms() > faults_ms {
            break;
        }
        faults.push(next);
    }
    at_ms
}

/// An operator's way to replace a machine under its name: out, emptied, and in again as a learner; some of
/// what was sent meanwhile arrives much later.
fn replacement(draw: &mut Stream, servers: u64, at_ms: u64) -> [Fault; 4] {
    let replaced = 1 + draw.below(servers);
    let mut voters: Vec<u64> = (1..=servers).filter(|id| *id != replaced).collect();
    draw.shuffle(&mut voters);
    voters.truncate(1 + draw.index(servers as usize - 1));
    voters.sort_unstable();
    let members = |learners: Vec<u64>| FaultKind::Membership {
        voters: voters.clone(),
        learners,
    };
    let out_at_ms = at_ms + 50 + draw.below(400);
    let back_at_ms = out_at_ms + 50 + draw.below(400);
    let late = FaultKind::Noise {
        drop_permille: 0,
        duplicate_permille: draw.below(200) as u32,
        delay_permille: draw.below(200) as u32,
        delay_ms: 50 + draw.below(1_500),
    };
    let from_ms = at_ms.saturating_sub(draw.below(300));
    [
        Fault::at(from_ms, back_at_ms + 500 - from_ms, late),
        Fault::at(at_ms, 0, members(Vec::new())),
        Fault::at(out_at_ms, 10 + draw.below(100), FaultKind::Replace),
        Fault::at(back_at_ms, 0, members(vec![replaced])),
    ]
}
