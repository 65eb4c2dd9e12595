//! A network of messages: each link keeps their order, as a connection would, unless a fault says
//! otherwise. Every link has draws of its own, so that a fault on one disturbs no other.

use std::time::Duration;

use plumb_raft::core::Envelope;

use super::queue::{Addressed, Event, Queue};
use crate::invariants::Coverage;
use crate::scenario::Scenario;
use crate::sim::seams::network::{Flow, LONGEST_WAIT, LinkFault};
use crate::sim::seams::random::Stream;

/// From one server to another.
struct Link<M> {
    fault: LinkFault,
    latency: Stream,
    faults: Stream,
    /// When the last message that was not late is due.
    last_ns: u64,
    /// When the last message has passed a narrow link.
    free_ns: u64,
    /// What is due until then was on its way when the connection broke.
    broken_until_ns: u64,
    /// What was due while the link was stalled.
    held: Vec<M>,
}

/// All links.
pub(in crate::sim) struct Network<M = Envelope> {
    servers: usize,
    /// Bounds of a way's time, nanoseconds.
    latency_ns: (u64, u64),
    links: Vec<Link<M>>,
    to_callers: Stream,
    /// What has happened to messages.
    pub(super) seen: Coverage,
}

impl<M: Addressed + Clone> Network<M> {
    pub(super) fn new(scenario: &Scenario) -> Network<M> {
        let (least, most) = scenario.settings.latency_ms;
        let servers = scenario.servers as usize;
        let links = (0..servers * servers)
            .map(|place| Link {
                fault: LinkFault::default(),
                latency: Stream::derive(scenario.seed, "link.latency", place as u64),
                faults: Stream::derive(scenario.seed, "link.faults", place as u64),
                last_ns: 0,
                free_ns: 0,
                broken_until_ns: 0,
                held: Vec::new(),
            })
            .collect();
        Network {
            servers,
            latency_ns: (least * 1_000_000, most * 1_000_000),
            links,
            to_callers: Stream::derive(scenario.seed, "callers.latency", 0),
            seen: Coverage::default(),
        }
    }

    fn link(&mut self, from: u64, to: u64) -> &mut Link<M> {
        &mut self.links[(from as usize - 1) * self.servers + to as usize - 1]
    }

    /// How a link fares from now on. What waited on it arrives if it opens, and is lost if it is cut.
    pub(super) fn set(&mut self, from: u64, to: u64, fault: LinkFault, queue: &mut Queue<M>) {
        let link = self.link(from, to);
        link.fault = fault;
        if link.fault.flow == Flow::Hold {
            return;
        }
        for envelope in std::mem::take(&mut link.held) {
            queue.after(0, Event::Deliver(envelope));
        }
    }

    /// A message leaves.
    pub(super) fn send(&mut self, envelope: M, queue: &mut Queue<M>) {
        let (from, to) = (envelope.from(), envelope.to());
        // To a server of which this cluster has never heard.
        if to == 0 || to as usize > self.servers {
            return;
        }
        let bounds = self.latency_ns;
        let place = (from as usize - 1) * self.servers + to as usize - 1;
        let link = &mut self.links[place];
        if link.fault.flow == Flow::Block {
            self.seen.cut_off += 1;
            return;
        }
        let way_ns = between(&mut link.latency, bounds);
        let fault = &link.fault;
        let now_ns = queue.now_ns();
        let mut leaves_ns = now_ns.max(link.free_ns);
        if fault.bytes_per_s.is_some() {
            leaves_ns += nanos(fault.takes(envelope.size()));
            if leaves_ns - now_ns > nanos(LONGEST_WAIT) {
                self.seen.lost += 1;
                return;
            }
            link.free_ns = leaves_ns;
            self.seen.narrowed += 1;
        }
        let mut due_ns = (leaves_ns + way_ns).max(link.last_ns);
        if fault.drop > 0.0 && link.faults.chance(fault.drop) {
            self.seen.lost += 1;
            return;
        }
        if fault.duplicate > 0.0 && link.faults.chance(fault.duplicate) {
            self.seen.repeated += 1;
            let later_ns = due_ns + nanos(link.faults.range_duration(&fault.delay_by));
            queue.at(later_ns, Event::Deliver(envelope.clone()));
        }
        if fault.delay > 0.0 && link.faults.chance(fault.delay) {
            self.seen.delayed += 1;
            due_ns += nanos(link.faults.range_duration(&fault.delay_by));
        } else {
            link.last_ns = due_ns;
        }
        queue.at(due_ns, Event::Deliver(envelope));
    }

    /// The connections between two servers break: what is on its way is lost.
    pub(super) fn reset(&mut self, one: u64, other: u64) {
        for (from, to) in [(one, other), (other, one)] {
            let link = self.link(from, to);
            link.held.clear();
            link.broken_until_ns = link.last_ns;
        }
    }

    /// A message is due: here it is, unless its link was cut, stalled or broken meanwhile.
    pub(super) fn deliver(&mut self, envelope: M, now_ns: u64) -> Option<M> {
        let link = self.link(envelope.from(), envelope.to());
        if now_ns <= link.broken_until_ns {
            return None;
        }
        match link.fault.flow {
            Flow::Open => Some(envelope),
            Flow::Hold => {
                link.held.push(envelope);
                None
            }
            Flow::Block => {
                self.seen.cut_off += 1;
                None
            }
        }
    }

    /// How long a call or an answer takes: callers are not struck by faults.
    pub(super) fn caller_way_ns(&mut self) -> u64 {
        between(&mut self.to_callers, self.latency_ns)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn between(draw: &mut Stream, (least, most): (u64, u64)) -> u64 {
    least + draw.below(most - least + 1)
}
