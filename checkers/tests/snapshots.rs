//! Snapshot isolation of registers against trying every order of beginnings and commits. Sizes as in
//! `differential.rs`.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Rng, setting};
use plumb_checkers::{Consistency, Options, Spec, Verdict, check, verify_witness};
use plumb_histories::{Header, History, Recorder, Value};

/// Micro-operations: whether it writes, key, value (0 is null).
type Txn = Vec<(bool, usize, i64)>;

/// Transactions that read whatever anybody wrote, all open at once.
fn random(rng: &mut Rng) -> Vec<Txn> {
    let mut txns: Vec<Txn> = Vec::new();
    let mut written = [vec![0], vec![0]];
    let mut value = 0;
    for _ in 0..2 + rng.below(4) {
        let mut txn = Txn::new();
        for _ in 0..1 + rng.below(3) {
            let (writes, key) = (rng.chance(45), rng.below(2) as usize);
            value += i64::from(writes);
            if writes {
                written[key].push(value);
            }
            txn.push((writes, key, value));
        }
        txns.push(txn);
    }
    for (writes, key, value) in txns.iter_mut().flatten() {
        if !*writes {
            *value = written[*key][rng.below(written[*key].len() as u64) as usize];
        }
    }
    txns
}

fn history(txns: &[Txn]) -> History {
    let mut recorder = Recorder::new(Header::default());
    let value = |txn: &Txn| {
        let micros = txn.iter().map(|(writes, key, value)| {
            let value = if *value == 0 {
                Value::Null
            } else {
                Value::Int(*value)
            };
            Value::List(vec![
                if *writes { "w" } else { "r" }.into(),
                ["x", "y"][*key].into(),
                value,
            ])
        });
        Value::List(micros.collect())
    };
    for (process, txn) in (0..).zip(txns) {
        recorder.invoke(0, process, "txn", None, value(txn), None);
    }
    for (process, txn) in (0..).zip(txns) {
        recorder.ok(1, process, value(txn));
    }
    recorder.finish()
}

/// Tries every order.
fn has_snapshots(txns: &[Txn]) -> bool {
    let writes = |txn: &Txn| -> BTreeMap<usize, i64> {
        let writes = txn.iter().filter(|(writes, ..)| *writes);
        writes.map(|(_, key, value)| (*key, *value)).collect()
    };
    let reads_right = |txn: &Txn, state: [i64; 2]| {
        let mut seen = state;
        txn.iter().all(|(writes, key, value)| {
            if *writes {
                seen[*key] = *value;
            }
            seen[*key] == *value
        })
    };
    let mut known = BTreeSet::new();
    let mut left = vec![(0u32, 0u32, [0i64; 2])];
    while let Some((begun, committed, state)) = left.pop() {
        if committed + 1 == 1 << txns.len() {
            return true;
        }
        if !known.insert((begun, committed, state)) {
            continue;
        }
        for (at, txn) in txns.iter().enumerate() {
            let bit = 1 << at;
            if begun & bit == 0 && reads_right(txn, state) {
                left.push((begun | bit, committed, state));
            }
            let own = writes(txn);
            let disturbs = txns.iter().enumerate().any(|(other, txn)| {
                let open = other != at && (begun & !committed) >> other & 1 == 1;
                open && writes(txn).keys().any(|key| own.contains_key(key))
            });
            if begun & bit != 0 && committed & bit == 0 && !disturbs {
                let mut after = state;
                for (key, value) in own {
                    after[key] = value;
                }
                left.push((begun, committed | bit, after));
            }
        }
    }
    false
}

#[test]
fn snapshots_are_found_where_there_are_any_and_replayed() {
    let seed = setting("PLUMB_DIFFERENTIAL_SEED", 4);
    let count = setting("PLUMB_DIFFERENTIAL_COUNT", 20_000);
    let options = Options::new(Spec::by_name("multi-register").unwrap())
        .with_consistency(Consistency::SnapshotIsolation);
    let (mut valid, mut violated, mut open) = (0, 0, 0);
    for number in 0..count {
        let mut rng = Rng(seed.wrapping_mul(1 << 34).wrapping_add(number));
        let txns = random(&mut rng);
        let history = history(&txns);
        let expected = has_snapshots(&txns);
        match check(&history, &options).unwrap().verdict {
            Verdict::Valid(witness) => {
                assert!(expected, "case {number}: {txns:?} judged valid");
                verify_witness(&history, &options, &witness)
                    .unwrap_or_else(|why| panic!("case {number}: {why}\n{txns:?}"));
                let mut halved = witness.clone();
                halved.parts[0].order.pop();
                assert!(verify_witness(&history, &options, &halved).is_err());
                valid += 1;
            }
            Verdict::Violation(why) => {
                assert!(!expected, "case {number}: {why}\n{txns:?}");
                violated += 1;
            }
            Verdict::Unknown(_) => open += 1,
        }
    }
    println!("{count} histories: {valid} valid, {violated} violated, {open} open");
    assert!(valid * 20 > count && violated * 20 > count);
    assert!(open * 50 < count, "{open} of {count}");
}
