//! `plumb bench checkers`: what it measures is judged as it was made to be.

use std::process::Command;

use serde_json::Value;

fn rows(only: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["bench", "checkers", "--json", "-", "--only", only])
        .current_dir(std::env::temp_dir())
        .output()
        .expect("the binary runs");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["plumb_bench"], 1);
    json["checkers"].as_array().expect("rows").clone()
}

#[test]
fn families_get_the_verdicts_that_they_were_made_for() {
    for (only, algorithm) in [
        ("register, distinct, 20 clients", "zones"),
        ("stack, distinct, 10 clients", "elements"),
        ("priority queue, distinct, 10 clients", "elements"),
        ("set that grows", "elements"),
        (
            "kv-append, 10 keys, 10 clients × 7,000, as one object",
            "zones",
        ),
        ("list-append transactions × 10,000", "cycles"),
        ("register transactions × 10,000", "cycles"),
    ] {
        let rows = rows(only);
        let names: Vec<&str> = rows
            .iter()
            .map(|row| row["name"].as_str().expect("a name"))
            .collect();
        assert_eq!(
            rows.len(),
            3,
            "{names:?}: the truth, and a lie early and late"
        );
        for row in &rows {
            let lies = row["name"]
                .as_str()
                .is_some_and(|name| name.contains(", lie "));
            let expected = if lies { "violation" } else { "valid" };
            assert_eq!(row["verdict"], expected, "{row}");
            assert_eq!(row["algorithms"][0], algorithm, "{row}");
            assert!(row["operations"].as_u64() >= Some(7_000), "{row}");
        }
    }
}

#[test]
fn what_names_nothing_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["bench", "checkers", "--only", "no such case"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("choose another --only"), "{error}");
}

#[test]
fn what_conformance_costs_is_measured_on_the_same_steps_beside_a_run_and_offline() {
    let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["bench", "conform", "--seeds", "10", "--json", "-"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let beside = json["conform"]["beside"].as_array().expect("rows");
    assert_eq!(beside.len(), 2, "two tiers");
    for row in beside {
        assert!(row["figures"]["steps"].as_u64() > Some(1_000), "{row}");
        assert!(row["ratio"].as_f64() > Some(0.0), "{row}");
    }
    let offline = &json["conform"]["offline"];
    assert_eq!(offline["steps"], beside[0]["figures"]["steps"], "{offline}");
    assert!(json["conform"]["offline_rate"].as_f64() > Some(0.0));
}
