//! The last sitting of the exam, as it is committed in `docs/mutants.md`: for reports, which can't put
//! every bug back at every run.

/// The page, as of this build.
const PAGE: &str = include_str!("../../../docs/mutants.md");

/// What a layer came to in the sitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell<'a> {
    /// It found the bug, after this time.
    Killed(&'a str),
    /// It saw nothing wrong.
    Survived,
    /// It came to no verdict.
    Undecided,
    /// It does not run the code that was changed.
    NotReached,
    /// Enough others had killed by then.
    DidNotSit,
}

impl<'a> Cell<'a> {
    fn read(text: &'a str) -> Option<Cell<'a>> {
        match text {
            "–" => Some(Cell::Survived),
            "undecided" => Some(Cell::Undecided),
            "not reached" => Some(Cell::NotReached),
            "did not sit" => Some(Cell::DidNotSit),
            text => text.strip_prefix("killed ").map(Cell::Killed),
        }
    }
}

/// A mutant's results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SittingRow<'a> {
    /// Its name.
    pub name: &'a str,
    /// Which part of the system it is in.
    pub class: &'a str,
    /// The bug in a sentence.
    pub title: &'a str,
    /// What came of each layer, in the order of [`LastSitting::layers`].
    pub cells: Vec<Cell<'a>>,
    /// The property that broke.
    pub property: &'a str,
}

/// The table and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSitting<'a> {
    /// The result in a sentence.
    pub headline: String,
    /// How and when it was measured.
    pub measured: String,
    /// The layers that sat.
    pub layers: Vec<&'a str>,
    /// The mutants, and the clean code, which has no class.
    pub rows: Vec<SittingRow<'a>>,
}

/// The last sitting; `None` if the page has no table of the form that the exam writes.
#[must_use]
pub fn last_sitting() -> Option<LastSitting<'static>> {
    read(PAGE)
}

/// The cells of a line of a table.
fn split(line: &str) -> Vec<&str> {
    let inside = line.trim_start_matches('|').trim_end_matches('|');
    inside.split('|').map(str::trim).collect()
}

fn read_row<'a>(cells: &[&'a str], layers: usize) -> Option<SittingRow<'a>> {
    let [name, class, title, results @ .., property] = cells else {
        return None;
    };
    let results: Option<Vec<Cell<'a>>> = results.iter().map(|text| Cell::read(text)).collect();
    Some(SittingRow {
        name,
        class,
        title,
        cells: results.filter(|cells| cells.len() == layers)?,
        property,
    })
}

fn read(page: &str) -> Option<LastSitting<'_>> {
    let mut table = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(split);
    let head = table.next()?;
    let layers = head.get(3..head.len().checked_sub(1)?)?.to_vec();
    let rows = table
        .map(|cells| read_row(&cells, layers.len()))
        .collect::<Option<Vec<_>>>()?;
    let paragraph = |sign: &str| {
        let found = page.split("\n\n").find(|one| one.contains(sign));
        let plain = found.unwrap_or_default().replace(['*', '`'], "");
        plain.replace('\n', " ")
    };
    Some(LastSitting {
        headline: paragraph("mutants are killed"),
        measured: paragraph("How it was measured"),
        layers,
        rows,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::mutants::{read_all, workspace_root};

    #[test]
    fn the_committed_table_is_read_whole_and_its_mutants_exist() {
        let sitting = last_sitting().expect("the page has the exam's table");
        assert!(sitting.headline.contains("are killed"), "{sitting:?}");
        assert!(sitting.measured.contains("How it was measured"));
        assert!(sitting.layers.contains(&"bare") && sitting.layers.contains(&"full"));
        let root = workspace_root(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("a checkout");
        let mutants = read_all(&root).expect("every patch file can be read");
        let known = |row: &SittingRow<'_>| mutants.iter().any(|mutant| mutant.name == row.name);
        for row in &sitting.rows {
            assert!(row.class.is_empty() || known(row), "{}", row.name);
        }
        let lines = PAGE.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!(sitting.rows.len(), lines - 1);
    }

    #[test]
    fn a_table_of_another_form_is_no_sitting() {
        let table =
            "| mutant | class | the bug | bare | property |\n| a | b | c | killed 1 s | P |\n";
        let read_row = read(table).map(|sitting| sitting.rows[0].cells.clone());
        assert_eq!(read_row, Some(vec![Cell::Killed("1 s")]));
        assert_eq!(read(&table.replace("killed 1 s", "perhaps")), None);
        assert_eq!(read("no table"), None);
    }
}
