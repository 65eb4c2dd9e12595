//! Small worlds: tiny scenarios drawn afresh from what the failing one is made of, as a person would try them. Few faults of
//! its kinds, at times or upon events; few operations on a key or two; its settings. Or the smallest so far with
//! something left out and everything moved a little. Many seeds of luck come with that for nothing.

use super::cuts::end_at;
use super::fewer::keep_servers;
use super::search::Search;
use super::weight::Weight;
use crate::scenario::{
    Action, Anchor, Contact, Fault, FaultKind, HAPPENINGS, Scenario, ScriptedOperation, Target,
    WorkloadKind,
};
use crate::sim::seams::random::Stream;

/// How many faults and operations a small world has at most, from the smallest on.
const SIZES: [(u64, u64); 12] = [
    (0, 2),
    (1, 1),
    (1, 3),
    (0, 8),
    (2, 2),
    (1, 6),
    (2, 6),
    (3, 3),
    (1, 12),
    (3, 8),
    (4, 6),
    (3, 12),
];
/// How long a small world lasts, milliseconds.
const LENGTHS_MS: [u64; 4] = [500, 1_000, 2_000, 3_500];

impl Search<'_> {
    /// Draws so many small worlds; each that fails makes the next ones smaller.
    pub(super) fn small_worlds(&mut self, draws: u64) {
        let (mut number, until) = (0, usize::try_from(draws).unwrap_or(usize::MAX));
        while number < until && !self.is_over() {
            let best = self.best().clone();
            let story = Weight::of(&best).story();
            if story <= 1 {
                return;
            }
            let whole = self.signature.is_of_the_whole();
            let cheap = story <= LONG || best.end_at_ms <= SHORT_MS;
            let make = |place: usize| {
                let place = number + place;
                let mut draw = Stream::derive(best.seed, "small world", place as u64);
                let mut world = if place % 2 == 1 && cheap {
                    shaken(&best, story, &mut draw)
                } else {
                    let size = SIZES[place / 2 % SIZES.len()];
                    drawn(&best, size, whole, &mut draw)
                };
                world.seed = place as u64;
                (Weight::of(&world).story() < story).then_some(world)
            };
            match self.first_failing(until - number, &make) {
                Some(place) => {
                    number += place + 1;
                    self.cut_the_end();
                }
                None => return,
            }
        }
    }
}

/// Of longer stories much goes at once.
const LONG: u64 = 40;
/// Longer stories in longer runs are cut first: shaking those costs too much.
const SHORT_MS: u64 = 6_000;

/// The smallest so far without some of its parts, and with everything a little earlier or later.
fn shaken(best: &Scenario, story: u64, draw: &mut Stream) -> Scenario {
    let mut world = best.clone();
    let script = world.workload.script.get_or_insert_default();
    if story > LONG {
        let stays = [0.03, 0.1, 0.3, 0.6][draw.index(4)];
        script.retain(|_| draw.chance(stays));
        let stays = [0.5, 0.8, 1.0][draw.index(3)];
        world.faults.retain(|_| draw.chance(stays));
    }
    for _ in 0..=draw.index(3) {
        let parts = world.faults.len() + script.len();
        if parts == 0 {
            break;
        }
        let gone = draw.index(parts);
        if gone < world.faults.len() {
            world.faults.remove(gone);
        } else {
            script.remove(gone - world.faults.len());
        }
    }
    let by_ms = [0, 20, 200, 800][draw.index(4)];
    let moved =
        |at: u64, by: u64, draw: &mut Stream| (at + draw.below(2 * by + 1)).saturating_sub(by);
    for fault in &mut world.faults {
        fault.at_ms = moved(fault.at_ms, by_ms, draw);
        if draw.chance(0.2) {
            fault.for_ms = fault.for_ms * 2 + 50;
        }
        if draw.chance(0.1) {
            aim(fault, best.end_at_ms, draw);
        }
    }
    for operation in script.iter_mut() {
        operation.at_us = moved(operation.at_us, by_ms * 1_000, draw);
        if draw.chance(0.1) {
            operation.client = draw.below(best.workload.clients);
        }
    }
    if world.live_within_ms == 0 {
        let end = world.end_at_ms;
        end_at(&mut world, end);
    }
    world
}

/// A world of so many faults and operations at most.
fn drawn(
    best: &Scenario,
    (faults, operations): (u64, u64),
    whole: bool,
    draw: &mut Stream,
) -> Scenario {
    let mut world = Scenario {
        faults: Vec::new(),
        ..best.clone()
    };
    if world.servers > 3 && draw.chance(0.7) {
        keep_servers(&mut world, 3);
    }
    let length_ms = LENGTHS_MS[draw.index(LENGTHS_MS.len())];
    draw_settings(&mut world, draw);
    for _ in 0..faults {
        let drawn = draw_fault(best, &world, length_ms, draw);
        world.faults.extend(drawn);
    }
    world.faults.sort_by_key(|fault| fault.at_ms);
    draw_workload(&mut world, best, operations, length_ms, draw);
    if whole {
        let last = world.faults.iter().map(Fault::over_by_ms).max();
        let heal_ms = length_ms.max(last.unwrap_or(0));
        let later = best.end_at_ms.saturating_sub(best.heal_at_ms);
        let clients = best.clients_until_ms.saturating_sub(best.heal_at_ms);
        world.heal_at_ms = heal_ms;
        world.clients_until_ms = heal_ms + clients;
        world.end_at_ms = heal_ms + later;
    } else {
        world.end_at_ms = length_ms;
        end_at(&mut world, length_ms);
    }
    world
}

/// Where snapshots are taken, small ones after few entries tell the same.
fn draw_settings(world: &mut Scenario, draw: &mut Stream) {
    let settings = &mut world.settings;
    if settings.snapshot_every > 0 && draw.chance(0.7) {
        settings.snapshot_every = 1 + draw.below(5);
        settings.retained_entries = [0, 0, 1, 3][draw.index(4)];
    }
    if draw.chance(0.3) {
        world.workload.contact = [Contact::Last, Contact::Pinned, Contact::Roaming][draw.index(3)];
    }
}

/// A fault like one of those that there were, on other servers and at another time.
fn draw_fault(
    best: &Scenario,
    world: &Scenario,
    length_ms: u64,
    draw: &mut Stream,
) -> Option<Fault> {
    let like = draw.choose(&best.faults)?;
    let mut fault = Fault {
        at_ms: draw.below(length_ms),
        ..like.clone()
    };
    if draw.chance(0.5) && fault.for_ms > 0 {
        fault.for_ms = [20, 150, 500, 1_500][draw.index(4)];
    }
    if fault.when.is_some() {
        fault.when = None;
        retarget(&mut fault.what, world.servers, draw);
    } else if draw.chance(0.8) {
        retarget(&mut fault.what, world.servers, draw);
    }
    if draw.chance(0.4) {
        aim(&mut fault, length_ms, draw);
    }
    let mut one = Scenario {
        faults: vec![fault],
        ..world.clone()
    };
    keep_servers(&mut one, world.servers);
    one.faults.pop()
}

/// Upon an event instead of at its time, wherever somebody else than an operator does it.
fn aim(fault: &mut Fault, length_ms: u64, draw: &mut Stream) {
    if matches!(
        fault.what,
        FaultKind::Transfer { .. } | FaultKind::Membership { .. }
    ) {
        return;
    }
    fault.when = Some(Anchor {
        event: HAPPENINGS[draw.index(HAPPENINGS.len())],
        skip: [0, 0, 1, 3][draw.index(4)],
        within_ms: length_ms.saturating_sub(fault.at_ms).max(1),
    });
    if let Some(target) = fault.what.target_mut()
        && draw.chance(0.6)
    {
        *target = Target::Subject;
    }
}

/// On whom it falls is drawn again.
fn retarget(what: &mut FaultKind, servers: u64, draw: &mut Stream) {
    let some = |draw: &mut Stream, most: usize| {
        let mut ids: Vec<u64> = (1..=servers).collect();
        draw.shuffle(&mut ids);
        ids.truncate(1 + draw.index(most.max(1)));
        ids.sort_unstable();
        ids
    };
    let all = servers as usize;
    if let Some(target) = what.target_mut() {
        *target = match draw.below(2) {
            0 => Target::Leader,
            _ => Target::Server(1 + draw.below(servers)),
        };
        return;
    }
    match what {
        FaultKind::Partition { side } => {
            if draw.chance(0.5) {
                let target = Target::Leader;
                *what = FaultKind::Isolate { target };
            } else {
                *side = some(draw, all - 1);
            }
        }
        FaultKind::OneWay { from } | FaultKind::Stall { from } | FaultKind::Slow { from, .. } => {
            *from = some(draw, all.saturating_sub(1));
        }
        FaultKind::SnapshotStorm { servers, .. } => *servers = some(draw, all),
        FaultKind::Transfer { to } => *to = 1 + draw.below(servers),
        FaultKind::Membership { voters, learners } => {
            *voters = some(draw, all);
            learners.clear();
            let others = (1..=servers).filter(|id| !voters.contains(id));
            learners.extend(others.filter(|_| draw.chance(0.3)));
        }
        _ => {}
    }
}

/// Few operations: all over the time, or close together.
fn draw_workload(
    world: &mut Scenario,
    best: &Scenario,
    operations: u64,
    length_ms: u64,
    draw: &mut Stream,
) {
    let kind = world.workload.kind;
    let least_keys = if kind == WorkloadKind::Bank { 2 } else { 1 };
    let clients = (1 + draw.below(3)).min(operations.max(1));
    let (reads, writes): (Vec<Action>, Vec<Action>) = ACTIONS
        .into_iter()
        .filter(|action| kind.knows(*action))
        .partition(|action| matches!(action, Action::Read | Action::Dequeue));
    let centre_us = draw.below(length_ms * 1_000);
    let spread_us = [length_ms * 1_000, length_ms * 1_000, 200_000, 20_000][draw.index(4)];
    let odd = best
        .workload
        .script
        .iter()
        .flatten()
        .copied()
        .collect::<Vec<_>>();
    let mut script: Vec<ScriptedOperation> = (0..operations)
        .map(|number| {
            let at_us = if spread_us >= length_ms * 1_000 {
                draw.below(length_ms * 1_000)
            } else {
                centre_us + draw.below(spread_us)
            };
            let of = if draw.chance(0.5) { &reads } else { &writes };
            // What a client does beside asking, as one of those did.
            let like = draw.choose(&odd).copied();
            let action = *draw.choose(of).expect("every kind reads and writes");
            ScriptedOperation {
                client: draw.below(clients),
                at_us,
                action,
                key: 0,
                value: number + 1,
                dies_after_us: like.and_then(|like| like.dies_after_us),
                returns_after_us: like.and_then(|like| like.returns_after_us),
                repeats_after_us: like
                    .and_then(|like| like.repeats_after_us)
                    .filter(|_| action != Action::Read),
            }
        })
        .collect();
    script.sort_by_key(|operation| operation.at_us);
    for (number, operation) in script.iter_mut().enumerate() {
        operation.value = number as u64 + 1;
    }
    world.workload.clients = clients;
    world.workload.keys = least_keys;
    world.workload.script = Some(script);
}

const ACTIONS: [Action; 9] = [
    Action::Read,
    Action::Write,
    Action::Cas,
    Action::Append,
    Action::Txn,
    Action::Add,
    Action::Enqueue,
    Action::Dequeue,
    Action::Transfer,
];
