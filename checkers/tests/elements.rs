//! Queues, stacks, priority queues and sets that are too long for trying every order: valid by construction or
//! with one lie, which is found.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use plumb_checkers::families::{Family, Lie, Object};
use plumb_checkers::{Algorithm, Discipline, Options, Report, Spec, check, verify_witness};
use plumb_histories::{Builder, Header, History, Line};

const OBJECTS: [Object; 4] = [
    Object::Queue(Discipline::Fifo),
    Object::Queue(Discipline::Lifo),
    Object::Queue(Discipline::Least),
    Object::GrowingSet { reads: 20 },
];

fn built(family: &Family) -> (History, Options) {
    let mut builder = Builder::new(Header::default());
    family.events(|event| builder.push(Line::Client(event)).unwrap());
    let options = Options::new(Spec::by_name(family.spec()).unwrap()).with_init(family.init());
    (builder.finish(), options)
}

fn judged(family: &Family) -> (History, Options, Report) {
    let (history, options) = built(family);
    let report = check(&history, &options).unwrap();
    (history, options, report)
}

#[test]
fn long_histories_are_decided_without_a_search() {
    for object in OBJECTS {
        for clients in [1, 2, 5, 20, 60] {
            for seed in 1..4 {
                let family = Family {
                    object,
                    seed,
                    ..Family::register(3_000, clients)
                };
                let (history, options, report) = judged(&family);
                assert!(report.verdict.is_valid(), "{family:?}: {}", report.verdict);
                assert_eq!(report.algorithms(), [Algorithm::Elements], "{family:?}");
                let plumb_checkers::Verdict::Valid(witness) = &report.verdict else {
                    unreachable!("it is valid");
                };
                verify_witness(&history, &options, witness)
                    .unwrap_or_else(|why| panic!("{family:?}: {why}"));
            }
        }
    }
}

#[test]
fn one_lie_is_found_and_told() {
    for object in OBJECTS {
        for lie in [Lie::Early, Lie::Late] {
            let family = Family {
                object,
                lie,
                ..Family::register(1_000, 5)
            };
            let (_, _, report) = judged(&family);
            assert!(
                report.verdict.is_violation(),
                "{family:?}: {}",
                report.verdict
            );
            assert_eq!(report.algorithms(), [Algorithm::Elements], "{family:?}");
        }
    }
}

#[test]
fn an_insertion_that_nobody_heard_of_explains_what_came_out() {
    // The element came out, so the insertion took place, whatever its client was told.
    let lines = r#"{"plumb_history":1}
{"index":0,"time_ns":1,"process":0,"kind":"invoke","f":"push","value":7}
{"index":1,"time_ns":2,"process":0,"kind":"info","f":"push","value":null}
{"index":2,"time_ns":3,"process":1,"kind":"invoke","f":"pop","value":null}
{"index":3,"time_ns":4,"process":1,"kind":"ok","f":"pop","value":null}
{"index":4,"time_ns":5,"process":1,"kind":"invoke","f":"pop","value":null}
{"index":5,"time_ns":6,"process":1,"kind":"ok","f":"pop","value":7}
"#;
    let history = plumb_histories::read_from("memory", lines.as_bytes()).unwrap();
    let options = Options::new(Spec::by_name("stack").unwrap());
    let report = check(&history, &options).unwrap();
    assert!(report.verdict.is_valid(), "{}", report.verdict);
    assert_eq!(report.algorithms(), [Algorithm::Elements]);
}
