//! A counterexample of the specification as a page: a sequence diagram, a lane a server and a row a step,
//! beside the words. One file, no script, readable when printed.

use std::fmt::Write as _;

use plumb_histories::browser::escape;
use plumb_model::{Counterexample, Step};

/// Pixels from one lane to the next.
const LANE: usize = 120;
/// The first lane's middle.
const FIRST: usize = 70;
/// A line of text.
const LINE: usize = 17;
/// Letters in a line.
const WRAP: usize = 88;
/// How wide a letter is, about.
const LETTER: usize = 8;
/// Above the first step.
const HEAD: usize = 46;

/// The page; `without` is the rule that was removed, `command` shows it again.
pub(super) fn page(story: &Counterexample, without: Option<&str>, command: &str) -> String {
    let title = without.map_or_else(
        || format!("{} is broken", story.property),
        |rule| format!("Without: {rule}"),
    );
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style><h1>{0}</h1>\
         <p class=\"verdict\"><b>{1}</b> is broken after {2} steps: {3}.</p><p>It says: {4}.</p><p class=\"key\">A lane is a server, a row a step: thick while it leads, dashed \
         while it stands for election. A blue mark is an election won, a green one a commit or a read that is \
         served, a red one a crash. An arrow is a message that the step takes in or counts.</p>",
        escape(&title),
        escape(story.property),
        story.steps.len(),
        escape(&story.reason),
        escape(story.statement),
    );
    out.push_str(&diagram(story));
    out.push_str("<h2>The servers in the end</h2><table><tr><th>server<th>role<th>term<th>vote<th>log<th>commit<th>on disk</tr>");
    for row in &story.servers {
        let _ = write!(
            out,
            "<tr><th>{}<td>{}<td>{}<td>{}<td><code>{}</code><td>{}<td>{}</tr>",
            row.server,
            row.role,
            row.term,
            row.vote,
            escape(&row.log),
            row.commit,
            escape(&row.on_disk)
        );
    }
    let _ = writeln!(
        out,
        "</table><p>No shorter run breaks it. Shown again by <code>{}</code></p></html>",
        escape(command)
    );
    out
}

/// A step with its place.
struct Placed<'a> {
    step: &'a Step,
    lines: Vec<(String, bool)>,
    top: usize,
    height: usize,
}

impl Placed<'_> {
    /// Where arrows begin and end.
    fn y(&self) -> usize {
        self.top + LINE
    }
}

fn diagram(story: &Counterexample) -> String {
    let names: Vec<&str> = story
        .servers
        .iter()
        .map(|row| row.server.as_str())
        .collect();
    let text_x = FIRST + (names.len() - 1) * LANE + 150;
    let mut top = HEAD;
    let mut placed = Vec::new();
    for (number, step) in (1..).zip(&story.steps) {
        let lines = lines_of(number, step);
        let height = (lines.len() * LINE + 14).max(46);
        placed.push(Placed {
            step,
            lines,
            top,
            height,
        });
        top += height;
    }
    let width = text_x + WRAP * LETTER + 20;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {0}\" width=\"{width}\" height=\"{0}\" role=\"img\" \
         aria-label=\"sequence diagram of {1} steps\"><defs><marker id=\"tip\" viewBox=\"0 0 8 8\" \
         refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path \
         d=\"M0 0 8 4 0 8z\" class=\"tip\"/></marker></defs>",
        top + 10,
        placed.len()
    );
    for (at, name) in names.iter().enumerate() {
        let x = FIRST + at * LANE;
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"20\" class=\"name\">{}</text>",
            escape(name)
        );
        lane(&mut svg, &placed, at, x);
    }
    let lane_of = |server: &str| names.iter().position(|name| *name == server);
    // Arrows lie over lanes, and marks over arrows.
    for step in &placed {
        let Some(to) = lane_of(&step.step.server) else {
            continue;
        };
        for arrival in &step.step.arrivals {
            let sent = arrival.sent_in.checked_sub(1).and_then(|at| placed.get(at));
            if let (Some(sent), Some(from)) = (sent, lane_of(&arrival.from)) {
                arrow(&mut svg, (from, sent.y()), (to, step.y()), &arrival.message);
            }
        }
    }
    for step in &placed {
        marks(&mut svg, step, lane_of(&step.step.server), text_x);
    }
    svg.push_str("</svg>");
    svg
}

/// The words of a step: its title, what it changed.
fn lines_of(number: usize, step: &Step) -> Vec<(String, bool)> {
    let title = wrapped(&format!("{number}. {}", step.title));
    let changes = step.changes.iter().flat_map(|change| wrapped(change));
    let title = title.into_iter().map(|line| (line, true));
    title.chain(changes.map(|line| (line, false))).collect()
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > WRAP {
            lines.push(format!("   {word}"));
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

/// A server through time: thin as a follower, dashed as a candidate, thick as a leader.
fn lane(svg: &mut String, placed: &[Placed<'_>], at: usize, x: usize) {
    let mut role = "follower";
    let mut from = 28;
    let mut draw = |role: &str, from: usize, to: usize| {
        let _ = write!(svg, "<path d=\"M{x} {from}V{to}\" class=\"lane {role}\"/>");
    };
    for step in placed {
        let now = step.step.servers[at].role.as_str();
        if now != role {
            draw(role, from, step.y());
            (role, from) = (now, step.y());
        }
    }
    let end = placed.last().map_or(HEAD, |step| step.top + step.height);
    draw(role, from, end);
}

fn arrow(svg: &mut String, from: (usize, usize), to: (usize, usize), message: &str) {
    let x = |lane: usize| FIRST + lane * LANE;
    // It ends at the mark's edge.
    let (x1, x2) = (x(from.0), x(to.0));
    let x2 = if x2 > x1 { x2 - 9 } else { x2 + 9 };
    let _ = write!(
        svg,
        "<path d=\"M{x1} {}L{x2} {}\" class=\"arrow\" marker-end=\"url(#tip)\"><title>{}</title></path>",
        from.1,
        to.1,
        escape(message)
    );
}

fn marks(svg: &mut String, step: &Placed<'_>, lane: Option<usize>, text_x: usize) {
    let y = step.y();
    if let Some(lane) = lane {
        let x = FIRST + lane * LANE;
        let kind = match step.step.rule {
            "CrashAndRestart" => "crash",
            "BecomeLeader" => "elected",
            "AdvanceCommit" | "ServeRead" | "LeaseRead" => "decides",
            _ => "step",
        };
        let row = &step.step.servers[lane];
        let _ = write!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"7\" class=\"{kind}\"/><text x=\"{0}\" y=\"{1}\" \
             class=\"state\">t{2} {3}</text>",
            x + 11,
            y + 15,
            row.term,
            escape(&row.log),
        );
    }
    for ((line, is_title), number) in step.lines.iter().zip(0..) {
        let class = if *is_title { "title" } else { "change" };
        let _ = write!(
            svg,
            "<text x=\"{text_x}\" y=\"{}\" class=\"{class}\" xml:space=\"preserve\">{}</text>",
            y + 4 + number * LINE,
            escape(line)
        );
    }
    let rule = step.top + step.height;
    let _ = write!(
        svg,
        "<path d=\"M{text_x} {rule}h{}\" class=\"rule\"/>",
        WRAP * LETTER
    );
}

const STYLE: &str = "\
:root{--ink:#1b1f24;--soft:#5b6570;--line:#c9d1d9;--page:#fff;--accent:#0b62c4;--bad:#b3261e;--good:#1a7f37}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--line:#3a434d;--page:#0d1117;\
--accent:#6cb0ff;--bad:#ff8a80;--good:#5fd38a}}\
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:24px;max-width:1500px}\
h1{font-size:21px;margin:0 0 8px}h2{font-size:16px}.verdict b{color:var(--bad)}.key{color:var(--soft)}\
svg{max-width:100%;height:auto;display:block;margin:12px 0}\
svg text{font:13px ui-monospace,monospace;fill:var(--ink)}\
svg .name{font-weight:700;text-anchor:middle}svg .title{font-weight:600}\
svg .change,svg .state{fill:var(--soft)}svg .state{font-size:11px;paint-order:stroke;stroke:var(--page);stroke-width:3px}\
.lane{fill:none;stroke:var(--line);stroke-width:2}.lane.candidate{stroke:var(--soft);stroke-dasharray:5 4;\
stroke-width:3}.lane.leader{stroke:var(--accent);stroke-width:5}\
.arrow{fill:none;stroke:var(--soft);stroke-width:1.4}.tip{fill:var(--soft)}\
.rule{stroke:var(--line);stroke-width:.5;opacity:.6}\
.step{fill:var(--page);stroke:var(--ink);stroke-width:2}.crash{fill:var(--bad);stroke:var(--bad)}\
.elected{fill:var(--accent);stroke:var(--accent)}.decides{fill:var(--good);stroke:var(--good)}\
table{border-collapse:collapse}td,th{border:1px solid var(--line);padding:3px 9px;text-align:left}\
code{font:13px ui-monospace,monospace}@media print{body{margin:0}}";
