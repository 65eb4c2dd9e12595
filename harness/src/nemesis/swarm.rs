//! What a seed draws by itself: which kinds of faults exist in its run at all, how often they strike, and how many of them
//! wait for an event (swarm testing, Groce et al. 2012).

use super::Nemesis;
use super::kinds::{KINDS, LATER_KINDS};
use crate::scenario::{Fault, FaultName, HAPPENINGS, Settings, Tier};
use crate::sim::seams::random::Stream;

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
    let allowed = |kind: FaultName| {
        // A clock that jumps breaks the promise that leases and stickiness rest on.
        let clocks_count = settings.stickiness || settings.leases;
        kind.is_in(tier) && !(kind == FaultName::Jump && clocks_count)
    };
    let kinds = KINDS
        .into_iter()
        .filter(|kind| draw.chance(chance) && allowed(*kind))
        .collect();
    let longest_ms = 100 + draw.below(1_500);
    let nemesis = one(&mut draw, kinds, longest_ms);
    let mut faults = nemesis.expand(&mut draw, servers, faults_ms);
    // Of a stream of their own, so that a seed without them is what it was before there were these kinds.
    let mut draw = Stream::derive(seed, "faults.later", 0);
    let chance = if calm { 0.0 } else { 0.25 };
    let kinds = LATER_KINDS
        .into_iter()
        .filter(|_| draw.chance(chance))
        .collect();
    let longest_ms = 2_000 + draw.below(8_000);
    let nemesis = one(&mut draw, kinds, longest_ms);
    faults.extend(nemesis.expand(&mut draw, servers, faults_ms));
    faults
}

/// A nemesis of these kinds, that strikes after at most so long.
fn one(draw: &mut Stream, kinds: Vec<FaultName>, longest_ms: u64) -> Nemesis {
    let waits_permille = [0, 500, 900][draw.index(3)];
    Nemesis {
        kinds,
        every_ms: (1, longest_ms),
        waits_permille,
        upon: HAPPENINGS.to_vec(),
        // Time for a first leader, sometimes none.
        from_ms: draw.below(1_500),
        flaps_permille: 150,
        replaces_permille: 300,
        ..Nemesis::NONE
    }
}
