//! How fast the specification is explored: by our engine with symmetry and without, and by stateright's checkers.

use std::sync::atomic::{AtomicBool, Ordering};

use plumb_model::{Ablations, Limits, Outcome, Progress, Raft, Scope, Verdict, check};
use serde::Serialize;
use stateright::{Checker, Model};

use crate::verify::stopwatch;

/// So many steps a second with symmetry, on two cores.
pub const LEAST_WITH: f64 = 5e6;
/// And without.
pub const LEAST_WITHOUT: f64 = 8e6;

/// Who explores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Explorer {
    /// Our engine.
    Ours,
    /// stateright's breadth-first checker, which knows no symmetry.
    StaterightBfs,
    /// Its depth-first one.
    StaterightDfs,
}

/// What one exploration took.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// By whom.
    pub explorer: Explorer,
    /// Of which scope.
    pub scope: &'static str,
    /// Whether states that differ in the servers' names only counted as one.
    pub symmetry: bool,
    /// How many threads.
    pub threads: usize,
    /// Distinct states.
    pub unique: u64,
    /// Steps computed.
    pub generated: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Steps a second.
    pub rate: f64,
    /// Most bytes for each state; nobody says so of stateright.
    pub bytes_per_state: Option<f64>,
}

/// Explores a scope by our engine; nothing if `stop` was raised meanwhile.
///
/// # Panics
/// If a named scope does not hold: then speed is the least of its troubles.
pub fn ours(
    scope: &Scope,
    symmetry: bool,
    threads: usize,
    progress: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Option<Row> {
    let scope = Scope { symmetry, ..*scope };
    let limits = Limits {
        threads,
        ..Limits::default()
    };
    let outcome =
        check(&scope, Ablations::NONE, &limits, progress, stop).expect("named scopes fit");
    if let Verdict::Stopped(_) = outcome.verdict {
        return None;
    }
    assert_eq!(outcome.verdict, Verdict::Exhausted, "{}", scope.name);
    let Outcome {
        unique,
        generated,
        elapsed,
        generated_per_second,
        bytes_per_state,
        ..
    } = outcome;
    Some(Row {
        explorer: Explorer::Ours,
        scope: scope.name,
        symmetry,
        threads,
        unique,
        generated,
        seconds: elapsed.as_secs_f64(),
        rate: generated_per_second,
        bytes_per_state: Some(bytes_per_state),
    })
}

/// Explores a scope by one of stateright's checkers: the same model, the same properties.
///
/// # Panics
/// As [`ours`].
pub fn stateright(scope: &Scope, symmetry: bool, threads: usize, stop: &AtomicBool) -> Option<Row> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let raft = Raft::new(scope.bounds, Ablations::NONE).expect("named scopes fit");
    let elapsed = stopwatch();
    let checker = raft.checker().threads(threads);
    let (explorer, (unique, generated)) = if symmetry {
        let dfs = checker.symmetry().spawn_dfs().join();
        (Explorer::StaterightDfs, counts(&dfs))
    } else {
        let bfs = checker.spawn_bfs().join();
        (Explorer::StaterightBfs, counts(&bfs))
    };
    let seconds = elapsed().as_secs_f64();
    Some(Row {
        explorer,
        scope: scope.name,
        symmetry,
        threads,
        unique,
        generated,
        seconds,
        rate: generated as f64 / seconds.max(1e-9),
        bytes_per_state: None,
    })
}

fn counts(checker: &impl Checker<Raft>) -> (u64, u64) {
    (
        checker.unique_state_count() as u64,
        checker.state_count() as u64,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_explorers_count_the_same_and_who_is_stopped_has_no_row() {
        let scope = plumb_model::scope("tiny").expect("it exists");
        let go_on = AtomicBool::new(false);
        for symmetry in [false, true] {
            let ours = ours(scope, symmetry, 2, &mut |_| {}, &go_on).expect("it ends");
            let theirs = stateright(scope, symmetry, 2, &go_on).expect("it ends");
            assert_eq!(ours.unique, theirs.unique);
            assert!(ours.rate > 0.0 && theirs.rate > 0.0);
        }
        let stop = AtomicBool::new(true);
        assert!(ours(scope, true, 2, &mut |_| {}, &stop).is_none());
        assert!(stateright(scope, true, 2, &stop).is_none());
    }
}
