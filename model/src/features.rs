//! What a scope has of Raft beyond elections, replication and crashes: each part is switched on by a
//! bound of its own, and off by default, so that a scope pays for what it explores and nothing else.

use serde::Serialize;

use crate::bounds::{Bounds, BoundsError, MAX_REQUESTS};
use crate::membership::{Config, MAX_CHANGES, Plan};

/// Most heartbeat rounds that a leader can count in a term.
pub const MAX_ROUNDS: u8 = 3;
/// Most ticks that an election timeout can have.
pub const MAX_PATIENCE: u8 = 4;
/// Most retries that a packed state can count.
pub const MAX_RETRIES: u8 = 3;
/// Most reads that a packed state can count.
pub const MAX_READS: u8 = 3;

/// The optional parts of Raft, as bounds; a part whose bound is zero is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Features {
    /// Heartbeat rounds that a leader may begin in a term: what confirms reads and leases.
    pub rounds: u8,
    /// Reads that are asked for in a run (dissertation §6.4); they need rounds.
    pub reads: u8,
    /// A leader may give up within its term (dissertation §6.2).
    pub check_quorum: bool,
    /// Ticks of the least election timeout, for which a server sticks to a leader that it heard; with
    /// it leaders hold leases, which need rounds (dissertation §6.4.1).
    pub patience: u8,
    /// Ticks that a clock may be off within that time.
    pub drift: u8,
    /// Leaders may tell others to stand (dissertation §3.10).
    pub transfer: bool,
    /// Servers compact their logs, and leaders send snapshots (§7).
    pub snapshots: bool,
    /// The configurations that leaders may change to (§6). They name servers, so that states which
    /// differ in the servers' numbers are not the same.
    pub plan: Plan,
    /// Servers ask whether they would win before they raise their terms (dissertation §9.6).
    pub pre_vote: bool,
    /// Requests that clients make again, over all of them (§8).
    pub retries: u8,
}

impl Features {
    /// None of them: the paper's §5.
    pub const NONE: Features = Features {
        rounds: 0,
        reads: 0,
        check_quorum: false,
        patience: 0,
        drift: 0,
        transfer: false,
        snapshots: false,
        plan: Plan::NONE,
        pre_vote: false,
        retries: 0,
    };

    /// The names of the parts, as the command line knows them.
    pub const NAMES: [&str; 8] = [
        "reads",
        "check-quorum",
        "leases",
        "transfer",
        "snapshots",
        "membership",
        "pre-vote",
        "sessions",
    ];

    /// These, with the part of that name switched on at the smallest bounds that show it at work.
    #[must_use]
    pub fn with(self, name: &str) -> Option<Features> {
        let rounds = self.rounds.max(1);
        Some(match name {
            "reads" => Features {
                rounds,
                reads: 1,
                ..self
            },
            "check-quorum" => Features {
                check_quorum: true,
                ..self
            },
            "leases" => Features {
                rounds,
                patience: 3,
                drift: 1,
                ..self
            },
            "transfer" => Features {
                transfer: true,
                ..self
            },
            "snapshots" => Features {
                snapshots: true,
                ..self
            },
            "membership" => Features {
                plan: Plan::new(&[
                    Config::of(0b011),
                    Config::joint(0b011, 0b110),
                    Config::of(0b110),
                ]),
                ..self
            },
            "pre-vote" => Features {
                pre_vote: true,
                ..self
            },
            "sessions" => Features { retries: 1, ..self },
            _ => return None,
        })
    }

    /// Whether servers need the word that only optional parts use.
    #[inline]
    #[must_use]
    pub const fn widen_servers(self) -> bool {
        self.rounds > 0 || self.transfer || (self.retries > 0 && self.snapshots)
    }

    /// Checks that a packed state can hold them.
    pub(crate) fn validate(&self, bounds: &Bounds) -> Result<(), BoundsError> {
        let least_rounds = u8::from(self.reads > 0 || self.patience > 0);
        // A lease that allows for two clocks' drift must last for some time.
        let most_drift = self.patience.saturating_sub(1) / 2;
        // The last values name configurations.
        let most_requests = MAX_REQUESTS - u8::from(self.plan.is_on()) * MAX_CHANGES;
        let everybody = ((1u16 << bounds.servers) - 1) as u8;
        let named = self.plan.0.iter();
        let members = named.fold(0, |all, c| all | c.voters | c.incoming | c.learners);
        let limits = [
            ("rounds", least_rounds, MAX_ROUNDS, self.rounds),
            ("reads", 0, MAX_READS, self.reads),
            ("patience", 0, MAX_PATIENCE, self.patience),
            ("drift", 0, most_drift, self.drift),
            ("retries", 0, MAX_RETRIES, self.retries),
            ("requests", 0, most_requests, bounds.requests),
            ("members of configurations", 0, everybody, members),
        ];
        limits.into_iter().try_for_each(BoundsError::unless_within)
    }

    /// An upper bound on the messages that they add to one state, among `servers` in
    /// `terms`, with `log` entries.
    pub(crate) fn most_messages(&self, servers: usize, terms: usize, log: usize) -> usize {
        // Of a leader's heartbeats only the latest round stands; of each other server one answer.
        let heartbeats = usize::from(self.rounds > 0) * (terms + servers * (servers - 1));
        // A leader tells one other to stand, once a term.
        let transfers = usize::from(self.transfer) * terms;
        let snapshots = usize::from(self.snapshots) * terms * log;
        // A server asks once a term and log; all others may answer.
        let asks = usize::from(self.pre_vote) * servers * (log + 1 + servers) * terms;
        heartbeats + transfers + snapshots + asks
    }
}

impl std::fmt::Display for Features {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Features {
            rounds,
            reads,
            check_quorum,
            patience,
            drift,
            transfer,
            snapshots,
            plan,
            pre_vote,
            retries,
        } = self;
        for (count, unit) in [
            (rounds, "rounds a term"),
            (reads, "reads"),
            (patience, "ticks of patience"),
            (drift, "ticks of drift"),
            (retries, "retries"),
        ] {
            if *count > 0 {
                write!(f, ", {count} {unit}")?;
            }
        }
        for (on, part) in [
            (check_quorum, "leaders that give up"),
            (transfer, "leadership transfer"),
            (snapshots, "snapshots"),
            (pre_vote, "pre-votes"),
        ] {
            if *on {
                write!(f, ", {part}")?;
            }
        }
        if plan.is_on() {
            write!(f, ", configurations {plan}")?;
        }
        Ok(())
    }
}
