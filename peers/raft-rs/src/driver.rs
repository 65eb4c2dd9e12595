//! What a server does around raft-rs, whichever version: proposals, reads, sessions, snapshots, and time in
//! ticks. What differs between versions is behind [`Core`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use plumb_harness::sim::peer::{Image, Input, Member, Metrics, Out, Peer, Ticket};
use plumb_raft::kv::{Command, KvStore};
use plumb_raft::net::protocol::{RequestBody, ResponseBody};
use plumb_raft::types::{Entry, LogIndex, NodeId, Payload, Term};

/// How long a tick of raft-rs is.
pub const TICK: Duration = Duration::from_millis(10);
/// So many ticks after a snapshot was sent its leader is told that it arrived: if it did not, the follower
/// refuses what comes next, and gets another.
const SNAPSHOT_TICKS: u64 = 10;

/// Settings in ticks and in raft-rs's terms.
#[derive(Clone, Debug)]
pub struct Setup {
    pub id: u64,
    pub members: Vec<u64>,
    pub election_ticks: (usize, usize),
    pub heartbeat_ticks: usize,
    pub max_size_per_msg: u64,
    pub max_inflight_msgs: usize,
    pub check_quorum: bool,
    pub pre_vote: bool,
}

/// What raft-rs has come to.
pub enum Event {
    /// The state machine is that of this snapshot now.
    Restored { index: u64, data: Vec<u8> },
    /// An entry is committed; one without data comes with a new leader.
    Committed {
        index: u64,
        term: u64,
        context: Vec<u8>,
        data: Vec<u8>,
    },
    /// Whoever has applied so much may serve this read.
    Read { index: u64, context: Vec<u8> },
}

/// A version of raft-rs with its log.
pub trait Core: Sized {
    type Message: Clone + std::fmt::Debug;
    type Disk: Image;

    fn new(setup: &Setup, disk: Self::Disk) -> Self;
    /// How many bytes a message takes on a wire.
    fn size_of(message: &Self::Message) -> usize;
    /// The snapshot that its disk holds: its last entry, and its bytes.
    fn snapshot(&self) -> Option<(u64, Vec<u8>)>;
    /// It waits for its disk, and takes nothing until it has it.
    fn is_blocked(&self) -> bool;
    fn tick(&mut self);
    fn step(&mut self, message: Self::Message);
    /// False if it was dropped.
    fn propose(&mut self, context: Vec<u8>, data: Vec<u8>) -> bool;
    fn read_index(&mut self, context: Vec<u8>);
    fn transfer_leader(&mut self, to: u64);
    fn snapshot_arrived(&mut self, at: u64);
    /// Its log begins behind this state of the state machine now, but for so many entries.
    fn compact(&mut self, index: u64, data: Vec<u8>, retained: u64, out: &mut impl Outbox<Self>);
    fn synced(&mut self, seq: u64, out: &mut impl Outbox<Self>);
    /// Carries out what is ready.
    fn pump(&mut self, out: &mut impl Outbox<Self>, events: &mut Vec<Event>);
    fn leader(&self) -> Option<u64>;
    fn leads(&self) -> bool;
    fn metrics(&self) -> Metrics;
    fn term_at(&self, index: u64) -> Option<u64>;
    /// raft-rs draws election timeouts from a generator that knows no seed. So each of its draws is replaced by one
    /// of ours, after every input and before the next tick could look at it.
    fn redraw(&mut self, draw: impl FnOnce() -> usize);
}

/// Where a core's writes and messages go.
pub trait Outbox<C: Core> {
    fn write(&mut self, write: <C::Disk as Image>::Write);
    fn sync(&mut self) -> u64;
    /// Whether it is a snapshot, which is reported as arrived later.
    fn send(&mut self, to: u64, message: C::Message, is_snapshot: bool);
}

struct Post<'a, C: Core> {
    out: &'a mut Out<Server<C>>,
    snapshots: Vec<u64>,
}

impl<C: Core> Outbox<C> for Post<'_, C> {
    fn write(&mut self, write: <C::Disk as Image>::Write) {
        self.out.write(write);
    }

    fn sync(&mut self) -> u64 {
        self.out.sync()
    }

    fn send(&mut self, to: u64, message: C::Message, is_snapshot: bool) {
        self.out.send(to, message);
        if is_snapshot {
            self.snapshots.push(to);
        }
    }
}

/// A server.
pub struct Server<C: Core> {
    core: C,
    id: u64,
    store: KvStore,
    random: plumb_harness::sim::seams::random::Stream,
    election_ticks: (usize, usize),
    snapshot_every: u64,
    retained_entries: u64,
    next_tick: Duration,
    ticks: u64,
    /// Names requests; no other life comes near its numbers.
    last_request: u64,
    proposals: BTreeMap<Vec<u8>, Ticket>,
    reads: BTreeMap<Vec<u8>, (Ticket, String)>,
    /// Reads that wait until so much is applied.
    certain: Vec<(u64, Ticket, String)>,
    /// Whom a snapshot was sent, and at which tick it counts as arrived.
    snapshots: VecDeque<(u64, u64)>,
    /// What has come while the core waited for its disk.
    backlog: VecDeque<Input<C::Message>>,
}

impl<C: Core> Server<C> {
    fn name_request(&mut self) -> Vec<u8> {
        self.last_request += 1;
        [self.id, self.last_request]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    fn take(&mut self, input: Input<C::Message>, out: &mut Out<Self>) {
        match input {
            Input::Message { message, .. } => self.core.step(message),
            Input::Wake => {
                self.ticks += 1;
                self.core.tick();
                while let Some((to, _)) = self.snapshots.pop_front_if(|(_, due)| *due <= self.ticks)
                {
                    self.core.snapshot_arrived(to);
                }
            }
            Input::Synced(_) => unreachable!("taken at once"),
            Input::Call(ticket, body) => self.call(ticket, body, out),
        }
    }

    fn call(&mut self, ticket: Ticket, body: RequestBody, out: &mut Out<Self>) {
        let leader = self.core.leader().filter(|leader| *leader != self.id);
        let elsewhere = ResponseBody::NotLeader(leader.map(NodeId));
        let command = match Command::try_from(body) {
            Ok(command) => command,
            Err(RequestBody::Read { key, mode }) => {
                let anywhere = mode == plumb_raft::core::ReadMode::Anywhere;
                if self.core.leads() || (anywhere && leader.is_some()) {
                    let context = self.name_request();
                    self.reads.insert(context.clone(), (ticket, key));
                    self.core.read_index(context);
                } else {
                    out.answer(ticket, elsewhere);
                }
                return;
            }
            Err(RequestBody::Transfer { to }) if self.core.leads() => {
                self.core.transfer_leader(to.0);
                out.answer(ticket, ResponseBody::Done);
                return;
            }
            Err(RequestBody::Transfer { .. }) => return out.answer(ticket, elsewhere),
            Err(_) => {
                let why = "this server does not do that".to_owned();
                return out.answer(ticket, ResponseBody::Refused(why));
            }
        };
        if !self.core.leads() {
            return out.answer(ticket, elsewhere);
        }
        let context = self.name_request();
        if self
            .core
            .propose(context.clone(), command.encode().to_vec())
        {
            self.proposals.insert(context, ticket);
        } else {
            out.answer(ticket, ResponseBody::Busy);
        }
    }

    /// Carries out what the core wants, until it wants nothing more or waits for its disk.
    fn pump(&mut self, out: &mut Out<Self>) {
        let mut events = Vec::new();
        loop {
            let (least, most) = self.election_ticks;
            let random = &mut self.random;
            self.core.redraw(|| least + random.index(most - least));
            let mut post = Post {
                out,
                snapshots: Vec::new(),
            };
            self.core.pump(&mut post, &mut events);
            let due = self.ticks + SNAPSHOT_TICKS;
            let sent = std::mem::take(&mut post.snapshots);
            self.snapshots.extend(sent.into_iter().map(|to| (to, due)));
            for event in events.drain(..) {
                self.happened(event, out);
            }
            self.serve(out);
            if self.core.is_blocked() {
                return;
            }
            match self.backlog.pop_front() {
                Some(input) => self.take(input, out),
                None => return,
            }
        }
    }

    fn happened(&mut self, event: Event, out: &mut Out<Self>) {
        match event {
            Event::Restored { index, data } => {
                self.store = restored(index, &data);
                out.restored(index);
            }
            Event::Committed {
                index,
                term,
                context,
                data,
            } => {
                let bytes = Bytes::from(data);
                out.applied(index, term, &bytes);
                let payload = if bytes.is_empty() {
                    Payload::Noop
                } else {
                    Payload::Command(bytes)
                };
                let reply = self.store.apply(&Entry {
                    index: LogIndex(index),
                    term: Term(term),
                    payload,
                });
                if let (Some(ticket), Some(reply)) = (self.proposals.remove(&context), reply) {
                    out.answer(ticket, ResponseBody::Applied(reply));
                }
                let behind = self.core.metrics().snapshot_index;
                if self.snapshot_every > 0 && index - behind >= self.snapshot_every {
                    let data = self.store.encode().to_vec();
                    let mut post = Post {
                        out,
                        snapshots: Vec::new(),
                    };
                    self.core
                        .compact(index, data, self.retained_entries, &mut post);
                }
            }
            Event::Read { index, context } => {
                if let Some((ticket, key)) = self.reads.remove(&context) {
                    self.certain.push((index, ticket, key));
                }
            }
        }
    }

    /// Answers the reads for which enough is applied.
    fn serve(&mut self, out: &mut Out<Self>) {
        let store = &self.store;
        self.certain.retain(|(index, ticket, key)| {
            let ready = store.applied().0 >= *index;
            if ready {
                out.answer(*ticket, ResponseBody::Value(store.get(key).cloned()));
            }
            !ready
        });
    }
}

fn restored(index: u64, data: &[u8]) -> KvStore {
    let store = KvStore::decode(data).expect("a snapshot holds a store of this version");
    assert_eq!(
        store.applied(),
        LogIndex(index),
        "a snapshot is of its last entry"
    );
    store
}

impl<C: Core> Peer for Server<C> {
    type Message = C::Message;
    type Disk = C::Disk;

    fn start(member: Member<'_>, disk: C::Disk, out: &mut Out<Self>) -> Self {
        let mut random = member.random;
        let settings = member.settings;
        let ticks = |ms: u64| (ms / TICK.as_millis() as u64) as usize;
        let election_ticks = (ticks(settings.election_ms.0), ticks(settings.election_ms.1));
        let entries = settings.max_entries_per_append as u64;
        let core = C::new(
            &Setup {
                id: member.id,
                members: member.members,
                election_ticks,
                heartbeat_ticks: ticks(settings.heartbeat_ms),
                // In bytes: some hundred an entry; zero for one entry at a time.
                max_size_per_msg: if entries == 1 { 0 } else { entries * 100 },
                max_inflight_msgs: settings.max_in_flight_entries.min(256) as usize,
                check_quorum: settings.check_quorum,
                pre_vote: settings.pre_vote,
            },
            disk,
        );
        let store = match core.snapshot() {
            Some((index, data)) => {
                out.restored(index);
                restored(index, &data)
            }
            None => KvStore::default(),
        };
        let mut server = Server {
            core,
            id: member.id,
            store,
            election_ticks,
            snapshot_every: settings.snapshot_every,
            retained_entries: settings.retained_entries,
            next_tick: member.now + TICK.mul_f64(0.1 * (1 + random.below(10)) as f64),
            ticks: 0,
            last_request: random.next_u64() >> 1,
            random,
            proposals: BTreeMap::new(),
            reads: BTreeMap::new(),
            certain: Vec::new(),
            snapshots: VecDeque::new(),
            backlog: VecDeque::new(),
        };
        server.pump(out);
        server
    }

    fn handle(&mut self, now: Duration, input: Input<C::Message>, out: &mut Out<Self>) {
        if let Input::Synced(seq) = input {
            let mut post = Post {
                out,
                snapshots: Vec::new(),
            };
            self.core.synced(seq, &mut post);
        } else {
            if matches!(input, Input::Wake) {
                // After a pause the ticks that were missed are missed, as with any ticker that skips.
                self.next_tick = now.max(self.next_tick) + TICK;
            }
            self.backlog.push_back(input);
        }
        self.pump(out);
    }

    fn size_of(message: &C::Message) -> usize {
        C::size_of(message)
    }

    fn wakes_at(&self) -> Option<Duration> {
        Some(self.next_tick)
    }

    fn metrics(&self) -> Option<Metrics> {
        Some(self.core.metrics())
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        self.core.term_at(index)
    }
}
