//! Numbers as bars in tables: read by eye, by ear, and on paper.

use std::fmt::Write;

use plumb_histories::browser::escape;

use super::super::{Chart, Layer, Measure, Report};
use super::Section;

/// So many of the slowest things are shown.
const SLOWEST: usize = 12;

/// A bar of this share of its cell.
pub(super) fn bar(share: f64) -> String {
    format!(
        "<i style=\"width:{:.1}%\"></i>",
        share.clamp(0.0, 1.0) * 100.0
    )
}

/// What took longest, over all layers.
pub(super) fn slowest(report: &Report) -> Option<Section> {
    let all = report.layers.iter().flat_map(|layer| &layer.slowest);
    let mut all: Vec<&(String, f64)> = all.collect();
    all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    all.truncate(SLOWEST);
    let longest = all.first()?.1.max(f64::MIN_POSITIVE);
    let mut html = String::from("<div class=\"wide\"><table class=\"bars\"><tbody>\n");
    for (name, seconds) in all {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{seconds:.2} s</td><td class=\"bar\">{}</td></tr>",
            escape(name),
            bar(seconds / longest)
        );
    }
    html.push_str("</tbody></table></div>\n");
    Some(Section {
        id: "slowest",
        title: "What took longest",
        html,
    })
}

/// All charts; those of one title share a table, with a column for each layer.
pub(super) fn charts(report: &Report) -> Option<Section> {
    let mut titles: Vec<&str> = Vec::new();
    for chart in report.layers.iter().flat_map(|layer| &layer.charts) {
        if !titles.contains(&chart.title) {
            titles.push(chart.title);
        }
    }
    let of = |title: &str| -> Vec<(&Layer, &Chart)> {
        let charts = |layer| {
            let layer: &Layer = layer;
            let found = layer.charts.iter().find(|chart| chart.title == title);
            found.map(|chart| (layer, chart))
        };
        report.layers.iter().filter_map(charts).collect()
    };
    let html: String = titles
        .iter()
        .map(|title| table(title, &of(title)))
        .collect();
    (!html.is_empty()).then_some(Section {
        id: "covered",
        title: "What was covered",
        html,
    })
}

fn table(title: &str, charts: &[(&Layer, &Chart)]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for bar in charts.iter().flat_map(|(_, chart)| &chart.bars) {
        if !names.contains(&bar.name.as_str()) {
            names.push(&bar.name);
        }
    }
    let values = charts.iter().flat_map(|(_, chart)| &chart.bars);
    let largest = values.map(|bar| bar.value).fold(0.0, f64::max);
    let several = if charts.len() > 1 { " two" } else { "" };
    let unit = charts
        .first()
        .map_or(String::new(), |(_, chart)| match chart.measure {
            Measure::Linear => chart.unit.to_owned(),
            Measure::Logarithmic => format!("{}; ten times as many are a step more", chart.unit),
        });
    let mut html = format!(
        "<h3>{title} <small>{unit}</small></h3>\n<div class=\"wide\"><table class=\"bars{several}\"><thead><tr><th></th>"
    );
    for (layer, _) in charts.iter().filter(|_| charts.len() > 1) {
        let name = escape(layer.name);
        let _ = write!(html, "<th scope=\"col\" colspan=\"2\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for name in names {
        let value = |chart: &Chart| {
            let found = chart.bars.iter().find(|bar| bar.name == name);
            found.map(|bar| bar.value)
        };
        let everywhere_zero = charts
            .iter()
            .all(|(_, chart)| value(chart).is_none_or(|value| value == 0.0));
        let class = if everywhere_zero {
            " class=\"never\""
        } else {
            ""
        };
        let _ = write!(html, "<tr{class}><th scope=\"row\">{}</th>", escape(name));
        for (_, chart) in charts {
            html.push_str(&cells(chart, value(chart), largest));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn cells(chart: &Chart, value: Option<f64>, largest: f64) -> String {
    match value {
        None => "<td class=\"number\">–</td><td></td>".to_owned(),
        Some(0.0) => "<td class=\"number\">0</td><td>never seen: not covered</td>".to_owned(),
        Some(value) => format!(
            "<td class=\"number\">{value}</td><td class=\"bar\">{}</td>",
            bar(chart.share(value, largest))
        ),
    }
}
