//! What GitHub Actions shows by itself: annotations for what is wrong, and a summary of the job. Elsewhere
//! nothing is written.

use std::io::Write;

use plumb_checkers::{Report, Verdict};

use super::CliError;

/// Whether this is a job there.
fn is_here() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// An annotation: one line on standard error's sister, the job's log.
pub(crate) fn annotate(title: &str, message: &str) {
    if is_here() {
        // On standard error, since standard output may be JSON for somebody.
        eprintln!("{}", annotation(title, message));
    }
}

fn annotation(title: &str, message: &str) -> String {
    // The format's own escapes, for data and for properties.
    let data = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    format!("::error title={}::{}", property(title), data(message))
}

/// What a history came to, unless it is valid.
pub(crate) fn annotate_check(file: &str, result: &Result<Report, CliError>) {
    match result.as_ref().map(|report| &report.verdict) {
        Ok(Verdict::Valid(_)) => {}
        Ok(Verdict::Violation(counterexample)) => annotate(file, &counterexample.to_string()),
        Ok(Verdict::Unknown(reason)) => annotate(file, &format!("undecided: {reason}")),
        Err(error) => annotate(file, &error.to_string()),
    }
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
        assert_eq!(
            annotation("a: b, c", "50 %\nof it"),
            "::error title=a%3A b%2C c::50 %25%0Aof it"
        );
    }
}
