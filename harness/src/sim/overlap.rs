//! Faults that last, while several of them overlap: what they come to for each link, each disk and each server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::faults::cut_pairs;
use super::seams::network::{Flow, LinkFault};
use crate::scenario::FaultKind;

type Pairs = BTreeSet<(u64, u64)>;

/// The faults under way that last, each by its number.
#[derive(Default)]
pub(super) struct Overlap {
    cuts: BTreeMap<usize, Pairs>,
    stalls: BTreeMap<usize, Pairs>,
    /// Narrow links, and how many bytes a second pass there.
    narrow: BTreeMap<usize, (Pairs, u64)>,
    noise: BTreeMap<usize, LinkFault>,
    /// Whose disk is slow, and by how many milliseconds.
    slow_disks: BTreeMap<usize, (u64, (u64, u64))>,
    /// Who takes a snapshot every so many entries.
    storms: BTreeMap<usize, (BTreeSet<u64>, u64)>,
}

impl Overlap {
    /// A fault begins that strikes this server, if it strikes one. Those that last are noted.
    pub(super) fn begin(
        &mut self,
        number: usize,
        what: &FaultKind,
        servers: u64,
        struck: Option<u64>,
    ) {
        let pairs = || cut_pairs(what, servers, struck);
        match what {
            FaultKind::Partition { .. }
            | FaultKind::OneWay { .. }
            | FaultKind::Links { .. }
            | FaultKind::Isolate { .. } => drop(self.cuts.insert(number, pairs())),
            FaultKind::Stall { .. } => drop(self.stalls.insert(number, pairs())),
            FaultKind::Slow { bytes_per_s, .. } => {
                self.narrow.insert(number, (pairs(), *bytes_per_s));
            }
            FaultKind::Noise { .. } => drop(self.noise.insert(number, noise(what))),
            FaultKind::SlowDisk { slower_ms, .. } => {
                let slow = struck.map(|id| (id, *slower_ms));
                self.slow_disks.extend(slow.map(|slow| (number, slow)));
            }
            FaultKind::SnapshotStorm { servers, every } => {
                let servers = servers.iter().copied().collect();
                self.storms.insert(number, (servers, *every));
            }
            _ => {}
        }
    }

    /// A fault ends.
    pub(super) fn end(&mut self, number: usize) {
        self.cuts.remove(&number);
        self.stalls.remove(&number);
        self.narrow.remove(&number);
        self.noise.remove(&number);
        self.slow_disks.remove(&number);
        self.storms.remove(&number);
    }

    /// How messages from one server to another fare: cuts add up, the narrowest link counts, and of two noises the later
    /// holds.
    pub(super) fn link(&self, from: u64, to: u64) -> LinkFault {
        let strikes = |table: &BTreeMap<usize, Pairs>| {
            table.values().any(|pairs| pairs.contains(&(from, to)))
        };
        let flow = if strikes(&self.cuts) {
            Flow::Block
        } else if strikes(&self.stalls) {
            Flow::Hold
        } else {
            Flow::Open
        };
        let narrow = self.narrow.values();
        let narrow = narrow.filter(|(pairs, _)| pairs.contains(&(from, to)));
        let noise = self.noise.last_key_value().map(|(_, noise)| noise.clone());
        LinkFault {
            flow,
            bytes_per_s: narrow.map(|(_, bytes)| *bytes).min(),
            ..noise.unwrap_or_default()
        }
    }

    /// By how many milliseconds a server's disk is slow: the slowest of all that make it so.
    pub(super) fn slow_disk(&self, id: u64) -> Option<(u64, u64)> {
        let slow = self.slow_disks.values();
        let slow = slow.filter(|(whose, _)| *whose == id);
        slow.map(|(_, by_ms)| *by_ms)
            .max_by_key(|(least, most)| (*most, *least))
    }

    /// After how many entries a server is told to take a snapshot, if it is: the fewest.
    pub(super) fn storm(&self, id: u64) -> Option<u64> {
        let storms = self.storms.values();
        let storms = storms.filter(|(servers, _)| servers.contains(&id));
        storms.map(|(_, every)| *every).min()
    }
}

fn noise(what: &FaultKind) -> LinkFault {
    let FaultKind::Noise {
        drop_permille,
        duplicate_permille,
        delay_permille,
        delay_ms,
    } = *what
    else {
        return LinkFault::default();
    };
    let share = |permille: u32| f64::from(permille) / 1000.0;
    LinkFault {
        flow: Flow::Open,
        drop: share(drop_permille),
        duplicate: share(duplicate_permille),
        delay: share(delay_permille),
        delay_by: Duration::ZERO..=Duration::from_millis(delay_ms),
        bytes_per_s: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Target;

    #[test]
    fn of_faults_that_overlap_the_worst_holds_until_it_ends() {
        let target = Target::Server(2);
        let slow = |slower_ms| FaultKind::SlowDisk { target, slower_ms };
        let storm = |every| FaultKind::SnapshotStorm {
            servers: vec![1, 2],
            every,
        };
        let cut = FaultKind::OneWay { from: vec![1] };
        let stall = FaultKind::Stall { from: vec![1, 2] };
        let mut overlap = Overlap::default();
        let all = [
            slow((9, 90)),
            slow((10, 50)),
            storm(5),
            storm(3),
            cut,
            stall,
        ];
        for (number, what) in all.iter().enumerate() {
            overlap.begin(number, what, 3, Some(2));
        }
        let disks = [1, 2, 3].map(|id| overlap.slow_disk(id));
        assert_eq!(disks, [None, Some((9, 90)), None]);
        let storms = [1, 2, 3].map(|id| overlap.storm(id));
        assert_eq!(storms, [Some(3), Some(3), None]);
        let flows =
            |overlap: &Overlap| [(1, 3), (2, 3), (3, 1)].map(|(f, t)| overlap.link(f, t).flow);
        assert_eq!(flows(&overlap), [Flow::Block, Flow::Hold, Flow::Open]);
        for number in [0, 3, 4] {
            overlap.end(number);
        }
        assert_eq!(overlap.slow_disk(2), Some((10, 50)));
        assert_eq!(overlap.storm(2), Some(5));
        assert_eq!(flows(&overlap), [Flow::Hold, Flow::Hold, Flow::Open]);
    }
}
