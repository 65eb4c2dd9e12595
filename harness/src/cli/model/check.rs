//! `plumb model check`: a scope explored to its end, and what came of it in words.

use std::time::Duration;

use plumb_model::{
    Ablations, Limits, Outcome, Progress, Scope, Storage, Verdict, Width, check_with_files,
};
use serde_json::{Value, json};

use super::units::grouped;
use super::{
    CheckArgs, CliError, Exit, Switch, bad_check, exit_of, interrupt, is_stdout, print, progress,
    write_json,
};

pub(super) fn run_check(args: &CheckArgs) -> Result<Exit, CliError> {
    let scope = with_symmetry(args.scope.resolve()?, args.symmetry)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let record = scope.figures.record();
    let usual = record.map_or((Width::Standard, 0), |record| (record.width, record.salt));
    let limits = Limits {
        threads: args.threads.map_or(cores, usize::from),
        timeout: args.timeout,
        max_memory: args.max_memory,
        width: args.fingerprint.unwrap_or(usual.0),
        salt: args.salt.unwrap_or(usual.1),
    };
    let storage = Storage {
        spill: args.spill.clone(),
        checkpoint: args.checkpoint.clone(),
        resume: args.resume.clone(),
        ..Storage::default()
    };
    let spinner = progress::spinner(&format!("scope {}", scope.name));
    let mut meter = Meter::default();
    let outcome = check_with_files(
        &scope,
        Ablations::NONE,
        &limits,
        &storage,
        &mut |seen| {
            if let Some(line) = meter.line(&seen, spinner.elapsed()) {
                spinner.set_message(line);
            }
        },
        interrupt::flag(),
    )
    .map_err(bad_check)?;
    spinner.finish_and_clear();
    let exit = exit_of(&outcome.verdict);
    if !is_stdout(args.json.as_deref()) {
        print(describe(&scope, &outcome));
    }
    write_json(args.json.as_deref(), &outcome_json(&scope, &outcome))?;
    Ok(exit)
}

fn with_symmetry(scope: Scope, wanted: Option<Switch>) -> Result<Scope, CliError> {
    match wanted {
        Some(Switch::On) if !scope.symmetry => Err(CliError::new(
            "configurations name servers: with membership there is no symmetry",
            "leave --symmetry out",
        )),
        Some(Switch::Off) => Ok(Scope {
            symmetry: false,
            ..scope
        }),
        _ => Ok(scope),
    }
}

/// Live figures, a few times a second.
#[derive(Default)]
pub(in crate::cli) struct Meter {
    shown: Duration,
}

impl Meter {
    pub(in crate::cli) fn line(&mut self, seen: &Progress, elapsed: Duration) -> Option<String> {
        if elapsed < self.shown + Duration::from_millis(200) {
            return None;
        }
        self.shown = elapsed;
        let rate = seen.generated as f64 / elapsed.as_secs_f64().max(1e-3) / 1e6;
        Some(format!(
            "depth {}, {} states, {rate:.1} M steps/s, frontier {}, {} MB",
            seen.depth,
            grouped(seen.unique),
            grouped(seen.frontier as u64),
            seen.memory >> 20
        ))
    }
}

/// The outcome of a check in words.
fn describe(scope: &Scope, outcome: &Outcome) -> String {
    let seconds = outcome.elapsed.as_secs_f64();
    let symmetry = if scope.symmetry {
        ", up to renaming servers"
    } else {
        ""
    };
    let mut text = format!(
        "scope {}: {}; loss, duplication and reordering of messages without bound{symmetry}\n\n",
        scope.name, scope.bounds
    );
    match &outcome.verdict {
        Verdict::Violation(story) => text.push_str(&format!("{story}\n")),
        Verdict::Vacuous(missed) => {
            for claim in missed {
                text.push_str(&format!("never reached: {claim}\n"));
            }
        }
        Verdict::Exhausted | Verdict::Stopped(_) => {
            for (claim, reached) in &outcome.sometimes {
                let verb = if *reached { "reached" } else { "not reached" };
                text.push_str(&format!("  {verb}: {claim}\n"));
            }
        }
    }
    if let Some(from) = outcome.continuations {
        text.push_str(&format!(
            "\n  from {} states more can be committed; from {} only a bound is in the way\n",
            grouped(from.live),
            grouped(from.bounded)
        ));
    }
    text.push_str(&format!(
        "\n{} states, {} steps, depth {}, {seconds:.1} s ({:.1} M steps/s), {} MB\n",
        grouped(outcome.unique),
        grouped(outcome.generated),
        outcome.max_depth,
        outcome.generated as f64 / seconds.max(1e-3) / 1e6,
        outcome.peak_memory >> 20
    ));
    text.push_str(&format!("cut off: {}\n", scope.bounds.cut_off().join(", ")));
    text.push_str(&match &outcome.verdict {
        Verdict::Exhausted => "holds: every reachable state was seen\n".to_owned(),
        Verdict::Violation(story) => format!("violated: {}\n", story.property),
        Verdict::Vacuous(_) => "vacuous: no property broke, but the scope does not reach what it \
                                claims to\n"
            .to_owned(),
        Verdict::Stopped(reason) => format!(
            "unknown: {reason}; nothing broke within {} steps, which were covered in full\n",
            outcome.depth_covered
        ),
    });
    text
}

fn outcome_json(scope: &Scope, outcome: &Outcome) -> Value {
    json!({
        "plumb_model_check": 1,
        "scope": scope.name,
        "bounds": scope.bounds,
        "symmetry": scope.symmetry,
        "outcome": outcome,
    })
}
