//! Consistency checkers: is there an order of the operations that explains what clients were told?
//!
//! [`check`] is the front door. It takes a [`History`](plumb_histories::History) and [`Options`] (a
//! [`Spec`], an initial value, a [`Budget`]) and returns a [`Report`] with a three-valued [`Verdict`].
//! [`Intake`] does the same event by event, for histories that are better streamed than held.
//!
//! How operations are taken, as in Jepsen:
//!
//! | recorded as | taken as |
//! |---|---|
//! | `invoke` … `ok` | it took effect at one moment between the two |
//! | `invoke` … `fail` | it did not happen and never will |
//! | `invoke` … `info`, or no completion | it may have taken effect at any moment after its invocation, or never; its result is unknown |
//! | a new `invoke` of a process after `info` | another operation: the first one stays open for ever |
//! | equal timestamps | the order of the events in the file counts, so an invocation written first makes two operations concurrent |
//! | `null` read | a read of `null`, not of anything: a register that starts at 0 never returns it |
//! | the initial value | as given; not written by anyone, so a write of an equal value is another source of it |
#![forbid(unsafe_code)]

mod budget;
mod check;
mod consistency;
mod error;
mod explain;
pub mod families;
mod hash;
mod intake;
mod intern;
mod linear;
mod options;
mod part;
mod report;
mod snapshots;
mod spec;
mod txn;
mod verdict;
mod verify;
mod weak;

pub use budget::Budget;
pub use check::{check, check_until};
pub use consistency::Consistency;
pub use error::CheckError;
pub use explain::{Counterexample, Described, Partial, Prefix};
pub use intake::Intake;
pub use options::Options;
pub use report::{Algorithm, Part, PartOutcome, Report};
pub use spec::{
    Call, Discipline, QueueCall, RegisterCall, SequentialSpec, SetCall, Spec, TextCall,
};
pub use verdict::{Limit, PartWitness, Reason, Verdict, Witness};
pub use verify::{WitnessError, verify_witness};
pub use weak::{StaleRead, Staleness, staleness};
