//! The invocations and completions of a part in real-time order, and a window that walks over them in
//! both directions and knows what is open.

use crate::part::{Op, Part};

/// An event of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Operation at this place is invoked.
    Call(u32),
    /// Operation at this place completes.
    Return(u32),
}

/// All events of a part in order, and the slot of each operation: two operations that are ever open
/// together have different slots, so a set of open operations is a set of few bits.
pub(crate) struct Timeline {
    moments: Vec<u32>,
    /// By operation; for those that never return, their rank within their class.
    slots: Vec<u32>,
    /// How many slots there are.
    width: usize,
}

impl Timeline {
    pub(crate) fn new(part: &Part) -> Timeline {
        let ops = &part.ops;
        let mut returns: Vec<(u32, u32)> = (0u32..)
            .zip(ops)
            .filter(|(_, op)| op.is_certain())
            .map(|(place, op)| (op.ret, place))
            .collect();
        returns.sort_unstable();
        let mut moments = Vec::with_capacity(ops.len() + returns.len());
        let mut slots = vec![0; ops.len()];
        let mut free: Vec<u32> = Vec::new();
        let mut width = 0;
        let mut ranks = vec![0; part.classes.len()];
        let mut returns = returns.into_iter().peekable();
        let mut pass = |until: u32, moments: &mut Vec<u32>, free: &mut Vec<u32>, slots: &[u32]| {
            while let Some((_, place)) = returns.next_if(|(ret, _)| *ret < until) {
                moments.push(place << 1 | 1);
                free.push(slots[place as usize]);
            }
        };
        for (place, op) in (0u32..).zip(ops) {
            pass(op.call, &mut moments, &mut free, &slots);
            moments.push(place << 1);
            slots[place as usize] = if op.is_certain() {
                free.pop().unwrap_or_else(|| {
                    width += 1;
                    width - 1
                })
            } else {
                let rank: &mut u32 = &mut ranks[op.class as usize];
                *rank += 1;
                *rank - 1
            };
        }
        pass(u32::MAX, &mut moments, &mut free, &slots);
        Timeline {
            moments,
            slots,
            width: width as usize,
        }
    }

    /// No events.
    pub(crate) fn empty() -> Timeline {
        Timeline {
            moments: Vec::new(),
            slots: Vec::new(),
            width: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.moments.len()
    }

    pub(crate) fn at(&self, pos: usize) -> Moment {
        let code = self.moments[pos];
        if code & 1 == 0 {
            Moment::Call(code >> 1)
        } else {
            Moment::Return(code >> 1)
        }
    }

    /// The slot of an operation that returns.
    pub(crate) fn slot(&self, place: u32) -> usize {
        self.slots[place as usize] as usize
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn memory(&self) -> usize {
        (self.moments.len() + self.slots.len()) * 4
    }
}

/// What is open before the event at `pos`.
pub(crate) struct Window<'t> {
    timeline: &'t Timeline,
    ops: &'t [Op],
    pub(crate) pos: usize,
    /// The operation in each slot; stale where the slot is not occupied.
    occupant: Vec<u32>,
    occupied: Vec<u64>,
}

impl<'t> Window<'t> {
    pub(crate) fn new(timeline: &'t Timeline, ops: &'t [Op]) -> Window<'t> {
        Window {
            timeline,
            ops,
            pos: 0,
            occupant: vec![0; timeline.width],
            occupied: vec![0; timeline.width.div_ceil(64)],
        }
    }

    /// The operation in a slot that is occupied.
    pub(crate) fn occupant(&self, slot: usize) -> u32 {
        self.occupant[slot]
    }

    /// The slot of an operation that returns.
    pub(crate) fn slot(&self, place: u32) -> usize {
        self.timeline.slot(place)
    }

    /// The occupied slots, 64 a word.
    pub(crate) fn occupied(&self) -> &[u64] {
        &self.occupied
    }

    /// Goes over the event at `pos`.
    pub(crate) fn forward(&mut self, called: &mut impl FnMut(u32, bool)) {
        match self.timeline.at(self.pos) {
            Moment::Call(place) => self.enter(place, called),
            Moment::Return(place) => self.leave(place),
        }
        self.pos += 1;
    }

    /// Goes back to an earlier event.
    pub(crate) fn back_to(&mut self, pos: usize, called: &mut impl FnMut(u32, bool)) {
        while self.pos > pos {
            self.pos -= 1;
            match self.timeline.at(self.pos) {
                Moment::Call(place) if self.ops[place as usize].is_certain() => self.leave(place),
                Moment::Call(place) => called(place, false),
                Moment::Return(place) => self.enter(place, called),
            }
        }
    }

    fn enter(&mut self, place: u32, called: &mut impl FnMut(u32, bool)) {
        if self.ops[place as usize].is_certain() {
            let slot = self.timeline.slot(place);
            self.occupant[slot] = place;
            self.occupied[slot / 64] |= 1 << (slot % 64);
        } else {
            called(place, true);
        }
    }

    fn leave(&mut self, place: u32) {
        let slot = self.timeline.slot(place);
        self.occupied[slot / 64] &= !(1 << (slot % 64));
    }
}
