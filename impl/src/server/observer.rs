//! Where a simulation or a trace recorder looks in. The server never learns what it is for.

use crate::core::{Effects, Input, Node};
use crate::storage::RecoveryReport;

/// Sees every step of a server's core. Callbacks run within the step: they must not block.
pub trait Observer: Send + Sync {
    /// The server has started with what its disk remembers.
    fn recovered(&self, node: &Node, report: &RecoveryReport);
    /// The core is about to take an input.
    fn before_step(&self, node: &Node, input: &Input);
    /// The core has taken it; the effects are about to be carried out.
    fn after_step(&self, node: &Node, effects: &Effects);
}

/// Nobody looks.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn recovered(&self, _: &Node, _: &RecoveryReport) {}
    fn before_step(&self, _: &Node, _: &Input) {}
    fn after_step(&self, _: &Node, _: &Effects) {}
}
