//! Explanations of violations: short, complete, confirmed, and true.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use common::{Object as Small, Rng, Shape, generate, is_linearizable, setting};
use plumb_checkers::families::{Family, Lie, Object};
use plumb_checkers::{
    Algorithm, Counterexample, Discipline, Options, Report, Spec, Verdict, check,
};
use plumb_histories::{Builder, Event, Header, History, Kind, Line, Recorder, Value};

fn judged(events: &[Event], spec: &str, init: Value) -> Report {
    let mut builder = Builder::new(Header::default());
    for event in events {
        builder.push(Line::Client(event.clone())).unwrap();
    }
    let options = Options::new(Spec::by_name(spec).unwrap()).with_init(init);
    check(&builder.finish(), &options).unwrap()
}

fn events(family: &Family) -> Vec<Event> {
    let mut events = Vec::new();
    family.events(|event| events.push(event));
    events
}

/// The explanation; `None` if the lie can be true.
fn explained(family: &Family) -> Option<Counterexample> {
    let report = judged(&events(family), family.spec(), family.init());
    match report.verdict {
        Verdict::Violation(told) => Some(*told),
        Verdict::Valid(_) => None,
        Verdict::Unknown(why) => panic!("{family:?}: {why}"),
    }
}

/// Nothing is wrong with the explanation, and it is short.
fn is_good(told: &Counterexample, most: usize, what: &str) {
    let count = told.operations.len();
    assert!(
        (1..=most).contains(&count),
        "{what}: {count} operations\n{told}"
    );
    assert!(told.minimal && told.confirmed, "{what}: {told}");
    assert!(!told.furthest.is_empty(), "{what}: {told}");
    assert!(told.sentence.len() < 1_000, "{what}: {}", told.sentence);
}

#[test]
fn long_histories_come_down_to_few_operations() {
    let objects = [
        (Object::Register, 0, 2_000),
        (Object::Register, 5, 2_000),
        (Object::CasRegister, 0, 2_000),
        (Object::CasRegister, 5, 2_000),
        (Object::KvAppend, 0, 2_000),
        (Object::Bank { accounts: 5 }, 0, 600),
        (Object::MultiRegister { registers: 5 }, 0, 600),
        (Object::Queue(Discipline::Fifo), 0, 2_000),
        (Object::Queue(Discipline::Lifo), 0, 2_000),
        (Object::Queue(Discipline::Least), 0, 2_000),
        (Object::GrowingSet { reads: 50 }, 0, 2_000),
    ];
    let (mut all, mut shortest, mut true_after_all) = (0, 0, 0);
    for (object, values, operations) in objects {
        for clients in [2, 5, 20] {
            // Many clients at once with a bank are what a search is slow at.
            let clients = match object {
                Object::Bank { .. } | Object::MultiRegister { .. } => clients.min(5),
                _ => clients,
            };
            for lie in [Lie::Early, Lie::Late] {
                let family = Family {
                    object,
                    values,
                    lie,
                    seed: 3,
                    ..Family::register(operations, clients)
                };
                let Some(told) = explained(&family) else {
                    true_after_all += 1;
                    continue;
                };
                is_good(&told, 3, &format!("{family:?}"));
                all += 1;
                shortest += usize::from(told.prefix.is_some_and(|prefix| prefix.shortest));
            }
        }
    }
    println!("{all} explained, {shortest} with a prefix that is known to be the shortest");
    assert!(all >= 10 * true_after_all && all - shortest <= 2);
}

/// Exchanges what two removals returned, one after the other.
fn exchanged(object: Discipline, seed: u64) -> Vec<Event> {
    let family = Family {
        object: Object::Queue(object),
        seed,
        ..Family::register(1_000, 4)
    };
    let mut events = events(&family);
    let mut rng = Rng(seed);
    let taken: Vec<usize> = (0..events.len())
        .filter(|at| {
            let event = &events[*at];
            let puts = ["enqueue", "push", "insert"].contains(&&*event.f);
            event.kind == Kind::Ok && !puts && !event.value.is_null()
        })
        .collect();
    let first = rng.below(taken.len() as u64 - 40) as usize;
    let second = taken[first + 20 + rng.below(20) as usize];
    let first = taken[first];
    let value = events[first].value.clone();
    events[first].value = std::mem::replace(&mut events[second].value, value);
    events
}

#[test]
fn elements_that_come_out_in_a_wrong_order_are_told_apart() {
    for discipline in [Discipline::Fifo, Discipline::Lifo, Discipline::Least] {
        let mut told = 0;
        for seed in 0..20 {
            let events = exchanged(discipline, seed);
            let spec = Object::Queue(discipline);
            let spec = Family {
                object: spec,
                ..Family::register(1, 1)
            };
            let report = judged(&events, spec.spec(), Value::Null);
            let Verdict::Violation(why) = &report.verdict else {
                continue;
            };
            assert_eq!(report.algorithms(), [Algorithm::Elements]);
            is_good(why, 12, &format!("{discipline:?}, {seed}"));
            told += 1;
        }
        println!("{discipline:?}: {told} violated");
        assert!(told >= 10, "{discipline:?}: {told} violated");
    }
}

/// The history with the listed operations as they are. Of the others reads go, and updates may have happened at any
/// time or not at all; if these are on other elements, they go too.
fn relaxed(history: &History, told: &Counterexample, by_element: bool) -> History {
    let listed = |number: usize| {
        told.operations
            .iter()
            .any(|op| op.number as usize == number)
    };
    let element = |number: usize| {
        let op = history.operation(number);
        let result = op.result().filter(|value| !value.is_null());
        result.unwrap_or(op.argument()).clone()
    };
    let elements: Vec<Value> = told
        .operations
        .iter()
        .map(|op| element(op.number as usize))
        .filter(|element| !element.is_null())
        .collect();
    let mut recorder = Recorder::new(Header::default());
    let mut number_of = std::collections::BTreeMap::new();
    let mut next = 0;
    for event in history.events() {
        let process = event.process;
        if event.kind == Kind::Invoke {
            number_of.insert(process, next);
            next += 1;
        }
        let number = number_of[&process];
        // Nobody is asked twice.
        let own = number as u64;
        let reads = ["read", "get"].contains(&&*event.f) && !listed(number);
        let elsewhere = by_element && !listed(number) && !elements.contains(&element(number));
        if reads || elsewhere {
            continue;
        }
        match event.kind {
            Kind::Invoke => recorder.invoke(
                event.time_ns,
                own,
                &event.f,
                event.key.clone(),
                event.value.clone(),
                None,
            ),
            Kind::Ok if listed(number) => recorder.ok(event.time_ns, own, event.value.clone()),
            Kind::Fail => recorder.fail(event.time_ns, own, Value::Null, None),
            Kind::Ok | Kind::Info => recorder.info(event.time_ns, own, Value::Null, None),
        }
    }
    recorder.finish()
}

#[test]
fn what_is_listed_fails_whatever_all_others_did() {
    let seed = setting("PLUMB_DIFFERENTIAL_SEED", 4);
    let count = setting("PLUMB_DIFFERENTIAL_COUNT", 20_000) / 4;
    let (mut told, mut by_element) = (0, 0);
    for number in 0..count {
        let mut rng = Rng(seed.wrapping_mul(1 << 34).wrapping_add(number));
        let mut shape = Shape {
            lies: 1,
            operations: 7,
            ..Shape::random(&mut rng)
        };
        let disciplined = [
            Small::Queue,
            Small::Stack,
            Small::PriorityQueue,
            Small::GrowingSet,
        ];
        if disciplined.contains(&shape.object) && rng.chance(80) {
            shape.values = 0;
        }
        let history = generate(&mut rng, &shape);
        let options = Options::new(Spec::by_name(shape.object.spec()).unwrap())
            .with_init(shape.object.init());
        let report = check(&history, &options).unwrap();
        let Verdict::Violation(why) = &report.verdict else {
            continue;
        };
        let elements = why.by_themselves;
        let history_of_listed = relaxed(&history, why, elements);
        assert!(
            !is_linearizable(&history_of_listed, shape.object),
            "case {number} ({shape:?}): {why}\n{}",
            String::from_utf8(history.to_jsonl()).unwrap()
        );
        told += 1;
        by_element += u64::from(elements);
    }
    println!("{told} of {count} explained, {by_element} by elements");
    assert!(told * 8 > count && by_element * 50 > count);
}
