//! A verdict as a page shows it: words and operation numbers, whoever judged.

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageOutcome {
    /// The history is in order.
    Valid,
    /// It is not.
    Violation,
    /// Nobody knows.
    #[default]
    Unknown,
}

impl PageOutcome {
    /// `valid`, `violation` or `unknown`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PageOutcome::Valid => "valid",
            PageOutcome::Violation => "violation",
            PageOutcome::Unknown => "unknown",
        }
    }
}

/// A verdict in words, with the operations it is about. Operations are numbers as
/// [`History::operation`](crate::History::operation) counts them; those beyond the history are left
/// out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageVerdict {
    /// What was found.
    pub outcome: PageOutcome,
    /// It in a few words, naming the rule: `Not linearizable`.
    pub headline: String,
    /// Why, in a sentence or two.
    pub explanation: Vec<String>,
    /// How it was found and how sure that is, for the small print.
    pub notes: Vec<String>,
    /// The object, where the history has several, as the history's keys print.
    pub key: Option<String>,
    /// The operations that together cannot be explained.
    pub core: Vec<u32>,
    /// How far an order of them gets.
    pub attempts: Vec<PageAttempt>,
    /// The operation from whose completion on these orders begin, in the state that all orders have then; if not from
    /// the history's beginning.
    pub since: Option<u32>,
    /// The steps of a cycle, for violations that are cycles.
    pub cycle: Vec<PageEdge>,
    /// What else was found, line by line.
    pub details: Vec<String>,
    /// The moment at which a rule about servers broke.
    pub at_ns: Option<u64>,
    /// The orders that prove a valid history, one an object.
    pub witness: Vec<Vec<u32>>,
}

/// A step of a cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageEdge {
    /// The operation that comes before.
    pub from: u32,
    /// The operation that comes after.
    pub to: u32,
    /// Why.
    pub why: String,
}

/// An order that gets as far as any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageAttempt {
    /// The state before the first step, where that is known.
    pub from: Option<String>,
    /// The operations placed, in order.
    pub steps: Vec<PageStep>,
    /// The state that they lead to.
    pub state: String,
    /// The operation that cannot be placed then.
    pub stuck: u32,
}

/// An operation placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageStep {
    /// Which.
    pub operation: u32,
    /// The state after it, where that is known.
    pub state: Option<String>,
}
