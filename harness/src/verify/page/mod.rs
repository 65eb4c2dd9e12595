//! The report as one self-contained HTML file: no network, no program, light and dark, printable.

mod bars;
mod matrix;

use std::fmt::Write;

use plumb_histories::browser::{BASE_STYLE, PLOTS_STYLE, escape, fill, plots};

use super::{Finding, Layer, Report, ShownRun, Verdict};
use crate::mutants::last_sitting;
use crate::nemesis::Length;
use crate::scenario::Tier;
use crate::sim::{RunOptions, System};

const SKELETON: &str = include_str!("report.html");
const STYLE: &str = include_str!("report.css");

/// A part of the page: its anchor, its title, and what it holds.
struct Section {
    id: &'static str,
    title: &'static str,
    html: String,
}

/// The page. `length` is that of the report's runs: one of them is run again, to be drawn.
#[must_use]
pub fn render(report: &Report, length: Length) -> String {
    let (_, word) = verdict(report.verdict);
    let sections: Vec<Section> = [
        Some(layers(report)),
        bars::slowest(report),
        shown_run(report).and_then(|run| drawn(run, length)),
        bars::charts(report),
        last_sitting().map(|sitting| matrix::section(&sitting)),
        details(report),
    ]
    .into_iter()
    .flatten()
    .collect();
    let contents = sections
        .iter()
        .map(|one| format!("<a href=\"#{}\">{}</a> ", one.id, one.title));
    let told = sections.iter().map(|one| {
        let Section { id, title, html } = one;
        format!("<section id=\"{id}\"><h2>{title}</h2>\n{html}</section>\n")
    });
    let findings = report.layers.iter().flat_map(|layer| &layer.findings);
    fill(
        SKELETON,
        &[
            ("title", word),
            ("style", &format!("{BASE_STYLE}{PLOTS_STYLE}{STYLE}")),
            ("facts", &facts(report)),
            ("verdict", &sentence(report)),
            ("contents", &contents.collect::<String>()),
            ("findings", &findings.map(finding).collect::<String>()),
            ("sections", &told.collect::<String>()),
        ],
    )
}

fn facts(report: &Report) -> String {
    let fact = |name: &str, value: &str| {
        let value = escape(value);
        format!("<div><dt>{name}</dt><dd>{value}</dd></div>")
    };
    [
        fact("profile", report.profile.name),
        fact("first seed", &report.first_seed.to_string()),
        fact("build", &report.build),
        fact("took", &format!("{:.1} s", report.seconds)),
    ]
    .concat()
}

fn sentence(report: &Report) -> String {
    let (class, _) = verdict(report.verdict);
    let (mark, words) = match report.verdict {
        Verdict::Holds => ("✓", "Everything asked for holds."),
        Verdict::Violation => ("✕", "A violation was found."),
        Verdict::Undecided => ("?", "Undecided: not everything asked for was finished."),
    };
    let seeds = match report.seeds {
        Some(seeds) => format!(" --seeds {seeds}"),
        None => String::new(),
    };
    format!(
        "<header class=\"{class}\"><h1><span class=\"mark\" aria-hidden=\"true\">{mark}</span>{words}</h1>\n\
         <p class=\"replay\"><span>The same again</span> <code>cargo run --release -- verify --profile {} \
         --start {}{seeds}</code></p></header>",
        report.profile.name, report.first_seed,
    )
}

fn finding(finding: &Finding) -> String {
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

fn layers(report: &Report) -> Section {
    let longest = report.layers.iter().map(|layer| layer.seconds);
    let longest = longest.fold(0.0, f64::max);
    let mut html = String::from(
        "<div class=\"wide\"><table class=\"layers\">\n<thead><tr><th scope=\"col\">Layer</th><th scope=\"col\">Verdict</th><th \
         scope=\"col\" class=\"number\">Time</th><th scope=\"col\"></th><th scope=\"col\">Covered</th><th \
         scope=\"col\">Seeds</th></tr></thead>\n<tbody>\n",
    );
    for layer in &report.layers {
        let (class, word) = verdict(layer.verdict);
        let seeds = match &layer.seeds {
            Some(seeds) => format!("{} to {}", seeds.start, seeds.end.saturating_sub(1)),
            None => String::new(),
        };
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td class=\"verdict {class}\">{word}</td><td class=\"number\">{:.1} s</td><td \
             class=\"bar\" style=\"min-width:4rem\">{}</td><td class=\"covered\">{}</td><td class=\"number seeds\">{seeds}</td></tr>",
            escape(layer.name),
            layer.seconds,
            bars::bar(layer.seconds / longest.max(f64::MIN_POSITIVE)),
            escape(&layer.covered)
        );
    }
    html.push_str("</tbody>\n</table></div>\n");
    Section {
        id: "layers",
        title: "Layers",
        html,
    }
}

fn shown_run(report: &Report) -> Option<&ShownRun> {
    report
        .layers
        .iter()
        .find_map(|layer| layer.shown_run.as_ref())
}

/// The run again, which gives the same history, and what its clients lived through as pictures.
fn drawn(shown: &ShownRun, length: Length) -> Option<Section> {
    let scenario = (System::SHIPPED.generate)(shown.seed, length, Tier::Full);
    let run = (System::SHIPPED.run)(&scenario, RunOptions::default());
    let html = format!(
        "<p>Seed {}, of all runs of the whole server the one whose clients asked for most: {} operations. \
         Times are simulated.</p>\n<p class=\"replay\"><span>This run again</span> <code>{}</code></p>\n{}",
        shown.seed,
        shown.operations,
        escape(&shown.replay),
        plots(&run.history)?
    );
    Some(Section {
        id: "run",
        title: "A run: latency and throughput",
        html,
    })
}

/// Figures in words, layer by layer.
fn details(report: &Report) -> Option<Section> {
    let told = report.layers.iter().filter(|one| !one.figures.is_empty());
    let html: String = told.map(figures).collect();
    (!html.is_empty()).then_some(Section {
        id: "details",
        title: "In words",
        html,
    })
}

fn figures(layer: &Layer) -> String {
    let mut html = format!(
        "<details><summary>{}</summary>\n<div class=\"wide\"><table class=\"figures\">\n<tbody>\n",
        escape(layer.name)
    );
    for (name, value) in &layer.figures {
        let value = match value.split_once('\n') {
            Some((first, _)) => format!(
                "<details><summary>{}</summary><pre>{}</pre></details>",
                escape(first),
                escape(value)
            ),
            None => escape(value),
        };
        let _ = writeln!(html, "<tr><td>{}</td><td>{value}</td></tr>", escape(name));
    }
    html.push_str("</tbody>\n</table></div></details>\n");
    html
}

/// A verdict's class and its word.
fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Holds => ("holds", "holds"),
        Verdict::Violation => ("violation", "violation"),
        Verdict::Undecided => ("undecided", "undecided"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::charts::Chart;
    use crate::verify::{Bar, Measure, Profile};

    fn report() -> Report {
        let counted = |name, counts: [u64; 2], seconds| Layer {
            name,
            covered: "a < b".to_owned(),
            verdict: Verdict::Holds,
            seconds,
            charts: vec![Chart::of_counts(
                "What happened in simulation",
                "times",
                [("elections begun", counts[0]), ("pauses", counts[1])],
            )],
            slowest: vec![(format!("seed of {name}"), seconds)],
            seeds: Some(5..8),
            ..Layer::default()
        };
        let mut layers = vec![
            counted("simulation, bare", [1_000, 0], 2.0),
            counted("simulation", [10, 3], 8.0),
        ];
        layers[1].shown_run = Some(ShownRun {
            seed: 7,
            operations: 1,
            replay: "plumb sim run --seed 7".to_owned(),
        });
        layers[1].findings.push(Finding {
            rule: "R".to_owned(),
            what: "<script>alert(1)</script>".to_owned(),
            file: None,
            replay: Some("plumb \"x\"".to_owned()),
            story: Some("one\ntwo".to_owned()),
        });
        Report {
            plumb_report: 3,
            build: "b".to_owned(),
            profile: Profile::QUICK,
            seeds: Some(3),
            first_seed: 5,
            layers,
            verdict: Verdict::Violation,
            seconds: 10.0,
        }
    }

    #[test]
    fn the_page_names_layers_seeds_slowest_coverage_the_run_and_the_mutants() {
        let page = render(&report(), Length::SHORT);
        for told in [
            "A violation was found.",
            "verify --profile quick --start 5 --seeds 3",
            "<td class=\"number seeds\">5 to 7</td>",
            "<th scope=\"row\">seed of simulation</th>",
            "<th scope=\"row\">elections begun</th>",
            "<section id=\"run\">",
            "Quantiles</b> of latency",
            "<section id=\"mutants\">",
        ] {
            assert!(page.contains(told), "{told}");
        }
    }

    #[test]
    fn the_report_as_json_is_what_its_schema_says() {
        let schema = include_str!("../../../../docs/schemas/report.json");
        let schema = serde_json::from_str(schema).expect("it is JSON");
        let schema = jsonschema::draft202012::new(&schema).expect("it is a schema");
        let mut whole = serde_json::json!(report());
        if let Some(error) = schema.iter_errors(&whole).next() {
            panic!("at {}: {error}", error.instance_path());
        }
        whole["layers"][0]["else"] = serde_json::json!(1);
        assert!(!schema.is_valid(&whole));
    }

    #[test]
    fn text_from_a_run_can_not_break_the_page_and_nothing_is_fetched() {
        let page = render(&report(), Length::SHORT);
        assert!(!page.contains("<script"), "the report needs no program");
        assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("a &lt; b"));
        for outside in ["src=", "url(", "@import", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn what_one_world_never_saw_is_marked_in_its_own_column() {
        let chart = Chart {
            title: "t",
            unit: "u",
            measure: Measure::Linear,
            bars: vec![Bar {
                name: "n".to_owned(),
                value: 0.0,
            }],
        };
        let mut report = report();
        report.layers[0].charts.push(chart);
        let page = render(&report, Length::SHORT);
        assert_eq!(page.matches("<tr class=\"never\">").count(), 1, "n in t");
        assert_eq!(
            page.matches("never seen").count(),
            2,
            "n, and pauses of bare runs"
        );
    }
}
