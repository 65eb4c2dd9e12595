//! The mutants' last sitting as a picture: a row a bug, a column a layer.

use std::fmt::Write;

use plumb_histories::browser::escape;

use super::Section;
use crate::mutants::{Cell, LastSitting, SittingRow};

/// The section.
pub(super) fn section(sitting: &LastSitting<'_>) -> Section {
    let mut html = format!(
        "<p>Real bugs of consensus systems, put back one at a time; not by this run, but at the last sitting of the \
         exam, as the sources have it (<code>docs/mutants.md</code>).</p>\n<p>{}</p>\n{}<details><summary>All {} \
         mutants</summary>\n<p>{}</p>\n<p>A time says when a layer killed; a dot, that enough others had by then; \
         not reached, that it does not run the code that was changed.</p>\n{}</details>\n",
        escape(&sitting.headline),
        kills(sitting),
        sitting.rows.iter().filter(|row| is_mutant(row)).count(),
        escape(&sitting.measured),
        table(sitting)
    );
    html.push('\n');
    Section {
        id: "mutants",
        title: "How good the judges are",
        html,
    }
}

fn is_mutant(row: &SittingRow<'_>) -> bool {
    !row.class.is_empty()
}

/// How many each layer killed, of those for which it sat.
fn kills(sitting: &LastSitting<'_>) -> String {
    let mutants: Vec<&SittingRow<'_>> = sitting.rows.iter().filter(|row| is_mutant(row)).collect();
    let mut html = String::from(
        "<div class=\"wide\"><table class=\"bars\"><thead><tr><th>Layer</th><th scope=\"col\" \
         class=\"number\">sat for</th><th scope=\"col\" class=\"number\">killed</th><th></th></tr></thead><tbody>\n",
    );
    for (place, layer) in sitting.layers.iter().enumerate() {
        let came_to = |wanted: fn(&Cell<'_>) -> bool| {
            let cells = mutants.iter().filter_map(|row| row.cells.get(place));
            cells.filter(|cell| wanted(cell)).count()
        };
        let sat = came_to(|cell| !matches!(cell, Cell::DidNotSit | Cell::NotReached));
        let killed = came_to(|cell| matches!(cell, Cell::Killed(_)));
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{sat}</td><td class=\"number\">{killed}</td><td \
             class=\"bar\">{}</td></tr>",
            escape(layer),
            super::bars::bar(killed as f64 / mutants.len().max(1) as f64)
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn table(sitting: &LastSitting<'_>) -> String {
    let mut html = String::from(
        "<div class=\"wide\"><table class=\"grid\"><thead><tr><th scope=\"col\">mutant</th>",
    );
    for layer in &sitting.layers {
        let _ = write!(
            html,
            "<th scope=\"col\" class=\"cell\">{}</th>",
            escape(layer)
        );
    }
    html.push_str("<th scope=\"col\">property that broke</th></tr></thead>\n");
    let mut rows: Vec<&SittingRow<'_>> = sitting.rows.iter().collect();
    // Stable: within a class the page's own order; the clean code, which has none, comes last.
    rows.sort_by_key(|row| (!is_mutant(row), row.class));
    let columns = sitting.layers.len() + 2;
    let mut class = None;
    for row in rows {
        if class != Some(row.class) {
            class = Some(row.class);
            let name = if is_mutant(row) {
                row.class
            } else {
                "the code as it is"
            };
            let _ = writeln!(
                html,
                "<tbody><tr class=\"class\"><th scope=\"rowgroup\" colspan=\"{columns}\">{}</th></tr></tbody>",
                escape(name)
            );
        }
        html.push_str(&self::row(row));
    }
    html.push_str("</table></div>\n");
    html
}

fn row(row: &SittingRow<'_>) -> String {
    let killed = row.cells.iter().any(|cell| matches!(cell, Cell::Killed(_)));
    let class = if is_mutant(row) && !killed {
        " class=\"alive\""
    } else {
        ""
    };
    let mut html = format!(
        "<tr{class}><th scope=\"row\" title=\"{}\">{}</th>",
        escape(row.title),
        escape(row.name)
    );
    for cell in &row.cells {
        let (class, words) = match cell {
            Cell::Killed(time) => ("hit", *time),
            Cell::Survived => ("miss", "saw nothing"),
            Cell::Undecided => ("miss", "undecided"),
            Cell::NotReached => ("out", "not reached"),
            Cell::DidNotSit => ("out", "·"),
        };
        // The clean code has nothing to be seen.
        let class = if is_mutant(row) { class } else { "out" };
        let _ = write!(html, "<td class=\"cell {class}\">{words}</td>");
    }
    let _ = writeln!(html, "<td>{}</td></tr>", escape(row.property));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_by_layer_and_what_no_layer_killed_is_marked() {
        let row = |name, cells| SittingRow {
            name,
            class: "voting",
            title: "t",
            cells,
            property: "P",
        };
        let sitting = LastSitting {
            headline: "h".to_owned(),
            measured: "m".to_owned(),
            layers: vec!["bare", "core"],
            rows: vec![
                row("a", vec![Cell::Killed("1.0 s"), Cell::DidNotSit]),
                row("b", vec![Cell::Survived, Cell::NotReached]),
            ],
        };
        let html = section(&sitting).html;
        let bare =
            "<th scope=\"row\">bare</th><td class=\"number\">2</td><td class=\"number\">1</td>";
        let core =
            "<th scope=\"row\">core</th><td class=\"number\">0</td><td class=\"number\">0</td>";
        assert!(html.contains(bare) && html.contains(core), "{html}");
        assert!(html.contains("<tr class=\"alive\"><th scope=\"row\" title=\"t\">b</th>"));
        assert!(html.contains("<td class=\"cell hit\">1.0 s</td>"));
        assert!(html.contains("All 2 mutants"));
    }
}
