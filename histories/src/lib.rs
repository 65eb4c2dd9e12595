//! What clients of a system under test asked for and were told: events, operations, and the file
//! formats that they come in. This crate knows nothing of Raft, simulators or checkers.
//!
//! [`read`] opens any supported file; [`Recorder`] builds a history as a run goes; a [`History`]
//! is always well formed: what could not be is refused where it enters, with file and line.
//!
//! ```
//! use plumb_histories::{Header, Recorder, Value};
//!
//! let mut recorder = Recorder::new(Header { spec: Some("register".into()), ..Header::default() });
//! recorder.invoke(0, 7, "write", None, Value::Int(1), None);
//! recorder.ok(1_000, 7, Value::Int(1));
//! let history = recorder.finish();
//! assert_eq!(history.operations().count(), 1);
//! let text = history.to_jsonl();
//! let again = plumb_histories::read_from("memory", text.as_slice()).unwrap();
//! assert_eq!(again, history);
//! ```
#![forbid(unsafe_code)]

pub mod browser;
mod edn;
mod error;
mod event;
mod header;
mod history;
mod input;
mod jepsen;
mod jsonl;
mod log;
mod operation;
mod read;
mod recorder;
mod sink;
mod value;

pub use error::{Misplaced, ReadError};
pub use event::{Event, Kind, Line, NemesisEvent};
pub use header::{Header, SCHEMA_VERSION};
pub use history::{Builder, History};
pub use jsonl::HistoryWriter;
pub use operation::{Operation, Outcome};
pub use read::{Format, Source, read, read_from, read_source, stream};
pub use recorder::Recorder;
pub use sink::{Sink, StreamError};
pub use value::Value;
