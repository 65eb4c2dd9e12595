//! What GitHub Actions shows by itself: annotations for what is wrong, and a summary of the job. Elsewhere
//! nothing is written.

use std::io::Write;

use super::{Kind, Problem};

/// Whether this is a job there.
fn is_here() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// An annotation of a problem: one line of the job's log.
pub(super) fn annotate(suite: &str, problem: &Problem) {
    if is_here() {
        // On standard error, since standard output may be JSON for somebody.
        eprintln!("{}", annotation(suite, problem));
    }
}

fn annotation(suite: &str, problem: &Problem) -> String {
    // The format's own escapes, for data and for properties.
    let data = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let level = match problem.kind {
        Kind::Violation | Kind::Unreadable => "error",
        Kind::Undecided => "warning",
    };
    let mut place = String::new();
    if let Some(file) = &problem.file {
        place.push_str(&format!("file={},", property(file)));
    }
    if let Some(line) = problem.line {
        place.push_str(&format!("line={line},"));
    }
    let title = property(&format!("{suite}: {}", problem.rule));
    format!("::{level} {place}title={title}::{}", data(&problem.text))
}

/// Adds to the job's summary.
pub(crate) fn summarize(markdown: &str) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return;
    };
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path);
    let written = opened.and_then(|mut file| file.write_all(markdown.as_bytes()));
    if let Err(error) = written {
        eprintln!(
            "warning: the job summary {} can't be written: {error}",
            path.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let problem = Problem {
            kind: Kind::Violation,
            rule: "b, c".to_owned(),
            text: "50 %\nof it".to_owned(),
            file: Some("h.jsonl".to_owned()),
            line: Some(7),
        };
        assert_eq!(
            annotation("a", &problem),
            "::error file=h.jsonl,line=7,title=a%3A b%2C c::50 %25%0Aof it"
        );
    }
}
