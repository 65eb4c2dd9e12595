//! Where a simulation or a trace recorder looks in. The server never learns what it is for.

use crate::core::{Effects, Input, Node};
use crate::kv::{KvStore, Reply};
use crate::storage::RecoveryReport;
use crate::types::{Entry, NodeId};

/// Sees every step of a server's core. Callbacks run within the step: they must not block.
pub trait Observer: Send + Sync {
    /// The server has started with what its disk remembers.
    fn recovered(&self, node: &Node, report: &RecoveryReport);
    /// The core is about to take an input.
    fn before_step(&self, node: &Node, input: &Input);
    /// The core has taken it; the effects are about to be carried out.
    fn after_step(&self, node: &Node, effects: &Effects);
    /// A server's state machine is about to apply an entry.
    fn before_apply(&self, _: NodeId, _: &KvStore, _: &Entry) {}
    /// It has applied it, with this reply.
    fn after_apply(&self, _: NodeId, _: &KvStore, _: &Entry, _: Option<&Reply>) {}
    /// It is that of a snapshot now.
    fn restored(&self, _: NodeId, _: &KvStore) {}
    /// What waits, after every event.
    fn load(&self, _: &Load) {}
}

/// What waits in a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Clients' calls without an answer.
    pub unanswered: usize,
    /// Batches that are not durable yet.
    pub backlog_batches: usize,
}

/// Two look.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn recovered(&self, node: &Node, report: &RecoveryReport) {
        self.0.recovered(node, report);
        self.1.recovered(node, report);
    }

    fn before_step(&self, node: &Node, input: &Input) {
        self.0.before_step(node, input);
        self.1.before_step(node, input);
    }

    fn after_step(&self, node: &Node, effects: &Effects) {
        self.0.after_step(node, effects);
        self.1.after_step(node, effects);
    }

    fn before_apply(&self, id: NodeId, store: &KvStore, entry: &Entry) {
        self.0.before_apply(id, store, entry);
        self.1.before_apply(id, store, entry);
    }

    fn after_apply(&self, id: NodeId, store: &KvStore, entry: &Entry, reply: Option<&Reply>) {
        self.0.after_apply(id, store, entry, reply);
        self.1.after_apply(id, store, entry, reply);
    }

    fn restored(&self, id: NodeId, store: &KvStore) {
        self.0.restored(id, store);
        self.1.restored(id, store);
    }

    fn load(&self, load: &Load) {
        self.0.load(load);
        self.1.load(load);
    }
}

/// Somebody looks who is needed elsewhere, too.
impl<T: Observer + ?Sized> Observer for std::sync::Arc<T> {
    fn recovered(&self, node: &Node, report: &RecoveryReport) {
        (**self).recovered(node, report);
    }

    fn before_step(&self, node: &Node, input: &Input) {
        (**self).before_step(node, input);
    }

    fn after_step(&self, node: &Node, effects: &Effects) {
        (**self).after_step(node, effects);
    }

    fn before_apply(&self, id: NodeId, store: &KvStore, entry: &Entry) {
        (**self).before_apply(id, store, entry);
    }

    fn after_apply(&self, id: NodeId, store: &KvStore, entry: &Entry, reply: Option<&Reply>) {
        (**self).after_apply(id, store, entry, reply);
    }

    fn restored(&self, id: NodeId, store: &KvStore) {
        (**self).restored(id, store);
    }

    fn load(&self, load: &Load) {
        (**self).load(load);
    }
}

/// Somebody may look.
impl<T: Observer> Observer for Option<T> {
    fn recovered(&self, node: &Node, report: &RecoveryReport) {
        self.iter().for_each(|it| it.recovered(node, report));
    }

    fn before_step(&self, node: &Node, input: &Input) {
        self.iter().for_each(|it| it.before_step(node, input));
    }

    fn after_step(&self, node: &Node, effects: &Effects) {
        self.iter().for_each(|it| it.after_step(node, effects));
    }

    fn before_apply(&self, id: NodeId, store: &KvStore, entry: &Entry) {
        self.iter().for_each(|it| it.before_apply(id, store, entry));
    }

    fn after_apply(&self, id: NodeId, store: &KvStore, entry: &Entry, reply: Option<&Reply>) {
        self.iter()
            .for_each(|it| it.after_apply(id, store, entry, reply));
    }

    fn restored(&self, id: NodeId, store: &KvStore) {
        self.iter().for_each(|it| it.restored(id, store));
    }

    fn load(&self, load: &Load) {
        self.iter().for_each(|it| it.load(load));
    }
}

/// Nobody looks.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn recovered(&self, _: &Node, _: &RecoveryReport) {}
    fn before_step(&self, _: &Node, _: &Input) {}
    fn after_step(&self, _: &Node, _: &Effects) {}
}
