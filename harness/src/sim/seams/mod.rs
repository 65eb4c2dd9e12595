//! The simulated halves of `plumb_raft::seams`: clock, disk, network and randomness.
//!
//! Each is deterministic in a seed, outlives the crash of the node that uses it, and takes its
//! faults as plain data that may change while the node runs. None of them knows Raft.

pub mod clock;
pub mod disk;
pub mod gate;
pub mod network;
pub mod random;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: a simulation is one thread, and a run that panicked has
/// already failed; its destructors must not fail again.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
