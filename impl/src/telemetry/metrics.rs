//! Figures for Prometheus, gathered at each step of the core. Times are seconds by the server's own clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::core::{Answer, Effects, Envelope, Input, Message, Node, Role, RoleKind, Round, Write};
use crate::seams::Clock;
use crate::server::{Load, Observer};
use crate::storage::RecoveryReport;
use crate::types::{LogIndex, NodeId, Term};

/// How many rounds to a peer may be unanswered before the oldest is forgotten.
const ROUNDS_REMEMBERED: usize = 256;
/// How many entries' times are remembered.
const ENTRIES_REMEMBERED: usize = 1 << 16;

type UnsignedGauge = Gauge<u64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPeer {
    peer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMessage {
    kind: &'static str,
    direction: &'static str,
}

/// A server's figures.
pub struct Metrics {
    clock: Arc<dyn Clock>,
    registry: Registry,
    term: UnsignedGauge,
    is_leader: UnsignedGauge,
    leader: UnsignedGauge,
    leader_changes: Counter,
    elections: Counter,
    first_index: UnsignedGauge,
    last_index: UnsignedGauge,
    commit_index: UnsignedGauge,
    applied_index: UnsignedGauge,
    snapshot_index: UnsignedGauge,
    entries_appended: Counter,
    bytes_appended: Counter,
    snapshots_saved: Counter,
    snapshots_installed: Counter,
    snapshot_bytes_sent: Family<OfPeer, Counter>,
    commit_latency: Histogram,
    syncs: Histogram,
    lag: Family<OfPeer, UnsignedGauge>,
    round_trip: Family<OfPeer, Histogram>,
    messages: Family<OfMessage, Counter>,
    unanswered: UnsignedGauge,
    backlog: UnsignedGauge,
    seen: Mutex<Seen>,
}

/// What tells a change from what was before.
#[derive(Default)]
struct Seen {
    leader: Option<(Term, NodeId)>,
    role: Option<RoleKind>,
    /// When entries were appended here, by a leader.
    appended: BTreeMap<LogIndex, Duration>,
    /// When rounds were sent to each peer, in their order.
    rounds: BTreeMap<NodeId, VecDeque<(Term, Round, Duration)>>,
    /// Peers whose lag was told.
    lagging: Vec<NodeId>,
}

/// From 100 µs to 26 s.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 19))
}

impl Metrics {
    /// Figures of a server that has done nothing yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Metrics {
        let mut metrics = Metrics {
            clock,
            registry: Registry::with_prefix("plumb_raft"),
            term: Gauge::default(),
            is_leader: Gauge::default(),
            leader: Gauge::default(),
            leader_changes: Counter::default(),
            elections: Counter::default(),
            first_index: Gauge::default(),
            last_index: Gauge::default(),
            commit_index: Gauge::default(),
            applied_index: Gauge::default(),
            snapshot_index: Gauge::default(),
            entries_appended: Counter::default(),
            bytes_appended: Counter::default(),
            snapshots_saved: Counter::default(),
            snapshots_installed: Counter::default(),
            snapshot_bytes_sent: Family::default(),
            commit_latency: latency(),
            syncs: latency(),
            lag: Family::default(),
            round_trip: Family::new_with_constructor(latency),
            messages: Family::default(),
            unanswered: Gauge::default(),
            backlog: Gauge::default(),
            seen: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        let gauges = [
            ("term", "The latest term seen", &self.term),
            ("is_leader", "1 if this server leads", &self.is_leader),
            ("leader", "Who leads, by number; 0 if unknown", &self.leader),
            (
                "log_first_index",
                "The log's first entry that is not compacted away",
                &self.first_index,
            ),
            ("log_last_index", "The log's last entry", &self.last_index),
            (
                "commit_index",
                "Up to where entries are known to be committed",
                &self.commit_index,
            ),
            (
                "applied_index",
                "Up to where entries are applied",
                &self.applied_index,
            ),
            (
                "snapshot_index",
                "The last entry of the latest snapshot",
                &self.snapshot_index,
            ),
            (
                "unanswered_calls",
                "Clients' calls that wait for their answers",
                &self.unanswered,
            ),
            (
                "log_backlog_batches",
                "Batches that wait to be durable",
                &self.backlog,
            ),
        ];
        for (name, help, gauge) in gauges {
            r.register(name, help, gauge.clone());
        }
        let counters = [
            (
                "leader_changes",
                "Leaders that this server has come to know",
                &self.leader_changes,
            ),
            (
                "elections",
                "Elections that this server stood in",
                &self.elections,
            ),
            (
                "entries_appended",
                "Entries appended to the log",
                &self.entries_appended,
            ),
            (
                "bytes_appended",
                "Command bytes appended to the log",
                &self.bytes_appended,
            ),
            ("snapshots_saved", "Snapshots saved", &self.snapshots_saved),
            (
                "snapshots_installed",
                "Snapshots of a leader installed",
                &self.snapshots_installed,
            ),
        ];
        for (name, help, counter) in counters {
            r.register(name, help, counter.clone());
        }
        let help = "From a leader's append to the entry's being applied";
        r.register("commit_latency_seconds", help, self.commit_latency.clone());
        r.register("sync_seconds", "Syncs of the disk", self.syncs.clone());
        let help = "Entries that a leader's follower is not known to have";
        r.register("replication_lag_entries", help, self.lag.clone());
        let help = "From a leader's AppendEntries to the answer, the follower's disk included";
        r.register("peer_round_trip_seconds", help, self.round_trip.clone());
        let help = "Snapshot bytes sent";
        r.register(
            "snapshot_sent_bytes",
            help,
            self.snapshot_bytes_sent.clone(),
        );
        r.register(
            "messages",
            "Messages between servers",
            self.messages.clone(),
        );
    }

    /// The figures as Prometheus reads them (OpenMetrics text).
    #[must_use]
    pub fn scrape(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("a string takes whatever is written");
        out
    }

    pub(super) fn syncs(&self) -> Histogram {
        self.syncs.clone()
    }

    fn count(&self, message: &Message, direction: &'static str) {
        let kind = name_of(message);
        self.messages
            .get_or_create(&OfMessage { kind, direction })
            .inc();
    }

    fn gauge(&self, node: &Node) {
        self.term.set(node.current_term().0);
        self.is_leader
            .set(u64::from(node.role_kind() == RoleKind::Leader));
        self.leader.set(node.leader().map_or(0, |id| id.0));
        self.first_index.set(node.log().first_index().0);
        self.last_index.set(node.log().last_index().0);
        self.commit_index.set(node.commit_index().0);
        self.snapshot_index.set(node.snapshot_index().0);
    }

    /// What a step says of who leads, compared with before.
    fn follow_roles(&self, seen: &mut Seen, node: &Node) {
        let leader = node.leader().map(|id| (node.current_term(), id));
        if leader.is_some() && leader != seen.leader {
            self.leader_changes.inc();
            seen.leader = leader;
        }
        let role = Some(node.role_kind());
        if role != seen.role {
            if role == Some(RoleKind::Candidate) {
                self.elections.inc();
            }
            if role != Some(RoleKind::Leader) {
                seen.appended.clear();
                seen.rounds.clear();
            }
            seen.role = role;
        }
    }

    fn follow_peers(&self, seen: &mut Seen, node: &Node) {
        let mut lagging = Vec::new();
        if let Role::Leader(leadership) = node.role() {
            let last = node.log().last_index().0;
            for (id, progress) in &leadership.progress {
                let lag = last.saturating_sub(progress.match_index.0);
                self.lag.get_or_create(&of(*id)).set(lag);
                lagging.push(*id);
            }
        }
        for gone in seen.lagging.iter().filter(|id| !lagging.contains(id)) {
            self.lag.remove(&of(*gone));
        }
        seen.lagging = lagging;
    }

    fn sent(&self, seen: &mut Seen, now: Duration, envelope: &Envelope) {
        self.count(&envelope.message, "sent");
        match &envelope.message {
            Message::AppendEntries { term, round, .. } => {
                let rounds = seen.rounds.entry(envelope.to).or_default();
                if rounds
                    .back()
                    .is_none_or(|(t, r, _)| (*t, *r) != (*term, *round))
                {
                    rounds.push_back((*term, *round, now));
                }
                if rounds.len() > ROUNDS_REMEMBERED {
                    rounds.pop_front();
                }
            }
            Message::InstallSnapshot { chunk, .. } => {
                let bytes = chunk.bytes.len() as u64;
                let peer = of(envelope.to);
                self.snapshot_bytes_sent.get_or_create(&peer).inc_by(bytes);
            }
            _ => {}
        }
    }

    fn received(&self, now: Duration, envelope: &Envelope) {
        self.count(&envelope.message, "received");
        let Message::AppendEntriesReply { term, round, .. } = &envelope.message else {
            return;
        };
        let mut seen = self.seen();
        let Some(rounds) = seen.rounds.get_mut(&envelope.from) else {
            return;
        };
        // Answers come in the order of the questions, as a rule: what is older will not be answered.
        while let Some((t, r, at)) = rounds.front().copied() {
            if (t, r) > (*term, *round) {
                break;
            }
            rounds.pop_front();
            if (t, r) == (*term, *round) {
                let took = now.saturating_sub(at).as_secs_f64();
                self.round_trip
                    .get_or_create(&of(envelope.from))
                    .observe(took);
            }
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(peer: NodeId) -> OfPeer {
    OfPeer {
        peer: peer.to_string(),
    }
}

fn name_of(message: &Message) -> &'static str {
    match message {
        Message::PreVote { .. } => "PreVote",
        Message::PreVoteReply { .. } => "PreVoteReply",
        Message::RequestVote { .. } => "RequestVote",
        Message::RequestVoteReply { .. } => "RequestVoteReply",
        Message::AppendEntries { .. } => "AppendEntries",
        Message::AppendEntriesReply { .. } => "AppendEntriesReply",
        Message::InstallSnapshot { .. } => "InstallSnapshot",
        Message::InstallSnapshotReply { .. } => "InstallSnapshotReply",
        Message::ReadIndex { .. } => "ReadIndex",
        Message::ReadIndexReply { .. } => "ReadIndexReply",
        Message::TimeoutNow { .. } => "TimeoutNow",
    }
}

impl Observer for Metrics {
    fn recovered(&self, node: &Node, _: &RecoveryReport) {
        self.gauge(node);
    }

    fn before_step(&self, _: &Node, input: &Input) {
        if let Input::Receive(envelope) = input {
            self.received(self.clock.now(), envelope);
        }
    }

    fn after_step(&self, node: &Node, effects: &Effects) {
        let now = self.clock.now();
        let mut seen = self.seen();
        self.gauge(node);
        self.follow_roles(&mut seen, node);
        self.follow_peers(&mut seen, node);
        for envelope in &effects.send {
            self.sent(&mut seen, now, envelope);
        }
        for write in effects.persist.iter().flat_map(|batch| &batch.writes) {
            match write {
                Write::Append(entries) => {
                    let bytes: usize = entries.iter().map(|entry| entry.payload.len()).sum();
                    self.entries_appended.inc_by(entries.len() as u64);
                    self.bytes_appended.inc_by(bytes as u64);
                }
                Write::Snapshot { .. } => {
                    self.snapshots_saved.inc();
                }
                Write::HardState(_) | Write::Truncate(_) => {}
            }
        }
        for (_, answer) in &effects.answers {
            if let Answer::Appended { index, .. } = answer {
                seen.appended.insert(*index, now);
            }
        }
        while seen.appended.len() > ENTRIES_REMEMBERED {
            seen.appended.pop_first();
        }
        if let Some(snapshot) = &effects.restore {
            self.snapshots_installed.inc();
            self.applied_index.set(snapshot.last_index.0);
        }
        for entry in &effects.apply {
            self.applied_index.set(entry.index.0);
            if let Some(at) = seen.appended.remove(&entry.index) {
                let took = now.saturating_sub(at);
                self.commit_latency.observe(took.as_secs_f64());
            }
        }
    }

    fn load(&self, load: &Load) {
        self.unanswered.set(load.unanswered as u64);
        self.backlog.set(load.backlog_batches as u64);
    }
}
