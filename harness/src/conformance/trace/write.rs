//! An observer that writes steps down as they are taken.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use plumb_raft::core::{Effects, Input, Message, Node, Write as DiskWrite};
use plumb_raft::kv::{KvStore, Reply};
use plumb_raft::server::Observer;
use plumb_raft::storage::RecoveryReport;
use plumb_raft::types::{Entry, NodeId, Payload};
use serde::Serialize;

use super::{Header, Line, Runs, State, Step, VERSION};
use crate::conformance::steps::{Applying, Restored, Seen};

/// Writes every step of the servers that it observes.
pub struct StepRecorder {
    inner: Mutex<Inner>,
}

struct Inner {
    out: BufWriter<Box<dyn Write + Send>>,
    /// Steps under way.
    begun: BTreeMap<NodeId, (State, Input)>,
    /// Entries that state machines are applying.
    applying: BTreeMap<NodeId, Applying>,
    /// The first failure to write: nothing is written behind it.
    failed: Option<io::Error>,
}

impl StepRecorder {
    /// A recorder that begins with a header.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> StepRecorder {
        let mut inner = Inner {
            out: BufWriter::new(out),
            begun: BTreeMap::new(),
            applying: BTreeMap::new(),
            failed: None,
        };
        inner.write(&Header {
            plumb_steps: VERSION,
            build: concat!("plumb ", env!("CARGO_PKG_VERSION")).to_owned(),
        });
        StepRecorder {
            inner: Mutex::new(inner),
        }
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(&self) -> io::Result<()> {
        let mut inner = self.lock();
        match inner.failed.take() {
            Some(error) => Err(error),
            None => inner.out.flush(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, line: &impl Serialize) {
        if self.failed.is_some() {
            return;
        }
        let written = serde_json::to_writer(&mut self.out, line)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"));
        self.failed = written.err();
    }
}

impl std::fmt::Debug for StepRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepRecorder").finish_non_exhaustive()
    }
}

impl Observer for StepRecorder {
    fn recovered(&self, node: &Node, _: &RecoveryReport) {
        let mut inner = self.lock();
        inner.begun.remove(&node.id());
        inner.applying.remove(&node.id());
        inner.write(&Line::Start(Box::new(state(node))));
    }

    fn before_step(&self, node: &Node, input: &Input) {
        let begun = (state(node), bare_input(input));
        self.lock().begun.insert(node.id(), begun);
    }

    fn after_step(&self, node: &Node, effects: &Effects) {
        let mut inner = self.lock();
        let Some((before, input)) = inner.begun.remove(&node.id()) else {
            return;
        };
        let step = Step {
            before,
            input,
            effects: bare_effects(effects),
            after: state(node),
        };
        inner.write(&Line::Step(Box::new(step)));
    }

    fn before_apply(&self, id: NodeId, store: &KvStore, entry: &Entry) {
        if let Some(applying) = Applying::of(store, entry) {
            self.lock().applying.insert(id, applying);
        }
    }

    fn after_apply(&self, id: NodeId, store: &KvStore, _: &Entry, reply: Option<&Reply>) {
        let mut inner = self.lock();
        if let Some(applying) = inner.applying.remove(&id) {
            inner.write(&Line::Applied(applying.done(id, store, reply)));
        }
    }

    fn restored(&self, id: NodeId, store: &KvStore) {
        self.lock().write(&Line::Restored(Restored::of(id, store)));
    }
}

fn state(node: &Node) -> State {
    State {
        server: Seen::of(node),
        log: Runs::of(node.log()),
    }
}

fn bare_input(input: &Input) -> Input {
    match input {
        Input::Receive(envelope) => {
            let mut envelope = envelope.clone();
            bare_message(&mut envelope.message);
            Input::Receive(envelope)
        }
        Input::Propose(requests) => {
            let bare = requests.iter().map(|(id, _)| (*id, Bytes::new()));
            Input::Propose(bare.collect())
        }
        Input::SnapshotTaken { index, .. } => Input::SnapshotTaken {
            index: *index,
            data: Bytes::new(),
        },
        other => other.clone(),
    }
}

fn bare_effects(effects: &Effects) -> Effects {
    let mut effects = effects.clone();
    for write in effects
        .persist
        .iter_mut()
        .flat_map(|batch| &mut batch.writes)
    {
        if let DiskWrite::Append(entries) = write {
            entries.iter_mut().for_each(bare_entry);
        }
    }
    for envelope in &mut effects.send {
        bare_message(&mut envelope.message);
    }
    effects.apply.iter_mut().for_each(bare_entry);
    effects
}

fn bare_entry(entry: &mut Entry) {
    if let Payload::Command(bytes) = &mut entry.payload {
        *bytes = Bytes::new();
    }
}

fn bare_message(message: &mut Message) {
    match message {
        Message::AppendEntries { entries, .. } => entries.iter_mut().for_each(bare_entry),
        // Of a piece of a snapshot it counts where it ends.
        Message::InstallSnapshot { chunk, .. } => {
            chunk.offset = chunk.offset.saturating_add(chunk.bytes.len() as u64);
            chunk.bytes = Bytes::new();
        }
        _ => {}
    }
}
