//! A figure as SVG: panels one below the other over one axis of time, with the faults across them.
//! Colours are the page's variables, so that light, dark and print need no other picture.

use std::fmt::Write;

use super::super::escape;
use super::bands::{Band, shades};
use super::scale::{Scale, duration, nice_step, short};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 14.0;
const PANEL: f64 = 104.0;
const GAP: f64 = 26.0;
const ROW: f64 = 14.0;
const AXIS: f64 = 34.0;
/// A character of a band's words, about.
const CHARACTER: f64 = 5.6;

/// What the vertical axis measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Duration,
    PerSecond,
}

/// Where the panels of a figure are, and what their axes say.
pub(super) struct Figure<'a> {
    pub name: &'a str,
    /// The figure in words, for those who do not see it.
    pub words: String,
    pub bands: &'a [Band],
    pub last_ns: u64,
    pub unit: Unit,
    pub from: f64,
    pub to: f64,
}

/// Draws into one panel, between the scales of time and of what is measured.
pub(super) type Panel<'a> = (String, Box<dyn Fn(&Scale, &Scale, &mut String) + 'a>);

impl Figure<'_> {
    /// The figure with these panels.
    pub(super) fn svg(&self, panels: &[Panel<'_>]) -> String {
        let time = Scale {
            from: 0.0,
            to: self.last_ns.max(1) as f64,
            low: LEFT,
            high: RIGHT,
            logarithmic: false,
        };
        let rows = self.bands.iter().map(|band| band.row + 1).max();
        let top = rows.unwrap_or(0) as f64 * ROW + 4.0;
        let bottom = top + panels.len() as f64 * (PANEL + GAP);
        let height = bottom + AXIS - 12.0;
        let name = self.name;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"plot-{name} plot-{name}-words\">\
             <title id=\"plot-{name}\">{}</title><desc id=\"plot-{name}-words\">{}</desc>\n",
            escape(&capital(name)),
            escape(&self.words)
        );
        self.draw_bands(&time, top, bottom, &mut svg);
        for (place, (label, draw)) in panels.iter().enumerate() {
            let above = top + place as f64 * (PANEL + GAP) + GAP - 8.0;
            let measure = Scale {
                from: self.from,
                to: self.to,
                low: above + PANEL,
                high: above,
                logarithmic: self.unit == Unit::Duration,
            };
            self.draw_axis(&measure, &mut svg);
            let _ = writeln!(
                svg,
                "<text class=\"p-name\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>",
                above - 5.0,
                escape(label)
            );
            draw(&time, &measure, &mut svg);
        }
        draw_time(&time, bottom - 8.0, &mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_axis(&self, measure: &Scale, svg: &mut String) {
        for tick in measure.ticks(4) {
            let y = measure.place(tick);
            let words = match self.unit {
                Unit::Duration => duration(tick),
                Unit::PerSecond => format!("{}/s", short(tick)),
            };
            let _ = writeln!(
                svg,
                "<path class=\"p-grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text class=\"p-tick\" x=\"{:.1}\" \
                 y=\"{:.1}\" text-anchor=\"end\">{words}</text>",
                LEFT - 6.0,
                y + 3.5
            );
        }
    }

    fn draw_bands(&self, time: &Scale, top: f64, bottom: f64, svg: &mut String) {
        let span = |from_ns: u64, to_ns: Option<u64>| {
            let from = time.place(from_ns as f64);
            let to = time.place(to_ns.unwrap_or(self.last_ns) as f64);
            (from, (to - from).max(1.0))
        };
        for (kind, from_ns, to_ns) in shades(self.bands) {
            let ((x, width), height) = (span(from_ns, to_ns), bottom - 8.0 - top);
            let _ = writeln!(
                svg,
                "<rect class=\"p-shade p-{}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                 height=\"{height:.1}\"/>",
                kind.name()
            );
        }
        for band in self.bands {
            let (x, width) = span(band.from_ns, band.to_ns);
            let y = band.row as f64 * ROW + 1.0;
            let _ = writeln!(
                svg,
                "<g class=\"p-band p-{}\"><title>{}, {}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                 height=\"{:.1}\"/>{}</g>",
                band.kind.name(),
                escape(&band.words),
                when(band),
                ROW - 3.0,
                fitting(if band.alone { &band.words } else { "" }, x, y, width)
            );
        }
    }
}

/// From when to when a fault was at work.
fn when(band: &Band) -> String {
    let from = duration(band.from_ns as f64);
    match band.to_ns {
        None => format!("from {from}, never healed"),
        Some(end) if end == band.from_ns => format!("at {from}"),
        Some(end) => format!("{from} to {}", duration(end as f64)),
    }
}

/// As much of a band's words as its band holds.
fn fitting(words: &str, x: f64, y: f64, width: f64) -> String {
    let room = ((width - 4.0) / CHARACTER).floor().max(0.0) as usize;
    let count = words.chars().count();
    let shown: String = match room {
        0..4 => return String::new(),
        room if room < count => words.chars().take(room - 1).chain(['…']).collect(),
        _ => words.to_owned(),
    };
    format!(
        "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        x + 2.0,
        y + 8.7,
        escape(&shown)
    )
}

fn draw_time(time: &Scale, y: f64, svg: &mut String) {
    let span = time.to - time.from;
    let (unit, one) = match span {
        span if span >= 2e9 => ("s", 1e9),
        span if span >= 2e6 => ("ms", 1e6),
        span if span >= 2e3 => ("µs", 1e3),
        _ => ("ns", 1.0),
    };
    let _ = writeln!(svg, "<path class=\"p-axis\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
    for tick in time.ticks(10) {
        let x = time.place(tick);
        let _ = writeln!(
            svg,
            "<path class=\"p-axis\" d=\"M{x:.1} {y:.1}v4\"/><text class=\"p-tick\" x=\"{x:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{} {unit}</text>",
            y + 16.0,
            short(tick / one)
        );
    }
}

/// A width for windows of time, so that a run has some dozens of them.
pub(super) fn window_ns(last_ns: u64) -> u64 {
    (nice_step(last_ns.max(1) as f64, 60) as u64).max(1)
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
