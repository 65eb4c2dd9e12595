//! What may go wrong between two nodes, as data that a nemesis changes while the cluster runs.
//!
//! One entry per *ordered* pair of nodes: a link from a to b may lose what the link back delivers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::sim::seams::lock;

/// Whether frames get through at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// They do.
    #[default]
    Open,
    /// They wait, and new connections with them, until the link opens: a partition as TCP shows it
    /// if it heals before anybody's timeout, or a stalled switch.
    Hold,
    /// They are lost, in flight ones too, and new connections wait: a partition across which
    /// connections survive, or at once fail over to new ones.
    Block,
}

/// The faults of one link; none by default. Probabilities are per frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkFault {
    /// Whether frames get through at all; judged when a frame is due.
    pub flow: Flow,
    /// The probability that a frame is lost.
    pub drop: f64,
    /// The probability that a frame arrives twice, the second time after a draw from `delay_by`.
    pub duplicate: f64,
    /// The probability that a frame is late, which lets later ones overtake it.
    pub delay: f64,
    /// How late, uniformly.
    pub delay_by: RangeInclusive<Duration>,
    /// How many bytes a second pass, if that is bounded.
    pub bytes_per_s: Option<u64>,
}

/// What would wait for a narrow link for longer than this is lost: its buffer is full.
pub const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl LinkFault {
    /// How long so many bytes take on the link.
    #[must_use]
    pub fn takes(&self, bytes: usize) -> Duration {
        match self.bytes_per_s {
            None => Duration::ZERO,
            Some(rate) => Duration::from_micros(bytes as u64 * 1_000_000 / rate.max(1)),
        }
    }
}

impl Default for LinkFault {
    fn default() -> LinkFault {
        LinkFault {
            flow: Flow::Open,
            drop: 0.0,
            duplicate: 0.0,
            delay: 0.0,
            delay_by: Duration::ZERO..=Duration::ZERO,
            bytes_per_s: None,
        }
    }
}

/// What has happened to the frames of a link, over all its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCounts {
    /// Connections that this end has made or accepted, to clients too.
    pub connections: u64,
    /// Frames that the sender wrote.
    pub frames: u64,
    /// Of these, lost by chance.
    pub dropped: u64,
    /// Of these, lost to [`Flow::Block`]. Duplicates count too.
    pub blocked: u64,
    /// Of these, sent twice.
    pub duplicated: u64,
    /// Of these, late.
    pub delayed: u64,
    /// Of these, such that waited for a narrow link.
    pub narrowed: u64,
    /// Bytes that were no frame of ours and passed untouched.
    pub unframed_bytes: u64,
}

type Pair = (String, String);

/// The table of all links, shared by all nodes and the nemesis. Clones are handles to one table.
#[derive(Clone, Debug, Default)]
pub struct LinkFaults {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    links: BTreeMap<Pair, Arc<Link>>,
    default: LinkFault,
    down: BTreeSet<String>,
}

impl LinkFaults {
    /// A table without faults.
    #[must_use]
    pub fn new() -> LinkFaults {
        LinkFaults::default()
    }

    /// Replaces the faults of the link from one node to another.
    pub fn set(&self, from: &str, to: &str, fault: LinkFault) {
        self.update(from, to, |old| *old = fault);
    }

    /// Changes the faults of the link from one node to another.
    pub fn update(&self, from: &str, to: &str, change: impl FnOnce(&mut LinkFault)) {
        self.link(from, to).change(|state| change(&mut state.fault));
    }

    /// Replaces the faults of every link, of those too that nobody has used yet.
    pub fn set_all(&self, fault: &LinkFault) {
        let links: Vec<Arc<Link>> = {
            let mut table = lock(&self.table);
            table.default = fault.clone();
            table.links.values().cloned().collect()
        };
        for link in links {
            link.change(|state| state.fault = fault.clone());
        }
    }

    /// Heals every link. What was held is delivered.
    pub fn clear(&self) {
        self.set_all(&LinkFault::default());
    }

    /// The faults of the link from one node to another.
    #[must_use]
    pub fn get(&self, from: &str, to: &str) -> LinkFault {
        self.link(from, to).fault()
    }

    /// Breaks every connection between two nodes: both ends see a reset or an end of stream.
    pub fn reset(&self, one: &str, other: &str) {
        for link in [self.link(one, other), self.link(other, one)] {
            link.change(|state| state.epoch += 1);
        }
    }

    /// Says whether a node is down, so that connecting to it is refused. Turmoil itself would leave
    /// the caller hanging, and keep its port for ever.
    pub fn set_down(&self, node: &str, down: bool) {
        let mut table = lock(&self.table);
        if down {
            table.down.insert(node.to_owned());
        } else {
            table.down.remove(node);
        }
    }

    /// Whether connecting to a node is refused.
    #[must_use]
    pub fn is_down(&self, node: &str) -> bool {
        lock(&self.table).down.contains(node)
    }

    /// What has happened on every link that was used or set.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(String, String), LinkCounts> {
        let table = lock(&self.table);
        table
            .links
            .iter()
            .map(|(pair, link)| (pair.clone(), link.counts()))
            .collect()
    }

    pub(super) fn link(&self, from: &str, to: &str) -> Arc<Link> {
        let mut table = lock(&self.table);
        let fault = table.default.clone();
        let link = table.links.entry((from.to_owned(), to.to_owned()));
        link.or_insert_with(|| Arc::new(Link::new(fault))).clone()
    }
}

/// One ordered pair's entry, which its connections watch.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<LinkState>,
    /// Told of every change but those of the counts.
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) fault: LinkFault,
    pub(super) counts: LinkCounts,
    /// Connections of an earlier epoch have been reset.
    pub(super) epoch: u64,
}

impl Link {
    fn new(fault: LinkFault) -> Link {
        let state = LinkState {
            fault,
            counts: LinkCounts::default(),
            epoch: 0,
        };
        Link {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut LinkState)) {
        change(&mut lock(&self.state));
        self.changed.notify_waiters();
    }

    pub(super) fn fault(&self) -> LinkFault {
        lock(&self.state).fault.clone()
    }

    pub(super) fn flow(&self) -> Flow {
        lock(&self.state).fault.flow
    }

    pub(super) fn epoch(&self) -> u64 {
        lock(&self.state).epoch
    }

    pub(super) fn counts(&self) -> LinkCounts {
        lock(&self.state).counts
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut LinkCounts)) {
        count(&mut lock(&self.state).counts);
    }

    /// Resolves once the link is open.
    pub(super) async fn opened(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.flow() == Flow::Open {
                return;
            }
            changed.await;
        }
    }
}
