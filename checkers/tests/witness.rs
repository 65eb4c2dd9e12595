//! A witness is a proof, so each way of forging one must be seen.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use plumb_checkers::{
    Consistency, Options, PartWitness, Spec, Verdict, Witness, WitnessError, check, verify_witness,
};
use plumb_histories::{Header, History, Recorder, Value};

/// Write 1, then 2 beside a failed 3, then a read of 2, then a 4 that never returns.
fn history() -> History {
    let mut recorder = Recorder::new(Header::default());
    recorder.invoke(0, 0, "write", None, Value::Int(1), None);
    recorder.ok(1, 0, Value::Int(1));
    recorder.invoke(2, 0, "write", None, Value::Int(2), None);
    recorder.invoke(3, 1, "write", None, Value::Int(3), None);
    recorder.fail(4, 1, Value::Null, None);
    recorder.ok(5, 0, Value::Int(2));
    recorder.invoke(6, 1, "read", None, Value::Null, None);
    recorder.ok(7, 1, Value::Int(2));
    recorder.invoke(8, 1, "write", None, Value::Int(4), None);
    recorder.finish()
}

fn options() -> Options {
    Options::new(Spec::by_name("register").unwrap())
}

fn verify(order: &[u32]) -> Result<(), WitnessError> {
    let parts = vec![PartWitness {
        key: None,
        order: order.to_vec(),
    }];
    verify_witness(&history(), &options(), &Witness { parts })
}

#[test]
fn the_order_that_a_check_gives_is_accepted_with_or_without_the_indeterminate_write() {
    let Verdict::Valid(witness) = check(&history(), &options()).unwrap().verdict else {
        panic!("the history is valid");
    };
    verify_witness(&history(), &options(), &witness).unwrap();
    verify(&[0, 1, 3]).unwrap();
    verify(&[0, 1, 3, 4]).unwrap();
}

#[test]
fn a_forged_order_is_refused_with_its_reason() {
    let membership = |number| move |error: &WitnessError| matches!(error, WitnessError::Membership { number: found, .. } if *found == number);
    type Expected = Box<dyn Fn(&WitnessError) -> bool>;
    let cases: Vec<(&[u32], Expected)> = vec![
        (&[0, 1], Box::new(membership(3))),
        (&[0, 1, 1, 3], Box::new(membership(1))),
        (&[0, 2, 1, 3], Box::new(membership(2))),
        (&[0, 1, 3, 9], Box::new(membership(9))),
        (
            &[1, 0, 3],
            Box::new(|error| matches!(error, WitnessError::RealTime { .. })),
        ),
        // The write of 4 may come early; the read then cannot see 2.
        (
            &[0, 1, 4, 3],
            Box::new(|error| matches!(error, WitnessError::RealTime { .. })),
        ),
    ];
    for (order, expected) in cases {
        let error = verify(order).unwrap_err();
        assert!(expected(&error), "{order:?}: {error}");
    }
    let none = verify_witness(&history(), &options(), &Witness::default());
    assert!(matches!(none, Err(WitnessError::Parts { .. })));
    // Nothing before the read brings what it saw.
    let mut recorder = Recorder::new(Header::default());
    recorder.invoke(0, 0, "write", None, Value::Int(1), None);
    recorder.invoke(1, 1, "read", None, Value::Null, None);
    recorder.ok(2, 1, Value::Int(1));
    let parts = vec![PartWitness {
        key: None,
        order: vec![1],
    }];
    let error = verify_witness(&recorder.finish(), &options(), &Witness { parts }).unwrap_err();
    assert_eq!(error, WitnessError::Impossible { number: 1 });
}

#[test]
fn no_order_is_asked_for_where_none_shows_validity() {
    let options = options().with_consistency(Consistency::by_name("monotonic-reads").unwrap());
    let error = verify_witness(&history(), &options, &Witness::default()).unwrap_err();
    assert!(matches!(error, WitnessError::NoOrder { .. }));
}
