//! Transactions: each anomaly by its name, and no alarm about what has a serial order. The judge of
//! that is the search for a linearization, which knows nothing of dependencies. Sizes as in
//! `differential.rs`.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use std::collections::BTreeMap;

use common::{Rng, setting};
use plumb_checkers::families::{self, Family};
use plumb_checkers::{
    Consistency, Options, Report, Spec, Verdict, WitnessError, check, verify_witness,
};
use plumb_histories::{Builder, Header, History, Line, Recorder, Value};

fn options(spec: &str, consistency: &str) -> Options {
    Options::new(Spec::by_name(spec).unwrap())
        .with_consistency(Consistency::by_name(consistency).unwrap())
}

fn judge(history: &History, spec: &str, consistency: &str) -> Report {
    check(history, &options(spec, consistency)).unwrap()
}

/// One line a transaction: process, then `ok`, `fail` or `info`, then micro-operations as JSON. They
/// run one after the other; `|` in front makes one start together with the one before.
fn history(lines: &[&str]) -> History {
    let mut recorder = Recorder::new(Header::default());
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut open: Vec<(u64, &str, Value)> = Vec::new();
    let close = |recorder: &mut Recorder, open: &mut Vec<(u64, &str, Value)>| {
        for (process, end, value) in open.drain(..) {
            match end {
                "ok" => recorder.ok(0, process, value),
                "fail" => recorder.fail(0, process, value, None),
                _ => recorder.info(0, process, value, None),
            }
        }
    };
    for line in lines {
        let line = match line.strip_prefix("| ") {
            Some(rest) => rest,
            None => {
                close(&mut recorder, &mut open);
                line
            }
        };
        let mut words = line.splitn(3, ' ');
        let process = words.next().unwrap().parse().unwrap();
        let end = words.next().unwrap();
        let value = parse(words.next().unwrap());
        recorder.invoke(0, process, "txn", None, value.clone(), None);
        open.push((process, end, value));
    }
    close(&mut recorder, &mut open);
    recorder.finish()
}

/// The history breaks the consistency with that anomaly, and keeps the weaker one.
fn expect(lines: &[&str], spec: &str, broken: &str, anomaly: &str, kept: Option<&str>) {
    let history = history(lines);
    let report = judge(&history, spec, broken);
    let text = report.verdict.to_string();
    assert!(
        text.starts_with(&format!("violation: {anomaly}")),
        "{lines:?}: {anomaly} expected, got {text}"
    );
    if let Some(kept) = kept {
        let verdict = judge(&history, spec, kept).verdict;
        assert!(verdict.is_valid(), "{lines:?} under {kept}: {verdict}");
    }
}

#[test]
fn each_anomaly_of_lists_is_found_by_its_name() {
    let lists = |lines: &[&str], broken, anomaly, kept| {
        expect(lines, "list-append", broken, anomaly, kept);
    };
    lists(
        &[r#"0 ok [["append","x",1],["r","x",[2]]]"#],
        "read-committed",
        "internal",
        None,
    );
    lists(
        &[r#"0 ok [["r","x",[9]]]"#],
        "read-committed",
        "garbage-read",
        None,
    );
    lists(
        &[r#"0 fail [["append","x",1]]"#, r#"1 ok [["r","x",[1]]]"#],
        "read-committed",
        "G1a",
        None,
    );
    lists(
        &[
            r#"0 ok [["append","x",1],["append","x",2]]"#,
            r#"| 1 ok [["r","x",[1]]]"#,
        ],
        "read-committed",
        "G1b",
        None,
    );
    lists(
        &[
            r#"0 ok [["append","x",1]]"#,
            r#"1 ok [["append","x",2]]"#,
            r#"2 ok [["r","x",[1,2]]]"#,
            r#"3 ok [["r","x",[2]]]"#,
        ],
        "read-committed",
        "incompatible-order",
        None,
    );
    lists(
        &[
            r#"0 ok [["append","x",1],["append","y",1]]"#,
            r#"| 1 ok [["append","x",2],["append","y",2]]"#,
            r#"2 ok [["r","x",[1,2]],["r","y",[2,1]]]"#,
        ],
        "read-committed",
        "G0",
        None,
    );
    lists(
        &[
            r#"0 ok [["append","x",1],["r","y",[1]]]"#,
            r#"| 1 ok [["append","y",1],["r","x",[1]]]"#,
        ],
        "read-committed",
        "G1c",
        None,
    );
    lists(
        &[
            r#"0 ok [["r","x",[]],["r","y",[1]]]"#,
            r#"| 1 ok [["append","x",1],["append","y",1]]"#,
            r#"2 ok [["r","x",[1]]]"#,
        ],
        "snapshot-isolation",
        "G-single",
        Some("read-committed"),
    );
    lists(
        &[
            r#"0 ok [["r","x",[]],["append","x",1]]"#,
            r#"| 1 ok [["r","x",[]],["append","x",2]]"#,
            r#"2 ok [["r","x",[1,2]]]"#,
        ],
        "snapshot-isolation",
        "lost-update",
        Some("read-committed"),
    );
    // Write skew: what snapshots allow and serial orders do not.
    lists(
        &[
            r#"0 ok [["r","x",[]],["append","y",1]]"#,
            r#"| 1 ok [["r","y",[]],["append","x",1]]"#,
            r#"2 ok [["r","x",[1]],["r","y",[1]]]"#,
        ],
        "serializable",
        "G2-item",
        Some("snapshot-isolation"),
    );
    // A stale read by another process, and one by the process that wrote.
    lists(
        &[r#"0 ok [["append","x",1]]"#, r#"1 ok [["r","x",[]]]"#],
        "strict-serializable",
        "G-single-realtime",
        Some("strong-session-serializable"),
    );
    lists(
        &[r#"0 ok [["append","x",1]]"#, r#"0 ok [["r","x",[]]]"#],
        "strong-session-serializable",
        "G-single-process",
        Some("serializable"),
    );
}

#[test]
fn each_anomaly_of_registers_is_found_by_its_name() {
    let registers = |lines: &[&str], broken, anomaly, kept| {
        expect(lines, "multi-register", broken, anomaly, kept);
    };
    registers(
        &[r#"0 ok [["w","x",1],["r","x",2]]"#],
        "read-committed",
        "internal",
        None,
    );
    registers(
        &[r#"0 fail [["w","x",1]]"#, r#"1 ok [["r","x",1]]"#],
        "read-committed",
        "G1a",
        None,
    );
    registers(
        &[
            r#"0 ok [["w","x",1],["w","x",2]]"#,
            r#"| 1 ok [["r","x",1]]"#,
        ],
        "read-committed",
        "G1b",
        None,
    );
    registers(
        &[
            r#"0 ok [["w","x",1],["r","y",1]]"#,
            r#"| 1 ok [["w","y",1],["r","x",1]]"#,
        ],
        "read-committed",
        "G1c",
        None,
    );
    registers(
        &[
            r#"0 ok [["r","x",null],["w","x",1]]"#,
            r#"| 1 ok [["r","x",null],["w","x",2]]"#,
        ],
        "snapshot-isolation",
        "lost-update",
        Some("read-committed"),
    );
    registers(
        &[
            r#"0 ok [["r","x",null],["w","y",1]]"#,
            r#"| 1 ok [["r","y",null],["w","x",1]]"#,
        ],
        "serializable",
        "G2-item",
        Some("snapshot-isolation"),
    );
    registers(
        &[
            r#"0 ok [["w","x",1]]"#,
            r#"1 ok [["w","x",2]]"#,
            r#"2 ok [["r","x",1]]"#,
        ],
        "strict-serializable",
        "G-single-realtime",
        Some("serializable"),
    );
}

/// A transaction that a process has open, and its result once it took effect.
type Underway = Option<(Value, Option<Value>)>;

/// Transactions on two keys that took effect one at a time, but for the lies.
fn random(rng: &mut Rng, lists: bool) -> History {
    let mut recorder = Recorder::new(Header::default());
    let mut store: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let clients = 2 + rng.below(3);
    let mut states: Vec<(u64, Underway)> = (0..clients).map(|n| (n, None)).collect();
    let (mut next_process, mut next_value) = (clients, 0);
    let lying = rng.chance(60);
    let mut begun = 0;
    for time in 0..400 {
        let place = rng.below(clients) as usize;
        let (process, state) = &mut states[place];
        *state = match state.take() {
            None if begun < 7 => {
                begun += 1;
                let mut micros = Vec::new();
                for _ in 0..1 + rng.below(3) {
                    let key = Value::from(["x", "y"][rng.below(2) as usize]);
                    micros.push(if rng.chance(50) {
                        Value::List(vec!["r".into(), key, Value::Null])
                    } else {
                        next_value += 1;
                        let f = if lists { "append" } else { "w" };
                        Value::List(vec![f.into(), key, Value::Int(next_value)])
                    });
                }
                let txn = Value::List(micros);
                recorder.invoke(time, *process, "txn", None, txn.clone(), None);
                Some((txn, None))
            }
            None => None,
            Some((txn, None)) => {
                if rng.chance(8) {
                    recorder.fail(time, *process, txn, None);
                    None
                } else {
                    let result = apply(&mut store, &txn, lists);
                    Some((txn, Some(result)))
                }
            }
            Some((_, Some(mut result))) => {
                if rng.chance(10) {
                    recorder.info(time, *process, Value::Null, None);
                    *process = next_process;
                    next_process += 1;
                } else {
                    if lying && rng.chance(30) {
                        falsify(&mut result, rng);
                    }
                    recorder.ok(time, *process, result);
                }
                None
            }
        };
    }
    recorder.finish()
}

fn apply(store: &mut BTreeMap<&str, Vec<Value>>, txn: &Value, lists: bool) -> Value {
    let mut result = Vec::new();
    for micro in txn.as_list().unwrap() {
        let [f, key, value] = micro.as_list().unwrap() else {
            panic!("three parts")
        };
        let name = if key.as_str() == Some("x") { "x" } else { "y" };
        let written = store.entry(name).or_default();
        let value = match f.as_str().unwrap() {
            "r" if lists => Value::List(written.clone()),
            "r" => written.last().cloned().unwrap_or_default(),
            _ => {
                written.push(value.clone());
                value.clone()
            }
        };
        result.push(Value::List(vec![f.clone(), key.clone(), value]));
    }
    Value::List(result)
}

fn falsify(result: &mut Value, rng: &mut Rng) {
    let Value::List(micros) = result else { return };
    for micro in micros {
        let Value::List(parts) = micro else { return };
        if parts[0].as_str() != Some("r") || rng.chance(50) {
            continue;
        }
        match &mut parts[2] {
            Value::List(items) => {
                items.pop();
            }
            Value::Int(number) if *number > 1 => *number -= 1,
            other => *other = Value::Null,
        }
    }
}

#[test]
fn nothing_that_has_a_serial_order_is_called_a_violation() {
    let seed = setting("PLUMB_DIFFERENTIAL_SEED", 4);
    let count = setting("PLUMB_DIFFERENTIAL_COUNT", 20_000) / 4;
    let levels = [
        "read-committed",
        "snapshot-isolation",
        "serializable",
        "strong-session-serializable",
        "strict-serializable",
    ];
    let mut found = [0; 2];
    let (mut shown, mut open) = (0, 0);
    for number in 0..count {
        let mut rng = Rng(seed.wrapping_mul(1 << 32).wrapping_add(number));
        let lists = rng.chance(50);
        let history = random(&mut rng, lists);
        let spec = if lists {
            "list-append"
        } else {
            "multi-register"
        };
        let text = || String::from_utf8(history.to_jsonl()).unwrap();
        let serial = judge(&history, spec, "linearizable").verdict;
        assert!(!serial.is_unknown(), "case {number}: {serial}\n{}", text());
        let verdicts = levels.map(|level| judge(&history, spec, level).verdict);
        for pair in verdicts.windows(2) {
            assert!(
                !pair[0].is_violation() || pair[1].is_violation(),
                "case {number}: what breaks the weaker breaks the stronger\n{}",
                text()
            );
        }
        // Either has a serial order in real time, or none: cycles, orders and the search leave nothing open.
        let strict = &verdicts[4];
        assert_eq!(
            serial.is_valid(),
            strict.is_valid(),
            "case {number}: {serial} against {strict}\n{}",
            text()
        );
        assert_eq!(
            serial.is_violation(),
            strict.is_violation(),
            "case {number}: {serial} against {strict}\n{}",
            text()
        );
        found[usize::from(lists)] += u64::from(strict.is_violation());
        for (level, verdict) in levels.iter().zip(&verdicts).skip(2) {
            let Verdict::Valid(witness) = verdict else {
                open += u64::from(verdict.is_unknown());
                continue;
            };
            let options = options(spec, level);
            match verify_witness(&history, &options, witness) {
                Ok(()) => shown += 1,
                Err(WitnessError::NoOrder { .. }) if lists => {}
                Err(why) => panic!("case {number}, {level}: {why}\n{}", text()),
            }
        }
    }
    println!("registers, lists: {found:?} violations; {shown} orders shown, {open} verdicts open");
    assert!(found[0] * 10 > count && found[1] * 10 > count);
    assert!(shown * 2 > count);
    // What is not in real time may be open, and seldom is.
    assert!(open * 50 < count, "{open} of {count}");
}

#[test]
fn long_histories_of_registers_are_shown_serial() {
    let mut shown = 0;
    for seed in 1..4 {
        for (operations, clients) in [(300, 5), (1_000, 3), (3_000, 20)] {
            let family = Family {
                object: families::Object::RwRegister,
                indeterminate: 2,
                seed,
                ..Family::register(operations, clients)
            };
            let mut builder = Builder::new(Header::default());
            family.events(|event| builder.push(Line::Client(event)).unwrap());
            let history = builder.finish();
            for level in [
                "strict-serializable",
                "strong-session-serializable",
                "serializable",
            ] {
                let mut options = options("multi-register", level);
                let case = format!("{operations} operations of {clients}, seed {seed}, {level}");
                match &check(&history, &options).unwrap().verdict {
                    Verdict::Valid(witness) => {
                        verify_witness(&history, &options, witness)
                            .unwrap_or_else(|why| panic!("{case}: {why}"));
                        shown += 1;
                    }
                    // What is not shown is no pass, unless that is all that is asked for.
                    Verdict::Unknown(why) => {
                        let why = why.to_string();
                        assert!(why.contains("no serial order"), "{case}: {why}");
                    }
                    Verdict::Violation(why) => panic!("{case}: {why}"),
                }
                options.acyclic = true;
                let verdict = check(&history, &options).unwrap().verdict;
                assert!(verdict.is_valid(), "{case}: {verdict}");
            }
        }
    }
    println!("{shown} of 27 shown");
    // All of them have an order.
    assert!(shown >= 26, "{shown}");
}
