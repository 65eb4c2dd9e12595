//! Latency and throughput of a run over time, with the faults across them, as Jepsen's checkers draw
//! them: a point an operation, quantiles, and how many ended how. Inline SVG without a program.

mod bands;
mod draw;
mod scale;
mod series;

use std::collections::BTreeSet;
use std::fmt::Write;

use super::escape;
use crate::History;
use draw::{Figure, Panel, Unit, window_ns};
use scale::{Scale, decades, duration};
use series::{OUTCOMES, QUANTILES, Series, series};

/// What the plots look like; colours are those of [`BASE_STYLE`](super::BASE_STYLE).
pub const PLOTS_STYLE: &str = include_str!("../assets/plots.css");

/// The plots of a history as HTML: a table and three figures. `None` if nothing in it took any time.
///
/// Takes time and space by the pixels of the figures, apart from one pass over the operations.
#[must_use]
pub fn plots(history: &History) -> Option<String> {
    let all = series(history);
    let times = history.events().iter().map(|event| event.time_ns);
    let last_ns = times.max().filter(|last| *last > 0)?;
    if all.is_empty() {
        return None;
    }
    let bands = bands::bands(history);
    let of = |name, words, unit, (from, to)| Figure {
        name,
        words,
        bands: &bands,
        last_ns,
        unit,
        from,
        to,
    };
    let took = || {
        all.iter()
            .flat_map(|one| &one.points)
            .map(|one| one.took_ns)
    };
    let window_ns = window_ns(last_ns);
    let every = duration(window_ns as f64);
    let latency = of(
        "latency",
        words_of_latency(&all),
        Unit::Duration,
        decades(took()),
    );
    let quantiles = of(
        "quantiles",
        format!("Quantiles of latency in windows of {every}, for each kind of operation."),
        Unit::Duration,
        decades(took()),
    );
    let rates = Rates::of(&all, window_ns, last_ns);
    let rate = of("rate", rates.words(), Unit::PerSecond, (0.0, rates.most));
    let mut html = String::from("<div class=\"plots\">\n");
    html.push_str(&table(&all));
    figure(
        &mut html,
        &format!(
            "<b>Latency</b>: a point an operation, from its invocation on. {}",
            legend_of_outcomes()
        ),
        &latency.svg(&panels(&all, draw_points)),
    );
    figure(
        &mut html,
        &format!(
            "<b>Quantiles</b> of latency, of all that ended, in windows of {every}. {}",
            legend_of_quantiles()
        ),
        &quantiles.svg(&panels(&all, |one, time, measure, svg| {
            draw_quantiles(one, window_ns, time, measure, svg);
        })),
    );
    figure(
        &mut html,
        &format!(
            "<b>Rate</b>: how many ended how, a second, in windows of {every}. {}",
            legend_of_outcomes()
        ),
        &rate.svg(&panels(&all, |one, time, measure, svg| {
            rates.draw(one, time, measure, svg);
        })),
    );
    html.push_str("</div>\n");
    Some(html)
}

fn panels<'a>(
    all: &'a [Series],
    draw: impl Fn(&Series, &Scale, &Scale, &mut String) + Copy + 'a,
) -> Vec<Panel<'a>> {
    let panel = |one: &'a Series| -> Panel<'a> {
        let draw = move |time: &Scale, measure: &Scale, svg: &mut String| {
            draw(one, time, measure, svg);
        };
        (one.f.clone(), Box::new(draw))
    };
    all.iter().map(panel).collect()
}

fn figure(html: &mut String, caption: &str, svg: &str) {
    let _ = write!(
        html,
        "<figure>\n<figcaption>{caption}</figcaption>\n<div class=\"p-scroll\" tabindex=\"0\" role=\"group\" \
         aria-label=\"Figure, scrolls sideways where the screen is narrow\">\n{svg}</div>\n</figure>\n"
    );
}

/// Kinds of operations with their numbers: what the figures show, for those who would rather read.
fn table(all: &[Series]) -> String {
    let mut html = String::from(
        "<div class=\"p-scroll\"><table class=\"p-table\"><thead><tr><th scope=\"col\">Operation</th>",
    );
    for name in OUTCOMES
        .iter()
        .chain(QUANTILES.iter().map(|(_, name)| name))
    {
        let _ = write!(html, "<th scope=\"col\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for one in all {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(&one.f));
        for count in one.counts() {
            let _ = write!(html, "<td>{count}</td>");
        }
        for took in one.quantiles() {
            let _ = write!(html, "<td>{}</td>", duration(took as f64));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn words_of_latency(all: &[Series]) -> String {
    let told = all.iter().map(|one| {
        let ([ok, fail, info], [median, _, high, slowest]) = (one.counts(), one.quantiles());
        format!(
            "{}: {ok} ok, {fail} fail, {info} info; median {}, 99 % within {}, slowest {}.",
            one.f,
            duration(median as f64),
            duration(high as f64),
            duration(slowest as f64)
        )
    });
    told.collect::<Vec<_>>().join(" ")
}

fn legend_of_outcomes() -> String {
    let key = |class: &str, shape: &str, words: &str| {
        format!(
            "<span class=\"p-key\"><svg viewBox=\"0 0 12 12\" width=\"12\" height=\"12\" aria-hidden=\"true\">\
             <path class=\"{class}\" d=\"M6 6{shape}\"/></svg> {words}</span>"
        )
    };
    [
        key("p-ok", SHAPES[0], "ok"),
        key("p-fail", SHAPES[1], "fail: did not happen"),
        key("p-info", SHAPES[2], "info: nobody knows"),
    ]
    .join(" ")
}

fn legend_of_quantiles() -> String {
    let keys = QUANTILES.iter().enumerate().map(|(place, (_, name))| {
        format!(
            "<span class=\"p-key\"><svg viewBox=\"0 0 26 12\" width=\"26\" height=\"12\" aria-hidden=\"true\">\
             <path class=\"p-line p-q{place}\" d=\"M1 6H25\"/></svg> {name}</span>"
        )
    });
    keys.collect::<Vec<_>>().join(" ")
}

/// A dot, a cross, a triangle: outcomes are told apart without colour, too.
const SHAPES: [&str; 3] = ["h0", "m-2.5-2.5l5 5m0-5l-5 5", "m0-3.5l3.2 6h-6.4z"];
const CLASSES: [&str; 3] = ["p-ok", "p-fail", "p-info"];

/// What was answered first, what is unknown last: the rarer lies on top.
fn draw_points(one: &Series, time: &Scale, measure: &Scale, svg: &mut String) {
    for (outcome, (class, shape)) in CLASSES.iter().zip(SHAPES).enumerate() {
        // A point hides those on the same pixel: a run of a hundred thousand operations is no larger.
        let mut taken = BTreeSet::new();
        let mut path = String::new();
        for point in one.points.iter().filter(|point| point.outcome == outcome) {
            let x = time.place(point.at_ns as f64).round() as i64;
            let y = measure.place(point.took_ns.max(1) as f64).round() as i64;
            if taken.insert((x, y)) {
                let _ = write!(path, "M{x} {y}{shape}");
            }
        }
        if !path.is_empty() {
            let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
}

fn draw_quantiles(one: &Series, window_ns: u64, time: &Scale, measure: &Scale, svg: &mut String) {
    let windows = one.quantiles_over_time(window_ns);
    for place in 0..QUANTILES.len() {
        let (mut path, mut before) = (String::new(), None);
        for (window, of_window) in &windows {
            let x = time.place((*window as f64 + 0.5) * window_ns as f64);
            let y = measure.place(of_window[place].max(1) as f64);
            // Windows without an operation leave a gap; a window alone is a dot.
            let joined = before == Some(*window);
            let _ = write!(path, "{}{x:.1} {y:.1}", if joined { 'L' } else { 'M' });
            if !joined {
                path.push_str("h0");
            }
            before = Some(window + 1);
        }
        let _ = writeln!(svg, "<path class=\"p-line p-q{place}\" d=\"{path}\"/>");
    }
}

/// How many operations ended how, a second.
struct Rates {
    by_kind: Vec<(String, Vec<[f64; 3]>)>,
    /// The middle of each window, in nanoseconds.
    middles: Vec<f64>,
    most: f64,
}

impl Rates {
    fn of(all: &[Series], window_ns: u64, last_ns: u64) -> Rates {
        // A window of its own for the rest would show a fall that nothing but the end of the run explains.
        let windows = usize::try_from((last_ns / window_ns).max(1)).unwrap_or(usize::MAX);
        let bounds = |window: usize| {
            let from = window as f64 * window_ns as f64;
            let whole = window + 1 < windows;
            let to = if whole {
                from + window_ns as f64
            } else {
                last_ns as f64
            };
            (from, to)
        };
        let rates = |one: &Series| {
            let ended = one.ended_over_time(window_ns, windows);
            let rates = ended.into_iter().enumerate().map(|(window, counts)| {
                let (from, to) = bounds(window);
                counts.map(|count| count as f64 * 1e9 / (to - from))
            });
            (one.f.clone(), rates.collect())
        };
        let middle = |window| {
            let (from, to) = bounds(window);
            f64::midpoint(from, to)
        };
        let by_kind: Vec<(String, Vec<[f64; 3]>)> = all.iter().map(rates).collect();
        let every = by_kind.iter().flat_map(|(_, rates)| rates).flatten();
        let most = every.copied().fold(f64::MIN_POSITIVE, f64::max);
        let step = scale::nice_step(most, 4);
        Rates {
            by_kind,
            middles: (0..windows).map(middle).collect(),
            most: (most / step).ceil() * step,
        }
    }

    fn words(&self) -> String {
        let told = self.by_kind.iter().map(|(f, rates)| {
            let most = rates.iter().map(|rate| rate[0]).fold(0.0, f64::max);
            format!("{f}: at most {} ok a second.", scale::short(most))
        });
        told.collect::<Vec<_>>().join(" ")
    }

    fn draw(&self, one: &Series, time: &Scale, measure: &Scale, svg: &mut String) {
        let Some((_, rates)) = self.by_kind.iter().find(|(f, _)| *f == one.f) else {
            return;
        };
        for (outcome, class) in CLASSES.iter().enumerate() {
            if rates.iter().all(|rate| rate[outcome] == 0.0) {
                continue;
            }
            let (mut line, mut marks) = (String::new(), String::new());
            for (rate, middle) in rates.iter().zip(&self.middles) {
                let (x, y) = (time.place(*middle), measure.place(rate[outcome]));
                let _ = write!(
                    line,
                    "{}{x:.1} {y:.1}",
                    if line.is_empty() { 'M' } else { 'L' }
                );
                if rate[outcome] > 0.0 {
                    let _ = write!(marks, "M{x:.1} {y:.1}{}", SHAPES[outcome]);
                }
            }
            let _ = writeln!(
                svg,
                "<path class=\"p-line {class}-line\" d=\"{line}\"/><path class=\"{class}\" d=\"{marks}\"/>"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Recorder, Value};

    fn run(operations: u64) -> History {
        let mut recorder = Recorder::new(Header::default());
        let ms = 1_000_000;
        recorder.nemesis(ms, "begins", Value::from("partition: n1 | <rest>"));
        for number in 0..operations {
            let at = number * ms / 10;
            let f = ["read", "write"][(number % 2) as usize];
            recorder.invoke(at, number, f, None, Value::Null, None);
            match number % 10 {
                3 => recorder.info(at + 50_000, number, Value::Null, Some("timeout")),
                4 => recorder.fail(at + 20_000, number, Value::Null, None),
                _ => recorder.ok(at + 1_000 + number, number, Value::Null),
            }
        }
        recorder.nemesis(9 * ms, "ends", Value::from("partition: n1 | <rest>"));
        recorder.finish()
    }

    #[test]
    fn the_figures_have_each_kind_each_outcome_the_faults_and_names() {
        let html = plots(&run(100)).expect("it took time");
        assert_eq!(html.matches("<svg viewBox=\"0 0 760").count(), 3);
        assert_eq!(html.matches(">write</text>").count(), 3);
        for class in ["\"p-ok\"", "\"p-fail\"", "\"p-info\"", "p-q3"] {
            assert!(html.contains(class), "{class}");
        }
        assert_eq!(html.matches("p-band p-partition").count(), 3);
        assert!(html.contains("partition: n1 | &lt;rest&gt;, 1 ms to 9 ms"));
        assert!(
            html.contains("read: 40 ok, 10 fail, 0 info; median"),
            "{html}"
        );
        for wrong in ["<rest>", "NaN", "=\"inf", "Minf", "Linf"] {
            assert!(!html.contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_steady_rate_stays_steady_to_the_end_whatever_the_last_window_holds() {
        // Ten a millisecond; the run ends at any part of a window.
        for operations in [1_000, 1_001, 1_013, 1_019, 2_503, 9_999] {
            let history = run(operations);
            let all = series(&history);
            let times = history.events().iter().map(|event| event.time_ns);
            let last_ns = times.max().expect("it has events");
            let window_ns = window_ns(last_ns);
            let rates = Rates::of(&all, window_ns, last_ns);
            let total = |window: usize| -> f64 {
                let of_all = rates.by_kind.iter().map(|(_, rates)| rates[window]);
                of_all.flatten().sum()
            };
            let windows = rates.middles.len();
            assert_eq!(windows as u64, last_ns / window_ns, "{operations}");
            for window in 0..windows {
                let steady = total(window) / 10_000.0;
                assert!(
                    (0.7..1.3).contains(&steady),
                    "{operations}: {window} {steady}"
                );
            }
            assert!(rates.middles.is_sorted());
            assert!(rates.middles[windows - 1] < last_ns as f64);
        }
    }

    #[test]
    fn many_operations_make_no_larger_a_picture_than_its_pixels() {
        let (some, many) = (plots(&run(20_000)), plots(&run(200_000)));
        let (some, many) = (some.map_or(0, |it| it.len()), many.map_or(0, |it| it.len()));
        assert!(many < 400_000 && many < some * 4, "{some} {many}");
    }

    #[test]
    fn a_history_without_time_or_without_an_end_has_no_plots() {
        assert_eq!(plots(&History::default()), None);
        let mut recorder = Recorder::new(Header::default());
        recorder.invoke(5, 0, "read", None, Value::Null, None);
        assert_eq!(plots(&recorder.finish()), None);
        let mut recorder = Recorder::new(Header::default());
        recorder.invoke(0, 0, "read", None, Value::Null, None);
        recorder.ok(0, 0, Value::Null);
        assert_eq!(plots(&recorder.finish()), None);
    }
}
