//! Promises other than linearizability: sequential consistency against trying every order, session
//! guarantees, staleness and audits by example.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use common::{Rng, Shape, generate, is_linearizable, is_sequential, setting};
use plumb_checkers::{Consistency, Options, Spec, Verdict, check, staleness};
use plumb_histories::{Header, History, Recorder, Value};

/// `process f argument → result`, one after the other; no arrow: it never returned.
fn history(lines: &[&str]) -> History {
    let mut recorder = Recorder::new(Header::default());
    for (time, line) in (0u64..).zip(lines) {
        let (asked, result) = match line.split_once(" -> ") {
            Some((asked, result)) => (asked, Some(result)),
            None => (*line, None),
        };
        let mut words = asked.splitn(3, ' ');
        let process = words.next().unwrap().parse().unwrap();
        let f = words.next().unwrap();
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let argument = words.next().map_or(Value::Null, value);
        recorder.invoke(time * 10, process, f, None, argument, None);
        match result {
            Some(result) => recorder.ok(time * 10 + 5, process, value(result)),
            None => recorder.info(time * 10 + 5, process, Value::Null, None),
        }
    }
    recorder.finish()
}

fn judge(lines: &[&str], spec: &str, consistency: &str) -> Verdict {
    let options = Options::new(Spec::by_name(spec).unwrap())
        .with_consistency(Consistency::by_name(consistency).unwrap());
    check(&history(lines), &options).unwrap().verdict
}

fn broken(lines: &[&str], spec: &str, consistency: &str, part: &str) {
    let verdict = judge(lines, spec, consistency);
    let text = verdict.to_string();
    assert!(
        verdict.is_violation() && text.contains(part),
        "{part} expected in: {text}"
    );
}

fn kept(lines: &[&str], spec: &str, consistency: &str) {
    let verdict = judge(lines, spec, consistency);
    assert!(
        verdict.is_valid(),
        "{lines:?} under {consistency}: {verdict}"
    );
}

#[test]
fn sequential_consistency_agrees_with_trying_every_order() {
    let seed = setting("PLUMB_DIFFERENTIAL_SEED", 4);
    let count = setting("PLUMB_DIFFERENTIAL_COUNT", 20_000) / 8;
    let sequential = Consistency::by_name("sequential").unwrap();
    let (mut violated, mut weaker) = (0, 0);
    for number in 0..count {
        let mut rng = Rng((!seed).wrapping_mul(1 << 32).wrapping_add(number));
        let mut shape = Shape::random(&mut rng);
        shape.operations = shape.operations.min(7);
        let history = generate(&mut rng, &shape);
        let options = Options::new(Spec::by_name(shape.object.spec()).unwrap())
            .with_init(shape.object.init())
            .with_consistency(sequential);
        let verdict = check(&history, &options).unwrap().verdict;
        let expected = is_sequential(&history, shape.object);
        let text = || String::from_utf8(history.to_jsonl()).unwrap();
        assert!(!verdict.is_unknown());
        assert_eq!(
            verdict.is_valid(),
            expected,
            "case {number}: {verdict}\n{}",
            text()
        );
        let linearizable = is_linearizable(&history, shape.object);
        assert!(
            expected || !linearizable,
            "linearizable is stronger: case {number}"
        );
        violated += u64::from(!expected);
        weaker += u64::from(expected && !linearizable);
    }
    assert!(
        violated > count / 50 && weaker > count / 500,
        "{violated} {weaker} of {count}"
    );
}

#[test]
fn session_guarantees_are_told_apart() {
    // Versions 1 and 2 in this order, by real time.
    let backwards = [
        "0 write 1 -> 1",
        "0 write 2 -> 2",
        "1 read -> 2",
        "1 read -> 1",
    ];
    broken(&backwards, "register", "monotonic-reads", "read → 1");
    kept(&backwards, "register", "read-your-writes");
    let forgotten = ["0 write 1 -> 1", "1 write 2 -> 2", "1 read -> 1"];
    broken(&forgotten, "register", "read-your-writes", "write 2");
    kept(&forgotten, "register", "monotonic-reads");
    kept(&forgotten, "register", "monotonic-writes");
    let fresh = [
        "0 write 1 -> 1",
        "1 read -> 1",
        "0 write 2 -> 2",
        "1 read -> 2",
        "2 read -> 1",
    ];
    for guarantee in [
        "monotonic-reads",
        "monotonic-writes",
        "read-your-writes",
        "writes-follow-reads",
    ] {
        kept(&fresh, "register", guarantee);
    }
    // A write is invoked first and seen by one who then writes something older.
    let mut recorder = Recorder::new(Header::default());
    recorder.invoke(0, 0, "write", None, Value::Int(1), None);
    recorder.ok(1, 0, Value::Int(1));
    recorder.invoke(2, 1, "write", None, Value::Int(2), None);
    recorder.invoke(3, 2, "read", None, Value::Null, None);
    recorder.ok(4, 2, Value::Int(3));
    recorder.invoke(5, 2, "write", None, Value::Int(4), None);
    recorder.ok(6, 2, Value::Int(4));
    recorder.invoke(7, 3, "write", None, Value::Int(3), None);
    recorder.ok(8, 3, Value::Int(3));
    let options = Options::new(Spec::by_name("register").unwrap())
        .with_consistency(Consistency::by_name("writes-follow-reads").unwrap());
    let verdict = check(&recorder.finish(), &options).unwrap().verdict;
    assert!(verdict.is_violation(), "{verdict}");
}

#[test]
fn staleness_is_measured_in_versions_and_time() {
    let lines = [
        "0 write 1 -> 1",
        "0 write 2 -> 2",
        "0 write 3 -> 3",
        "1 read -> 1",
        "1 read -> 3",
    ];
    let options = Options::new(Spec::by_name("register").unwrap());
    let measured = staleness(&history(&lines), &options).unwrap();
    assert_eq!((measured.reads, measured.stale), (2, 1));
    let worst = measured.worst.unwrap();
    // Replaced at 15, read at 30.
    assert_eq!(
        (worst.number, worst.versions, worst.nanoseconds),
        (3, 2, 15)
    );
}

#[test]
fn audits_say_what_is_lost_and_what_came_from_nowhere() {
    let queue = |lines: &[&str], part| broken(lines, "fifo-queue", "total-queue", part);
    queue(&["0 dequeue -> 7"], "never put in");
    queue(
        &["0 enqueue 1 -> 1", "0 dequeue -> 1", "0 dequeue -> 1"],
        "2 times",
    );
    queue(&["0 enqueue 1 -> 1", "0 dequeue -> null"], "lost");
    queue(
        &["0 dequeue -> 1", "0 enqueue 1 -> 1"],
        "before it was put in",
    );
    // Out of order, but complete.
    let shuffled = [
        "0 enqueue 1 -> 1",
        "0 enqueue 2 -> 2",
        "0 dequeue -> 2",
        "0 dequeue -> 1",
    ];
    kept(&shuffled, "fifo-queue", "total-queue");
    kept(
        &["0 enqueue 1 -> 1", "1 dequeue", "0 dequeue -> null"],
        "fifo-queue",
        "total-queue",
    );

    let set = |lines: &[&str], part| broken(lines, "set", "membership", part);
    set(&["0 read -> [7]"], "never added");
    set(&["0 add 1 -> 1", "0 read -> []"], "lost");
    set(
        &["0 add 1 -> 1", "0 read -> []", "0 read -> [1]"],
        "recovered",
    );
    kept(
        &["0 add 1", "0 read -> []", "0 read -> [1]"],
        "set",
        "membership",
    );

    let counter = |lines: &[&str], part| broken(lines, "counter", "counter-bounds", part);
    counter(&["0 add 2 -> 2", "0 read -> 1"], "between 2 and 2");
    counter(&["0 add 2", "0 read -> 3"], "between 0 and 2");
    kept(
        &["0 add 2", "0 read -> 2", "0 read -> 0"],
        "counter",
        "counter-bounds",
    );

    broken(
        &["0 generate -> 1", "1 generate -> 1"],
        "unique-ids",
        "unique-ids",
        "two operations",
    );
    kept(
        &["0 generate -> 1", "1 generate", "1 generate -> 2"],
        "unique-ids",
        "unique-ids",
    );
}

#[test]
fn a_consistency_that_does_not_fit_is_refused_with_what_to_ask_instead() {
    let options = Options::new(Spec::by_name("register").unwrap())
        .with_consistency(Consistency::by_name("total-queue").unwrap());
    let error = check(&history(&["0 read -> null"]), &options)
        .unwrap_err()
        .to_string();
    assert!(error.contains("fifo-queue"), "{error}");
    let options = Options::new(Spec::by_name("counter").unwrap())
        .with_consistency(Consistency::by_name("serializable").unwrap());
    let error = check(&history(&["0 read -> 0"]), &options)
        .unwrap_err()
        .to_string();
    assert!(error.contains("linearizable instead"), "{error}");
}
