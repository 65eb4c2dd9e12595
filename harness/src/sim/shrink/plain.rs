//! Settings and faults as plain as they can be, where they need not be what they are.

use super::search::Search;
use crate::scenario::{Anchor, Contact, Fault, FaultKind, Scenario, Target, Unsynced};

impl Search<'_> {
    pub(super) fn simplify_settings(&mut self) {
        for change in SETTINGS {
            let mut candidate = self.best().clone();
            change(&mut candidate);
            self.first_of(&[candidate], 1);
        }
        // Without it a server that was removed stands for election for ever: what then does not come to
        // life is no bug.
        if !self.signature.is_of_the_whole() {
            self.attempt_once(|s| s.settings.pre_vote = false);
        }
    }

    pub(super) fn simplify_faults(&mut self) {
        let mut number = 0;
        while number < self.best().faults.len() && !self.is_over() {
            for change in FAULTS {
                self.attempt_once(|s| change(&mut s.faults[number]));
            }
            while self.best().faults[number].for_ms > 1
                && self.attempt_once(|s| s.faults[number].for_ms /= 2)
            {}
            number += 1;
        }
    }

    /// With the seed that the best has: nothing is told more briefly by this, and luck would be wasted.
    fn attempt_once(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best().clone();
        change(&mut candidate);
        self.first_of(&[candidate], 1).is_some()
    }
}

const SETTINGS: [fn(&mut Scenario); 18] = [
    |s| s.settings.clock_ppm.fill(0),
    |s| s.settings.latency_ms.1 = s.settings.latency_ms.0,
    |s| s.settings.sync_us.1 = s.settings.sync_us.0,
    |s| s.settings.sector_bytes = 4096,
    |s| s.settings.segment_bytes = 1 << 20,
    |s| s.settings.max_entries_per_append = 64,
    |s| s.settings.max_in_flight_entries = 4096,
    |s| s.settings.max_in_flight_bytes = 64 << 20,
    |s| s.settings.max_uncommitted_bytes = 64 << 20,
    |s| s.settings.snapshot_every = 0,
    |s| s.settings.check_quorum = false,
    |s| s.settings.stickiness = false,
    |s| s.settings.retained_entries = 100,
    |s| s.settings.snapshot_chunk_bytes = 100_000,
    |s| s.settings.first_voters = s.servers,
    |s| s.workload.contact = Contact::Last,
    |s| {
        for operation in s.workload.script.iter_mut().flatten() {
            operation.repeats_after_us = None;
        }
    },
    |s| {
        for operation in s.workload.script.iter_mut().flatten() {
            (operation.dies_after_us, operation.returns_after_us) = (None, None);
        }
    },
];

const FAULTS: [fn(&mut Fault); 10] = [
    |fault| {
        fault.when = fault.when.map(|anchor| Anchor { skip: 0, ..anchor });
    },
    |fault| strike_the_leader(&mut fault.what),
    |fault| {
        if let FaultKind::Partition { side } | FaultKind::OneWay { from: side } = &fault.what
            && side.len() == 1
        {
            let target = Target::Server(side[0]);
            fault.what = FaultKind::Isolate { target };
        }
    },
    |fault| {
        if let FaultKind::Partition { .. } | FaultKind::OneWay { .. } | FaultKind::Stall { .. } =
            &fault.what
        {
            let target = Target::Leader;
            fault.what = FaultKind::Isolate { target };
        }
    },
    |fault| {
        if let FaultKind::SlowDisk { slower_ms, .. } = &mut fault.what {
            slower_ms.0 = slower_ms.1;
        }
    },
    |fault| {
        if let FaultKind::Noise { drop_permille, .. } = &mut fault.what {
            *drop_permille = 0;
        }
    },
    |fault| {
        if let FaultKind::Noise {
            duplicate_permille, ..
        } = &mut fault.what
        {
            *duplicate_permille = 0;
        }
    },
    |fault| {
        if let FaultKind::Noise {
            delay_permille,
            delay_ms,
            ..
        } = &mut fault.what
        {
            (*delay_permille, *delay_ms) = (0, 1);
        }
    },
    |fault| {
        if let FaultKind::PowerLoss { unsynced } | FaultKind::Crash { unsynced, .. } =
            &mut fault.what
        {
            *unsynced = Unsynced::Lost;
        }
    },
    |fault| {
        if let FaultKind::PowerLoss { unsynced } = fault.what {
            let target = Target::Leader;
            fault.what = FaultKind::Crash { target, unsynced };
        }
    },
];

/// Whoever leads tells a reader more than a number does.
fn strike_the_leader(what: &mut FaultKind) {
    if let FaultKind::Isolate { target }
    | FaultKind::Crash { target, .. }
    | FaultKind::Pause { target }
    | FaultKind::Reset { target }
    | FaultKind::SlowDisk { target, .. } = what
    {
        *target = Target::Leader;
    }
}
