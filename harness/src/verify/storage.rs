//! The layer that tortures logs of simulated runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Finding, Layer, Order, Verdict, stopwatch};
use crate::cli::{CliError, progress};
use crate::sim::torture::{Log, Tally, logs_of};

/// Larger logs have their bytes tried in longer profiles' other logs: the time goes with the square of the size.
const MOST_BYTES: u64 = 8_000;

/// If so many logs do not open, and fewer do, there is nothing to torture.
const UNOPENED: u64 = 50;

/// Every byte of so many logs.
pub(super) fn torture(order: &Order, stop: &AtomicBool) -> Result<Vec<Layer>, CliError> {
    let elapsed = stopwatch();
    let bar = progress::bar(order.profile.tortured_logs, "logs");
    let (next, opened, unopened) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let results: Mutex<BTreeMap<u64, Vec<Result<Tally, String>>>> = Mutex::default();
    let wanted = order.profile.tortured_logs;
    // A Raft whose logs open no more must not keep this at it for ever.
    let none_opens = || {
        let unopened = unopened.load(Ordering::Relaxed);
        unopened > UNOPENED && unopened > opened.load(Ordering::Relaxed)
    };
    let enough = || {
        if none_opens() {
            return true;
        }
        let results = results.lock().unwrap_or_else(PoisonError::into_inner);
        first(&results, wanted).len() as u64 >= wanted || stop.load(Ordering::Relaxed)
    };
    std::thread::scope(|scope| {
        for _ in 0..order.jobs.max(1) {
            scope.spawn(|| {
                while !enough() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let (logs, left) = logs_of(order.first_seed.saturating_add(number));
                    opened.fetch_add(logs.len() as u64, Ordering::Relaxed);
                    unopened.fetch_add(left, Ordering::Relaxed);
                    let small = logs.iter().filter(|log| is_small(log));
                    let of_seed: Vec<_> = small.map(Log::torture).collect();
                    bar.inc(of_seed.len() as u64);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.insert(number, of_seed);
                }
            });
        }
    });
    bar.finish_and_clear();
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let results = first(&results, wanted);
    let logs = results.len() as u64;
    let mut tally = Tally::default();
    let mut findings = Vec::new();
    for result in results {
        match result {
            Ok(one) => tally.add(*one),
            Err(what) => findings.push(Finding {
                rule: "Storage".to_owned(),
                file: None,
                what: format!("Storage: {what}"),
                replay: None,
                story: None,
            }),
        }
    }
    let verdict = if !findings.is_empty() {
        Verdict::Violation
    } else if logs < wanted || none_opens() {
        Verdict::Undecided
    } else {
        Verdict::Holds
    };
    Ok(vec![Layer {
        name: "storage torture",
        covered: format!(
            "{logs} logs of simulated servers, cut and corrupted at every byte: {} cases, {} refused, {} \
             whole, {} torn tails{}",
            tally.cases,
            tally.refused,
            tally.whole,
            tally.torn,
            if none_opens() {
                "; most logs do not open"
            } else {
                ""
            }
        ),
        verdict,
        seconds: elapsed().as_secs_f64(),
        findings,
        ..Layer::default()
    }])
}

/// The first results, in the order of seeds and without a gap, whoever was faster.
fn first(
    results: &BTreeMap<u64, Vec<Result<Tally, String>>>,
    wanted: u64,
) -> Vec<&Result<Tally, String>> {
    let whole = (0..).map_while(|number| results.get(&number));
    whole
        .flatten()
        .take(usize::try_from(wanted).unwrap_or(usize::MAX))
        .collect()
}

fn is_small(log: &Log) -> bool {
    (1_000..MOST_BYTES).contains(&log.bytes())
}
