//! The list of properties is whole: each is on its page, and each has a test in which it is the first to break.

use std::collections::BTreeMap;
use std::path::Path;

use crate::invariants::PROPERTIES;

/// The code of a folder and its tests, as two texts.
fn code_and_tests(folder: &Path, code: &mut String, tests: &mut String) {
    for found in std::fs::read_dir(folder).expect("a folder of this package") {
        let path = found.expect("an entry of it").path();
        if path.is_dir() {
            code_and_tests(&path, code, tests);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source text");
            let all_tests = path
                .iter()
                .any(|part| part == "tests" || part == "tests.rs");
            let begins = if all_tests {
                Some(0)
            } else {
                text.find("#[cfg(test)]\nmod tests {")
            };
            let (before, after) = text.split_at(begins.unwrap_or(text.len()));
            code.push_str(before);
            tests.push_str(after);
        }
    }
}

fn texts_in(folder: &str) -> (String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut code, mut tests) = (String::new(), String::new());
    code_and_tests(&root.join(folder), &mut code, &mut tests);
    (code, tests)
}

/// How often each text in quotes is the first after one of these beginnings, within the call that it begins.
fn named_after(beginnings: &[&str], text: &str) -> BTreeMap<String, usize> {
    let mut named = BTreeMap::new();
    let calls = beginnings.iter().flat_map(|it| text.split(*it).skip(1));
    for call in calls {
        let (before, rest) = call.split_once('"').unwrap_or_default();
        if before.contains([';', '{', '}']) {
            continue;
        }
        let (name, _) = rest.split_once('"').unwrap_or_default();
        *named.entry(name.to_owned()).or_default() += 1;
    }
    named
}

/// As tests say that a property is the first to break.
const FIRST_TO_BREAK: [&str; 5] = [
    ".breaks(",
    "Some(",
    "assert_eq!(violation.property,",
    "assert_eq!(property,",
    r#"["violation"]["property"],"#,
];

#[test]
fn whatever_is_ruled_is_on_the_list_and_whatever_is_on_the_list_is_ruled() {
    let (code, _) = texts_in("src");
    let ruled = named_after(&[".rule("], &code);
    for name in ruled.keys().filter(|name| !name.is_empty()) {
        assert!(
            super::super::properties::is_known(name),
            "{name:?} is on no list"
        );
    }
    for property in PROPERTIES {
        assert!(
            ruled.contains_key(property.name),
            "nobody rules on {}",
            property.name
        );
    }
    let in_order = PROPERTIES.is_sorted_by(|one, next| one.name < next.name);
    assert!(in_order, "by name, and each once");
}

#[test]
fn every_property_has_a_test_in_which_it_is_the_first_to_break() {
    let (_, mut tests) = texts_in("src");
    tests.push_str(&texts_in("tests").1);
    let fires = named_after(&FIRST_TO_BREAK, &tests);
    // One for each place that rules.
    let (code, _) = texts_in("src");
    let places = named_after(&[".rule("], &code);
    for property in PROPERTIES {
        let due = places.get(property.name).copied().unwrap_or(1);
        let tested = fires.get(property.name).copied().unwrap_or(0);
        let name = property.name;
        assert!(
            tested >= due,
            "{name} is ruled in {due} places, and breaks in {tested} tests"
        );
    }
}

#[test]
fn every_property_has_a_row_on_its_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/judges.md")).expect("the judges' page");
    for property in PROPERTIES {
        let cells = [
            property.name,
            property.says,
            property.source,
            property.tiers,
        ];
        let row = format!("| {} |\n", cells.join(" | "));
        assert!(page.contains(&row), "docs/judges.md lacks {row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(rows, PROPERTIES.len() + 1, "and no others");
}
