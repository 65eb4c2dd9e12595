//! A network of messages: each link keeps their order, as a connection would, unless a fault says
//! otherwise. Every link has draws of its own, so that a fault on one disturbs no other.

use plumb_raft::core::Envelope;

use super::queue::{Addressed, Event, Queue};
use crate::scenario::Scenario;
use crate::sim::seams::network::{Flow, LinkFault};
use crate::sim::seams::random::Stream;

/// From one server to another.
struct Link<M> {
    fault: LinkFault,
    latency: Stream,
    faults: Stream,
    /// When the last message that was not late is due.
    last_ns: u64,
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
                held: Vec::new(),
            })
            .collect();
        Network {
            servers,
            latency_ns: (least * 1_000_000, most * 1_000_000),
            links,
            to_callers: Stream::derive(scenario.seed, "callers.latency", 0),
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
            queue.after(0, Event::Deliver(Box::new(envelope)));
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
        let link = self.link(from, to);
        if link.fault.flow == Flow::Block {
            return;
        }
        let way_ns = between(&mut link.latency, bounds);
        let mut due_ns = (queue.now_ns() + way_ns).max(link.last_ns);
        let fault = &link.fault;
        if fault.drop > 0.0 && link.faults.chance(fault.drop) {
            return;
        }
        let nanos = |d: std::time::Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        if fault.duplicate > 0.0 && link.faults.chance(fault.duplicate) {
            let later_ns = due_ns + nanos(link.faults.range_duration(&fault.delay_by));
            queue.at(later_ns, Event::Deliver(Box::new(envelope.clone())));
        }
        if fault.delay > 0.0 && link.faults.chance(fault.delay) {
            due_ns += nanos(link.faults.range_duration(&fault.delay_by));
        } else {
            link.last_ns = due_ns;
        }
        queue.at(due_ns, Event::Deliver(Box::new(envelope)));
    }

    /// A message is due: here it is, unless its link was cut or stalled meanwhile.
    pub(super) fn deliver(&mut self, envelope: M) -> Option<M> {
        let link = self.link(envelope.from(), envelope.to());
        match link.fault.flow {
            Flow::Open => Some(envelope),
            Flow::Hold => {
                link.held.push(envelope);
                None
            }
            Flow::Block => None,
        }
    }

    /// How long a call or an answer takes: callers are not struck by faults.
    pub(super) fn caller_way_ns(&mut self) -> u64 {
        between(&mut self.to_callers, self.latency_ns)
    }
}

fn between(draw: &mut Stream, (least, most): (u64, u64)) -> u64 {
    least + draw.below(most - least + 1)
}
