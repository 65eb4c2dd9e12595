//! The bounds of a scope, as data. They are guards of the next-state rules, never a limit on the
//! search: a search cut at a depth can miss states that lie within it.

use serde::Serialize;

use crate::features::Features;

/// Most servers that a packed state can hold.
pub const MAX_SERVERS: u8 = 5;
/// Highest term that a packed state can hold.
pub const MAX_TERM: u8 = 7;
/// Longest log that a packed state can hold.
pub const MAX_LOG: u8 = 6;
/// Most distinct client values that a packed state can hold.
pub const MAX_REQUESTS: u8 = 7;
/// Most crashes that a packed state can count.
pub const MAX_CRASHES: u8 = 7;

/// What a scope cuts off; everything within is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Bounds {
    /// Servers in the cluster, 1 to [`MAX_SERVERS`].
    pub servers: u8,
    /// Highest term that a server may stand for election in.
    pub max_term: u8,
    /// Longest log that a leader may append to.
    pub max_log: u8,
    /// Client requests, each a distinct value (`a`, `b`, …), each given to one leader once.
    pub requests: u8,
    /// Crashes in a run, over all servers.
    pub crashes: u8,
    /// What there is of Raft beyond elections, replication and crashes.
    pub features: Features,
}

/// Bounds that a packed state cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// One bound lies outside of what the packing allows.
    #[error("{name} must be between {least} and {most}, not {given}")]
    OutOfRange {
        /// The bound.
        name: &'static str,
        /// Smallest value allowed.
        least: u8,
        /// Largest value allowed.
        most: u8,
        /// The value given.
        given: u8,
    },
    /// Together the bounds allow more messages at once than the packed network holds.
    #[error(
        "these bounds allow {messages} messages at once and a state holds {most}: \
         lower the terms, the log or the servers"
    )]
    TooManyMessages {
        /// Messages that could stand in one state.
        messages: usize,
        /// What a state holds.
        most: usize,
    },
}

impl BoundsError {
    /// An error unless the value given, the last, lies within the two before it.
    pub(crate) fn unless_within(
        (name, least, most, given): (&'static str, u8, u8, u8),
    ) -> Result<(), BoundsError> {
        if (least..=most).contains(&given) {
            return Ok(());
        }
        Err(BoundsError::OutOfRange {
            name,
            least,
            most,
            given,
        })
    }
}

impl Bounds {
    /// Bounds without any optional part: elections, replication and crashes.
    #[must_use]
    pub const fn plain(
        servers: u8,
        max_term: u8,
        max_log: u8,
        requests: u8,
        crashes: u8,
    ) -> Bounds {
        Bounds {
            servers,
            max_term,
            max_log,
            requests,
            crashes,
            features: Features::NONE,
        }
    }

    /// The same bounds with optional parts.
    #[must_use]
    pub const fn with(self, features: Features) -> Bounds {
        Bounds { features, ..self }
    }

    /// Checks that a packed state can hold every state within these bounds.
    ///
    /// # Errors
    /// Names the bound that does not fit.
    pub fn validate(&self) -> Result<(), BoundsError> {
        let limits = [
            ("servers", 1, MAX_SERVERS, self.servers),
            ("terms", 1, MAX_TERM, self.max_term),
            ("log", 0, MAX_LOG, self.max_log),
            ("requests", 0, MAX_REQUESTS, self.requests),
            ("crashes", 0, MAX_CRASHES, self.crashes),
        ];
        limits
            .into_iter()
            .try_for_each(BoundsError::unless_within)?;
        self.features.validate(self)?;
        let messages = self.most_messages();
        let most = crate::network::CAPACITY;
        if messages > most {
            return Err(BoundsError::TooManyMessages { messages, most });
        }
        Ok(())
    }

    /// An upper bound on the messages in one state. A term has at most one request for votes a
    /// server, and of its one leader at most `max_log` entries and `max_log + 1` commit indexes;
    /// grants and acknowledgements live only while their receiver is candidate or leader in their
    /// term, and a server is in one term at a time.
    fn most_messages(&self) -> usize {
        let n = usize::from(self.servers);
        let changes = self.features.plan.changes().count();
        let log = if changes > 0 || self.features.retries > 0 {
            self.max_log
        } else {
            self.max_log.min(self.requests)
        };
        let log = usize::from(log);
        let terms = usize::from(self.max_term);
        terms * (n + 2 * log + 1) + n * (n - 1) + self.features.most_messages(n, terms, log)
    }

    /// A majority of the servers.
    #[must_use]
    pub fn majority(&self) -> u32 {
        u32::from(self.servers) / 2 + 1
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Bounds {
            servers,
            max_term,
            max_log,
            requests,
            crashes,
            features,
        } = self;
        write!(
            f,
            "{servers} servers, {max_term} terms, {max_log} log entries, {requests} requests, \
             {crashes} crashes{features}"
        )
    }
}
