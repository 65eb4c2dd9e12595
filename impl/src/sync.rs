//! The primitives of everything that threads share, under one set of names: std's, or loom's with
//! the feature `loom`, so that `tests/loom.rs` explores the code that ships and not a copy of it.

#[cfg(feature = "loom")]
pub(crate) use loom::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};
#[cfg(not(feature = "loom"))]
pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};
