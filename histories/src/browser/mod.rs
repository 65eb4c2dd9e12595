//! A history as one HTML file that opens from disk: what a reviewer is sent. It needs no network, runs
//! no framework, and nothing that a history carries can break or script it.
//!
//! The verdict comes in as plain data ([`PageVerdict`]), as do the servers' lanes: this crate judges
//! nothing and knows no Raft.

mod columns;
mod lanes;
mod markdown;
mod plots;
mod template;
mod verdict;
mod words;

use crate::History;

pub use lanes::{MarkKind, ServerChange, ServerLanes, ServerMark, ServerMessage, ServerRole};
pub use plots::{PLOTS_STYLE, plots};
pub use template::{escape, fill, for_script};
pub use verdict::{PageAttempt, PageEdge, PageOutcome, PageStep, PageVerdict};

/// What all pages have in common: colours, type, light and dark, print.
pub const BASE_STYLE: &str = include_str!("assets/base.css");

const SKELETON: &str = include_str!("assets/page.html");
const STYLE: &str = include_str!("assets/page.css");
/// One scope, in the order in which the pieces need each other.
const SCRIPTS: [&str; 12] = [
    include_str!("assets/data.js"),
    include_str!("assets/view.js"),
    include_str!("assets/paint.js"),
    include_str!("assets/timeline.js"),
    include_str!("assets/servers.js"),
    include_str!("assets/messages.js"),
    include_str!("assets/path.js"),
    include_str!("assets/minimap.js"),
    include_str!("assets/core.js"),
    include_str!("assets/panels.js"),
    include_str!("assets/input.js"),
    include_str!("assets/main.js"),
];

/// What a page shows besides its history.
#[derive(Clone, Debug, Default)]
pub struct PageInput {
    /// The page's name: a file, a seed, an entry of the corpus.
    pub title: String,
    /// The verdict, if the history was judged.
    pub verdict: Option<PageVerdict>,
    /// What the servers did meanwhile, if that was recorded.
    pub lanes: Option<ServerLanes>,
    /// The command that shows the run again.
    pub replay: Option<String>,
    /// Where the page that leads here is, relative to it.
    pub index: Option<String>,
    /// The rule that would have prevented it, in a sentence.
    pub rule: Option<String>,
    /// What was written for a reviewer, as Markdown.
    pub readme: Option<String>,
    /// What else a reviewer should know of it, in paragraphs of plain text.
    pub story: Vec<String>,
}

/// The page of a history.
///
/// ```
/// use plumb_histories::browser::{PageInput, page};
/// use plumb_histories::{Header, Recorder, Value};
///
/// let mut recorder = Recorder::new(Header::default());
/// recorder.invoke(0, 0, "write", None, Value::from("</script>"), None);
/// recorder.ok(10, 0, Value::from("</script>"));
/// let html = page(&recorder.finish(), &PageInput::default());
/// assert_eq!(html.matches("</script>").count(), 2); // the data's end and the program's
/// ```
#[must_use]
pub fn page(history: &History, input: &PageInput) -> String {
    let data = columns::encode(history, input);
    let plots = plots(history).map_or_else(String::new, |plots| {
        format!(
            "<details id=\"plots\"><summary>Latency and throughput over time</summary>\n{plots}</details>"
        )
    });
    let program = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPTS.join("\n"));
    let title = if input.title.is_empty() {
        "history"
    } else {
        &input.title
    };
    fill(
        SKELETON,
        &[
            ("title", &escape(title)),
            ("style", &format!("{BASE_STYLE}{STYLE}{PLOTS_STYLE}")),
            ("top", &words::top(history, input)),
            ("verdict", &words::verdict(history, input)),
            ("plots", &plots),
            ("data", &data),
            ("program", &program),
        ],
    )
}
