//! What must hold on all servers at every step, watched from outside: Figure 3's properties, and that
//! no promise outruns the disk. The judge keeps its own books (what each server was told is durable,
//! who led when, what was committed) and believes no server about the past.

mod bounds;
mod coverage;
mod digest;
mod disk;
mod elections;
mod guests;
mod judge;
mod memberships;
mod promises;
mod properties;
mod replication;
mod roster;
mod snapshots;
#[cfg(test)]
mod tests;

pub use coverage::Coverage;
pub(crate) use elections::decide;
pub(crate) use guests::digest;
pub use judge::{Judge, Violation};
pub use properties::{PROPERTIES, Property};
