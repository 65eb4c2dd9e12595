//! A sweep as a CI system's cases: all seeds as one, and one each for those that did not pass.

use std::path::PathBuf;

use crate::artifacts::replay_command;
use crate::cli::Exit;
use crate::cli::ci::{Case, Kind, Problem};
use crate::sim::sweep::{Plan, Summary};

/// The cases. `saved` has the folders of the failures that this call has seen; of those before it only the seeds are
/// known.
pub(super) fn cases(
    plan: &Plan,
    seconds: f64,
    summary: &Summary,
    saved: &[PathBuf],
    exit: Exit,
) -> Vec<Case> {
    let one = |seed: u64, problem| Case {
        name: format!("seed {seed}"),
        seconds: 0.0,
        problems: Vec::from([problem]),
    };
    let mut all = Case {
        name: format!("seeds {}..{}", plan.seeds.start, plan.seeds.end),
        seconds,
        problems: Vec::new(),
    };
    if exit == Exit::Undecided && summary.undecided.is_empty() {
        let asked = plan.count();
        all.problems
            .push(unknown(format!("{} of {asked} seeds ran", summary.runs)));
    }
    let failures = summary.failures.iter().map(|failure| {
        let name = format!("seed-{}", failure.seed);
        let folder = saved.iter().find(|folder| {
            let last = folder.file_name().and_then(|last| last.to_str());
            last.is_some_and(|last| last.strip_prefix("bare-").unwrap_or(last) == name)
        });
        let mut text = failure.violation.what.clone();
        if let Some(folder) = folder {
            text.push_str(&format!(
                "\nreplay: {}",
                replay_command(plan.system, folder)
            ));
        }
        let problem = Problem {
            kind: Kind::Violation,
            rule: failure.violation.property.clone(),
            text,
            file: folder.map(|folder| folder.join("scenario.json").display().to_string()),
            line: None,
        };
        one(failure.seed, problem)
    });
    let undecided = summary.undecided.iter().map(|seed| {
        let text = format!("seed {seed} could not be decided");
        one(*seed, unknown(text))
    });
    let given_up = summary.given_up.iter().map(|seed| {
        let text = format!(
            "seed {seed} had not ended after {} s",
            plan.give_up.as_secs()
        );
        one(*seed, unknown(text))
    });
    std::iter::once(all)
        .chain(failures)
        .chain(undecided)
        .chain(given_up)
        .collect()
}

fn unknown(text: String) -> Problem {
    Problem {
        kind: Kind::Undecided,
        rule: "unknown".to_owned(),
        text,
        file: None,
        line: None,
    }
}
