//! The report as one self-contained HTML file: no network, no scripts, light and dark.

use std::fmt::Write;

use super::{Finding, Layer, Report, Verdict};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1a1c1f; --paper: #fdfdfc; --soft: #6a6f76; --line: #d9dbde;
  --good: #18794e; --bad: #b42318; --open: #9a6700; --panel: #f4f5f6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e9eb; --paper: #15171a; --soft: #9aa0a8;
  --line: #33373d; --good: #4cc38a; --bad: #ff8f82; --open: #e2b340; --panel: #1e2125; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.meta { color: var(--soft); margin: 0 0 1.5rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.holds { color: var(--good); } .violation { color: var(--bad); } .undecided { color: var(--open); }
.verdict { font-weight: 600; white-space: nowrap; }
pre { background: var(--panel); padding: .75rem 1rem; overflow-x: auto; border-radius: 6px;
  font-size: .85rem; } code { font-size: .9em; }
details { margin: .5rem 0; } summary { cursor: pointer; }
section.finding { border-left: 4px solid var(--bad); padding-left: 1rem; margin: 1rem 0; }
@media print { details > * { display: block; } body { max-width: none; } }
";

/// The page.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut page = String::new();
    let (class, words) = verdict(report.verdict);
    let sentence = match report.verdict {
        Verdict::Holds => "Everything asked for holds.",
        Verdict::Violation => "A violation was found.",
        Verdict::Undecided => "Undecided: not everything asked for was finished.",
    };
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Plumbline: {words}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1 class=\"{class}\">{sentence}</h1>\n\
         <p class=\"meta\">{}, profile {}, seeds from {}, {:.1} s</p>\n",
        escape(&report.build),
        report.profile.name,
        report.first_seed,
        report.seconds
    );
    for finding in report.layers.iter().flat_map(|layer| &layer.findings) {
        page.push_str(&render_finding(finding));
    }
    page.push_str(
        "<table>\n<thead><tr><th>Layer</th><th>Verdict</th><th>Time</th><th>Covered</th></tr>\
         </thead>\n<tbody>\n",
    );
    for layer in &report.layers {
        let (class, words) = verdict(layer.verdict);
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"verdict {class}\">{words}</td>\
             <td class=\"number\">{:.1} s</td><td>{}</td></tr>",
            escape(layer.name),
            layer.seconds,
            escape(&layer.covered)
        );
    }
    page.push_str("</tbody>\n</table>\n");
    for layer in report
        .layers
        .iter()
        .filter(|layer| !layer.figures.is_empty())
    {
        page.push_str(&render_figures(layer));
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn render_finding(finding: &Finding) -> String {
    let mut html = format!(
        "<section class=\"finding\">\n<p>{}</p>\n",
        escape(&finding.what)
    );
    if let Some(replay) = &finding.replay {
        let _ = writeln!(html, "<p>See it again: <code>{}</code></p>", escape(replay));
    }
    if let Some(story) = &finding.story {
        let _ = writeln!(html, "<pre>{}</pre>", escape(story));
    }
    html.push_str("</section>\n");
    html
}

fn render_figures(layer: &Layer) -> String {
    let mut html = format!("<h2>{}</h2>\n<table>\n<tbody>\n", escape(layer.name));
    for (name, value) in &layer.figures {
        let value = if value.contains('\n') {
            let first = value.lines().next().unwrap_or_default();
            let rest = escape(value);
            format!(
                "<details><summary>{}</summary><pre>{rest}</pre></details>",
                escape(first)
            )
        } else {
            escape(value)
        };
        let _ = writeln!(html, "<tr><td>{}</td><td>{value}</td></tr>", escape(name));
    }
    html.push_str("</tbody>\n</table>\n");
    html
}

fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Holds => ("holds", "holds"),
        Verdict::Violation => ("violation", "violation"),
        Verdict::Undecided => ("undecided", "undecided"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_run_can_not_break_the_page() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
