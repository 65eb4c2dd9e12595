//! What a page says without a program: the verdict, the operations that matter, how far an order of
//! them gets, and how to see it again.

use std::fmt::Write;

use super::columns::{key_text, value_text};
use super::markdown;
use super::template::escape;
use super::{PageAttempt, PageInput, PageOutcome, PageVerdict};
use crate::{History, Operation, Outcome};

/// Attempts are shown up to so many; the program tells the rest apart on the timeline.
const ATTEMPTS: usize = 4;
/// The core is listed up to so many operations.
const CORE: usize = 200;
/// A value within a sentence is at most this long.
const VALUE: usize = 80;

/// The page's first line: what this is a history of.
pub(super) fn top(history: &History, input: &PageInput) -> String {
    let header = history.header();
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: &str| {
        facts.push(format!(
            "<div><dt>{name}</dt><dd>{}</dd></div>",
            escape(&cut(value, VALUE))
        ));
    };
    for (name, value) in [
        ("specification", &header.spec),
        ("workload", &header.workload),
    ] {
        if let Some(value) = value {
            fact(name, value);
        }
    }
    if let Some(seed) = header.seed {
        fact("seed", &seed.to_string());
    }
    fact("operations", &grouped(history.operations().len() as u64));
    if !history.nemesis().is_empty() {
        let begun = history.nemesis().iter().filter(|e| e.f == "begins").count();
        let faults = if begun == 0 {
            history.nemesis().len()
        } else {
            begun
        };
        fact("faults", &grouped(faults as u64));
    }
    let last = history.events().iter().map(|event| event.time_ns).max();
    if let Some(last) = last.filter(|last| *last > 0) {
        fact("length", &duration(last));
    }
    if let Some(build) = &header.build {
        fact("build", build);
    }
    let title = if input.title.is_empty() {
        "A history"
    } else {
        &input.title
    };
    let brand = match &input.index {
        Some(index) => format!(
            "<a class=\"brand\" href=\"{}\">Plumbline</a>",
            escape(index)
        ),
        None => "<span class=\"brand\">Plumbline</span>".to_owned(),
    };
    format!(
        "{brand}<span class=\"title\">{}</span>\n<dl class=\"facts\">{}</dl>",
        escape(title),
        facts.concat()
    )
}

/// The verdict in words, with what it rests on.
pub(super) fn verdict(history: &History, input: &PageInput) -> String {
    let mut html = String::new();
    match &input.verdict {
        None => html.push_str(
            "<header class=\"say unknown\"><h1>Not judged</h1><p class=\"why\">This page shows what \
             clients saw. No checker was asked about it.</p></header>\n",
        ),
        Some(verdict) => judged(&mut html, history, verdict, input),
    }
    if input.verdict.is_none()
        && let Some(replay) = &input.replay
    {
        html.push_str(&command(replay));
    }
    if !input.story.is_empty() || input.readme.is_some() {
        html.push_str("<details class=\"story\"><summary>The story of this history</summary>\n");
        if let Some(readme) = &input.readme {
            let _ = write!(
                html,
                "<div class=\"readme\">\n{}</div>\n",
                markdown::html(readme)
            );
        }
        for paragraph in &input.story {
            let _ = writeln!(html, "<p>{}</p>", escape(paragraph));
        }
        html.push_str("</details>\n");
    }
    html
}

fn judged(html: &mut String, history: &History, verdict: &PageVerdict, input: &PageInput) {
    let name = verdict.outcome.name();
    let mark = match verdict.outcome {
        PageOutcome::Valid => "✓",
        PageOutcome::Violation => "✕",
        PageOutcome::Unknown => "?",
    };
    let _ = write!(
        html,
        "<header class=\"say {name}\">\n<h1><span class=\"mark\" aria-hidden=\"true\">{mark}</span>{}</h1>\n",
        escape(&verdict.headline)
    );
    for paragraph in &verdict.explanation {
        let _ = writeln!(
            html,
            "<p class=\"why\">{}</p>",
            escape(&cut(paragraph, 1_200))
        );
    }
    if let Some(rule) = &input.rule {
        let _ = writeln!(
            html,
            "<p class=\"rule\"><span>The rule that prevents it</span> {}</p>",
            escape(rule)
        );
    }
    if let Some(at) = verdict.at_ns {
        let _ = writeln!(
            html,
            "<p><a href=\"#t={at}\">Go to the moment it broke: {}</a></p>",
            duration(at)
        );
    }
    if let Some(replay) = &input.replay {
        html.push_str(&command(replay));
    }
    html.push_str("</header>\n");
    let core: Vec<Operation<'_>> = verdict
        .core
        .iter()
        .filter(|number| (**number as usize) < history.operations().len())
        .take(CORE)
        .map(|number| history.operation(*number as usize))
        .collect();
    if !core.is_empty() {
        core_section(html, history, verdict, &core);
    }
    if !verdict.details.is_empty() {
        html.push_str("<section class=\"details\">\n<ul>\n");
        for line in &verdict.details {
            let _ = writeln!(html, "<li>{}</li>", escape(&cut(line, 600)));
        }
        html.push_str("</ul></section>\n");
    }
    if !verdict.notes.is_empty() {
        let notes: Vec<String> = verdict.notes.iter().map(|note| escape(note)).collect();
        let _ = writeln!(html, "<p class=\"notes\">{}</p>", notes.join(" "));
    }
}

fn command(replay: &str) -> String {
    format!(
        "<p class=\"replay\"><span>See it again</span> <code>{}</code> <button type=\"button\" \
         class=\"copy\" hidden>Copy</button></p>\n",
        escape(replay)
    )
}

fn core_section(
    html: &mut String,
    history: &History,
    verdict: &PageVerdict,
    core: &[Operation<'_>],
) {
    let one = verdict.core.len() == 1;
    let _ = write!(
        html,
        "<section class=\"core\" aria-labelledby=\"core-title\">\n<div class=\"lifted\">\n<h2 \
         id=\"core-title\">{}</h2>\n<div id=\"core-picture\"></div>\n",
        if one {
            "The operation that nothing explains".to_owned()
        } else {
            format!(
                "The {} operations that no order explains",
                verdict.core.len()
            )
        }
    );
    let _ = write!(
        html,
        "<details class=\"core-list\"><summary>As a list</summary>\n<table>\n<thead><tr><th \
         scope=\"col\">Operation</th><th scope=\"col\">Process</th><th scope=\"col\">Invoked</th><th \
         scope=\"col\">Completed</th><th scope=\"col\">Server</th></tr></thead>\n<tbody>\n"
    );
    let stuck = verdict
        .attempts
        .first()
        .map(|attempt| attempt.stuck as usize);
    for operation in core {
        let (asked, told) = (operation.invocation, operation.completion);
        let class = if Some(operation.number) == stuck {
            " class=\"stuck\""
        } else {
            ""
        };
        let _ = writeln!(
            html,
            "<tr{class}><td><a href=\"#op={}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            operation.number,
            action(operation),
            asked.process,
            duration(asked.time_ns),
            match (operation.outcome(), told) {
                (Outcome::Indeterminate, _) | (_, None) => "never known".to_owned(),
                (_, Some(event)) => duration(event.time_ns),
            },
            escape(asked.node.as_deref().unwrap_or("–")),
        );
    }
    html.push_str("</tbody></table></details>\n</div>\n");
    if !verdict.cycle.is_empty() {
        cycle_list(html, history, verdict);
    }
    if !verdict.attempts.is_empty() {
        html.push_str("<div class=\"attempts\">\n<h2>Why no order works</h2>\n");
        // One says what is wrong; the others would push the timeline off the screen.
        let others = verdict.attempts.len().min(ATTEMPTS) - 1;
        for (place, attempt) in verdict.attempts.iter().take(ATTEMPTS).enumerate() {
            if place == 1 {
                let words = match others {
                    1 => "Another order, which ends the same way".to_owned(),
                    _ => format!("{others} other orders, which end the same way"),
                };
                let _ = writeln!(html, "<details class=\"others\"><summary>{words}</summary>");
            }
            attempt_list(html, history, attempt, &verdict.core, verdict.since);
        }
        if others > 0 {
            html.push_str("</details>\n");
        }
        let mut placed = verdict.attempts.iter().flat_map(|attempt| &attempt.steps);
        if placed.any(|step| !verdict.core.contains(&step.operation)) {
            html.push_str(
                "<p class=\"soft\">Grey operations are not needed for the contradiction: it stands even \
                 if they took effect later than they did.</p>\n",
            );
        }
        let more = verdict.attempts.len().saturating_sub(ATTEMPTS);
        if more > 0 {
            let _ = writeln!(
                html,
                "<p class=\"soft\">{more} more orders end the same way.</p>"
            );
        }
        html.push_str("</div>\n");
    }
    html.push_str("</section>\n");
}

/// Each step of a cycle with its reason; `T1` is the first of the core, and so on.
fn cycle_list(html: &mut String, history: &History, verdict: &PageVerdict) {
    let name = |number: u32| {
        let place = verdict.core.iter().position(|op| *op == number);
        place.map_or_else(|| format!("#{number}"), |place| format!("T{}", place + 1))
    };
    let known = |number: u32| (number as usize) < history.operations().len();
    html.push_str(
        "<div class=\"attempts\">\n<h2>Why no order works</h2>\n<p>Each comes before the next, and \
         the last before the first:</p>\n<ol class=\"cycle\">\n",
    );
    let edges = verdict.cycle.iter();
    for edge in edges.filter(|edge| known(edge.from) && known(edge.to)) {
        let _ = writeln!(
            html,
            "<li><a href=\"#op={}\">{}</a> before <a href=\"#op={}\">{}</a>: {}</li>",
            edge.from,
            name(edge.from),
            edge.to,
            name(edge.to),
            escape(&cut(&edge.why, 400))
        );
    }
    html.push_str("</ol>\n</div>\n");
}

/// When an order begins.
fn beginning(history: &History, since: Option<u32>) -> String {
    let since = since.filter(|number| (*number as usize) < history.operations().len());
    let Some(number) = since else {
        return "at first".to_owned();
    };
    let operation = history.operation(number as usize);
    format!(
        "in every order, once <a href=\"#op={number}\">{}</a> <small>process {}</small> has completed",
        action(&operation),
        operation.process()
    )
}

fn attempt_list(
    html: &mut String,
    history: &History,
    attempt: &PageAttempt,
    core: &[u32],
    since: Option<u32>,
) {
    let known = |number: u32| (number as usize) < history.operations().len();
    if !known(attempt.stuck) {
        return;
    }
    html.push_str("<ol class=\"path\">\n");
    if let Some(from) = &attempt.from {
        let _ = writeln!(
            html,
            "<li class=\"from\"><span class=\"what\">{}</span><span class=\"state\">{}</span></li>",
            beginning(history, since),
            escape(&cut(from, VALUE))
        );
    }
    if attempt.from.is_none() && attempt.steps.len() + 1 < core.len() {
        html.push_str("<li class=\"from\"><span class=\"state\">after some others</span></li>\n");
    }
    for step in attempt.steps.iter().filter(|step| known(step.operation)) {
        let operation = history.operation(step.operation as usize);
        let _ = writeln!(
            html,
            "<li{}><span class=\"what\"><a href=\"#op={}\">{}</a> <small>process {}</small></span><span \
             class=\"state\">{}</span></li>",
            if core.contains(&step.operation) {
                ""
            } else {
                " class=\"relaxed\""
            },
            operation.number,
            action(&operation),
            operation.process(),
            escape(&cut(step.state.as_deref().unwrap_or(""), VALUE))
        );
    }
    let stuck = history.operation(attempt.stuck as usize);
    let _ = writeln!(
        html,
        "<li class=\"stuck\"><span class=\"what\"><a href=\"#op={}\">{}</a> <small>process \
         {}</small></span><span class=\"state\">impossible: the state is {}</span></li>\n</ol>",
        stuck.number,
        action(&stuck),
        stuck.process(),
        escape(&cut(&attempt.state, VALUE))
    );
}

/// What was asked and what came back, as HTML: `write 5`, `read → 4`.
fn action(operation: &Operation<'_>) -> String {
    let mut text = operation.f().to_owned();
    if let Some(key) = operation.key() {
        let _ = write!(text, " {}", key_text(key));
    }
    let (argument, told) = (operation.argument(), operation.result());
    let said = value_text(argument);
    match told.map(value_text) {
        // A transaction's result says its steps again, with what they returned.
        Some(told) if told.starts_with('{') && said.starts_with('{') => {
            let _ = write!(text, " {told}");
        }
        Some(told) if argument.is_null() => {
            let _ = write!(text, " → {told}");
        }
        Some(told) if told != said => {
            let _ = write!(text, " {said} → {told}");
        }
        _ if argument.is_null() => {}
        _ => {
            let _ = write!(text, " {said}");
        }
    }
    escape(&cut(&text, VALUE))
}

/// Texts that go on for too long end in an ellipsis.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Nanoseconds as people say them.
fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        1_000_000_000..120_000_000_000 => format!("{:.3} s", ns as f64 / 1e9),
        _ => format!(
            "{} min {:.1} s",
            ns / 60_000_000_000,
            (ns % 60_000_000_000) as f64 / 1e9
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_said_as_people_say_them() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(100), "100");
        assert_eq!(duration(4_231_000_000), "4.231 s");
        assert_eq!(duration(90), "90 ns");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("ééé", 2), "éé…");
        assert_eq!(cut("ééé", 3), "ééé");
    }
}
