//! Why a history cannot be judged: it does not fit the specification that it was held against.

use plumb_histories::Value;
use thiserror::Error;

/// The question makes no sense as asked. A caller can choose another specification, another initial
/// value, or mend the history.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// An operation that the specification does not know, or with a value of the wrong shape.
    #[error("event {index}: {what}")]
    Operation {
        /// The event's index in the history.
        index: u64,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// The initial value has the wrong shape.
    #[error("the initial value {init} does not fit: {what}")]
    Init {
        /// The value.
        init: Value,
        /// What was expected.
        what: String,
    },
    /// No such name.
    #[error("there is no specification named {name:?}; known are {}", .known.join(", "))]
    NoSuchSpec {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// No such consistency.
    #[error("there is no consistency named {name:?}; known are {}", .known.join(", "))]
    NoSuchConsistency {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// The consistency is not defined for objects of this kind.
    #[error("{consistency} cannot be judged for {spec}: {what}")]
    Unsupported {
        /// The consistency.
        consistency: String,
        /// The specification.
        spec: String,
        /// Why, and what to ask instead.
        what: String,
    },
    /// Events must come in the order of their indices, each completion after its invocation.
    #[error("event {index}: {what}")]
    Order {
        /// The event's index.
        index: u64,
        /// What is wrong.
        what: String,
    },
}
