//! Problems as SARIF 2.1.0, which code-scanning services show beside a change. Cases that passed leave
//! no result; what is undecided is a result of a rule of its own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Case, Exit, Kind, Problem};

/// The cases' problems as one run.
pub(in crate::cli) fn sarif(suite: &str, cases: &[Case], exit: Exit) -> String {
    let problems = || cases.iter().flat_map(|case| &case.problems);
    let ids: BTreeSet<&str> = problems().map(|problem| problem.rule.as_str()).collect();
    let rules: Vec<Value> = ids.iter().map(|id| rule(id)).collect();
    let results: Vec<Value> = cases
        .iter()
        .flat_map(|case| case.problems.iter().map(move |problem| (case, problem)))
        .map(|(case, problem)| {
            let index = ids.iter().position(|id| *id == problem.rule);
            result(suite, case, problem, index)
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Plumbline",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "automationDetails": { "id": format!("{}/", suite.replace(' ', "-")) },
            "invocations": [{
                // The tool did its work, whatever it found; what it could not read or decide it says.
                "executionSuccessful": matches!(exit, Exit::Holds | Exit::Violation),
                "exitCode": exit.code(),
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(id: &str) -> Value {
    let text = match id {
        "unknown" => "A verdict is reached before the budget runs out.".to_owned(),
        "unreadable" => "Input can be read.".to_owned(),
        property => format!("{property} holds."),
    };
    json!({ "id": id, "shortDescription": { "text": text } })
}

fn result(suite: &str, case: &Case, problem: &Problem, rule: Option<usize>) -> Value {
    let mut result = json!({
        "ruleId": problem.rule,
        "ruleIndex": rule,
        "level": match problem.kind {
            Kind::Violation | Kind::Unreadable => "error",
            Kind::Undecided => "warning",
        },
        "message": { "text": format!("{}: {}", case.name, problem.text) },
        // What makes two results the same problem: not their words, which hold times and figures.
        "partialFingerprints": { "plumb/v1": format!("{suite}/{}/{}", case.name, problem.rule) },
    });
    if let Some(file) = &problem.file {
        let mut place = json!({ "artifactLocation": { "uri": uri(file) } });
        // A viewer that wants a line gets the first.
        place["region"] = json!({ "startLine": problem.line.unwrap_or(1) });
        result["locations"] = json!([{ "physicalLocation": place }]);
    }
    result
}

/// A path as a URI reference: relative as it is, absolute with its scheme.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'~'
            | b'/'
            | b'+'
            | b'='
            | b',' => {
                uri.push(char::from(byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    if path.starts_with('/') {
        format!("file://{uri}")
    } else {
        uri
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(uri("store/a b#1.edn"), "store/a%20b%231.edn");
        assert_eq!(uri("/tmp/é"), "file:///tmp/%C3%A9");
    }

    #[test]
    fn each_problem_is_a_result_of_a_rule_that_is_listed() {
        let problem = |kind, rule: &str| Problem {
            kind,
            rule: rule.to_owned(),
            text: "words".to_owned(),
            file: Some("h.jsonl".to_owned()),
            line: Some(7),
        };
        let cases = [
            Case {
                name: "a".to_owned(),
                seconds: 1.0,
                problems: vec![problem(Kind::Violation, "linearizable")],
            },
            Case {
                name: "b".to_owned(),
                seconds: 1.0,
                problems: vec![problem(Kind::Undecided, "unknown")],
            },
            Case {
                name: "c".to_owned(),
                seconds: 1.0,
                problems: Vec::new(),
            },
        ];
        let log: Value = serde_json::from_str(&sarif("plumb check", &cases, Exit::Violation))
            .expect("it is JSON");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"]
            .as_array()
            .expect("rules are listed");
        let results = run["results"].as_array().expect("results are listed");
        assert_eq!(results.len(), 2);
        for result in results {
            let index = result["ruleIndex"].as_u64().expect("it has a rule");
            let index = usize::try_from(index).expect("a small number");
            assert_eq!(rules[index]["id"], result["ruleId"]);
        }
        assert_eq!(results[1]["level"], "warning");
        let region = &results[0]["locations"][0]["physicalLocation"]["region"];
        assert_eq!(region["startLine"], 7);
    }
}
