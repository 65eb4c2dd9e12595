//! Cases as JUnit XML: a violation is a failure; what is unknown or unreadable is an error, never a
//! success.

use std::fmt::Write as _;

use super::{Case, Kind};

/// The cases as one suite.
pub(in crate::cli) fn junit(suite: &str, cases: &[Case]) -> String {
    let worst = |case: &Case| case.problems.iter().map(|problem| problem.kind).min();
    let count = |of: &dyn Fn(Kind) -> bool| {
        cases
            .iter()
            .filter(|case| worst(case).is_some_and(of))
            .count()
    };
    let failures = count(&|kind| kind == Kind::Violation);
    let errors = count(&|kind| kind != Kind::Violation);
    let seconds: f64 = cases.iter().map(|case| case.seconds).sum();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" \
         tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\">\n",
        escape(suite),
        cases.len()
    );
    let class = suite.replace(' ', ".");
    for case in cases {
        let _ = write!(
            xml,
            "<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">",
            escape(&class),
            escape(&case.name),
            case.seconds
        );
        // Readers expect one element at most: the worst problem gives its name, all give their words.
        if let Some(first) = case.problems.iter().min_by_key(|problem| problem.kind) {
            let element = match first.kind {
                Kind::Violation => "failure",
                Kind::Undecided | Kind::Unreadable => "error",
            };
            let texts: Vec<&str> = case.problems.iter().map(|one| one.text.as_str()).collect();
            let _ = write!(
                xml,
                "<{element} type=\"{}\" message=\"{}\">{}</{element}>",
                first.kind.name(),
                escape(first.first_line()),
                escape(&texts.join("\n\n"))
            );
        }
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// Text for an attribute or an element; what XML 1.0 cannot carry becomes a question mark.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::Problem;
    use super::*;

    #[test]
    fn text_from_a_history_can_not_break_the_xml() {
        assert_eq!(
            escape("<a b=\"&\">\u{0}\n"),
            "&lt;a b=&quot;&amp;&quot;&gt;?\n"
        );
    }

    #[test]
    fn what_is_unknown_is_an_error_and_a_violation_outweighs_it() {
        let problem = |kind, text: &str| Problem {
            kind,
            rule: "r".to_owned(),
            text: text.to_owned(),
            file: None,
            line: None,
        };
        let case = |name: &str, problems| Case {
            name: name.to_owned(),
            seconds: 0.5,
            problems,
        };
        let xml = junit(
            "plumb check",
            &[
                case("fine", Vec::new()),
                case("open", vec![problem(Kind::Undecided, "a budget")]),
                case(
                    "both",
                    vec![
                        problem(Kind::Undecided, "a budget"),
                        problem(Kind::Violation, "stale\nread"),
                    ],
                ),
            ],
        );
        assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"1\" time=\"1.500\""));
        assert!(xml.contains("<error type=\"unknown\" message=\"a budget\">"));
        assert!(xml.contains("<failure type=\"violation\" message=\"stale\">"));
    }
}
