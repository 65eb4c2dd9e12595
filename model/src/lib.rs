//! The specification of Raft, as a stateright [`Model`](stateright::Model) with a packed state, and
//! an explorer that exhausts it within stated bounds.
//!
//! It never looks at the implementation: it is written from the paper (Ongaro and Ousterhout, "In
//! Search of an Understandable Consensus Algorithm", extended version), whose sections it cites.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use plumb_model::{Ablations, Limits, Verdict, check, scope};
//!
//! let outcome = check(
//!     scope("tiny").expect("a named scope"),
//!     Ablations::NONE,
//!     &Limits::default(),
//!     &mut |_progress| {},
//!     &AtomicBool::new(false),
//! )?;
//! assert!(matches!(outcome.verdict, Verdict::Exhausted));
//! # Ok::<(), plumb_model::BoundsError>(())
//! ```

mod ablations;
mod action;
mod bits;
mod bounds;
mod check;
mod claims;
mod cut_off;
mod engine;
mod exams;
mod explorer;
mod extra;
mod features;
mod fingerprint;
mod ghost;
mod log;
mod membership;
mod message;
mod network;
mod properties;
mod raft;
mod reductions;
pub mod relation;
mod rules;
mod scopes;
mod server;
mod state;
mod story;
mod symmetry;

pub use ablations::{Ablation, Ablations};
pub use action::{Action, RULES};
pub use bounds::{Bounds, BoundsError, MAX_CRASHES, MAX_LOG, MAX_REQUESTS, MAX_SERVERS, MAX_TERM};
pub use check::{CheckError, Limits, Outcome, StopReason, Verdict, check, check_with_files};
pub use claims::{Claim, Claims};
pub use engine::{Continuations, Progress, Storage, StorageError, Width};
pub use exams::{Exam, exam, exams};
pub use explorer::explore;
pub use extra::{Extra, Read};
pub use features::{Features, MAX_READS, MAX_ROUNDS};
pub use ghost::Ghost;
pub use log::{Entry, Index, Log, Term, value_name};
pub use membership::{Config, MAX_CHANGES, Members, Plan};
pub use message::{Message, Packed};
pub use network::Network;
pub use properties::{Breach, Properties, Property};
pub use raft::Raft;
pub use reductions::Reductions;
pub use scopes::{Counted, Figures, QUICK, Record, SCOPES, Scope, VERIFIED, scope};
pub use server::{Role, Server, ServerId};
pub use state::State;
pub use story::{Arrival, Counterexample, ServerRow, Step};
pub use symmetry::representative;
