//! `plumb bench sim`: its figures hang together.

use std::process::Command;

use serde_json::Value;

fn bench(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["bench", "sim", "--seconds", "0", "--rounds", "1"])
        .args(arguments)
        .output()
        .expect("the binary runs");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), words)
}

fn hangs_together(measured: &Value, simulated: f64) {
    let rows = measured["rows"].as_array().expect("rows");
    let looks: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["looks"].as_str())
        .collect();
    assert_eq!(looks, ["invariants", "checker", "all"]);
    for row in rows {
        let of = |name: &str| row[name].as_f64().expect(name);
        assert_eq!((of("count"), of("failed")), (1.0, 0.0), "{row}");
        assert_eq!(of("simulated"), simulated, "{row}");
        assert!(
            of("steps") > of("operations") && of("operations") > 0.0,
            "{row}"
        );
        let per_second = of("simulated") / of("seconds");
        assert!((per_second / of("per_second") - 1.0).abs() < 1e-6, "{row}");
        let runs = of("per_second") / of("runs_per_second");
        assert!((runs / simulated - 1.0).abs() < 1e-6, "{row}");
    }
    let shares = measured["shares"].as_object().expect("shares");
    let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
    assert!(shares.len() == 6 && sum >= 0.999, "{shares:?}");
    assert!(shares["core"].as_f64() > Some(0.0), "{shares:?}");
}

#[test]
fn each_kind_of_runs_is_measured_with_each_set_of_judges() {
    let (code, words) = bench(&["--tier", "bare", "--json", "-"]);
    assert_eq!(code, Some(0), "{words}");
    let json: Value = serde_json::from_str(&words).expect("JSON");
    assert_eq!(json["plumb_bench"], 1);
    let [drawn, minute] = &json["sim"].as_array().expect("kinds")[..] else {
        panic!("{json}");
    };
    hangs_together(drawn, 16.0);
    hangs_together(minute, 60.0);
}

#[test]
fn people_get_a_table_and_where_the_time_goes() {
    let (code, words) = bench(&["--tier", "full", "--runs", "drawn"]);
    assert_eq!(code, Some(0), "{words}");
    for expected in [
        "simulated s/s",
        "full  drawn   invariants ",
        "full  drawn   all, with conformance ",
        "of the last row: core ",
    ] {
        assert!(words.contains(expected), "{expected:?} is not in\n{words}");
    }
}
