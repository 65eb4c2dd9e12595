//! The front door: explore a scope, and say what was found, or that nothing can be said.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::ablations::Ablations;
use crate::action::{RULES, is_rule_of};
use crate::bounds::BoundsError;
use crate::claims::Claim;
use crate::engine::{
    Continuations, End, Found, Progress, Reach, Search, Storage, StorageError, Width,
};
use crate::properties::Property;
use crate::raft::Raft;
use crate::scopes::Scope;
use crate::story::Counterexample;

/// What a check may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Threads that explore, at least 1.
    pub threads: usize,
    /// Time after which to give up.
    pub timeout: Option<Duration>,
    /// Bytes of visited set and frontier in memory after which to give up.
    pub max_memory: Option<usize>,
    /// How wide the fingerprints of visited states are.
    pub width: Width,
    /// Which function the fingerprints are of: with another salt, a second run misses other states than the
    /// first, if either misses any.
    pub salt: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            threads: 1,
            timeout: None,
            max_memory: None,
            width: Width::Standard,
            salt: 0,
        }
    }
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every reachable state was seen, every property holds, every claim was reached.
    Exhausted,
    /// A property is broken.
    Violation(Box<Counterexample>),
    /// Every reachable state was seen and no property is broken, but these claims were not
    /// reached: what holds may hold for want of anything happening. A failure.
    Vacuous(Vec<&'static str>),
    /// Not all was seen, and nothing bad in what was: no verdict.
    Stopped(StopReason),
}

/// Why a check gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Its caller asked it to.
    Interrupted,
    /// Its time was up.
    Timeout,
    /// Its memory was used up.
    Memory,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::Interrupted => "interrupted",
            StopReason::Timeout => "out of time",
            StopReason::Memory => "out of memory",
        })
    }
}

/// A verdict, and what it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Distinct states seen; with symmetry, up to renaming servers.
    pub unique: u64,
    /// Successors computed, and the initial state.
    pub generated: u64,
    /// The fewest steps to the farthest state seen.
    pub max_depth: usize,
    /// All runs of so many steps were covered.
    pub depth_covered: usize,
    /// Wall-clock time, that before it was resumed included.
    #[serde(serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Most bytes that the visited set and the frontier took in memory.
    pub peak_memory: usize,
    /// Those bytes for each distinct state.
    pub bytes_per_state: f64,
    /// Successors computed in a second.
    pub generated_per_second: f64,
    /// Bits of a state's fingerprint, by which it is known again.
    pub fingerprint_bits: u32,
    /// The salt of the fingerprints.
    pub salt: u64,
    /// An upper bound on the chance that any two states shared a fingerprint, so that one was not explored:
    /// n(n-1)/2 pairs, each with a chance of one in 2^bits.
    pub chance_of_a_collision: f64,
    /// The claims, and whether each was reached.
    pub sometimes: Vec<(&'static str, bool)>,
    /// Where progress was asked about, from how many states there is some.
    pub continuations: Option<Continuations>,
    /// How many steps each rule allowed.
    pub rules: Vec<(&'static str, u64)>,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Explores `scope` with the rules in `ablations` removed, until all is seen, a property breaks, a
/// limit is met or `stop` is raised. `progress` is called on this thread, many times a second.
///
/// A counterexample has the fewest steps possible and is the same at each call: where several
/// threads find one, a single thread searches again for the one to show.
///
/// # Errors
/// If the scope's bounds do not fit a packed state.
pub fn check(
    scope: &Scope,
    ablations: Ablations,
    limits: &Limits,
    progress: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Result<Outcome, BoundsError> {
    let storage = Storage::default();
    // With no limit of memory no file is used.
    match check_with_files(scope, ablations, limits, &storage, progress, stop) {
        Ok(outcome) => Ok(outcome),
        Err(CheckError::Bounds(error)) => Err(error),
        Err(CheckError::Storage(error)) => panic!("a file that no search was told to use: {error}"),
    }
}

/// What a check can't work with.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A packed state can't hold the bounds.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// A file is no good.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The same for long checks: frontiers may go to disk, and what was done can be gone on with. A check that
/// is stopped and resumed, any number of times, comes to what one in one go does.
///
/// # Errors
/// If the scope's bounds do not fit a packed state, or a file is no good.
pub fn check_with_files(
    scope: &Scope,
    ablations: Ablations,
    limits: &Limits,
    storage: &Storage,
    progress: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Result<Outcome, CheckError> {
    let raft = Raft::new(scope.bounds, ablations)?.with_symmetry(scope.symmetry);
    let started = now();
    let timed_out = AtomicBool::new(false);
    let halt = AtomicBool::new(false);
    let mut watch = |seen: Progress| {
        if limits.timeout.is_some_and(|most| started.elapsed() >= most) {
            timed_out.store(true, Ordering::Relaxed);
        }
        if timed_out.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
            halt.store(true, Ordering::Relaxed);
        }
        progress(seen);
    };
    let nowhere = Storage::default();
    let mut search = Search {
        raft: &raft,
        properties: scope.properties,
        claims: scope.claims,
        threads: limits.threads.max(1),
        max_memory: limits.max_memory,
        // What was found before a checkpoint has none.
        trail: limits.threads <= 1 && storage.checkpoint.is_none() && storage.resume.is_none(),
        width: limits.width,
        salt: limits.salt,
        storage,
        started,
    };
    let mut found = search.run(&mut watch, &halt)?;
    if matches!(found.end, End::Broken(..)) && !search.trail {
        search.threads = 1;
        search.trail = true;
        // Something is broken: neither a limit nor an impatient caller may lose it any more.
        search.max_memory = None;
        search.storage = &nowhere;
        found = search.run(&mut |_| {}, &AtomicBool::new(false))?;
    }
    let mut continuations = None;
    if matches!(found.end, End::Exhausted) && scope.properties.has(Property::Progress) {
        match search.continuations(stop) {
            Reach::Everywhere(counted) => continuations = Some(counted),
            Reach::Stuck(steps) => found.end = End::Broken(Property::Progress, steps),
            Reach::Stopped => found.end = End::Stopped,
        }
    }
    let reason = if timed_out.load(Ordering::Relaxed) {
        StopReason::Timeout
    } else {
        StopReason::Interrupted
    };
    let elapsed = found.earlier + started.elapsed();
    let outcome = conclude(&raft, scope, limits, found, reason, elapsed);
    Ok(Outcome {
        continuations,
        ..outcome
    })
}

fn conclude(
    raft: &Raft,
    scope: &Scope,
    limits: &Limits,
    found: Found,
    reason: StopReason,
    elapsed: Duration,
) -> Outcome {
    let claimed = Claim::ALL
        .into_iter()
        .filter(|&claim| scope.claims.has(claim));
    let sometimes: Vec<_> = claimed
        .map(|claim| (claim.name(), found.claims.has(claim)))
        .collect();
    let missed: Vec<_> = sometimes
        .iter()
        .filter(|(_, reached)| !reached)
        .map(|&(name, _)| name)
        .collect();
    let verdict = match found.end {
        End::Broken(property, actions) => {
            Verdict::Violation(Box::new(Counterexample::tell(raft, property, &actions)))
        }
        End::Stopped => Verdict::Stopped(reason),
        End::OutOfMemory => Verdict::Stopped(StopReason::Memory),
        End::Exhausted if missed.is_empty() => Verdict::Exhausted,
        End::Exhausted => Verdict::Vacuous(missed),
    };
    let rules = RULES.into_iter().zip(found.rules).enumerate();
    let rules = rules.filter(|&(rule, _)| is_rule_of(raft.features(), rule));
    Outcome {
        verdict,
        unique: found.unique,
        generated: found.generated,
        max_depth: found.depth,
        depth_covered: found.covered,
        elapsed,
        peak_memory: found.peak_memory,
        bytes_per_state: found.peak_memory as f64 / found.unique as f64,
        generated_per_second: found.generated as f64 / elapsed.as_secs_f64().max(1e-3),
        fingerprint_bits: limits.width.bits(),
        salt: limits.salt,
        chance_of_a_collision: limits.width.chance_of_a_collision(found.unique),
        sometimes,
        continuations: None,
        rules: rules.map(|(_, counted)| counted).collect(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "measures the search, which never sees the time"
)]
fn now() -> Instant {
    Instant::now()
}
