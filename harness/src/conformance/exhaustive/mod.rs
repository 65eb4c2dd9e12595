//! The shipped `core::Node`, explored exhaustively: every input is a choice, a write becomes durable and
//! a message arrives as steps of their own, and a server may crash between any two of them.
//!
//! A server with its disk is a value, and so is a message: each distinct one is kept once and named by a
//! number, a state of the world is a handful of numbers, and what a server does with an input is worked out by
//! the real code once and remembered. (SPIN's collapse compression, with a cache of local steps on top.)

mod explore;
mod ghost;
mod interner;
mod local;
mod properties;
mod scope;
mod stateright;
mod story;
#[cfg(test)]
mod tests;
mod world;

pub use explore::{Limits, Outcome, Progress, Verdict, check};
pub use local::{Choice, Claim};
pub use properties::Property;
pub use scope::{SCOPES, Scope, scope};
pub use stateright::CoreModel;
pub use story::Story;
