//! The general search: walks over invocations and completions in order and puts operations into the
//! order only when one that was not placed yet completes ("just in time", Lowe 2017). What it knows at
//! any moment is small: the state, and which of the *open* operations are placed; never a set over the
//! whole history. It is depth first and remembers what failed (Wing and Gong 1993, Lowe 2017). What
//! makes it fast, each argued where it is done: reads are answered as soon as they can be; operations
//! that look the same are placed in the order of their completions; indeterminate ones are counted by
//! class; a write that another overwrote unseen need not be placed at all.

use super::blame::{Blame, NO_ENTRY};
use super::timeline::{Moment, Timeline, Window};
use super::visited::{Known, Order, Visited};
use crate::Limit;
use crate::budget::Meter;
use crate::part::{Op, Part};
use crate::spec::{DEAD, Machine};

/// What a search found.
pub(crate) enum Searched {
    /// Places of operations in an order that explains them.
    Valid(Vec<u32>),
    /// Every attempt ended at or before the completion of this operation, at most.
    Stuck { op: u32, attempts: Vec<Attempt> },
}

/// An attempt that got as far as any.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The last operations that it placed.
    pub(crate) placed: Vec<u32>,
    /// The state then.
    pub(crate) state: u32,
}

/// So many attempts are kept, each with so many operations.
const ATTEMPTS: (usize, usize) = (3, 5);

/// A choice that was open at a completion.
struct Frame {
    pos: usize,
    /// Lengths to go back to.
    order: usize,
    dropped: usize,
    /// Choices from here on are this frame's; they are taken from the end.
    choices: usize,
}

/// Something that can be placed next.
#[derive(Clone, Copy)]
enum Choice {
    /// An open operation.
    Place(u32),
    /// An indeterminate operation of this class.
    Use(u32),
    /// The completing write, just before the last write.
    Overwritten(u32),
}

/// The indeterminate operations of one class. They are interchangeable but for when they were invoked,
/// so the earliest are used first, and how many are used says which.
#[derive(Clone, Default)]
pub(super) struct Group {
    members: Vec<u32>,
    /// How many of them were invoked before the present event.
    called: u64,
    /// Where the number of those used is kept.
    word: usize,
    shift: u32,
    mask: u64,
}

impl Group {
    /// All that were invoked are used.
    fn is_spent(&self, config: &[u64]) -> bool {
        self.mask > 0 && (config[self.word] >> self.shift) & self.mask >= self.called
    }

    /// Whether a configuration says how many are used.
    pub(super) fn is_counted(&self) -> bool {
        self.mask > 0
    }

    /// The bit above its counter.
    fn guard(&self) -> u64 {
        (self.mask + 1) << self.shift
    }

    /// Its word in a configuration, the bits of its counter, its guard.
    pub(super) fn field(&self) -> (usize, u64, u64) {
        (self.word, self.mask << self.shift, self.guard())
    }
}

/// Where the parts of a configuration lie: `[state, last write, done, free, used]`.
#[derive(Clone, Copy)]
struct Layout {
    /// Words of `done`, and of `free` if there are writes.
    width: usize,
    has_writes: bool,
    length: usize,
}

const STATE: usize = 0;
/// Set in the state's word while a write that could be overwritten is to be placed all the same.
const COMMITTED: u64 = 1 << 32;
/// One more than the place of the last write in the order; 0 if there is none.
const LAST_WRITE: usize = 1;
/// What is before this is not remembered.
pub(super) const DONE: usize = 2;

impl Layout {
    fn free(&self) -> usize {
        DONE + self.width
    }
    fn used(&self) -> usize {
        DONE + self.width * (1 + usize::from(self.has_writes))
    }
}

/// How indeterminate operations are used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Each at most once, as it is.
    Once,
    /// Each any number of times: a relaxation with far fewer configurations, as none is counted. What
    /// fails even so is a violation; what succeeds says nothing.
    Often,
}

pub(crate) struct Search<'a, M: Machine + ?Sized> {
    ops: &'a [Op],
    machine: &'a mut M,
    timeline: Timeline,
    layout: Layout,
    groups: Vec<Group>,
    /// By class.
    group_of: Vec<u32>,
    guards: Vec<u64>,
    /// Scratch: the earliest completing open operation by class, valid where the stamp is new.
    earliest: Vec<(u64, u32)>,
    stamp: u64,
    /// Scratch.
    kept: Vec<(bool, u32, Choice)>,
    /// The groups (their guards) of which one more would have given the present configuration
    /// another choice.
    denied: Vec<u64>,
}

const NO_GROUP: u32 = u32::MAX;

impl<'a, M: Machine + ?Sized> Search<'a, M> {
    pub(crate) fn new(part: &'a Part, machine: &'a mut M, uses: Use) -> Search<'a, M> {
        let classes = part.classes.len();
        let timeline = Timeline::new(part);
        let mut group_of = vec![NO_GROUP; classes];
        let mut groups: Vec<Group> = Vec::new();
        let mut has_writes = false;
        for (place, op) in (0u32..).zip(&part.ops) {
            has_writes |= machine.is_write(op.class);
            if op.is_certain() {
                continue;
            }
            let group = &mut group_of[op.class as usize];
            if *group == NO_GROUP {
                *group = u32::try_from(groups.len()).expect("fewer groups than classes");
                groups.push(Group::default());
            }
            groups[*group as usize].members.push(place);
        }
        let width = timeline.width().div_ceil(64);
        let mut layout = Layout {
            width,
            has_writes,
            length: 0,
        };
        let mut guards: Vec<u64> = Vec::new();
        let mut shift = 64;
        for group in &mut groups {
            if uses == Use::Often {
                break;
            }
            // One bit more than the number needs: the guard of `Order::covers`.
            let bits = usize::BITS - group.members.len().leading_zeros() + 1;
            if shift + bits > 64 {
                guards.push(0);
                shift = 0;
            }
            group.word = layout.used() + guards.len() - 1;
            group.shift = shift;
            group.mask = (1 << (bits - 1)) - 1;
            *guards.last_mut().expect("a word was pushed") |= 1 << (shift + bits - 1);
            shift += bits;
        }
        layout.length = layout.used() + guards.len();
        Search {
            ops: &part.ops,
            machine,
            timeline,
            layout,
            groups,
            group_of,
            denied: vec![0; guards.len()],
            guards,
            earliest: vec![(0, 0); classes],
            stamp: 0,
            kept: Vec::new(),
        }
    }

    /// Searches to the end, or until the budget is spent.
    pub(crate) fn run(mut self, meter: &mut Meter<'_>) -> Result<Searched, Limit> {
        assert!(
            self.timeline.len() < 1 << 31,
            "a part of fewer than 2^30 operations"
        );
        let timeline = std::mem::replace(&mut self.timeline, Timeline::empty());
        let mut window = Window::new(&timeline, self.ops);
        let fixed = timeline.memory() + self.earliest.len() * 16;
        let length = self.layout.length;
        let mut visited = Visited::new(length - DONE);
        let mut blame = Blame::new(&self.groups, self.layout.used());
        let mut now = vec![0u64; length];
        now[STATE] = u64::from(self.machine.init());
        // The stack: frames, their configurations, their choices.
        let mut frames: Vec<Frame> = Vec::new();
        let mut configs: Vec<u64> = Vec::new();
        let mut choices: Vec<Choice> = Vec::new();
        let mut order: Vec<u32> = Vec::new();
        // Writes that are to stand just before what is at a place of the order.
        let mut dropped: Vec<(u32, u32)> = Vec::new();
        let mut masks = Masks::new(self.layout.width);
        let mut furthest = 0;
        let mut attempts: Vec<Attempt> = Vec::new();
        loop {
            let stuck = self.advance(&timeline, &mut window, &mut now, &mut order);
            let Some(stuck) = stuck else {
                return Ok(Searched::Valid(with_dropped(&order, &dropped)));
            };
            if window.pos > furthest {
                furthest = window.pos;
                attempts.clear();
            }
            let here = state(&now);
            let is_new = |attempt: &Attempt| attempt.state != here;
            if window.pos == furthest && attempts.len() < ATTEMPTS.0 && attempts.iter().all(is_new)
            {
                let last = order.len().saturating_sub(ATTEMPTS.1);
                attempts.push(Attempt {
                    placed: order[last..].to_vec(),
                    state: here,
                });
            }
            masks.read(&window, &*self.machine, self.ops);
            // Where there is nothing to come back to there is nothing to remember.
            let known = if frames.is_empty() && blame.is_idle() {
                Known::New(NO_ENTRY)
            } else {
                let place = (window.pos as u64) << 33 | now[STATE];
                let by = masks.order(&self.guards);
                let (known, compared) = visited.insert(place, &now[DONE..], by);
                meter.pass(compared)?;
                known
            };
            match known {
                Known::New(entry) => {
                    let start = choices.len();
                    self.choices(stuck, &window, &masks, &now, &mut choices);
                    meter.pass(1 + choices.len() - start)?;
                    frames.push(Frame {
                        pos: window.pos,
                        order: order.len(),
                        dropped: dropped.len(),
                        choices: start,
                    });
                    configs.extend_from_slice(&now);
                    blame.enter(entry, &self.denied);
                }
                Known::Covered(entry) => blame.covered(entry, &mut visited),
            }
            // Leave the frames that have no choice left.
            while let Some(frame) = frames.last()
                && choices.len() == frame.choices
            {
                blame.leave(&mut visited);
                frames.pop();
                configs.truncate(configs.len() - length);
            }
            let Some(frame) = frames.last() else {
                let Moment::Return(op) = timeline.at(furthest) else {
                    unreachable!("a search only ever stops at completions");
                };
                return Ok(Searched::Stuck { op, attempts });
            };
            let groups = &mut self.groups;
            let group_of = &self.group_of;
            window.back_to(frame.pos, &mut |place, entered| {
                count(groups, group_of, self.ops, place, entered);
            });
            order.truncate(frame.order);
            dropped.truncate(frame.dropped);
            let base = configs.len() - length;
            now.copy_from_slice(&configs[base..]);
            let choice = choices.pop().expect("a frame has choices left");
            if choices.len() == frame.choices && blame.is_idle() {
                // The last choice takes the frame with it.
                frames.pop();
                configs.truncate(base);
            }
            let Moment::Return(completing) = timeline.at(window.pos) else {
                unreachable!("a frame stands at a completion");
            };
            self.take(
                choice,
                completing,
                &window,
                &mut now,
                &mut order,
                &mut dropped,
            );
            let held = fixed
                + visited.memory()
                + blame.memory()
                + self.machine.memory()
                + frames.capacity() * size_of::<Frame>()
                + (configs.capacity() + choices.capacity() + order.capacity()) * 8;
            meter.hold(held)?;
        }
    }

    /// Walks on until an operation completes that is not placed; `None` at the end.
    fn advance(
        &mut self,
        timeline: &Timeline,
        window: &mut Window<'_>,
        now: &mut [u64],
        order: &mut Vec<u32>,
    ) -> Option<u32> {
        while window.pos < timeline.len() {
            match timeline.at(window.pos) {
                Moment::Call(place) => {
                    let op = &self.ops[place as usize];
                    // A read that can be answered is answered at once: it changes nothing, so
                    // placing it earlier than elsewhere in an order leaves that order valid.
                    if op.is_certain()
                        && self.machine.is_read(op.class)
                        && self.machine.step(state(now), op.class) != DEAD
                    {
                        set(now, DONE, timeline.slot(place));
                        order.push(place);
                    }
                }
                Moment::Return(place) => {
                    let slot = timeline.slot(place);
                    if !get(now, DONE, slot) {
                        return Some(place);
                    }
                    unset(now, DONE, slot);
                    if self.layout.has_writes {
                        unset(now, self.layout.free(), slot);
                    }
                    now[STATE] &= !COMMITTED;
                }
            }
            let groups = &mut self.groups;
            let group_of = &self.group_of;
            window.forward(&mut |place, entered| {
                count(groups, group_of, self.ops, place, entered);
            });
        }
        None
    }

    /// What can be placed next where `completing` must be; the most promising last.
    fn choices(
        &mut self,
        completing: u32,
        window: &Window<'_>,
        masks: &Masks,
        now: &[u64],
        choices: &mut Vec<Choice>,
    ) {
        let start = choices.len();
        self.denied.fill(0);
        let op = self.ops[completing as usize];
        let here = state(now);
        let slot = window.slot(completing);
        let free = self.layout.has_writes && get(now, self.layout.free(), slot);
        let is_read = self.machine.is_read(op.class);
        // Of open operations that look the same the one that completes first is placed first: if an
        // order places them the other way round, exchanging the two leaves it valid.
        self.stamp += 1;
        self.earliest[op.class as usize] = (self.stamp, completing);
        for word in 0..self.layout.width {
            let mut open = window.occupied()[word] & !now[DONE + word] & !masks.reads[word];
            while open != 0 {
                let other = window.occupant(word * 64 + open.trailing_zeros() as usize);
                open &= open - 1;
                let class = self.ops[other as usize].class as usize;
                let (stamp, first) = self.earliest[class];
                if stamp != self.stamp {
                    choices.push(Choice::Place(other));
                    self.earliest[class] = (self.stamp, other);
                } else if self.ops[other as usize].ret < self.ops[first as usize].ret {
                    self.earliest[class].1 = other;
                }
            }
        }
        // Replace each class's first by its earliest; keep those that lead somewhere.
        let mut kept = std::mem::take(&mut self.kept);
        for choice in choices.drain(start..) {
            let Choice::Place(some) = choice else {
                unreachable!("only places were pushed")
            };
            let class = self.ops[some as usize].class;
            let other = self.earliest[class as usize].1;
            if other == completing {
                continue;
            }
            let after = self.machine.step(here, class);
            if after != DEAD && self.is_useful(class, after, Some(other), window, masks, now) {
                let serves = self.machine.step(after, op.class) != DEAD;
                let ret = self.ops[other as usize].ret;
                kept.push((serves, ret, Choice::Place(other)));
            }
        }
        for number in 0..self.groups.len() {
            if self.groups[number].called == 0 {
                continue;
            }
            let class = self.ops[self.groups[number].members[0] as usize].class;
            let after = self.machine.step(here, class);
            // One that changes nothing is better kept.
            if after == DEAD
                || after == here
                || !self.is_useful(class, after, None, window, masks, now)
            {
                continue;
            }
            let group = &self.groups[number];
            if group.is_spent(now) {
                self.denied[group.word - self.layout.used()] |= group.guard();
                continue;
            }
            let serves = self.machine.step(after, op.class) != DEAD;
            let number = u32::try_from(number).expect("fewer groups than classes");
            kept.push((serves, u32::MAX, Choice::Use(number)));
        }
        kept.sort_by_key(|(serves, ret, _)| (*serves, std::cmp::Reverse(*ret)));
        choices.extend(kept.drain(..).map(|(_, _, choice)| choice));
        self.kept = kept;
        if !is_read && self.machine.step(here, op.class) != DEAD {
            choices.push(Choice::Place(completing));
        }
        if free && now[STATE] & COMMITTED == 0 {
            choices.push(Choice::Overwritten(completing));
        }
    }

    /// Whether placing this now, before something else, can help. A write that is overwritten before
    /// anything looked at it could as well be left unused: an open one is then free, an indeterminate
    /// one did not happen.
    fn is_useful(
        &mut self,
        class: u32,
        after: u32,
        placed: Option<u32>,
        window: &Window<'_>,
        masks: &Masks,
        now: &[u64],
    ) -> bool {
        if !self.machine.is_write(class) {
            return true;
        }
        for word in 0..self.layout.width {
            let mut open = window.occupied()[word] & !now[DONE + word] & !masks.writes[word];
            while open != 0 {
                let other = window.occupant(word * 64 + open.trailing_zeros() as usize);
                open &= open - 1;
                let other_class = self.ops[other as usize].class;
                if Some(other) != placed && self.machine.step(after, other_class) != DEAD {
                    return true;
                }
            }
        }
        for group in &self.groups {
            let class = self.ops[group.members[0] as usize].class;
            if group.called == 0
                || self.machine.is_write(class)
                || self.machine.step(after, class) == DEAD
            {
                continue;
            }
            if !group.is_spent(now) {
                return true;
            }
            self.denied[group.word - self.layout.used()] |= group.guard();
        }
        false
    }

    /// Places what was chosen, and answers the reads that it lets answer.
    fn take(
        &mut self,
        choice: Choice,
        completing: u32,
        window: &Window<'_>,
        now: &mut [u64],
        order: &mut Vec<u32>,
        dropped: &mut Vec<(u32, u32)>,
    ) {
        let (place, class) = match choice {
            Choice::Overwritten(place) => {
                // The last write came after this one was invoked and before it completes: standing
                // just before that write, this one is seen by nobody.
                let before = u32::try_from(now[LAST_WRITE] - 1).expect("an order's length");
                dropped.push((before, place));
                set(now, DONE, window.slot(place));
                return;
            }
            Choice::Place(place) => {
                let slot = window.slot(place);
                if place != completing && self.layout.has_writes {
                    let completing = window.slot(completing);
                    if get(now, self.layout.free(), completing) {
                        now[STATE] |= COMMITTED;
                    }
                }
                set(now, DONE, slot);
                if self.layout.has_writes {
                    unset(now, self.layout.free(), slot);
                }
                (place, self.ops[place as usize].class)
            }
            Choice::Use(number) => {
                if self.layout.has_writes {
                    let completing = window.slot(completing);
                    if get(now, self.layout.free(), completing) {
                        now[STATE] |= COMMITTED;
                    }
                }
                let group = &self.groups[number as usize];
                let mut used = 0;
                if group.mask > 0 {
                    used = (now[group.word] >> group.shift) & group.mask;
                    now[group.word] += 1 << group.shift;
                }
                let place = group.members[usize::try_from(used).expect("a count of operations")];
                (place, self.ops[place as usize].class)
            }
        };
        let before = state(now);
        let after = self.machine.step(before, class);
        assert_ne!(after, DEAD, "only what is possible is chosen");
        now[STATE] = (now[STATE] & COMMITTED) | u64::from(after);
        order.push(place);
        let writes = self.machine.is_write(class);
        if writes {
            now[LAST_WRITE] = order.len() as u64;
        }
        for word in 0..self.layout.width {
            let mut open = window.occupied()[word] & !now[DONE + word];
            while open != 0 {
                let slot = word * 64 + open.trailing_zeros() as usize;
                open &= open - 1;
                let other = window.occupant(slot);
                let class = self.ops[other as usize].class;
                if self.machine.is_read(class) {
                    if after != before && self.machine.step(after, class) != DEAD {
                        set(now, DONE, slot);
                        order.push(other);
                    }
                } else if writes && self.machine.is_write(class) {
                    set(now, self.layout.free(), slot);
                }
            }
        }
    }
}

/// An indeterminate operation came into view or went out of it.
fn count(groups: &mut [Group], group_of: &[u32], ops: &[Op], place: u32, entered: bool) {
    let group = &mut groups[group_of[ops[place as usize].class as usize] as usize];
    if entered {
        group.called += 1;
    } else {
        group.called -= 1;
    }
}

/// Which occupied slots hold reads and writes.
struct Masks {
    reads: Vec<u64>,
    writes: Vec<u64>,
}

impl Masks {
    fn new(width: usize) -> Masks {
        Masks {
            reads: vec![0; width],
            writes: vec![0; width],
        }
    }

    fn read<M: Machine + ?Sized>(&mut self, window: &Window<'_>, machine: &M, ops: &[Op]) {
        for (word, occupied) in window.occupied().iter().enumerate() {
            let (mut reads, mut writes) = (0, 0);
            let mut open = *occupied;
            while open != 0 {
                let bit = open.trailing_zeros();
                open &= open - 1;
                let place = window.occupant(word * 64 + bit as usize);
                let class = ops[place as usize].class;
                reads |= u64::from(machine.is_read(class)) << bit;
                writes |= u64::from(machine.is_write(class)) << bit;
            }
            self.reads[word] = reads;
            self.writes[word] = writes;
        }
    }

    fn order<'m>(&'m self, guards: &'m [u64]) -> Order<'m> {
        Order {
            reads: &self.reads,
            writes: &self.writes,
            guards,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is the state")]
fn state(config: &[u64]) -> u32 {
    config[STATE] as u32
}

fn get(config: &[u64], from: usize, slot: usize) -> bool {
    config[from + slot / 64] >> (slot % 64) & 1 == 1
}

fn set(config: &mut [u64], from: usize, slot: usize) {
    config[from + slot / 64] |= 1 << (slot % 64);
}

fn unset(config: &mut [u64], from: usize, slot: usize) {
    config[from + slot / 64] &= !(1 << (slot % 64));
}

/// The order with the overwritten writes put in where they belong.
fn with_dropped(order: &[u32], dropped: &[(u32, u32)]) -> Vec<u32> {
    let mut dropped = dropped.to_vec();
    dropped.sort_unstable();
    let mut dropped = dropped.into_iter().peekable();
    let mut whole = Vec::with_capacity(order.len() + dropped.len());
    for (at, place) in (0u32..).zip(order) {
        while let Some((_, write)) = dropped.next_if(|(before, _)| *before == at) {
            whole.push(write);
        }
        whole.push(*place);
    }
    whole
}
