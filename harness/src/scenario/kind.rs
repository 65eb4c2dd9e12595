//! The kinds of faults by name: the one list of them, for whoever counts, draws or names them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{FaultKind, Tier};

/// Writes the names down once: what is written in scenarios and on the command line, and of which fault it is the name.
macro_rules! names {
    ($($name:ident: $text:literal,)*) => {
        /// A kind of fault, whomever and however hard it strikes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum FaultName {
            $(#[doc = concat!("`", $text, "`: [`FaultKind::", stringify!($name), "`].")] $name,)*
        }

        /// All kinds, in the order of docs/faults.md.
        pub const FAULTS: &[FaultName] = &[$(FaultName::$name,)*];

        impl FaultName {
            /// As it is written.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(FaultName::$name => $text,)*
                }
            }
        }

        impl FaultKind {
            /// What kind it is.
            #[must_use]
            pub fn name(&self) -> FaultName {
                match self {
                    $(FaultKind::$name { .. } => FaultName::$name,)*
                }
            }
        }
    };
}

names! {
    Partition: "partition",
    OneWay: "one-way",
    Links: "links",
    Isolate: "isolate",
    Stall: "stall",
    Noise: "noise",
    Slow: "slow",
    Reset: "reset",
    Crash: "crash",
    PowerLoss: "power-loss",
    Pause: "pause",
    Jump: "jump",
    Disk: "disk",
    Rot: "rot",
    Lie: "lie",
    SlowDisk: "slow-disk",
    Replace: "replace",
    SnapshotStorm: "snapshot-storm",
    Transfer: "transfer",
    Membership: "membership",
}

impl FaultName {
    /// Whether there is such a thing in this tier: the bare one has no files.
    #[must_use]
    pub fn is_in(self, tier: Tier) -> bool {
        tier == Tier::Full || !matches!(self, FaultName::Disk | FaultName::Rot | FaultName::Lie)
    }

    /// Whether it lasts: the others happen, and are over.
    #[must_use]
    pub fn lasts(self) -> bool {
        !matches!(
            self,
            FaultName::Transfer | FaultName::Membership | FaultName::Jump | FaultName::Reset
        )
    }

    /// Whether it strikes one server, which may be named.
    #[must_use]
    pub fn is_aimed(self) -> bool {
        match self {
            FaultName::Isolate
            | FaultName::Reset
            | FaultName::Crash
            | FaultName::Pause
            | FaultName::Jump
            | FaultName::Disk
            | FaultName::Rot
            | FaultName::Lie
            | FaultName::SlowDisk => true,
            FaultName::Partition
            | FaultName::OneWay
            | FaultName::Links
            | FaultName::Stall
            | FaultName::Noise
            | FaultName::Slow
            | FaultName::PowerLoss
            | FaultName::Replace
            | FaultName::SnapshotStorm
            | FaultName::Transfer
            | FaultName::Membership => false,
        }
    }

    /// Whether a server that is alone can meet it: it has no links, and nobody beside it.
    #[must_use]
    pub fn is_of_one_server(self) -> bool {
        !matches!(
            self,
            FaultName::Partition
                | FaultName::OneWay
                | FaultName::Links
                | FaultName::Isolate
                | FaultName::Stall
                | FaultName::Noise
                | FaultName::Slow
                | FaultName::Reset
                | FaultName::Replace
                | FaultName::Transfer
        )
    }

    /// Whether a guest can meet it: its members stay, and nobody tells it when to take a snapshot.
    #[must_use]
    pub fn strikes_guests(self) -> bool {
        self.is_in(Tier::Bare)
            && !matches!(
                self,
                FaultName::Membership | FaultName::Replace | FaultName::SnapshotStorm
            )
    }

    /// Whether it is what an operator does at a time: it waits for no event.
    #[must_use]
    pub fn is_by_operator(self) -> bool {
        matches!(self, FaultName::Transfer | FaultName::Membership)
    }
}

impl fmt::Display for FaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl FromStr for FaultName {
    type Err = String;

    fn from_str(text: &str) -> Result<FaultName, String> {
        let known = FAULTS.iter().copied().find(|name| name.text() == text);
        known.ok_or_else(|| {
            let all: Vec<&str> = FAULTS.iter().map(|name| name.text()).collect();
            format!("there is no fault {text:?}; there are {}", all.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_in_a_scenario_and_is_on_the_page() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
        let page = std::fs::read_to_string(page).expect("the page");
        for name in FAULTS {
            let written = serde_json::to_value(name).expect("plain data");
            assert_eq!(written.as_str(), Some(name.text()));
            assert_eq!(name.text().parse(), Ok(*name));
            assert!(
                page.contains(&format!("`{name}` `{{"))
                    || page.contains(&format!("\n| `{name}` |")),
                "{name}"
            );
        }
    }
}
