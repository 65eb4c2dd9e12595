//! The index of all histories as one page: filters, search and sorting without a request.

use plumb_histories::browser::{BASE_STYLE, escape, fill, for_script};
use serde_json::json;

use super::library::Entry;

const SKELETON: &str = include_str!("assets/index.html");
const STYLE: &str = include_str!("assets/index.css");
const PROGRAM: &str = include_str!("assets/index.js");

/// How an index reaches the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Served: `/history/SLUG`.
    Served,
    /// Written: `history/SLUG.html`.
    Written,
}

/// The index.
#[must_use]
pub fn index(title: &str, entries: &[Entry], links: Links) -> String {
    let (before, after) = match links {
        Links::Served => ("/history/", ""),
        Links::Written => ("history/", ".html"),
    };
    // The rows are there without the program; it sorts and hides them.
    let rows: String = entries
        .iter()
        .map(|entry| row(entry, before, after))
        .collect();
    let data = for_script(&json!(entries).to_string());
    fill(
        SKELETON,
        &[
            ("title", &escape(title)),
            ("style", &format!("{BASE_STYLE}{STYLE}")),
            ("rows", &rows),
            ("count", &entries.len().to_string()),
            ("data", &data),
            ("program", PROGRAM),
        ],
    )
}

fn row(entry: &Entry, before: &str, after: &str) -> String {
    let mark = match entry.verdict.as_str() {
        "valid" => "✓",
        "violation" => "✕",
        "unknown" => "?",
        _ => "–",
    };
    let class = entry.verdict.replace(' ', "-");
    format!(
        "<tr class=\"{}\"><td class=\"verdict\"><span aria-hidden=\"true\">{mark}</span> {}</td><td><a \
         href=\"{before}{}{after}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td><td \
         class=\"number\">{}</td></tr>\n",
        escape(&class),
        escape(&entry.verdict),
        escape(&entry.slug),
        escape(&entry.name),
        escape(&match &entry.mutant {
            Some(mutant) => format!("{} (mutant {mutant})", entry.what),
            None => entry.what.clone(),
        }),
        escape(entry.spec.as_deref().unwrap_or("–")),
        escape(&entry.nemesis.join(", ")),
        entry
            .seed
            .map_or_else(|| "–".to_owned(), |seed| seed.to_string()),
        entry.operations,
    )
}
