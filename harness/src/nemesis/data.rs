//! A nemesis as data: which faults, how many, when, and whom they strike. Several of them are composed by being named
//! together: each draws from a stream of its own, so that none changes what another does.

use serde::{Deserialize, Serialize};

use super::expand::share;
use crate::scenario::{Fault, FaultKind, FaultName, Happening, Scenario, Target, Tier};
use crate::sim::seams::random::Stream;

/// Who breaks things. Written as [a line of text](std::str::FromStr) on the command line, as an object in a sweep's file.
///
/// ```
/// use plumb_harness::nemesis::{Length, Nemesis, generate, instead};
/// use plumb_harness::scenario::{FaultName, Tier};
///
/// let crashes: Nemesis = "crash:every=500ms,from=1s,to=3s".parse().expect("a nemesis");
/// let mut scenario = generate(7, Length::SHORT, Tier::Bare);
/// instead(&mut scenario, &[crashes]);
/// assert!(scenario.faults.iter().all(|fault| fault.what.name() == FaultName::Crash));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nemesis {
    /// Which kinds of faults; each time one of them is drawn. None: nothing goes wrong. A `replace` is an operator's whole way
    /// to replace a machine: out, emptied, and in again, while some messages come late.
    pub kinds: Vec<FaultName>,
    /// In so many seeds of a thousand.
    pub share_permille: u32,
    /// How long after one fault begins the next one does: from, to (simulated milliseconds).
    pub every_ms: (u64, u64),
    /// None begins before (simulated milliseconds).
    pub from_ms: u64,
    /// Nor from here on; the end of all faults if nothing is said.
    pub to_ms: Option<u64>,
    /// How long each lasts: from, to (simulated milliseconds); as is usual for its kind if nothing is said.
    pub for_ms: Option<(u64, u64)>,
    /// Whom those strike that strike one server; any if nothing is said.
    pub target: Option<Target>,
    /// So many faults of a thousand wait for an event.
    pub waits_permille: u32,
    /// One of these.
    pub upon: Vec<Happening>,
    /// So many such events pass first; drawn if nothing is said.
    pub skip: Option<u64>,
    /// So many cuts of a thousand come and go several times.
    pub flaps_permille: u32,
    /// So many changes of membership of a thousand are the replacement of a machine.
    pub replaces_permille: u32,
}

impl Nemesis {
    /// Breaks nothing.
    pub const NONE: Nemesis = Nemesis {
        kinds: Vec::new(),
        share_permille: 1_000,
        every_ms: (1, 1_999),
        from_ms: 0,
        to_ms: None,
        for_ms: None,
        target: None,
        waits_permille: 0,
        upon: Vec::new(),
        skip: None,
        flaps_permille: 0,
        replaces_permille: 0,
    };

    /// Whether it can be carried out.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn check(&self) -> Result<(), String> {
        let any = |test: fn(FaultName) -> bool| self.kinds.iter().copied().find(|kind| test(*kind));
        let ordered = |(least, most): (u64, u64)| least <= most;
        let shares = [
            self.share_permille,
            self.waits_permille,
            self.flaps_permille,
            self.replaces_permille,
        ];
        if shares.iter().any(|permille| *permille > 1_000) {
            return Err("a share is at most 100%".to_owned());
        }
        if self.every_ms.0 == 0 {
            return Err("every: at least 1ms".to_owned());
        }
        if !ordered(self.every_ms) || !self.for_ms.is_none_or(ordered) {
            return Err("a range has its ends swapped".to_owned());
        }
        let longest_ms = self.for_ms.map_or(0, |(_, most)| most);
        if self.every_ms.1.max(longest_ms) > crate::scenario::MAX_RUN_MS {
            return Err("no run is longer than an hour".to_owned());
        }
        if self.to_ms.is_some_and(|to_ms| to_ms <= self.from_ms) {
            return Err("to: must come after from".to_owned());
        }
        if let (Some(_), Some(kind)) = (self.for_ms, any(|kind| !kind.lasts())) {
            return Err(format!("for: {kind} has no length of its own"));
        }
        if let (Some(_), Some(kind)) = (self.target, any(|kind| !kind.is_aimed())) {
            return Err(format!("at: {kind} is not aimed at one server"));
        }
        let waits = self.waits_permille > 0;
        if waits && self.upon.is_empty() {
            return Err("waits: say for what, with upon".to_owned());
        }
        if self.target == Some(Target::Subject) && !waits {
            return Err("at: without upon there is no subject".to_owned());
        }
        Ok(())
    }
}

/// Puts what these nemeses do in place of a scenario's faults. Settings under which a fault would break what nobody promised
/// are changed: clocks that jump need servers that rest nothing on clocks, and members that change need pre-votes.
pub fn instead(scenario: &mut Scenario, nemeses: &[Nemesis]) {
    scenario.faults = faults(scenario, nemeses);
    let any = |test: fn(&Fault) -> bool| scenario.faults.iter().any(test);
    let settings = &mut scenario.settings;
    if any(|fault| matches!(fault.what, FaultKind::Jump { .. })) {
        (settings.stickiness, settings.leases) = (false, false);
    }
    settings.first_voters = scenario.servers;
    if any(|fault| matches!(fault.what, FaultKind::Membership { .. })) {
        settings.pre_vote = true;
        let mut draw = Stream::derive(scenario.seed, "nemesis.voters", 0);
        settings.first_voters = 1 + draw.below(scenario.servers);
    }
}

fn faults(scenario: &Scenario, nemeses: &[Nemesis]) -> Vec<Fault> {
    let (servers, until_ms) = (scenario.servers, scenario.heal_at_ms);
    let mut faults = Vec::new();
    for (nth, nemesis) in nemeses.iter().enumerate() {
        // By its kinds, not by its place: what is named beside it changes nothing.
        let twins = nemeses[..nth].iter().filter(|it| it.kinds == nemesis.kinds);
        let names: Vec<&str> = nemesis.kinds.iter().map(|kind| kind.text()).collect();
        let purpose = format!("nemesis.{}", names.join("+"));
        let mut draw = Stream::derive(scenario.seed, &purpose, twins.count() as u64);
        let strikes = draw.chance(share(nemesis.share_permille));
        let mut nemesis = nemesis.clone();
        nemesis.kinds.retain(|kind| kind.is_in(scenario.tier));
        if strikes {
            faults.extend(nemesis.expand(&mut draw, servers, until_ms));
        }
    }
    faults
}

/// The first kind among these nemeses that there is not in a tier.
#[must_use]
pub fn beyond(nemeses: &[Nemesis], tier: Tier) -> Option<FaultName> {
    let mut kinds = nemeses.iter().flat_map(|nemesis| &nemesis.kinds);
    kinds.find(|kind| !kind.is_in(tier)).copied()
}
