//! Plumbline's system under test: a Raft implementation that never learns that it is being judged.
//!
//! [`core`] decides, `storage` remembers, `net` talks, `kv` is what gets replicated,
//! `server` joins them, `client` calls it, `telemetry` looks in. [`seams`] are the four places where simulation
//! differs from production.

pub mod client;
pub mod core;
pub mod kv;
pub mod net;
pub mod production;
pub mod seams;
pub mod server;
pub mod storage;
pub(crate) mod sync;
pub mod telemetry;
pub mod types;
