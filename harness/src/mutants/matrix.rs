//! The table mutant × layer, as text, Markdown, HTML and JSON.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{About, Layer, LayerResult, Outcome};

/// The version of the JSON.
const VERSION: u32 = 1;

/// One mutant's results; or the clean code's, which has no header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The mutant.
    pub name: String,
    /// Its header; `None` for the clean code.
    pub about: Option<About>,
    /// What each layer came to.
    pub results: Vec<LayerResult>,
}

impl Row {
    /// The layer that killed it first, if one did whose kills count, and how long all layers took until
    /// then, in seconds.
    #[must_use]
    pub fn kill(&self) -> Option<(Layer, f64)> {
        let mut seconds = 0.0;
        for result in &self.results {
            seconds += result.seconds;
            if result.kills() {
                return Some((result.layer, seconds));
            }
        }
        None
    }

    /// How many layers killed it whose kills count.
    #[must_use]
    pub fn killers(&self) -> usize {
        self.results.iter().filter(|one| one.kills()).count()
    }
}

/// The whole exam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// The version of this schema.
    pub plumb_mutants: u32,
    /// How long the simulations had for each, in seconds of all cores.
    pub budget_seconds: u64,
    /// The layers that sat.
    pub layers: Vec<Layer>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Matrix {
    /// An exam without results yet.
    #[must_use]
    pub fn new(budget_seconds: u64, layers: Vec<Layer>) -> Matrix {
        Matrix {
            plumb_mutants: VERSION,
            budget_seconds,
            layers,
            rows: Vec::new(),
        }
    }

    fn mutants(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.about.is_some())
    }

    /// The mutants that no layer killed.
    pub fn survivors(&self) -> impl Iterator<Item = &Row> {
        self.mutants().filter(|row| row.kill().is_none())
    }

    /// Layers that called clean code wrong.
    pub fn false_alarms(&self) -> impl Iterator<Item = &Row> {
        let clean = self.rows.iter().filter(|row| row.about.is_none());
        clean.filter(|row| row.killers() > 0)
    }

    /// The result in a sentence.
    #[must_use]
    pub fn headline(&self) -> String {
        let all = self.mutants().count();
        let mut times: Vec<f64> = self
            .mutants()
            .filter_map(|row| row.kill().map(|(_, seconds)| seconds))
            .collect();
        times.sort_by(f64::total_cmp);
        let twice = self.mutants().filter(|row| row.killers() > 1).count();
        let median = times.get(times.len() / 2).copied().unwrap_or(0.0);
        let slowest = times.last().copied().unwrap_or(0.0);
        let clean = self.rows.len() - all;
        let alarms = self.false_alarms().count();
        let clean = match clean {
            0 => "the clean code did not sit".to_owned(),
            _ => format!("{alarms} false alarms on the clean code"),
        };
        format!(
            "{} of {all} mutants killed, {twice} by two layers or more; median {median:.1} s, slowest \
             {slowest:.1} s with all cores; {clean}",
            times.len()
        )
    }

    fn cell(result: Option<&LayerResult>) -> String {
        match result.map(|result| (&result.outcome, result.seconds)) {
            Some((Outcome::Killed { .. }, seconds)) => format!("killed {seconds:.1} s"),
            Some((Outcome::Survived, _)) => "–".to_owned(),
            Some((Outcome::NotReached, _)) => "not reached".to_owned(),
            Some((Outcome::Undecided { .. }, _)) => "undecided".to_owned(),
            None => "did not sit".to_owned(),
        }
    }

    fn cells(&self, row: &Row) -> Vec<String> {
        let of = |layer: &Layer| row.results.iter().find(|result| result.layer == *layer);
        let layers = self.layers.iter();
        layers.map(|layer| Matrix::cell(of(layer))).collect()
    }

    fn killer(row: &Row) -> String {
        row.results
            .iter()
            .find_map(|result| match &result.outcome {
                Outcome::Killed { by, .. } if result.layer.counts() => Some(by.clone()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{:<36} {:<12}", "mutant", "class");
        for layer in &self.layers {
            let _ = write!(out, " {:<13}", layer.name());
        }
        out.push_str(" by\n");
        for row in &self.rows {
            let class = row.about.as_ref().map_or("", |about| &about.class);
            let _ = write!(out, "{:<36} {class:<12}", row.name);
            for cell in self.cells(row) {
                let _ = write!(out, " {cell:<13}");
            }
            let _ = writeln!(out, " {}", Matrix::killer(row));
        }
        let _ = writeln!(out, "\n{}", self.headline());
        out
    }

    /// As Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("{}.\n\n| mutant | class | the bug |", self.headline());
        for layer in &self.layers {
            let _ = write!(out, " {} |", layer.name());
        }
        out.push_str(" property |\n|---|---|---|");
        out.push_str(&"---|".repeat(self.layers.len() + 1));
        out.push('\n');
        for row in &self.rows {
            let (class, title) = row
                .about
                .as_ref()
                .map_or(("", "the code as it is"), |about| {
                    (about.class.as_str(), about.title.as_str())
                });
            let _ = write!(out, "| {} | {class} | {title} |", row.name);
            for cell in self.cells(row) {
                let _ = write!(out, " {cell} |");
            }
            let _ = writeln!(out, " {} |", Matrix::killer(row));
        }
        out
    }

    /// As one page.
    #[must_use]
    pub fn html(&self) -> String {
        let mut out = String::from(
            "<!doctype html><html lang=en><meta charset=utf-8><title>Plumbline: mutants</title><style>\
             body{font:15px/1.4 system-ui,sans-serif;margin:2em;color-scheme:light dark}\
             table{border-collapse:collapse}td,th{padding:.25em .6em;text-align:left;border-bottom:1px \
             solid #8884;vertical-align:top}.killed{font-weight:600}.alive{background:#c332}\
             small{opacity:.75}</style><h1>Mutants</h1>",
        );
        let _ = write!(
            out,
            "<p>{}.</p><table><tr><th>mutant<th>the bug",
            escape(&self.headline())
        );
        for layer in &self.layers {
            let _ = write!(out, "<th>{}", layer.name());
        }
        out.push_str("<th>property</tr>");
        for row in &self.rows {
            let alive = row.about.is_some() && row.kill().is_none();
            let class = if alive { " class=alive" } else { "" };
            let about = row.about.clone().unwrap_or_default();
            let _ = write!(
                out,
                "<tr{class}><td>{}<br><small>{}</small><td>{}<br><small>{}</small>",
                escape(&row.name),
                escape(&about.class),
                escape(&about.title),
                escape(&about.seen)
            );
            for cell in self.cells(row) {
                let class = if cell.starts_with("killed") {
                    " class=killed"
                } else {
                    ""
                };
                let _ = write!(out, "<td{class}>{cell}");
            }
            let _ = write!(out, "<td>{}</tr>", escape(&Matrix::killer(row)));
        }
        out.push_str("</table></html>\n");
        out
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, clean: bool, outcomes: &[(Layer, bool, f64)]) -> Row {
        Row {
            name: name.to_owned(),
            about: (!clean).then(About::default),
            results: outcomes
                .iter()
                .map(|(layer, killed, seconds)| LayerResult {
                    layer: *layer,
                    outcome: if *killed {
                        Outcome::Killed {
                            by: "Election Safety".to_owned(),
                            what: "two lead".to_owned(),
                            seed: Some(3),
                        }
                    } else {
                        Outcome::Survived
                    },
                    seconds: *seconds,
                })
                .collect(),
        }
    }

    #[test]
    fn the_headline_counts_kills_that_count_survivors_and_false_alarms() {
        let mut matrix = Matrix::new(120, vec![Layer::Bare, Layer::Full, Layer::Unit]);
        matrix.rows = vec![
            row(
                "clean",
                true,
                &[(Layer::Bare, false, 9.0), (Layer::Full, true, 1.0)],
            ),
            row(
                "a",
                false,
                &[(Layer::Bare, true, 2.0), (Layer::Full, true, 1.0)],
            ),
            row(
                "b",
                false,
                &[(Layer::Bare, false, 3.0), (Layer::Full, true, 4.0)],
            ),
            row(
                "c",
                false,
                &[(Layer::Bare, false, 3.0), (Layer::Unit, true, 4.0)],
            ),
        ];
        assert_eq!(
            matrix.headline(),
            "2 of 3 mutants killed, 1 by two layers or more; median 7.0 s, slowest 7.0 s with all \
             cores; 1 false alarms on the clean code"
        );
        let survivors: Vec<&str> = matrix.survivors().map(|row| row.name.as_str()).collect();
        assert_eq!(survivors, ["c"]);
        for text in [matrix.text(), matrix.markdown(), matrix.html()] {
            assert!(text.contains("Election Safety"), "{text}");
        }
        let schema = include_str!("../../../docs/schemas/mutants-matrix.json");
        let schema = serde_json::from_str(schema).expect("it is JSON");
        let schema = jsonschema::draft202012::new(&schema).expect("it is a schema");
        let mut whole = serde_json::json!(matrix);
        assert!(schema.is_valid(&whole), "{whole:#}");
        whole["rows"][0]["results"][0]["else"] = serde_json::json!(1);
        assert!(!schema.is_valid(&whole));
        let json = serde_json::to_string(&matrix).expect("plain data");
        assert_eq!(serde_json::from_str::<Matrix>(&json).ok(), Some(matrix));
    }
}
