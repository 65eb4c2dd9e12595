//! Nothing goes on without end: messages and steps within a millisecond, and what the settings bound: entries
//! and bytes under way to a follower, bytes that a leader has not committed, and what stays behind a snapshot.

use plumb_raft::core::{CoreConfig, Effects, Envelope, Message, Node, Role, Write};
use plumb_raft::types::{Entry, LogIndex, Payload};

use super::judge::Judge;

/// So many messages in a millisecond are no traffic, but messages that breed messages. After the longest of
/// stalls some hundred arrive at once. For worlds of up to [`USUAL`] pairs of a server and a client, and more in proportion.
const FLOOD: u64 = 5_000;

/// So many steps of all servers in a millisecond are no work, but a server that goes round and round, as with a timer
/// that fires at once: no time would pass, and the run never end.
const FRENZY: u64 = 20_000;

/// Five servers and five clients.
const USUAL: u64 = 25;

/// What a server was told at its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    entries_per_append: usize,
    bytes_per_append: u64,
    entries_in_flight: u64,
    bytes_in_flight: u64,
    uncommitted_bytes: u64,
    retained_entries: u64,
}

impl Bounds {
    pub(super) fn of(config: &CoreConfig) -> Bounds {
        Bounds {
            entries_per_append: config.max_entries_per_append,
            bytes_per_append: config.max_bytes_per_append as u64,
            entries_in_flight: config.max_in_flight_entries,
            bytes_in_flight: config.max_in_flight_bytes,
            uncommitted_bytes: config.max_uncommitted_bytes,
            retained_entries: config.retained_entries,
        }
    }
}

/// What happened in the present millisecond.
#[derive(Debug, Default)]
pub(super) struct Burst {
    ms: u64,
    messages: u64,
    steps: u64,
    /// How many times the usual the world is large.
    beyond_usual: u64,
}

impl Burst {
    /// What may happen in a millisecond of such a world.
    pub(super) fn expecting(servers: u64, clients: u64) -> Burst {
        Burst {
            beyond_usual: (servers * clients).div_ceil(USUAL),
            ..Burst::default()
        }
    }
}

impl Judge {
    /// A server has taken a step and sent so many messages. Servers that answer answers never come to rest, nor
    /// does one that is never done; a run would not either.
    pub(super) fn bursts(&mut self, at_ns: u64, sent: u64) {
        let ms = at_ns / 1_000_000;
        if self.burst.ms != ms {
            self.burst = Burst {
                ms,
                messages: 0,
                steps: 0,
                ..self.burst
            };
        }
        let larger = self.burst.beyond_usual.max(1);
        let (flood, frenzy) = (FLOOD * larger, FRENZY * larger);
        self.burst.messages += sent;
        self.burst.steps += 1;
        if self.burst.messages > flood {
            let what = format!("more than {flood} messages are sent within a millisecond");
            self.rule(at_ns, "Bounded Traffic", what);
        }
        if self.burst.steps > frenzy {
            let what = format!("more than {frenzy} steps are taken within a millisecond");
            self.rule(at_ns, "Bounded Work", what);
        }
    }

    /// The bounds of the settings, where something was added to what they bound.
    pub(super) fn bounds(&mut self, at_ns: u64, node: &Node, effects: &Effects) {
        let Some(bounds) = self.server(node.id()).bounds else {
            return;
        };
        for envelope in &effects.send {
            if let Some(what) = bounds.beyond_the_window(node, envelope) {
                self.rule(at_ns, "Bounded Windows", what);
            }
        }
        for write in effects.persist.iter().flat_map(|batch| &batch.writes) {
            if let Some(what) = bounds.beyond_the_log(node, write) {
                self.rule(at_ns, "Bounded Log", what);
            }
        }
    }
}

impl Bounds {
    /// Why a message of entries is more than may be in one, or under way to a follower.
    fn beyond_the_window(&self, node: &Node, envelope: &Envelope) -> Option<String> {
        let Message::AppendEntries { entries, .. } = &envelope.message else {
            return None;
        };
        let (Some(last), Role::Leader(leadership)) = (entries.last(), node.role()) else {
            return None;
        };
        let (id, to, count) = (node.id(), envelope.to, entries.len());
        let bytes: u64 = entries.iter().map(|entry| entry.payload.len() as u64).sum();
        // One alone may be of any size.
        if count > self.entries_per_append || (count > 1 && bytes > self.bytes_per_append) {
            let what = format!("{id} sends {to} {count} entries of {bytes} bytes at once");
            return Some(what);
        }
        // Who takes part no more has no window.
        let matched = leadership.progress.get(&to)?.match_index;
        let under_way = last.index.0.saturating_sub(matched.0);
        if under_way > self.entries_in_flight {
            return Some(format!("{id} has {under_way} entries under way to {to}"));
        }
        // The last may go beyond.
        let bytes = node.log().bytes(matched.next(), last.index.prev());
        (bytes > self.bytes_in_flight).then(|| {
            format!("{id} has {bytes} bytes under way to {to}, and sends it another entry")
        })
    }

    fn beyond_the_log(&self, node: &Node, write: &Write) -> Option<String> {
        match write {
            Write::Append(entries) => self.too_much_uncommitted(node, entries),
            Write::Snapshot { snapshot, base } => {
                self.too_much_retained(node, snapshot.last_index, base.0)
            }
            Write::HardState(_) | Write::Truncate(_) => None,
        }
    }

    /// Why a leader should not have taken these commands.
    fn too_much_uncommitted(&self, node: &Node, appended: &[Entry]) -> Option<String> {
        let is_command = |entry: &Entry| matches!(entry.payload, Payload::Command(_));
        if !matches!(node.role(), Role::Leader(_)) || !appended.iter().any(is_command) {
            return None;
        }
        let (log, id) = (node.log(), node.id());
        let (first, last) = (node.commit_index().next(), log.last_index());
        let bytes = log.bytes(first, last);
        // One alone may be of any size.
        let alone = || {
            let entries = log.range(first, last).iter();
            entries.filter(|entry| !entry.payload.is_empty()).count() == 1
        };
        (bytes > self.uncommitted_bytes && !alone())
            .then(|| format!("{id} has taken {bytes} bytes that are not committed"))
    }

    /// Why a log should have lost more of what a snapshot stands for.
    fn too_much_retained(&self, node: &Node, covered: LogIndex, base: LogIndex) -> Option<String> {
        let (id, retained) = (node.id(), covered.0.saturating_sub(base.0));
        (retained > self.retained_entries)
            .then(|| format!("{id} keeps {retained} entries behind its snapshot at {covered}"))
    }
}
