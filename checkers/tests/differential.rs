//! The front door against the plainest judge on random small histories: no disagreement is tolerated.
//! Every valid verdict's witness is verified besides. `PLUMB_DIFFERENTIAL_COUNT` sets how many,
//! `PLUMB_DIFFERENTIAL_SEED` from where; the defaults suit a run on every push.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use common::{Object, Rng, Shape, generate, is_linearizable, setting};
use plumb_checkers::{Algorithm, Options, Spec, Verdict, check, verify_witness};
use plumb_histories::{Builder, Event, Header, History, Line, Value};

#[test]
fn the_front_door_agrees_with_trying_every_order() {
    let seed = setting("PLUMB_DIFFERENTIAL_SEED", 4);
    let count = setting("PLUMB_DIFFERENTIAL_COUNT", 20_000);
    let (mut valid, mut violated, mut unfinished) = (0, 0, 0);
    for number in 0..count {
        let mut rng = Rng(seed.wrapping_mul(1 << 32).wrapping_add(number));
        let shape = Shape::random(&mut rng);
        let history = generate(&mut rng, &shape);
        let mut options = Options::new(Spec::by_name(shape.object.spec()).unwrap())
            .with_init(shape.object.init());
        options.partition = rng.chance(75);
        let report = check(&history, &options).unwrap();
        let expected = is_linearizable(&history, shape.object);
        let text = || String::from_utf8(history.to_jsonl()).unwrap();
        match &report.verdict {
            Verdict::Valid(witness) => {
                assert!(
                    expected,
                    "case {number} ({shape:?}) judged valid:\n{}",
                    text()
                );
                verify_witness(&history, &options, witness)
                    .unwrap_or_else(|why| panic!("case {number} ({shape:?}): {why}\n{}", text()));
                valid += 1;
            }
            Verdict::Violation(why) => {
                assert!(!expected, "case {number} ({shape:?}): {why}\n{}", text());
                assert!(
                    why.confirmed,
                    "case {number} ({shape:?}): {why}\n{}",
                    text()
                );
                let shortest = why.prefix.as_ref().is_some_and(|prefix| prefix.shortest);
                unfinished += u64::from(!why.minimal || !shortest);
                violated += 1;
            }
            Verdict::Unknown(why) => panic!("case {number} ({shape:?}): {why}\n{}", text()),
        }
    }
    println!("{count} histories from seed {seed}: {valid} valid, {violated} violated");
    // Explanations have a small budget, which queues of many indeterminate elements can exhaust.
    assert!(
        unfinished * 1000 <= violated,
        "{unfinished} of {violated} not explained to the end"
    );
    // Both verdicts must be common, or the test shows little.
    assert!(valid * 5 > count && violated * 20 > count);
}

#[test]
fn queues_and_sets_of_different_elements_agree_with_trying_every_order() {
    for object in [
        Object::Queue,
        Object::Stack,
        Object::PriorityQueue,
        Object::GrowingSet,
    ] {
        elements_agree(object);
    }
}

fn elements_agree(object: Object) {
    let seed = setting("PLUMB_DIFFERENTIAL_SEED", 4);
    let count = setting("PLUMB_DIFFERENTIAL_COUNT", 20_000) / 4;
    let mut decided = [0; 2];
    for number in 0..count {
        let mut rng = Rng(seed.wrapping_mul(1 << 33).wrapping_add(number));
        let shape = Shape {
            object,
            operations: 4 + rng.below(6) as usize,
            clients: 2 + rng.below(4),
            values: 0,
            keys: 1,
            crash_percent: [0, 0, 10][rng.below(3) as usize],
            lies: rng.below(3),
        };
        let history = generate(&mut rng, &shape);
        let options = Options::new(Spec::by_name(object.spec()).unwrap());
        let report = check(&history, &options).unwrap();
        let expected = is_linearizable(&history, object);
        let text = || String::from_utf8(history.to_jsonl()).unwrap();
        assert_eq!(
            report.verdict.is_valid(),
            expected,
            "{object:?}, case {number}: {}\n{}",
            report.verdict,
            text()
        );
        if let Verdict::Valid(witness) = &report.verdict {
            verify_witness(&history, &options, witness)
                .unwrap_or_else(|why| panic!("{object:?}, case {number}: {why}\n{}", text()));
        }
        if report.algorithms() == [Algorithm::Elements] {
            decided[usize::from(expected)] += 1;
        }
    }
    println!("{count} of {object:?}: by elements {decided:?} violated and valid");
    assert!(decided.iter().all(|decided| decided * 20 > count));
}

/// The history with its pieces of text named alike: what was odd is `1.`, what was even `0.`.
fn with_repeated_pieces(history: &History) -> History {
    fn renamed(value: &Value) -> Value {
        match value {
            Value::Str(text) => {
                let pieces = text.split_terminator('.');
                let named = pieces.map(|piece| match piece.parse::<u64>() {
                    Ok(number) => format!("{}.", number % 2),
                    Err(_) => format!("{piece}."),
                });
                Value::Str(named.collect())
            }
            other => other.clone(),
        }
    }
    let mut builder = Builder::new(Header::default());
    for event in history.events() {
        let value = renamed(&event.value);
        let event = Event {
            value,
            ..event.clone()
        };
        builder.push(Line::Client(event)).unwrap();
    }
    builder.finish()
}

#[test]
fn texts_of_repeated_pieces_agree_with_trying_every_order() {
    let seed = setting("PLUMB_DIFFERENTIAL_SEED", 4);
    let count = setting("PLUMB_DIFFERENTIAL_COUNT", 20_000) / 4;
    let mut decided = [0; 2];
    for number in 0..count {
        let mut rng = Rng(seed.wrapping_mul(1 << 35).wrapping_add(number));
        let shape = Shape {
            object: Object::KvAppend,
            operations: 4 + rng.below(6) as usize,
            clients: 2 + rng.below(4),
            values: 0,
            keys: 1,
            crash_percent: [0, 0, 20][rng.below(3) as usize],
            lies: rng.below(3),
        };
        let history = with_repeated_pieces(&generate(&mut rng, &shape));
        let options =
            Options::new(Spec::by_name("kv-append").unwrap()).with_init(shape.object.init());
        let report = check(&history, &options).unwrap();
        let expected = is_linearizable(&history, shape.object);
        let text = || String::from_utf8(history.to_jsonl()).unwrap();
        assert_eq!(
            report.verdict.is_valid(),
            expected,
            "case {number}: {}\n{}",
            report.verdict,
            text()
        );
        match &report.verdict {
            Verdict::Valid(witness) => verify_witness(&history, &options, witness)
                .unwrap_or_else(|why| panic!("case {number}: {why}\n{}", text())),
            Verdict::Violation(why) => assert!(why.confirmed, "case {number}: {why}\n{}", text()),
            Verdict::Unknown(why) => panic!("case {number}: {why}\n{}", text()),
        }
        let repeats = history.operations().filter(|op| op.f() != "get").count() > 2;
        if repeats && report.algorithms() == [Algorithm::Zones] {
            decided[usize::from(expected)] += 1;
        }
    }
    println!("{count} of repeated pieces: by zones {decided:?} violated and valid");
    assert!(decided.iter().all(|decided| decided * 20 > count));
}
