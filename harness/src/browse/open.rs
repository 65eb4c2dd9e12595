//! A history with everything that lies beside it, judged again, as a page.

use std::io::BufReader;
use std::path::Path;

use plumb_checkers::{Budget, Consistency, Options, Report, Spec, Verdict, check};
use plumb_histories::browser::{PageInput, ServerLanes, page};
use plumb_histories::{Header, History, ReadError, Source, Value, read_source};
use serde_json::{Value as Json, json};

use super::verdict::page_verdict;
use crate::artifacts::replay_command;
use crate::cli::CliError;
use crate::mutants::RULE_HEADING;
use crate::sim::System;

/// A page waits for its verdict no longer than so many steps.
const PAGE_STEPS: u64 = 20_000_000;
/// An index has many histories and judges each for so many.
const INDEX_STEPS: u64 = 1_000_000;

/// What histories are held against where their headers say nothing.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The specification; comes before the header's.
    pub spec: Option<Spec>,
    /// The initial value; comes before the header's.
    pub init: Option<Value>,
    /// How strong a promise is judged; linearizability if not said.
    pub consistency: Option<Consistency>,
}

impl Question {
    fn options(&self, header: &Header) -> Option<Options> {
        let options = match &self.spec {
            Some(spec) => {
                Options::new(spec.clone()).with_init(header.init.clone().unwrap_or_default())
            }
            None => Options::from_header(header).ok().flatten()?,
        };
        let options = match &self.init {
            Some(init) => options.with_init(init.clone()),
            None => options,
        };
        Some(match self.consistency {
            Some(consistency) => options.with_consistency(consistency),
            None => options,
        })
    }

    /// As the flags of `plumb check`.
    fn flags(&self) -> String {
        let mut flags = String::new();
        if let Some(spec) = &self.spec {
            flags.push_str(&format!(" --spec {}", spec.name()));
        }
        if let Some(init) = &self.init {
            flags.push_str(&format!(" --init '{init}'"));
        }
        if let Some(consistency) = self.consistency {
            flags.push_str(&format!(" --consistency {consistency}"));
        }
        flags
    }

    /// The checker's report on a history, in full.
    pub(super) fn judge(&self, history: &History, jobs: usize) -> Option<Result<Report, String>> {
        let options = self.options(history.header())?;
        let options = options
            .with_budget(Budget::steps(PAGE_STEPS))
            .with_jobs(jobs);
        Some(check(history, &options).map_err(|error| error.to_string()))
    }

    /// No more than the verdict, and soon.
    pub(super) fn glance(&self, history: &History) -> Option<Result<&'static str, String>> {
        let mut options = self
            .options(history.header())?
            .with_budget(Budget::steps(INDEX_STEPS));
        options.explain = false;
        options.witness = false;
        let report = check(history, &options).map_err(|error| error.to_string());
        Some(report.map(|report| report.verdict.name()))
    }

    /// The specification's name.
    pub(super) fn spec_name(&self, header: &Header) -> Option<String> {
        self.spec
            .as_ref()
            .map(|spec| spec.name().to_owned())
            .or_else(|| header.spec.clone())
    }
}

/// Reads a history.
///
/// # Errors
/// If it can't be read, with what to do.
pub(super) fn open(path: &Path) -> Result<Source, CliError> {
    let name = path.display().to_string();
    let unreadable = |error: &ReadError| CliError::new(error.to_string(), error.remedy());
    let file = std::fs::File::open(path).map_err(|source| {
        unreadable(&ReadError::Io {
            file: name.clone(),
            source,
        })
    })?;
    read_source(&name, BufReader::with_capacity(1 << 16, file)).map_err(|error| unreadable(&error))
}

/// A JSON file beside a history; one that can't be read is as good as none.
pub(super) fn beside(history: &Path, name: &str) -> Option<Json> {
    let text = std::fs::read_to_string(folder_of(history)?.join(name)).ok()?;
    serde_json::from_str(&text).ok()
}

/// The folder that a history has to itself, as a saved run and an entry of the corpus do.
pub(super) fn folder_of(history: &Path) -> Option<&Path> {
    history.parent().filter(|_| {
        history
            .file_name()
            .is_some_and(|name| name == "history.jsonl")
    })
}

/// The page of the history in a file.
///
/// # Errors
/// If the history can't be read.
pub fn page_of(
    path: &Path,
    title: &str,
    question: &Question,
    index: Option<&str>,
    jobs: usize,
) -> Result<String, CliError> {
    let Source {
        history, warnings, ..
    } = open(path)?;
    let run = beside(path, "verdict.json");
    let judged = question.judge(&history, jobs);
    let readme = text_beside(path, "README.md");
    let mut story = story(path);
    story.extend(warnings);
    if let Some(Err(error)) = &judged {
        story.push(format!("The checker refused this history: {error}"));
    }
    let report = judged
        .and_then(Result::ok)
        .map(|report| report_json(&report));
    let lanes = beside(path, "lanes.json")
        .and_then(|json| serde_json::from_value::<ServerLanes>(json).ok());
    let input = PageInput {
        title: title.to_owned(),
        verdict: page_verdict(&history, run.as_ref(), report.as_ref()),
        lanes,
        replay: Some(replay(path, run.as_ref(), question)),
        index: index.map(ToOwned::to_owned),
        rule: readme.as_deref().and_then(rule),
        readme,
        story,
    };
    Ok(page(&history, &input))
}

/// The report as data. What a verdict carries stands apart: flattened into the report, its names would
/// meet the report's own.
fn report_json(report: &Report) -> Json {
    let carried = match &report.verdict {
        Verdict::Valid(witness) => json!({ "witness": witness.parts }),
        Verdict::Violation(counterexample) => json!({ "counterexample": counterexample }),
        Verdict::Unknown(reason) => json!({ "reason": reason.to_string() }),
    };
    let mut all = json!({
        "verdict": report.verdict.name(),
        "spec": report.spec,
        "consistency": report.consistency,
        "parts": report.parts,
    });
    if let (Some(all), Json::Object(carried)) = (all.as_object_mut(), carried) {
        all.extend(carried);
    }
    all
}

fn text_beside(history: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(folder_of(history)?.join(name)).ok()
}

/// The story of a failure, in paragraphs.
fn story(history: &Path) -> Vec<String> {
    let text = text_beside(history, "story.txt").unwrap_or_default();
    let paragraphs = text.split("\n\n").map(str::trim_end);
    let told = paragraphs.filter(|paragraph| !paragraph.is_empty());
    told.map(ToOwned::to_owned).collect()
}

/// The paragraph in which an entry's README tells which rule prevents it.
fn rule(readme: &str) -> Option<String> {
    let (_, told) = readme.split_once(&format!("\n## {RULE_HEADING}\n\n"))?;
    told.split("\n\n").next().map(ToOwned::to_owned)
}

/// How to see it again: what was saved says so; else the scenario beside it; else the check.
fn replay(path: &Path, run: Option<&Json>, question: &Question) -> String {
    let said = run.and_then(|run| run.get("replay")?.as_str().map(ToOwned::to_owned));
    said.unwrap_or_else(|| match folder_of(path) {
        Some(folder) if folder.join("scenario.json").exists() => {
            replay_command(System::SHIPPED, folder)
        }
        _ => format!(
            "cargo run --release -- check {}{}",
            path.display(),
            question.flags()
        ),
    })
}
