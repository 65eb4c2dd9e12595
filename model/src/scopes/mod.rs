//! The named scopes: bounds, what they claim to reach, and what was counted when they were last
//! exhausted. Tests compare the counts of the small ones exactly.

mod figures;
mod parts;
mod records;

use crate::bounds::Bounds;
use crate::claims::{Claim, Claims};
use crate::properties::Properties;
pub use figures::{Counted, Figures, Record};
use parts::PARTS;
use records::RECORDS;

/// A scope: what is explored, what must hold in it and what must be reached.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What it cuts off.
    pub bounds: Bounds,
    /// Whether states that differ in the servers' numbers only are taken as one.
    pub symmetry: bool,
    /// What must always hold.
    pub properties: Properties,
    /// What must be reached.
    pub claims: Claims,
    /// What exhausting it counted.
    pub figures: Figures,
}

impl Scope {
    /// A scope of one's own, that claims no more than what its bounds make certain.
    #[must_use]
    pub const fn custom(bounds: Bounds) -> Scope {
        let mut claims = Claims::NONE.and(Claim::LeaderElected);
        if bounds.max_log > 0 && bounds.requests > 0 {
            claims = claims.and(Claim::EntryCommitted);
        }
        Scope {
            name: "custom",
            about: "bounds from the command line",
            bounds,
            symmetry: !bounds.features.plan.is_on(),
            properties: Properties::ALL,
            claims,
            figures: Figures::None,
        }
    }
}

/// The scope that `plumb` checks when none is named.
pub const QUICK: &str = "quick";

const fn named(
    name: &'static str,
    about: &'static str,
    bounds: Bounds,
    claims: Claims,
    figures: Figures,
) -> Scope {
    Scope {
        name,
        about,
        bounds,
        claims,
        figures,
        ..Scope::custom(bounds)
    }
}

const fn counted(unique: u64, generated: u64, depth: usize, seconds: f32) -> Figures {
    Figures::Routine(Counted {
        unique,
        generated,
        depth,
        seconds,
    })
}

/// Without crashes, all but what takes one.
const NO_CRASH: Claims = Claims::NONE
    .and(Claim::LeaderElected)
    .and(Claim::EntryCommitted)
    .and(Claim::CommitsEarlierTerm)
    .and(Claim::ConflictTruncated);

/// In one term, or with one request, no entry can conflict.
const NO_CONFLICT: Claims = Claims::NONE
    .and(Claim::LeaderElected)
    .and(Claim::EntryCommitted)
    .and(Claim::RecoversWithLog)
    .and(Claim::CrashLosesWrites);

/// With a log of one entry, a leader has no place for the entry that commits an earlier one.
const SHORT_LOG: Claims = NO_CONFLICT.and(Claim::ConflictTruncated);

const SOME: Claims = Claims::NONE
    .and(Claim::LeaderElected)
    .and(Claim::EntryCommitted);

/// Elections, replication and crashes, smallest first within each kind.
const PLAIN: [Scope; 12] = [
    named(
        "tiny",
        "one election, one entry, one crash",
        Bounds::plain(3, 1, 1, 1, 1),
        NO_CONFLICT,
        counted(495, 1_763, 17, 0.0),
    ),
    named(
        "small",
        "the smallest scope that reaches all that is claimed",
        Bounds::plain(3, 2, 2, 2, 1),
        Claims::PLAIN,
        counted(115_403, 677_643, 30, 0.2),
    ),
    named(
        QUICK,
        "three terms, more requests than a log holds; the default",
        Bounds::plain(3, 3, 2, 3, 1),
        Claims::PLAIN,
        counted(2_153_228, 13_983_154, 40, 3.8),
    ),
    named(
        "figure8",
        "four terms, the fewest for Figure 8, with a crash",
        Bounds::plain(3, 4, 1, 2, 1),
        SHORT_LOG,
        counted(1_783_325, 12_265_974, 40, 4.2),
    ),
    named(
        "four-terms",
        "Figure 8 with logs of three entries, no crash",
        Bounds::plain(3, 4, 3, 3, 0),
        NO_CRASH,
        counted(2_140_545, 11_008_909, 34, 4.5),
    ),
    named(
        "two-crashes",
        "a server or two that crash twice between them",
        Bounds::plain(3, 3, 2, 2, 2),
        Claims::PLAIN,
        counted(8_135_135, 56_753_271, 41, 13.7),
    ),
    named(
        "deep",
        "three terms, three entries, three requests, one crash",
        Bounds::plain(3, 3, 3, 3, 1),
        Claims::PLAIN,
        counted(11_348_197, 84_450_392, 43, 23.0),
    ),
    named(
        "deeper",
        "four terms with a crash",
        Bounds::plain(3, 4, 2, 2, 1),
        Claims::PLAIN,
        counted(15_118_566, 112_682_796, 47, 28.4),
    ),
    named(
        "five-tiny",
        "five servers, two terms, one entry",
        Bounds::plain(5, 2, 1, 1, 0),
        SOME,
        counted(98_516, 541_727, 31, 0.3),
    ),
    named(
        "five",
        "five servers, two terms, logs of two entries",
        Bounds::plain(5, 2, 2, 2, 0),
        NO_CRASH,
        counted(2_626_647, 19_443_767, 37, 9.6),
    ),
    named(
        "five-three",
        "five servers, three terms, one entry",
        Bounds::plain(5, 3, 1, 1, 0),
        SOME,
        counted(6_525_358, 46_134_664, 39, 11.0),
    ),
    named(
        "five-crash",
        "five servers, two terms, a crash",
        Bounds::plain(5, 2, 1, 1, 1),
        NO_CONFLICT,
        counted(8_781_081, 88_194_411, 44, 36.8),
    ),
];

/// The day on which all but the records were last exhausted, with the counts that they have here.
pub const VERIFIED: &str = "2026-11-26";

/// All named scopes: those without optional parts, those of each part, then the records.
pub const SCOPES: &[Scope] = &{
    let mut all = [PLAIN[0]; PLAIN.len() + PARTS.len() + RECORDS.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < PLAIN.len() {
            PLAIN[at]
        } else if at < PLAIN.len() + PARTS.len() {
            PARTS[at - PLAIN.len()]
        } else {
            RECORDS[at - PLAIN.len() - PARTS.len()]
        };
        at += 1;
    }
    all
};

/// The scope of that name.
#[must_use]
pub fn scope(name: &str) -> Option<&'static Scope> {
    SCOPES.iter().find(|scope| scope.name == name)
}
