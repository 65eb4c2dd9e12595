//! Breadth-first, so that what is found takes the fewest steps.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use serde::Serialize;

use super::local::Claim;
use super::properties::Breach;
use super::scope::Scope;
use super::story::Story;
use super::world::{Action, State, World};
use crate::verify::stopwatch;

/// What a search may use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Bytes after which to give up, about.
    pub max_memory: Option<usize>,
    /// Time after which to give up.
    pub timeout: Option<Duration>,
}

/// How far a search is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Distinct states found.
    pub unique: u64,
    /// Steps computed.
    pub steps: u64,
    /// Steps from the start to the states that are being expanded.
    pub depth: usize,
    /// How many of them there are.
    pub frontier: usize,
    /// Bytes taken, about.
    pub memory: usize,
}

/// How a search ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every reachable state was seen, and all holds.
    Exhausted,
    /// A property broke.
    Violation(Box<Story>),
    /// Nothing broke, but what the scope claims to reach it did not.
    Vacuous(Vec<&'static str>),
    /// It ended before everything was seen.
    Stopped(&'static str),
}

/// What a search found.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// Distinct states.
    pub unique: u64,
    /// Steps between them.
    pub steps: u64,
    /// Steps to the farthest states.
    pub depth: usize,
    /// Every run of so many steps was covered.
    pub covered: usize,
    /// Distinct servers, disk included.
    pub servers: usize,
    /// Distinct messages.
    pub messages: usize,
    /// Bytes taken at most, about.
    pub peak_memory: usize,
    /// The time it took.
    #[serde(serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Whether each claim was shown by some step.
    pub shown: Vec<(&'static str, bool)>,
}

fn seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64())
}

/// A fingerprint is its own hash.
#[derive(Clone, Copy, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed")
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// The states of one depth, one behind the other, each with its place in the order of finding.
#[derive(Default)]
struct Level {
    words: Vec<u32>,
    ends: Vec<u32>,
}

impl Level {
    fn push(&mut self, state: &State) {
        self.words.extend_from_slice(state);
        let end = u32::try_from(self.words.len()).expect("a level of 2^32 words fits no memory");
        self.ends.push(end);
    }

    fn get(&self, at: usize) -> &State {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[start as usize..self.ends[at] as usize]
    }

    fn bytes(&self) -> usize {
        4 * (self.words.capacity() + self.ends.capacity())
    }
}

/// How often the clock, the memory and the stop flag are looked at, in states.
const LOOK_EVERY: usize = 4096;

/// Bytes that a server or message takes with its steps, about: they are heap graphs.
const BYTES_A_VALUE: usize = 4096;

/// Explores a scope to its end. Two states that share their fingerprint of 64 bits count as one: with n
/// states that happens to any two with a probability of about n²/2⁶⁵.
///
/// The search runs on this thread alone, so that it is the same each time.
pub fn check(
    scope: &Scope,
    limits: Limits,
    progress: &mut dyn FnMut(Progress),
    stop: &dyn Fn() -> bool,
) -> Outcome {
    let clock = stopwatch();
    let mut world = World::new(*scope);
    let mut visited: HashSet<u64, BuildHasherDefault<Itself>> = HashSet::default();
    // For each state but the first: where it was found, and by which step.
    let mut origins: Vec<(u32, Action)> = Vec::new();
    let initial = world.initial();
    visited.insert(world.fingerprint(&initial));
    let mut level = Level::default();
    level.push(&initial);
    let (mut first, mut depth, mut steps, mut claims, mut peak) = (0_u32, 0, 0_u64, 0_u32, 0);
    let mut broken: Option<(u32, Action, Breach)> = None;
    let mut stopped = None;
    'levels: while !level.ends.is_empty() && (scope.steps == 0 || depth < scope.steps) {
        let mut next = Level::default();
        for at in 0..level.ends.len() {
            let from = first + at as u32;
            world.successors(level.get(at), &mut |step| {
                steps += 1;
                claims |= step.claims;
                if let Some(breach) = step.breach {
                    broken.get_or_insert((from, step.action, breach));
                } else if visited.insert(step.fingerprint) {
                    origins.push((from, step.action));
                    next.push(step.state);
                }
            });
            if broken.is_some() {
                break 'levels;
            }
            if at % LOOK_EVERY == 0 {
                let (servers, messages) = world.sizes();
                let memory = visited.capacity() * 9
                    + origins.capacity() * size_of::<(u32, Action)>()
                    + level.bytes()
                    + next.bytes()
                    + (servers + messages) * BYTES_A_VALUE;
                peak = peak.max(memory);
                progress(Progress {
                    unique: visited.len() as u64,
                    steps,
                    depth,
                    frontier: level.ends.len(),
                    memory,
                });
                stopped = if stop() {
                    Some("interrupted")
                } else if limits.timeout.is_some_and(|most| clock() > most) {
                    Some("out of time")
                } else if limits.max_memory.is_some_and(|most| memory > most) {
                    Some("out of memory")
                } else {
                    None
                };
                if stopped.is_some() {
                    break 'levels;
                }
            }
        }
        first += level.ends.len() as u32;
        level = next;
        if !level.ends.is_empty() {
            depth += 1;
        }
    }
    let verdict = match (broken, stopped) {
        (Some((from, last, breach)), _) => {
            let way = way(&origins, from, last);
            Verdict::Violation(Box::new(Story::tell(&mut world, &way, breach)))
        }
        (None, Some(why)) => Verdict::Stopped(why),
        (None, None) => {
            let missed: Vec<_> = scope
                .claims
                .iter()
                .filter(|claim| claims & claim.bit() == 0)
                .map(|claim| claim.name())
                .collect();
            if missed.is_empty() {
                Verdict::Exhausted
            } else {
                Verdict::Vacuous(missed)
            }
        }
    };
    let (servers, messages) = world.sizes();
    let covered = if level.ends.is_empty() || matches!(verdict, Verdict::Exhausted) {
        depth
    } else {
        depth.saturating_sub(1)
    };
    Outcome {
        covered,
        verdict,
        unique: visited.len() as u64,
        steps,
        depth,
        servers,
        messages,
        peak_memory: peak,
        elapsed: clock(),
        shown: Claim::ALL
            .iter()
            .map(|claim| (claim.name(), claims & claim.bit() != 0))
            .collect(),
    }
}

/// The steps from the start to the state of this number, and one more.
fn way(origins: &[(u32, Action)], mut from: u32, last: Action) -> Vec<Action> {
    let mut way = vec![last];
    while let Some(before) = from.checked_sub(1) {
        let (earlier, action) = origins[before as usize];
        way.push(action);
        from = earlier;
    }
    way.reverse();
    way
}
