//! What it costs to hold every step to the specification: beside a simulated run, and offline on recorded steps.
//!
//! Processor time of one thread, so that what else the machine does is not measured.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::conformance::trace::{ReadError, StepRecorder, judge};
use crate::nemesis::{Length, generate};
use crate::scenario::Tier;
use crate::sim::run::{RunOptions, run, run_measured, run_recorded};
use crate::sim::watch::Spared;
use crate::verify::stopwatch;

/// Conformance may make a run take so many times the time, at most.
pub const MOST_RATIO: f64 = 2.0;
/// So many steps a second conform, at least.
pub const LEAST_RATE: f64 = 1e5;

/// The same runs, with conformance and without.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Beside {
    /// In which world.
    pub tier: Tier,
    /// How many runs.
    pub runs: u64,
    /// Steps of their servers.
    pub steps: u64,
    /// Seconds of processor time with conformance.
    pub with: f64,
    /// The same without.
    pub without: f64,
}

impl Beside {
    /// How many times the time a run takes.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.with / self.without.max(1e-9)
    }

    /// Steps that conform in a second that is spent on nothing else.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.steps as f64 / (self.with - self.without).max(1e-9)
    }
}

/// Recorded steps, read and judged.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Offline {
    /// Steps.
    pub steps: u64,
    /// Bytes of their trace.
    pub bytes: u64,
    /// Seconds of processor time.
    pub seconds: f64,
}

impl Offline {
    /// Steps a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.steps as f64 / self.seconds.max(1e-9)
    }
}

/// Runs seeds twice each, taking turns with what comes first.
pub fn beside(tier: Tier, seeds: Range<u64>, mut each: impl FnMut()) -> Beside {
    let mut seen = Beside {
        tier,
        runs: seeds.end - seeds.start,
        steps: 0,
        with: 0.0,
        without: 0.0,
    };
    for seed in seeds {
        let scenario = generate(seed, Length::SHORT, tier);
        let measure = |without_conformance: bool| {
            let time = processor_time();
            let seen = if without_conformance {
                let spared = Spared {
                    conformance: true,
                    ..Spared::default()
                };
                run_measured(&scenario, spared, false)
            } else {
                run(&scenario, RunOptions::default())
            };
            (seen.coverage.steps, time().as_secs_f64())
        };
        let first = seed % 2 == 0;
        let turns = [measure(first), measure(!first)];
        let (without, with) = if first {
            (turns[0], turns[1])
        } else {
            (turns[1], turns[0])
        };
        seen.steps += with.0;
        seen.with += with.1;
        seen.without += without.1;
        each();
    }
    seen
}

/// Records the steps of seeds of the bare tier in memory, and judges them as `plumb conform` does.
///
/// # Errors
/// If what was recorded can't be read: a bug of ours.
pub fn offline(seeds: Range<u64>, mut each: impl FnMut()) -> Result<Offline, ReadError> {
    let mut seen = Offline {
        steps: 0,
        bytes: 0,
        seconds: 0.0,
    };
    for seed in seeds {
        let trace = recorded(seed);
        let time = processor_time();
        let judged = judge(&trace[..], &AtomicBool::new(false), &mut |_| {})?;
        seen.seconds += time().as_secs_f64();
        seen.steps += judged.steps;
        seen.bytes += trace.len() as u64;
        each();
    }
    Ok(seen)
}

fn recorded(seed: u64) -> Vec<u8> {
    let memory = Memory::default();
    let recorder = Arc::new(StepRecorder::new(Box::new(memory.clone())));
    let scenario = generate(seed, Length::SHORT, Tier::Bare);
    drop(run_recorded(
        &scenario,
        RunOptions::default(),
        Some(Arc::clone(&recorder)),
    ));
    recorder.finish().expect("memory takes all that is written");
    let mut bytes = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *bytes)
}

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Time that this thread spends on a processor from now on; on the wall, where the system does not tell.
fn processor_time() -> impl Fn() -> Duration {
    let wall = stopwatch();
    let began = on_processor();
    move || match (began, on_processor()) {
        (Some(began), Some(now)) => now.saturating_sub(began),
        _ => wall(),
    }
}

fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(ns))
}
