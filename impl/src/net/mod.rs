//! Talking to others: frames on a byte stream, what stands in them, and the links between servers.

mod frame;
mod link;
pub mod protocol;
mod tls;

pub use frame::{FrameError, FrameReader, MAX_FRAME_BYTES, add_frame, write_frame, write_frames};
pub use link::{LinkConfig, Myself, PeerLink};
pub use tls::{TlsError, TlsFiles, TlsNetwork};
