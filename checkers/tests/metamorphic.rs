//! What must not change a verdict, and in which direction others may move it.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use common::{Rng, Shape, generate};
use plumb_checkers::{Budget, Options, Report, Spec, check};
use plumb_histories::{Builder, Event, Header, History, Kind, Line, Value};
use proptest::prelude::*;

fn options(shape: &Shape) -> Options {
    Options::new(Spec::by_name(shape.object.spec()).unwrap()).with_init(shape.object.init())
}

fn judge(history: &History, shape: &Shape) -> Report {
    check(history, &options(shape)).unwrap()
}

/// The history of these events, numbered anew.
fn rebuilt(events: impl IntoIterator<Item = Event>) -> History {
    let mut builder = Builder::new(Header::default());
    for (index, event) in (0..).zip(events) {
        builder
            .push(Line::Client(Event { index, ..event }))
            .unwrap();
    }
    builder.finish()
}

/// Values by another name: every number is shifted, which keeps them apart.
fn renamed(value: &Value) -> Value {
    match value {
        Value::Int(number) => Value::Int(number + 1000),
        Value::List(items) => Value::List(items.iter().map(renamed).collect()),
        other => other.clone(),
    }
}

fn case() -> impl Strategy<Value = (Shape, History)> {
    any::<u64>().prop_map(|seed| {
        let mut rng = Rng(seed);
        let shape = Shape::random(&mut rng);
        let history = generate(&mut rng, &shape);
        (shape, history)
    })
}

fn is_register(shape: &Shape) -> bool {
    matches!(
        shape.object.spec(),
        "register" | "cas-register" | "fifo-queue" | "set"
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_verdict_alone_is_the_verdict((shape, history) in case()) {
        let mut bare = options(&shape);
        (bare.explain, bare.witness) = (false, false);
        let alone = check(&history, &bare).unwrap().verdict;
        prop_assert_eq!(alone.name(), judge(&history, &shape).verdict.name());
    }

    #[test]
    fn reads_that_never_returned_do_not_matter((shape, history) in case()) {
        let dropped: Vec<(usize, Option<u64>)> = history
            .operations()
            .filter(|op| matches!(op.f(), "read" | "get") && op.result().is_none())
            .map(|op| (op.invoked_at, op.completion.map(|event| event.index)))
            .collect();
        let kept = history.events().iter().enumerate().filter(|(place, event)| {
            !dropped.iter().any(|(invoked, completed)| {
                invoked == place || *completed == Some(event.index)
            })
        });
        let without = rebuilt(kept.map(|(_, event)| event.clone()));
        prop_assert_eq!(
            judge(&history, &shape).verdict.name(),
            judge(&without, &shape).verdict.name()
        );
    }

    #[test]
    fn names_of_processes_and_values_do_not_matter((shape, history) in case()) {
        let verdict = judge(&history, &shape).verdict;
        let processes = rebuilt(history.events().iter().map(|event| Event {
            process: 1_000_000 - event.process * 7,
            ..event.clone()
        }));
        prop_assert_eq!(verdict.name(), judge(&processes, &shape).verdict.name());
        if is_register(&shape) {
            let values = rebuilt(history.events().iter().map(|event| Event {
                value: renamed(&event.value),
                ..event.clone()
            }));
            let options = options(&shape).with_init(renamed(&shape.object.init()));
            prop_assert_eq!(verdict.name(), check(&values, &options).unwrap().verdict.name());
        }
    }

    #[test]
    fn more_real_time_never_mends_a_violation((shape, history) in case(), swap in any::<prop::sample::Index>()) {
        let mut events = history.events().to_vec();
        let overlaps: Vec<usize> = (1..events.len())
            .filter(|place| {
                let (first, second) = (&events[place - 1], &events[*place]);
                // A completion moves before an invocation: the two no longer overlap.
                first.kind == Kind::Invoke
                    && second.kind == Kind::Ok
                    && first.process != second.process
            })
            .collect();
        prop_assume!(!overlaps.is_empty());
        let place = overlaps[swap.index(overlaps.len())];
        events.swap(place - 1, place);
        let tighter = rebuilt(events);
        if judge(&history, &shape).verdict.is_violation() {
            prop_assert!(judge(&tighter, &shape).verdict.is_violation());
        }
    }

    #[test]
    fn the_report_does_not_depend_on_threads_nor_on_the_run((shape, history) in case()) {
        let options = options(&shape).with_budget(Budget::steps(60));
        let alone = check(&history, &options).unwrap();
        let shared = check(&history, &options.clone().with_jobs(4)).unwrap();
        prop_assert_eq!(&alone, &shared);
        prop_assert_eq!(&alone, &check(&history, &options).unwrap());
    }

    #[test]
    fn a_report_has_a_verdict_in_json((shape, history) in case()) {
        let report = judge(&history, &shape);
        let json = serde_json::to_value(&report).unwrap();
        prop_assert_eq!(json["verdict"].as_str(), Some(report.verdict.name()));
        prop_assert!(!report.verdict.to_string().is_empty());
    }
}
