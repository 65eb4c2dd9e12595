//! When a seed's faults strike: at times or upon events, each kind as often as the swarm has it. What they are in
//! particular is drawn in [`kinds`](super::kinds).

use super::kinds::{KINDS, Kind, LATER_KINDS, fault, is_cut, lasts};
use crate::scenario::{Anchor, Fault, FaultKind, HAPPENINGS, Settings, Tier};
use crate::sim::seams::random::Stream;

/// Which kinds exist, and how often each strikes.
struct Swarm {
    kinds: Vec<Kind>,
    pause_ms: u64,
    /// How many faults wait for an event.
    aimed: f64,
}

/// All faults of a seed.
pub(super) fn faults(
    seed: u64,
    tier: Tier,
    servers: u64,
    settings: &Settings,
    faults_ms: u64,
) -> Vec<Fault> {
    let mut draw = Stream::derive(seed, "faults", 0);
    let calm = draw.chance(0.03);
    let chance = if calm { 0.0 } else { 0.5 };
    let allowed = |kind: &Kind| match kind {
        Kind::Disk | Kind::Rot | Kind::Lie => tier == Tier::Full,
        // A clock that jumps breaks the promise that leases and stickiness rest on.
        Kind::Jump => !settings.stickiness && !settings.leases,
        _ => true,
    };
    let swarm = Swarm {
        kinds: KINDS
            .into_iter()
            .filter(|kind| draw.chance(chance) && allowed(kind))
            .collect(),
        pause_ms: 100 + draw.below(1_500),
        aimed: [0.0, 0.5, 0.9][draw.index(3)],
    };
    let mut faults = schedule(&mut draw, &swarm, servers, faults_ms);
    // Of a stream of their own, so that a seed without them is what it was before there were these kinds.
    let mut draw = Stream::derive(seed, "faults.later", 0);
    let chance = if calm { 0.0 } else { 0.25 };
    let swarm = Swarm {
        kinds: LATER_KINDS
            .into_iter()
            .filter(|_| draw.chance(chance))
            .collect(),
        pause_ms: 2_000 + draw.below(8_000),
        aimed: [0.0, 0.5, 0.9][draw.index(3)],
    };
    faults.extend(schedule(&mut draw, &swarm, servers, faults_ms));
    faults
}

fn schedule(draw: &mut Stream, swarm: &Swarm, servers: u64, faults_ms: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    // Time for a first leader, sometimes none.
    let mut at_ms = draw.below(1_500);
    while let Some(kind) = draw.choose(&swarm.kinds).copied() {
        at_ms += 1 + draw.below(swarm.pause_ms);
        if at_ms >= faults_ms {
            break;
        }
        if matches!(kind, Kind::Membership) && draw.chance(0.3) {
            let steps = replacement(draw, servers, at_ms);
            if steps.iter().any(|step| step.over_by_ms() > faults_ms) {
                continue;
            }
            at_ms = steps[3].at_ms;
            faults.extend(steps);
            continue;
        }
        let left_ms = faults_ms.saturating_sub(at_ms);
        let when = aim(draw, kind, swarm.aimed, left_ms);
        let what = fault(draw, kind, servers, when.is_some());
        let for_ms = lasts(draw, &what);
        let fault = Fault {
            when,
            ..Fault::at(at_ms, for_ms, what)
        };
        if fault.over_by_ms() > faults_ms {
            continue;
        }
        if when.is_none() && is_cut(&fault.what) && draw.chance(0.15) {
            // It flaps.
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
            continue;
        }
        faults.push(fault);
    }
    faults
}

/// Some faults don't come at a time, but upon an event.
fn aim(draw: &mut Stream, kind: Kind, chance: f64, left_ms: u64) -> Option<Anchor> {
    let by_operator = matches!(kind, Kind::Transfer | Kind::Membership);
    let waits = !by_operator && draw.chance(chance);
    waits.then(|| Anchor {
        event: HAPPENINGS[draw.index(HAPPENINGS.len())],
        skip: [0, 0, 1, 7][draw.index(4)],
        // What is rare is worth waiting for.
        within_ms: 1 + [left_ms / 10, left_ms * 4 / 5][draw.index(2)],
    })
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
