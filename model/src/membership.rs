//! Configurations: who decides, and who only learns (§6, dissertation §4). A scope has a few of them in
//! a table; a log entry whose value is one of the last values names one.

use std::fmt;

use serde::Serialize;

use crate::bounds::MAX_REQUESTS;
use crate::server::ServerId;

/// Most configurations that a log can name, beside the one in force in the beginning.
pub const MAX_CHANGES: u8 = 3;

/// A set of servers, a bit each.
pub type Members = u8;

/// A configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Config {
    /// Who decides by majority.
    pub voters: Members,
    /// In the joint phase, who must agree by majority too: the voters to be.
    pub incoming: Members,
    /// Who receives entries and decides nothing.
    pub learners: Members,
}

/// The configurations of a scope: that of the beginning, and those that leaders may change to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Plan(pub [Config; MAX_CHANGES as usize + 1]);

impl Config {
    /// One set of voters.
    #[must_use]
    pub const fn of(voters: Members) -> Config {
        Config {
            voters,
            incoming: 0,
            learners: 0,
        }
    }

    /// The joint phase between two sets of voters.
    #[must_use]
    pub const fn joint(voters: Members, incoming: Members) -> Config {
        Config {
            voters,
            incoming,
            learners: 0,
        }
    }

    /// With learners.
    #[must_use]
    pub const fn learning(self, learners: Members) -> Config {
        Config { learners, ..self }
    }

    /// Whether it is of the joint phase.
    #[must_use]
    pub const fn is_joint(self) -> bool {
        self.incoming != 0
    }

    /// Whether a server has a voice in it.
    #[must_use]
    pub const fn has_voter(self, id: ServerId) -> bool {
        (self.voters | self.incoming) & 1 << id.0 != 0
    }

    /// §6: in the joint phase, agreement takes a majority of the old and one of the new voters.
    #[inline]
    #[must_use]
    pub const fn is_decided_by(self, set: Members) -> bool {
        majority(self.voters, set) && (self.incoming == 0 || majority(self.incoming, set))
    }

    /// Whether a leader may propose `next` where this is in force: into and out of the joint phase
    /// (§6), or with one voter more or less (dissertation §4.1); learners come and go.
    #[must_use]
    pub const fn may_be_followed_by(self, next: Config) -> bool {
        if self.is_joint() {
            !next.is_joint() && next.voters == self.incoming
        } else if next.is_joint() {
            next.voters == self.voters
        } else {
            (self.voters ^ next.voters).count_ones() <= 1
        }
    }
}

/// Whether more than half of `voters` are in `set`.
#[inline]
pub(crate) const fn majority(voters: Members, set: Members) -> bool {
    (voters & set).count_ones() * 2 > voters.count_ones()
}

impl Plan {
    /// No configuration: all servers decide, for ever.
    pub const NONE: Plan = Plan([Config::of(0); MAX_CHANGES as usize + 1]);

    /// Begins with the first, and may change to the others.
    #[must_use]
    pub const fn new(configs: &[Config]) -> Plan {
        let mut plan = Plan::NONE;
        let mut at = 0;
        while at < configs.len() {
            plan.0[at] = configs[at];
            at += 1;
        }
        plan
    }

    /// Whether there are configurations at all.
    #[inline]
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0[0].voters != 0
    }

    /// The numbers of those that a leader may change to.
    pub fn changes(&self) -> impl Iterator<Item = u8> + use<> {
        let configs = self.0;
        (1..=MAX_CHANGES).filter(move |&i| configs[usize::from(i)].voters != 0)
    }

    /// The value of an entry that names the `change`-th configuration.
    #[must_use]
    pub const fn value(change: u8) -> u8 {
        MAX_REQUESTS + 1 - change
    }

    /// The configuration that an entry's value names, if it names one.
    #[inline]
    #[must_use]
    pub fn named_by(&self, value: u8) -> Option<Config> {
        let change = MAX_REQUESTS + 1 - value;
        let config = self.0.get(usize::from(change))?;
        (config.voters != 0).then_some(*config)
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        members(f, self.voters)?;
        if self.is_joint() {
            f.write_str(" with ")?;
            members(f, self.incoming)?;
        }
        if self.learners != 0 {
            f.write_str(", learning ")?;
            members(f, self.learners)?;
        }
        Ok(())
    }
}

fn members(f: &mut fmt::Formatter<'_>, set: Members) -> fmt::Result {
    let ids = (0..8).filter(|i| set & 1 << i != 0);
    let names: Vec<_> = ids.map(|i| ServerId(i).to_string()).collect();
    write!(f, "{{{}}}", names.join(" "))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, config) in self.0.iter().filter(|c| c.voters != 0).enumerate() {
            let arrow = if at > 0 { " → " } else { "" };
            write!(f, "{arrow}{config}")?;
        }
        Ok(())
    }
}
