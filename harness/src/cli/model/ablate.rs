//! `plumb model ablate`: the exam of the specification.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use plumb_model::{Ablation, Exam, Limits, Verdict, check, exam};
use serde_json::{Value, json};

use crate::artifacts::{create_folder, write_file};

use super::page::page;
use super::units::grouped;
use super::{
    AblateArgs, CliError, Exit, bad_bounds, interrupt, is_stdout, named_ablation, print, write_json,
};

pub(super) fn run_ablate(args: &AblateArgs) -> Result<Exit, CliError> {
    let chosen: Result<Vec<_>, _> = args.names.iter().map(|name| named_ablation(name)).collect();
    let chosen = chosen?;
    let told = !chosen.is_empty();
    let exams: Vec<Exam> = if told { chosen } else { Ablation::ALL.to_vec() }
        .into_iter()
        .map(exam)
        .collect();
    let show = !is_stdout(args.json.as_deref());
    let mut exit = Exit::Holds;
    let mut rows = Vec::new();
    for exam in &exams {
        let (row, end) = sit(
            exam,
            told && args.pages.is_none(),
            show,
            interrupt::flag(),
            args.pages.as_deref(),
        )?;
        exit = exit.worst(end);
        rows.push(row);
        if interrupt::flag().load(Ordering::Relaxed) {
            exit = exit.worst(Exit::Undecided);
            break;
        }
    }
    if show {
        let caught = rows.iter().filter(|row| row["caught"] == true).count();
        print(format!(
            "\n{caught} of {} ablations were caught\n",
            exams.len()
        ));
    }
    let all = json!({ "plumb_model_ablate": 1, "ablations": rows });
    write_json(args.json.as_deref(), &all)?;
    Ok(exit)
}

/// One exam: searched by one thread, so that its story is always the same.
fn sit(
    exam: &Exam,
    told: bool,
    show: bool,
    stop: &AtomicBool,
    pages: Option<&Path>,
) -> Result<(Value, Exit), CliError> {
    let scope = exam.scope();
    let outcome = check(
        &scope,
        exam.ablations(),
        &Limits::default(),
        &mut |_| {},
        stop,
    )
    .map_err(bad_bounds)?;
    let name = exam.ablation.name();
    let (found, exit) = match &outcome.verdict {
        Verdict::Violation(story) => (
            format!("{} in {} steps", story.property, story.steps.len()),
            Exit::Holds,
        ),
        Verdict::Stopped(reason) => (format!("unknown: {reason}"), Exit::Undecided),
        Verdict::Exhausted | Verdict::Vacuous(_) => (
            format!("NOT CAUGHT: {} holds", exam.breaks),
            Exit::Violation,
        ),
    };
    if show {
        let time = outcome.elapsed.as_secs_f64() * 1e3;
        if told {
            print(format!(
                "without: {}\nscope: {}\n\n",
                scope.about, scope.bounds
            ));
            if let Verdict::Violation(story) = &outcome.verdict {
                print(story.to_string());
            }
        }
        let states = grouped(outcome.unique);
        print(format!(
            "{name:<24} {found:<64} {states:>9} states {time:>7.1} ms\n"
        ));
    }
    if let (Some(folder), Verdict::Violation(story)) = (pages, &outcome.verdict) {
        let command = format!("plumb model ablate {name}");
        let page = page(story, Some(exam.ablation.removed_rule()), &command);
        create_folder(folder)?;
        write_file(&folder.join(format!("{name}.html")), page.as_bytes())?;
    }
    let row = json!({
        "ablation": name,
        "removed_rule": exam.ablation.removed_rule(),
        "expected": exam.breaks.name(),
        "caught": matches!(outcome.verdict, Verdict::Violation(_)),
        "bounds": scope.bounds,
        "outcome": outcome,
    });
    Ok((row, exit))
}
