//! What will happen, in the order of time; what is due at the same moment happens in the order in which it
//! was planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use plumb_raft::core::Envelope;
use plumb_raft::net::protocol::{RequestBody, ResponseBody, encode};
use plumb_raft::server::Picture;

use super::caller::Ticket;

/// What goes from one server to another.
pub(in crate::sim) trait Addressed {
    /// Who sent it.
    fn from(&self) -> u64;
    /// Whom it is for.
    fn to(&self) -> u64;
    /// How many bytes it takes on a narrow link. Asked for on such links only.
    fn size(&self) -> usize;
}

impl Addressed for Envelope {
    fn from(&self) -> u64 {
        self.from.0
    }

    fn to(&self) -> u64 {
        self.to.0
    }

    fn size(&self) -> usize {
        encode(self).len()
    }
}

/// One thing that happens.
#[derive(Debug)]
pub(in crate::sim) enum Event<M = Envelope> {
    /// A message arrives, unless the network has something against it.
    Deliver(M),
    /// A timer of a server may be due.
    Wake { server: usize },
    /// A server's disk has finished a sync.
    Synced { server: usize, life: u64 },
    /// A server has written its state machine down.
    Developed {
        server: usize,
        life: u64,
        picture: Box<Picture>,
    },
    /// A call reaches a server.
    Call {
        server: usize,
        ticket: Ticket,
        body: Box<RequestBody>,
    },
    /// An answer reaches its caller, or the news that nobody is there.
    Answer {
        ticket: Ticket,
        body: Option<Box<ResponseBody>>,
    },
    /// A caller has waited long enough.
    Patience { caller: usize, number: u64 },
    /// A client dies, if it still waits for this operation, by its value.
    Death { client: usize, operation: u64 },
}

impl<M: Addressed> Event<M> {
    /// The server that would have to do something, if one would.
    pub(super) fn server(&self) -> Option<usize> {
        match self {
            Event::Deliver(envelope) => usize::try_from(envelope.to()).ok()?.checked_sub(1),
            Event::Wake { server }
            | Event::Synced { server, .. }
            | Event::Developed { server, .. }
            | Event::Call { server, .. } => Some(*server),
            Event::Answer { .. } | Event::Patience { .. } | Event::Death { .. } => None,
        }
    }
}

/// When something is due, the how-manieth that was planned it was, and its place among the events, in one number: half of
/// what a queue does is to compare these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due(u128);

impl Due {
    const PLACE_BITS: u32 = 24;
    const COUNT_BITS: u32 = 40;

    /// # Panics
    /// If more was planned in all, or is at a time, than any run comes near.
    fn new(at_ns: u64, count: u64, place: usize) -> Due {
        assert!(
            count < 1 << Due::COUNT_BITS && place < 1 << Due::PLACE_BITS,
            "a run has an end"
        );
        let rank = count << Due::PLACE_BITS | place as u64;
        Due(u128::from(at_ns) << 64 | u128::from(rank))
    }

    fn at_ns(self) -> u64 {
        (self.0 >> 64) as u64
    }

    fn place(self) -> usize {
        self.0 as usize & ((1 << Due::PLACE_BITS) - 1)
    }
}

/// The queue, and with it the time. The heap holds places only, since it moves what it holds.
pub(in crate::sim) struct Queue<M = Envelope> {
    planned: BinaryHeap<Reverse<Due>>,
    events: Vec<Option<Event<M>>>,
    free: Vec<usize>,
    count: u64,
    now_ns: u64,
}

impl<M> Default for Queue<M> {
    fn default() -> Queue<M> {
        Queue {
            planned: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            count: 0,
            now_ns: 0,
        }
    }
}

impl<M> Queue<M> {
    pub(super) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Plans an event for a moment, or for now if that has passed.
    pub(super) fn at(&mut self, at_ns: u64, event: Event<M>) {
        self.count += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        let at_ns = at_ns.max(self.now_ns);
        self.planned
            .push(Reverse(Due::new(at_ns, self.count, place)));
    }

    /// Plans an event for a while from now.
    pub(super) fn after(&mut self, ns: u64, event: Event<M>) {
        self.at(self.now_ns + ns, event);
    }

    /// The next event, and its moment becomes now; or `to_ns` does, if nothing is due before.
    pub(super) fn pop(&mut self, to_ns: u64) -> Option<Event<M>> {
        match self.planned.peek() {
            Some(Reverse(due)) if due.at_ns() < to_ns => {
                let Reverse(due) = self.planned.pop()?;
                self.now_ns = due.at_ns();
                self.free.push(due.place());
                self.events[due.place()].take()
            }
            _ => {
                self.now_ns = to_ns;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_time_then_of_planning_and_time_goes_no_further_than_asked() {
        let mut queue: Queue = Queue::default();
        for (at_ns, server) in [(30, 0), (10, 1), (10, 2), (5, 3)] {
            queue.at(at_ns, Event::Wake { server });
        }
        let mut order = Vec::new();
        while let Some(Event::Wake { server }) = queue.pop(20) {
            order.push((queue.now_ns(), server));
        }
        assert_eq!(order, [(5, 3), (10, 1), (10, 2)]);
        assert_eq!(queue.now_ns(), 20);
        assert!(queue.pop(31).is_some());
    }

    #[test]
    fn what_is_due_keeps_its_moment_and_its_place_at_the_limits() {
        let place = (1 << Due::PLACE_BITS) - 1;
        let due = Due::new(u64::MAX, (1 << Due::COUNT_BITS) - 1, place);
        assert_eq!((due.at_ns(), due.place()), (u64::MAX, place));
        assert_eq!(Due::new(3, 1, 0).place(), 0);
        assert!(Due::new(3, 2, 0) > Due::new(3, 1, place));
        assert!(Due::new(4, 1, 0) > Due::new(3, 2, place));
    }
}
