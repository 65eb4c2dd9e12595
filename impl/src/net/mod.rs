//! Talking to others: frames on a byte stream, what stands in them, and the links between servers.

mod frame;
mod link;
pub mod protocol;
mod tls;

pub use frame::{FrameError, MAX_FRAME_BYTES, read_frame, write_frame};
pub use link::{LinkConfig, Myself, PeerLink};
pub use tls::{TlsError, TlsFiles, TlsNetwork};
