//! The front door: judges every part of a history, on as many threads as allowed, and puts the verdict
//! together. Nothing here depends on how the parts were shared out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use plumb_histories::History;

use crate::budget::{Meter, Shared};
use crate::explain;
use crate::intake::{Intake, Taken};
use crate::linear::{Finding, Outcome, Rules, decide};
use crate::report::{Part as PartReport, PartOutcome};
use crate::{
    Algorithm, CheckError, Consistency, Limit, Options, PartWitness, Reason, Report, Verdict,
    Witness,
};
use crate::{txn, weak};

/// Judges a history.
///
/// ```
/// use plumb_checkers::{Options, Spec, check};
/// use plumb_histories::{Header, Recorder, Value};
///
/// let mut recorder = Recorder::new(Header::default());
/// recorder.invoke(0, 0, "write", None, Value::Int(1), None);
/// recorder.ok(1, 0, Value::Int(1));
/// recorder.invoke(2, 1, "read", None, Value::Null, None);
/// recorder.ok(3, 1, Value::Null);
/// let options = Options::new(Spec::by_name("register")?);
/// let report = check(&recorder.finish(), &options)?;
/// assert!(report.verdict.is_violation());
/// println!("{}", report.verdict);
/// # Ok::<(), plumb_checkers::CheckError>(())
/// ```
///
/// # Errors
/// If the history does not fit the specification: an unknown operation, a value of the wrong shape.
pub fn check(history: &History, options: &Options) -> Result<Report, CheckError> {
    let mut intake = Intake::new(options)?;
    intake.push_all(history)?;
    intake.finish()
}

/// As [`check`], until the flag is set: then what is undecided is unknown.
///
/// # Errors
/// As [`check`].
pub fn check_until(
    history: &History,
    options: &Options,
    stop: &AtomicBool,
) -> Result<Report, CheckError> {
    let mut intake = Intake::new(options)?;
    intake.push_all(history)?;
    intake.finish_until(stop)
}

/// What one part came to.
struct Judged {
    algorithm: Algorithm,
    steps: u64,
    memory: usize,
    outcome: Outcome,
    /// It was given up for now.
    is_hard: bool,
}

/// Judges what was taken in.
pub(crate) fn judge(
    taken: &Taken,
    options: &Options,
    stop: Option<&AtomicBool>,
) -> Result<Report, CheckError> {
    if options.consistency.is_transactional() {
        return txn::check(taken, options, &Shared::new(options.budget, stop));
    }
    if options.consistency != Consistency::Linearizable {
        return weak::check(taken, options, &Shared::new(options.budget, stop));
    }
    Ok(check_parts(taken, options, stop))
}

fn check_parts(taken: &Taken, options: &Options, stop: Option<&AtomicBool>) -> Report {
    let shared = Shared::new(options.budget, stop);
    let rules = Rules {
        spec: &*options.spec.0,
        init: &options.init,
        tables: &taken.tables,
    };
    let judged = judge_all(taken, rules, options, &shared, FIRST_STEPS);
    let mut parts = Vec::with_capacity(judged.len());
    let mut witness = Witness::default();
    let mut violation: Option<(usize, Finding, u64)> = None;
    let mut unknown: Option<(usize, Limit)> = None;
    let mut undecided = 0;
    for (number, judged) in judged.into_iter().enumerate() {
        let part = &taken.parts[number];
        let key = taken.tables.value(part.key).cloned();
        let outcome = match judged.outcome {
            Outcome::Valid(order) => {
                if options.witness {
                    witness.parts.push(PartWitness {
                        key: key.clone(),
                        order,
                    });
                }
                PartOutcome::Valid
            }
            Outcome::Violation(finding) => {
                violation.get_or_insert((number, finding, judged.steps));
                PartOutcome::Violation
            }
            Outcome::Unknown(limit) => {
                undecided += 1;
                unknown.get_or_insert((number, limit));
                PartOutcome::Unknown
            }
        };
        parts.push(PartReport {
            key,
            operations: part.recorded,
            algorithm: judged.algorithm,
            outcome,
            steps: judged.steps,
            memory: judged.memory,
        });
    }
    let verdict = if let Some((number, finding, steps)) = violation {
        match explain::counterexample(taken, number, (&finding, steps), rules, options, &shared) {
            Ok(counterexample) => Verdict::Violation(Box::new(counterexample)),
            Err(limit) => Verdict::Unknown(Reason {
                limit,
                key: parts[number].key.clone(),
                decided: parts.len() - undecided - 1,
                undecided: undecided + 1,
            }),
        }
    } else if let Some((number, limit)) = unknown {
        Verdict::Unknown(Reason {
            limit,
            key: parts[number].key.clone(),
            decided: parts.len() - undecided,
            undecided,
        })
    } else {
        Verdict::Valid(witness)
    };
    Report {
        verdict,
        spec: options.spec.name().to_owned(),
        consistency: options.consistency,
        operations: taken.operations,
        parts,
    }
}

/// A history of fewer operations is small.
const SMALL: usize = 2_000;
/// What has taken fewer steps so far is easy.
const EASY_STEPS: u64 = 100_000;
/// A part gets so many steps, and so many an operation, before all others have had as many: once one is violated, the
/// hard ones need not be decided.
const FIRST_STEPS: (u64, u64) = (2_000_000, 100);

fn judge_all(
    taken: &Taken,
    rules: Rules<'_>,
    options: &Options,
    shared: &Shared<'_>,
    first_steps: (u64, u64),
) -> Vec<Judged> {
    let several = taken.parts.len() > 1;
    let judge = |number: usize, first: bool| {
        let part = &taken.parts[number];
        let mut meter = shared.meter();
        let (mut algorithm, mut outcome) = (Algorithm::Search, settled());
        let mut whole = |meter: &mut Meter<'_>| {
            (algorithm, outcome) = decide(part, rules, meter);
            match &outcome {
                Outcome::Unknown(limit @ Limit::Steps { .. }) => Err(limit.clone()),
                _ => Ok(()),
            }
        };
        let is_hard = first && several && {
            let steps = first_steps.0 + first_steps.1 * part.ops.len() as u64;
            meter.limited(steps, &mut whole).is_none()
        };
        if is_hard {
            outcome = settled();
        } else if !(first && several) {
            drop(whole(&mut meter));
        }
        if let Outcome::Valid(order) = &mut outcome {
            if options.witness {
                for place in order {
                    *place = part.ops[*place as usize].number;
                }
            } else {
                *order = Vec::new();
            }
        }
        Judged {
            algorithm,
            steps: meter.steps(),
            memory: meter.peak(),
            outcome,
            is_hard,
        }
    };
    let all: Vec<usize> = (0..taken.parts.len()).collect();
    let mut judged = share_out(taken, options, &all, &|number| judge(number, true));
    let is_violated = |one: &Judged| matches!(one.outcome, Outcome::Violation(_));
    if judged.iter().any(is_violated) {
        return judged;
    }
    let hard: Vec<usize> = all
        .into_iter()
        .filter(|number| judged[*number].is_hard)
        .collect();
    let again = share_out(taken, options, &hard, &|number| judge(number, false));
    for (number, again) in hard.into_iter().zip(again) {
        judged[number] = again;
    }
    judged
}

/// What is said of a part that nobody needs to know of.
fn settled() -> Outcome {
    Outcome::Unknown(Limit::Open {
        what: "another object is violated, which settles the history".to_owned(),
    })
}

/// Judges parts, on as many threads as allowed; in their order.
fn share_out(
    taken: &Taken,
    options: &Options,
    parts: &[usize],
    judge: &(dyn Fn(usize) -> Judged + Sync),
) -> Vec<Judged> {
    let jobs = options.jobs.min(parts.len());
    // To start a thread costs as much as to judge a hundred operations: the few of a small history are
    // judged here, until they turn out to be hard.
    let small = taken.parts.iter().map(|part| part.ops.len()).sum::<usize>() < SMALL;
    let mut done = Vec::with_capacity(parts.len());
    let mut steps = 0;
    while done.len() < parts.len() && (jobs <= 1 || (small && steps < EASY_STEPS)) {
        let judged = judge(parts[done.len()]);
        steps += judged.steps;
        done.push((done.len(), judged));
    }
    let next = AtomicUsize::new(done.len());
    if done.len() == parts.len() {
        return done.into_iter().map(|(_, judged)| judged).collect();
    }
    let done = Mutex::new(done);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(part) = parts.get(number) else {
                        break;
                    };
                    let judged = judge(*part);
                    done.lock()
                        .expect("no thread panics while it holds the lock")
                        .push((number, judged));
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .expect("no thread panics while it holds the lock");
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, judged)| judged).collect()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a helper that fails is a test that fails"
    )]

    use plumb_histories::{Header, Recorder, Value};

    use super::*;
    use crate::{Budget, Spec};

    /// Many writes and reads of one register, and of another a read of something, with few steps for each at first.
    fn judged(read: i64) -> Vec<Judged> {
        let mut recorder = Recorder::new(Header::default());
        let mut time = 0;
        let mut record = |f: &str, key: &str, asked: Value, told: i64| {
            recorder.invoke(time, 0, f, Some(key.into()), asked, None);
            recorder.ok(time + 1, 0, Value::Int(told));
            time += 2;
        };
        for value in 0..30 {
            record("write", "long", Value::Int(value), value);
            record("read", "long", Value::Null, value);
        }
        record("write", "short", Value::Int(1), 1);
        record("read", "short", Value::Null, read);
        let options = Options::new(Spec::by_name("register").unwrap());
        let mut intake = Intake::new(&options).unwrap();
        intake.push_all(&recorder.finish()).unwrap();
        let taken = intake.close().unwrap();
        let rules = Rules {
            spec: &*options.spec.0,
            init: &options.init,
            tables: &taken.tables,
        };
        let shared = Shared::new(Budget::default(), None);
        judge_all(&taken, rules, &options, &shared, (20, 0))
    }

    #[test]
    fn what_is_hard_is_decided_unless_something_easy_is_violated() {
        let fine = judged(1);
        assert!(
            fine.iter()
                .all(|one| matches!(one.outcome, Outcome::Valid(_)))
        );
        assert!(fine[0].steps > 20, "it was hard: {}", fine[0].steps);
        let wrong = judged(2);
        assert!(matches!(wrong[1].outcome, Outcome::Violation(_)));
        assert!(wrong[0].is_hard && matches!(wrong[0].outcome, Outcome::Unknown(_)));
    }
}
