//! Cores whose messages lie in a pile until somebody delivers or drops them, watched by a judge.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use plumb_raft::core::{
    CoreConfig, Effects, Envelope, Input, Message, Node, PersistSeq, ReadMode, Remembered,
    RequestId, RoleKind, Timer,
};
use plumb_raft::storage::RecoveryReport;
use plumb_raft::types::NodeId;

use crate::invariants::Judge;

const NS_PER_MS: u64 = 1_000_000;

/// The cluster with its judge.
pub(super) struct Cluster {
    pub(super) judge: Judge,
    nodes: BTreeMap<u64, Node>,
    mail: VecDeque<Envelope>,
    requests: u64,
    at_ns: u64,
}

impl Cluster {
    /// So many voters, of Figure 2 and no more.
    pub(super) fn of(servers: u64) -> Cluster {
        Cluster::with(servers, |_| {})
    }

    /// The same with other settings.
    pub(super) fn with(servers: u64, set: impl Fn(&mut CoreConfig)) -> Cluster {
        let voters: BTreeSet<NodeId> = (1..=servers).map(NodeId).collect();
        let start = |id: u64| {
            let mut config = CoreConfig::new(NodeId(id), voters.clone());
            config.pre_vote = false;
            config.check_quorum = false;
            config.stickiness = false;
            set(&mut config);
            (id, Node::recover(config, Remembered::default()).0)
        };
        let nodes: BTreeMap<u64, Node> = (1..=servers).map(start).collect();
        let mut judge = Judge::default();
        for node in nodes.values() {
            judge.recovered(0, node, &RecoveryReport::default());
        }
        Cluster {
            judge,
            nodes,
            mail: VecDeque::new(),
            requests: 0,
            at_ns: NS_PER_MS,
        }
    }

    /// The first of so many servers leads, in term 1, and everybody has applied its first entry.
    pub(super) fn led_by_n1(servers: u64) -> Cluster {
        let mut cluster = Cluster::of(servers);
        cluster.elect(1);
        cluster.heartbeat(1);
        cluster
    }

    /// The same servers in another course of events, with a judge that nobody asks.
    pub(super) fn elsewhere(&self) -> Cluster {
        Cluster {
            judge: Judge::default(),
            nodes: self.nodes.clone(),
            mail: self.mail.clone(),
            ..*self
        }
    }

    pub(super) fn node(&self, id: u64) -> &Node {
        &self.nodes[&id]
    }

    /// A server's memory becomes another's of the same name; the judge is not told.
    pub(super) fn swap(&mut self, id: u64, other: &Cluster) {
        self.nodes.insert(id, other.nodes[&id].clone());
    }

    pub(super) fn pass_ms(&mut self, ms: u64) {
        self.at_ns += ms * NS_PER_MS;
    }

    pub(super) fn at_ns(&self) -> u64 {
        self.at_ns
    }

    /// A server takes an input, and the judge is told that it took another and did something else.
    fn twist(&mut self, id: u64, told: &Input, took: Input, twist: impl FnOnce(&mut Effects)) {
        let node = self.nodes.get_mut(&id).expect("a server of the cluster");
        self.judge.before_step(node, told);
        let mut effects = node.step(took);
        twist(&mut effects);
        self.judge.after_step(self.at_ns, node, &effects);
        self.mail.extend(effects.send);
    }

    /// A server takes an input; what it writes is under way.
    pub(super) fn begin(&mut self, id: u64, input: Input) {
        self.twist(id, &input.clone(), input, |_| {});
    }

    /// Everything that a server has written is durable.
    pub(super) fn sync(&mut self, id: u64) {
        let durability = self.node(id).durability();
        let last: PersistSeq = durability.last_seq();
        if durability.batches_under_way() > 0 {
            self.begin(id, Input::Persisted(last));
        }
    }

    /// A server takes an input and syncs.
    pub(super) fn act(&mut self, id: u64, input: Input) {
        self.begin(id, input);
        self.sync(id);
    }

    /// The same, and its effects are not those that the core asked for.
    pub(super) fn act_with(&mut self, id: u64, input: Input, twist: impl FnOnce(&mut Effects)) {
        self.twist(id, &input.clone(), input, twist);
    }

    /// A server takes an input, and the judge takes it for another.
    pub(super) fn act_as_if(&mut self, id: u64, told: &Input, took: Input) {
        self.twist(id, told, took, |_| {});
    }

    /// A server takes an input and syncs, and the judge sees nothing of it.
    pub(super) fn act_unseen(&mut self, id: u64, input: Input) {
        let node = self.nodes.get_mut(&id).expect("a server of the cluster");
        let effects = node.step(input);
        self.mail.extend(effects.send);
        if let Some(batch) = effects.persist {
            self.mail
                .extend(node.step(Input::Persisted(batch.seq)).send);
        }
    }

    /// A step that looks like nothing, after which a server is who it is elsewhere.
    pub(super) fn turn(&mut self, id: u64, other: &Cluster) {
        let input = Input::TimerFired(Timer::Stickiness);
        self.judge.before_step(&self.nodes[&id], &input);
        self.swap(id, other);
        self.judge
            .after_step(self.at_ns, &self.nodes[&id], &Effects::default());
    }

    /// All mail for a server so far, which it does not get.
    pub(super) fn take_mail(&mut self, to: u64) -> Vec<Envelope> {
        let all = std::mem::take(&mut self.mail).into_iter();
        let (taken, left): (Vec<_>, Vec<_>) = all.partition(|one| one.to == NodeId(to));
        self.mail = left.into();
        taken
    }

    pub(super) fn drop_mail(&mut self) {
        self.mail.clear();
    }

    /// All mail is delivered, and what is sent upon that.
    pub(super) fn deliver(&mut self) {
        while let Some(envelope) = self.mail.pop_front() {
            self.act(envelope.to.0, Input::Receive(envelope));
        }
    }

    /// The same among these; the rest of the mail is lost.
    pub(super) fn deliver_among(&mut self, ids: &[u64]) {
        while let Some(envelope) = self.mail.pop_front() {
            if ids.contains(&envelope.from.0) && ids.contains(&envelope.to.0) {
                self.act(envelope.to.0, Input::Receive(envelope));
            }
        }
    }

    /// A server stands, and its requests lie in the mail.
    pub(super) fn stand(&mut self, id: u64) {
        self.act(id, Input::TimerFired(Timer::Election));
    }

    /// A server stands and wins.
    pub(super) fn elect(&mut self, id: u64) {
        self.stand(id);
        self.deliver();
        assert_eq!(self.node(id).role_kind(), RoleKind::Leader);
    }

    pub(super) fn heartbeat(&mut self, id: u64) {
        self.act(id, Input::TimerFired(Timer::Heartbeat));
        self.deliver();
    }

    pub(super) fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// A client's command is appended, and what the leader sends lies in the mail.
    pub(super) fn propose(&mut self, id: u64, command: &'static str) {
        let request = self.request();
        let command = Bytes::from_static(command.as_bytes());
        self.act(id, Input::Propose(vec![(request, command)]));
    }

    /// A command is committed, and all know it.
    pub(super) fn commit(&mut self, id: u64, command: &'static str) {
        self.propose(id, command);
        self.deliver();
        self.heartbeat(id);
    }

    /// A read with its name, not yet asked for.
    pub(super) fn read(&mut self, mode: ReadMode) -> (RequestId, Input) {
        let request = self.request();
        (request, Input::Read(request, mode))
    }

    /// Nothing was ruled.
    #[track_caller]
    pub(super) fn holds(&self) {
        assert_eq!(self.judge.violation(), None);
    }

    /// This was the first ruling, with these words in it.
    #[track_caller]
    pub(super) fn breaks(&self, property: &str, words: &str) {
        let violation = self.judge.violation().expect("a ruling");
        assert_eq!(violation.property, property, "{}", violation.what);
        assert!(violation.what.contains(words), "{}", violation.what);
    }
}

/// A message as an input.
pub(super) fn letter(from: u64, to: u64, message: Message) -> Input {
    let (from, to) = (NodeId(from), NodeId(to));
    Input::Receive(Envelope { from, to, message })
}
