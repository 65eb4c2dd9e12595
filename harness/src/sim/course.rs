//! The course of a run, whatever the world is made of: lets time pass, strikes with faults, asks the
//! judges. The worlds: [`full`](super::full), the shipped server on turmoil; [`bare`](super::bare),
//! replicas on a queue of events.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plumb_histories::Value;
use plumb_raft::types::NodeId;

use super::faults::{Moment, Turn, after_beginning, describe, moments};
use super::overlap::Overlap;
use super::panics;
use super::seams::disk::{Failure, Trap};
use super::seams::network::LinkFault;
use super::watch::Watch;
use crate::invariants::Coverage;
use crate::scenario::{Action, DiskLie, FaultKind, Scenario, Target, Unsynced};
use crate::workload::Books;

const NS_PER_MS: u64 = 1_000_000;
/// What was committed this long before the end must have reached every server at the end.
const SETTLE_MS: u64 = 500;
/// A server that is behind at the end gets this much longer for its snapshot, with pieces of this many bytes; with
/// smaller ones more in proportion: they come one after the other, over links of 15 ms, and a snapshot may have some
/// hundred kilobytes.
const CATCH_UP_MS: u64 = 60_000;
const PIECE_BYTES: u64 = 500;
/// Nor does it get more steps of all servers, twenty times what healthy ones have taken: refusals that breed more of them would
/// go on for hours.
const CATCH_UP_STEPS: u64 = 1_000_000;

/// Whether an operation may wait without anything being asked for that commits.
fn waits_by_reading(f: &str) -> bool {
    matches!(f, "read" | "get" | "dequeue")
}

/// What a course needs of its world.
pub(super) trait World {
    /// Simulated time since the beginning.
    fn elapsed(&self) -> Duration;
    /// Lets the next thing happen, or time pass, but no further than `to`.
    ///
    /// # Errors
    /// What went wrong, if a part of the world itself failed.
    fn step(&mut self, to: Duration) -> Result<(), String>;
    /// Each sync that a server's disk begins from now on takes so many milliseconds longer: from, to.
    fn slow_disk(&mut self, id: u64, slower_ms: Option<(u64, u64)>);
    /// A server takes a snapshot whenever it has applied so many entries, from now on.
    fn snapshot_every(&mut self, id: u64, entries: u64);
    /// How messages from one server to another fare from now on.
    fn set_link(&mut self, from: u64, to: u64, fault: LinkFault);
    /// A server loses its memory, and of its disk what `unsynced` says.
    fn crash(&mut self, id: u64, unsynced: Unsynced);
    /// The disk of a server that is down is emptied, and whoever the first voters were is none of its
    /// business any more.
    fn empty(&mut self, id: u64);
    /// A server that crashed starts again.
    fn restart(&mut self, id: u64);
    /// A server does nothing from now on, and what is sent to it waits.
    fn pause(&mut self, id: u64);
    /// A server that was paused goes on.
    fn resume(&mut self, id: u64);
    /// A server's clock jumps forward.
    fn jump(&mut self, id: u64, by: Duration);
    /// Calls of a server's disk fail from now on.
    fn break_disk(&mut self, id: u64, trap: Trap);
    /// One bit of the disk of a server that is down turns over.
    fn rot(&mut self, id: u64);
    /// A server's disk lies from now on, unless something else is wrong with it.
    fn lie(&mut self, id: u64, about: DiskLie, skip: u64);
    /// The connections between two servers break.
    fn reset(&mut self, one: u64, other: u64);
    /// What the world itself has counted of what happened.
    fn coverage(&self) -> Coverage;
    /// A server's disk works again, and has the bits back that it lost. Whether the server has stopped by itself
    /// meanwhile, or is about to, and is to be started anew.
    fn mend_disk(&mut self, id: u64) -> bool;
}

/// A scenario on its way.
pub(super) struct Course<'a, W> {
    scenario: &'a Scenario,
    world: W,
    watch: Watch,
    books: Books,
    /// The faults under way that last.
    overlap: Overlap,
    /// The servers that each fault under way holds down.
    crashed: BTreeMap<usize, Vec<u64>>,
    /// How many faults hold a server down at the moment.
    down: BTreeMap<u64, u32>,
    /// The server that each pause under way freezes.
    pauses: BTreeMap<usize, u64>,
    /// Whom each fault struck that is or was aimed at one.
    struck: BTreeMap<usize, u64>,
}

impl<'a, W: World> Course<'a, W> {
    pub(super) fn new(
        scenario: &'a Scenario,
        world: W,
        watch: Watch,
        books: Books,
    ) -> Course<'a, W> {
        Course {
            scenario,
            world,
            watch,
            books,
            overlap: Overlap::default(),
            crashed: BTreeMap::new(),
            down: BTreeMap::new(),
            pauses: BTreeMap::new(),
            struck: BTreeMap::new(),
        }
    }

    /// The world as the course left it.
    pub(super) fn into_world(self) -> W {
        self.world
    }

    /// Lets the scenario happen. Returns how long after healing the first entry committed.
    pub(super) fn pass_time(&mut self, panics: &panics::Caught) -> Option<u64> {
        let scenario = self.scenario;
        let mut moments = moments(&scenario.faults);
        loop {
            let next = moments.first().copied();
            let next = next.filter(|moment| moment.at_ms <= scenario.heal_at_ms);
            let to_ms = next.map_or(scenario.heal_at_ms, |moment| moment.at_ms);
            self.advance(to_ms, panics);
            if self.broken() {
                return None;
            }
            let struck = self.watch.lock().anchors.take();
            if struck.is_empty() {
                let Some(moment) = next else { break };
                moments.pop_first();
                self.turn(moment);
            }
            for (fault, subject) in struck {
                moments.retain(|moment| moment.fault != fault);
                self.struck.insert(fault, subject.0);
                self.begin(fault);
                let begun_ms = self.now_ns().div_ceil(NS_PER_MS);
                moments.extend(after_beginning(fault, &scenario.faults[fault], begun_ms));
            }
        }
        if scenario.live_within_ms == 0 {
            self.advance(scenario.end_at_ms, panics);
            return None;
        }
        let healed_ns = scenario.heal_at_ms * NS_PER_MS;
        let mut live_after_ms = None;
        let due_ms = scenario.heal_at_ms + scenario.live_within_ms;
        for at_ms in scenario.heal_at_ms + 1..=due_ms {
            self.advance(at_ms, panics);
            if self.watch.lock().judge.last_commit_ns() > healed_ns {
                live_after_ms = Some(at_ms - scenario.heal_at_ms);
                break;
            }
        }
        if live_after_ms.is_none()
            && let Some(lack) = self.lack_of_life()
        {
            let within = scenario.live_within_ms;
            self.rule("Liveness", format!("{lack} within {within} ms of healing"));
        }
        // What is committed shortly before the end may be on its way to some servers still.
        self.advance(scenario.end_at_ms.saturating_sub(SETTLE_MS), panics);
        let (due, _) = self.watch.lock().judge.progress();
        self.advance(scenario.end_at_ms, panics);
        // A server may be far behind, and its snapshot come in the smallest of pieces: as long as it
        // gets there once the clients are silent, it was only slow.
        let mut at_ms = scenario.end_at_ms;
        let piece = (scenario.settings.snapshot_chunk_bytes as u64).clamp(1, PIECE_BYTES);
        let patience_ms = CATCH_UP_MS * PIECE_BYTES / piece;
        let work = self.steps() + CATCH_UP_STEPS;
        while self.behind(due).is_some()
            && at_ms < scenario.end_at_ms + patience_ms
            && self.steps() < work
        {
            at_ms += 100;
            self.advance(at_ms, panics);
        }
        self.converged(due);
        live_after_ms
    }

    /// What has not happened where nothing was committed in all the time that the healed cluster had.
    fn lack_of_life(&self) -> Option<&'static str> {
        let healed_ns = self.scenario.heal_at_ms * NS_PER_MS;
        if self.was_written_to() {
            Some("nothing committed")
        } else if self.watch.lock().judge.last_led_ns() <= healed_ns {
            Some("nobody has led")
        } else {
            None
        }
    }

    /// Whether clients have waited for anything that commits for half of that time at least: an edited script may have asked
    /// for none. Some insist on an answer for as long as it takes, and have asked before the healing.
    fn was_written_to(&self) -> bool {
        let (heal_ms, within_ms) = (self.scenario.heal_at_ms, self.scenario.live_within_ms);
        let last_ms = heal_ms + within_ms / 2;
        let script = self.books.script.borrow();
        let asked_since = script
            .iter()
            .filter(|asked| !matches!(asked.action, Action::Read | Action::Dequeue))
            .any(|asked| (heal_ms * 1_000..=last_ms * 1_000).contains(&asked.at_us));
        let recorder = self.books.recorder.borrow();
        asked_since
            || recorder
                .open()
                .any(|(at_ns, f)| at_ns <= last_ms * NS_PER_MS && !waits_by_reading(f))
    }

    /// How many steps servers have taken.
    fn steps(&self) -> u64 {
        self.watch.lock().judge.coverage().steps
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.world.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn broken(&self) -> bool {
        self.watch.lock().judge.violation().is_some()
    }

    fn rule(&self, property: &str, what: impl Into<String>) {
        self.watch.lock().judge.rule(self.now_ns(), property, what);
    }

    /// Steps to a moment, unless a property breaks before, or what a fault waits for comes to pass.
    fn advance(&mut self, to_ms: u64, panics: &panics::Caught) {
        let to = Duration::from_millis(to_ms);
        let pending = self.watch.lock().anchors.signal();
        while self.world.elapsed() < to && !self.broken() && !pending.load(Ordering::Relaxed) {
            let stepped = self.world.step(to);
            // The message of an assertion says more than that a task has ended.
            for message in panics.take() {
                self.rule("Assertion", message);
            }
            if let Err(error) = stepped {
                self.rule("Assertion", error);
            }
        }
    }

    /// It is a fault's turn.
    fn turn(&mut self, moment: Moment) {
        let number = moment.fault;
        let fault = &self.scenario.faults[number];
        match (moment.turn, fault.when) {
            (Turn::Begins, _) => self.begin(number),
            (Turn::Ends | Turn::EndsAtOnce, _) => self.strike(number, false),
            (Turn::Exposes, _) => {
                // Its process ends and starts again, from what the disk shows.
                if let Some(id) = self
                    .struck
                    .get(&number)
                    .copied()
                    .filter(|id| self.is_up(*id))
                {
                    self.crash(number, &[id], Unsynced::Kept);
                    self.restart(number);
                }
            }
            (Turn::Waits, Some(anchor)) => self.watch.lock().anchors.arm(number, anchor),
            (Turn::Waits, None) => {}
            (Turn::GivesUp, _) => {
                let mut watched = self.watch.lock();
                watched.anchors.give_up(number);
                watched.judge.note_given_up();
            }
        }
    }

    /// A fault begins, and finds out whom it strikes.
    fn begin(&mut self, number: usize) {
        let leader = self.watch.lock().judge.latest_leader().map_or(1, |id| id.0);
        match self.scenario.faults[number].what.target() {
            Some(Target::Server(id)) => drop(self.struck.insert(number, id)),
            Some(Target::Leader) => drop(self.struck.insert(number, leader)),
            // Whoever met it is written down.
            Some(Target::Subject) | None => {}
        }
        self.watch
            .lock()
            .judge
            .note_fault(&self.scenario.faults[number]);
        self.strike(number, true);
    }

    /// A fault begins or ends.
    fn strike(&mut self, number: usize, begins: bool) {
        let fault = &self.scenario.faults[number];
        let struck = self.struck.get(&number).copied();
        let verb = if begins { "begins" } else { "ends" };
        let words = describe(fault, struck);
        let now_ns = self.now_ns();
        self.watch
            .lock()
            .trace
            .note(now_ns, "****", &format!("{verb}: {words}"));
        self.books
            .recorder
            .borrow_mut()
            .nemesis(now_ns, verb, Value::Str(words));
        match &fault.what {
            FaultKind::Crash { unsynced, .. } if begins => {
                let ids: Vec<u64> = struck.into_iter().collect();
                self.crash(number, &ids, *unsynced);
            }
            FaultKind::Pause { .. } => self.pause(number, struck.filter(|_| begins)),
            FaultKind::Jump { by_ms, .. } => {
                if let Some(id) = struck.filter(|_| begins) {
                    self.world.jump(id, Duration::from_millis(*by_ms));
                }
            }
            FaultKind::Rot { .. } => {
                let Some(id) = struck else { return };
                if begins && self.is_up(id) {
                    self.crash(number, &[id], Unsynced::Kept);
                    self.world.rot(id);
                    self.restart(number);
                } else if !begins {
                    self.mend(number, id, Unsynced::Kept);
                }
            }
            FaultKind::Disk {
                call,
                error,
                skip,
                unsynced,
                ..
            } => {
                let Some(id) = struck else { return };
                if begins {
                    let trap = Trap {
                        call: *call,
                        file: String::new(),
                        skip: *skip,
                        times: u64::MAX,
                        failure: Failure::Error(*error),
                    };
                    self.world.break_disk(id, trap);
                } else {
                    self.mend(number, id, *unsynced);
                }
            }
            FaultKind::Lie { about, skip, .. } => {
                let Some(id) = struck else { return };
                if begins {
                    self.world.lie(id, *about, *skip);
                } else {
                    self.mend(number, id, Unsynced::Kept);
                }
            }
            FaultKind::Reset { .. } => {
                let Some(id) = struck.filter(|_| begins) else {
                    return;
                };
                for other in (1..=self.scenario.servers).filter(|other| *other != id) {
                    self.world.reset(id, other);
                }
            }
            FaultKind::PowerLoss { unsynced } if begins => {
                let all: Vec<u64> = (1..=self.scenario.servers).collect();
                self.crash(number, &all, *unsynced);
            }
            FaultKind::Replace if begins => {
                let servers = 1..=self.scenario.servers;
                let outsider = {
                    let watched = self.watch.lock();
                    servers
                        .into_iter()
                        .find(|id| watched.judge.takes_no_part(NodeId(*id)))
                };
                if let Some(id) = outsider {
                    self.crash(number, &[id], Unsynced::Lost);
                    self.world.empty(id);
                    self.watch.lock().judge.emptied(NodeId(id));
                }
            }
            FaultKind::Crash { .. } | FaultKind::PowerLoss { .. } | FaultKind::Replace => {
                self.restart(number);
            }
            // The operator's client keeps the time of these itself.
            FaultKind::Transfer { .. } | FaultKind::Membership { .. } => {}
            what => {
                if begins {
                    self.overlap
                        .begin(number, what, self.scenario.servers, struck);
                } else {
                    self.overlap.end(number);
                }
                self.follow_overlap();
            }
        }
    }

    /// The world as all faults under way that last leave it.
    fn follow_overlap(&mut self) {
        for from in 1..=self.scenario.servers {
            for to in (1..=self.scenario.servers).filter(|to| *to != from) {
                self.world.set_link(from, to, self.overlap.link(from, to));
            }
            self.world.slow_disk(from, self.overlap.slow_disk(from));
            let every = self.overlap.storm(from);
            let own = self.scenario.settings.snapshot_every;
            self.world.snapshot_every(from, every.unwrap_or(own));
            self.watch.lock().judge.storms(NodeId(from), every);
        }
    }

    fn crash(&mut self, number: usize, ids: &[u64], unsynced: Unsynced) {
        for id in ids {
            let down = self.down.entry(*id).or_default();
            *down += 1;
            if *down == 1 {
                // Who starts again is not frozen.
                self.pauses.retain(|_, paused| paused != id);
                self.world.resume(*id);
                self.world.crash(*id, unsynced);
                self.watch.lock().judge.went_down(NodeId(*id));
            }
        }
        self.crashed.insert(number, ids.to_vec());
    }

    fn restart(&mut self, number: usize) {
        for id in self.crashed.remove(&number).unwrap_or_default() {
            let down = self.down.entry(id).or_default();
            *down -= 1;
            if *down == 0 {
                self.world.restart(id);
            }
        }
    }

    fn is_up(&self, id: u64) -> bool {
        self.down.get(&id).is_none_or(|faults| *faults == 0)
    }

    /// A disk works again; a server that has stopped because it did not is started.
    fn mend(&mut self, number: usize, id: u64, unsynced: Unsynced) {
        if self.world.mend_disk(id) && self.is_up(id) {
            self.crash(number, &[id], unsynced);
            self.restart(number);
        }
    }

    /// A pause begins for a server that is up, or ends.
    fn pause(&mut self, number: usize, begins_for: Option<u64>) {
        if let Some(id) = begins_for.filter(|id| self.is_up(*id)) {
            self.pauses.insert(number, id);
            self.world.pause(id);
        } else if let Some(id) = self.pauses.remove(&number)
            && !self.pauses.values().any(|paused| *paused == id)
        {
            self.world.resume(id);
        }
    }

    /// A member that has not applied so many entries, and how many it has.
    fn behind(&self, due: u64) -> Option<(u64, u64)> {
        let watched = self.watch.lock();
        let (_, applied) = watched.judge.progress();
        let members = watched.judge.members();
        (1..=self.scenario.servers)
            .filter(|id| members.contains(&NodeId(*id)))
            .map(|id| (id, applied.get(&NodeId(id)).copied().unwrap_or(0)))
            .find(|(_, applied)| *applied < due)
    }

    /// In the end every member has applied what was committed by then.
    fn converged(&self, due: u64) {
        if let Some((id, applied)) = self.behind(due) {
            let what = format!("n{id} has applied {applied} of {due} committed entries at the end");
            self.rule("Convergence", what);
        }
    }
}
