//! A server of somebody else's: a [`Peer`] with its disk, its clock that drifts, and its lives.

use std::ops::RangeInclusive;
use std::time::Duration;

use plumb_raft::net::protocol::{RequestBody, ResponseBody};
use plumb_raft::server::Picture;

use super::Host;
use super::caller::Ticket;
use super::disk::{Batch, Disk};
use super::network::Network;
use super::queue::{Addressed, Event, Queue};
use crate::scenario::{Scenario, Settings, Unsynced};
use crate::sim::peer::{Input, Member, Metrics, Out, Peer};
use crate::sim::seams::random::Stream;
use crate::sim::watch::Watch;

/// A message with its address.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Parcel<M> {
    from: u64,
    to: u64,
    message: M,
    /// How many bytes it takes: asked for on narrow links only.
    size_of: fn(&M) -> usize,
}

impl<M> Addressed for Parcel<M> {
    fn from(&self) -> u64 {
        self.from
    }

    fn to(&self) -> u64 {
        self.to
    }

    fn size(&self) -> usize {
        (self.size_of)(&self.message)
    }
}

/// One server.
pub(in crate::sim) struct Guest<P: Peer> {
    seed: u64,
    id: u64,
    servers: u64,
    settings: Settings,
    /// `None` while it is down.
    peer: Option<P>,
    out: Out<P>,
    disk: Disk<P::Disk>,
    life: u64,
    /// When it is going to be woken next.
    wakes_ns: Option<u64>,
    /// Parts per million by which its clock is fast.
    ppm: i64,
    /// Where its clock started.
    epoch_ns: u64,
    watch: Watch,
}

type Parcels<P> = Parcel<<P as Peer>::Message>;

impl<P: Peer> Guest<P> {
    pub(in crate::sim) fn new(scenario: &Scenario, id: u64, watch: &Watch) -> Guest<P> {
        let settings = scenario.settings.clone();
        Guest {
            seed: scenario.seed,
            id,
            servers: scenario.servers,
            peer: None,
            out: Out::default(),
            disk: Disk::new(scenario.seed, id, settings.sync_us),
            life: 0,
            wakes_ns: None,
            ppm: i64::from(settings.clock_ppm[id as usize - 1]),
            epoch_ns: 0,
            settings,
            watch: watch.clone(),
        }
    }

    fn now(&self, queue: &Queue<Parcels<P>>) -> Duration {
        let elapsed_ns = i128::from(queue.now_ns()) * i128::from(1_000_000 + self.ppm) / 1_000_000;
        Duration::from_nanos(self.epoch_ns + elapsed_ns as u64)
    }

    /// The moment at which its clock shows this time.
    fn moment_ns(&self, time: Duration) -> u64 {
        let time_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let since_ns = i128::from(time_ns.saturating_sub(self.epoch_ns)) * 1_000_000;
        let rate = i128::from(1_000_000 + self.ppm);
        // Rounded up: who is woken too early would ask for the same time again.
        ((since_ns + rate - 1) / rate) as u64
    }

    fn step(
        &mut self,
        input: Input<P::Message>,
        queue: &mut Queue<Parcels<P>>,
        network: &mut Network<Parcels<P>>,
    ) {
        let now = self.now(queue);
        let Some(peer) = &mut self.peer else { return };
        let before = peer.metrics();
        self.watch.guest_takes(self.id, &input);
        peer.handle(now, input, &mut self.out);
        self.carry_out(before, queue, network);
    }

    fn carry_out(
        &mut self,
        before: Option<Metrics>,
        queue: &mut Queue<Parcels<P>>,
        network: &mut Network<Parcels<P>>,
    ) {
        let Some(peer) = &self.peer else { return };
        self.watch
            .guest_took(self.id, peer, before, &self.out, &self.out.writes);
        self.out.applied.clear();
        for (seq, writes) in self.out.batches.drain(..) {
            self.disk.submit(Batch { seq, writes });
        }
        if let Some(delay) = self.disk.begin() {
            let (server, life) = (self.id as usize - 1, self.life);
            let delay_ns = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
            queue.after(delay_ns, Event::Synced { server, life });
        }
        for (to, message) in self.out.send.drain(..) {
            let parcel = Parcel {
                from: self.id,
                to,
                message,
                size_of: P::size_of,
            };
            network.send(parcel, queue);
        }
        for (ticket, body) in self.out.answers.drain(..) {
            let way_ns = network.caller_way_ns();
            let body = Some(Box::new(body));
            queue.after(way_ns, Event::Answer { ticket, body });
        }
        self.plan_to_wake(queue);
    }

    fn plan_to_wake(&mut self, queue: &mut Queue<Parcels<P>>) {
        let due = self.peer.as_ref().and_then(P::wakes_at);
        let Some(due_ns) = due.map(|time| self.moment_ns(time)) else {
            return;
        };
        if self.wakes_ns.is_none_or(|at_ns| due_ns < at_ns) {
            self.wakes_ns = Some(due_ns);
            let server = self.id as usize - 1;
            queue.at(due_ns, Event::Wake { server });
        }
    }
}

impl<P: Peer> Host for Guest<P> {
    type Message = Parcels<P>;

    fn start(&mut self, queue: &mut Queue<Parcels<P>>, network: &mut Network<Parcels<P>>) {
        self.life += 1;
        let index = self.id << 32 | self.life;
        let mut random = Stream::derive(self.seed, "server", index);
        self.epoch_ns = random.below(3_600_000_000_000);
        self.out = Out::default();
        let now = self.now(queue);
        let member = Member {
            id: self.id,
            members: (1..=self.servers).collect(),
            settings: &self.settings,
            random,
            now,
        };
        let peer = P::start(member, self.disk.remembered(), &mut self.out);
        self.watch.guest_started(self.id, &peer, self.life);
        self.peer = Some(peer);
        self.carry_out(None, queue, network);
    }

    fn crash(&mut self, unsynced: Unsynced, draw: &mut Stream) {
        self.peer = None;
        self.disk.crash(unsynced, draw);
    }

    fn empty(&mut self) {
        self.disk.empty();
    }

    fn receive(
        &mut self,
        parcel: Parcels<P>,
        queue: &mut Queue<Parcels<P>>,
        network: &mut Network<Parcels<P>>,
    ) {
        let Parcel { from, message, .. } = parcel;
        self.step(Input::Message { from, message }, queue, network);
    }

    fn wake(&mut self, queue: &mut Queue<Parcels<P>>, network: &mut Network<Parcels<P>>) {
        let now_ns = queue.now_ns();
        if self.wakes_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.wakes_ns = None;
        }
        let now = self.now(queue);
        let due = self.peer.as_ref().and_then(P::wakes_at);
        if due.is_some_and(|time| time <= now) {
            self.step(Input::Wake, queue, network);
        }
        self.plan_to_wake(queue);
    }

    fn synced(
        &mut self,
        life: u64,
        queue: &mut Queue<Parcels<P>>,
        network: &mut Network<Parcels<P>>,
    ) {
        if life == self.life && self.peer.is_some() {
            let seq = self.disk.end();
            self.step(Input::Synced(seq), queue, network);
        }
    }

    fn developed(
        &mut self,
        _: u64,
        _: &Picture,
        _: &mut Queue<Parcels<P>>,
        _: &mut Network<Parcels<P>>,
    ) {
        unreachable!("only a shipped replica takes pictures");
    }

    fn call(
        &mut self,
        ticket: Ticket,
        body: RequestBody,
        queue: &mut Queue<Parcels<P>>,
        network: &mut Network<Parcels<P>>,
    ) {
        if self.peer.is_none() {
            let way_ns = network.caller_way_ns();
            queue.after(way_ns, Event::Answer { ticket, body: None });
        } else if let RequestBody::ChangeMembership { .. } = body {
            // No scenario that is fit for guests asks for one, but an edited one may.
            let why = "the members of a guest cluster stay the same".to_owned();
            self.out.answer(ticket, ResponseBody::Refused(why));
            self.carry_out(None, queue, network);
        } else {
            self.step(Input::Call(ticket, body), queue, network);
        }
    }

    fn slow_disk(&mut self, slower: Option<RangeInclusive<Duration>>) {
        self.disk.slow_down(slower);
    }

    fn slow_syncs(&self) -> u64 {
        self.disk.slow_syncs
    }

    fn snapshot_every(&mut self, _: u64) {
        // A guest was told when it started; no scenario that is fit for guests tells it anew.
    }

    fn jump(&mut self, by_ns: u64, queue: &mut Queue<Parcels<P>>) {
        self.epoch_ns += by_ns;
        self.plan_to_wake(queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::Length;
    use crate::scenario::Tier;
    use crate::sim::peer::Image;
    use crate::sim::system::generate_for_peers;
    use crate::sim::{RunOptions, System};

    #[derive(Clone, Default)]
    struct Blank;

    impl Image for Blank {
        type Write = ();

        fn apply(&mut self, (): ()) {}
    }

    /// Panics as it starts, or, if not, with its first input.
    struct Frail<const AT_ONCE: bool>;

    impl<const AT_ONCE: bool> Peer for Frail<AT_ONCE> {
        type Message = ();
        type Disk = Blank;

        fn start(_: Member<'_>, _: Blank, _: &mut Out<Self>) -> Self {
            assert!(!AT_ONCE, "stillborn");
            Frail
        }

        fn handle(&mut self, _: Duration, _: Input<()>, _: &mut Out<Self>) {
            panic!("of tender years");
        }

        fn wakes_at(&self) -> Option<Duration> {
            None
        }
    }

    fn broken<P: Peer>() -> (String, String) {
        let system = System::of_peer::<P>("frail", generate_for_peers);
        let scenario = (system.generate)(7, Length::SHORT, Tier::Bare);
        let run = (system.run)(&scenario, RunOptions::default());
        let violation = run.violation.expect("it panicked");
        (violation.property, violation.what)
    }

    #[test]
    fn a_panic_in_the_first_start_is_a_finding() {
        let (property, what) = broken::<Frail<true>>();
        assert_eq!(property, "Assertion");
        assert!(what.starts_with("stillborn ("), "{what}");
    }

    #[test]
    fn a_panic_later_is_a_finding_too() {
        let (property, what) = broken::<Frail<false>>();
        assert_eq!(property, "Assertion");
        assert!(what.starts_with("of tender years ("), "{what}");
    }
}
