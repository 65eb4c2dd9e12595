//! A gate before everything that comes to a node from outside. While it is shut the node is frozen, as by
//! SIGSTOP, a long collection of garbage, or a virtual machine that is moved: time and the network go on, and
//! it does nothing.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::lock;

/// The gate. Clones are the same gate; it is open at first.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    shut: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Nothing passes from now on.
    pub fn shut(&self) {
        lock(&self.state).shut = true;
    }

    /// Everything passes again, those first who have waited longest.
    pub fn open(&self) {
        let waiting = {
            let mut state = lock(&self.state);
            state.shut = false;
            std::mem::take(&mut state.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }

    /// Ready while the gate is open.
    pub fn poll_pass(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if !state.shut {
            return Poll::Ready(());
        }
        let known = state
            .waiting
            .iter()
            .any(|waker| waker.will_wake(cx.waker()));
        if !known {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        std::future::poll_fn(|cx| self.poll_pass(cx)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_comes_to_a_shut_gate_passes_once_it_opens() {
        let gate = Gate::default();
        gate.pass().await;
        gate.shut();
        let patience = Duration::from_secs(1);
        assert!(tokio::time::timeout(patience, gate.pass()).await.is_err());
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.open();
        waiting.await.expect("it passes");
    }
}
