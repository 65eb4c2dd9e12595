//! What is judged at the end of a run or by its clients, each with a run in which it breaks first: in a world made of
//! nothing but what the judges are shown.

mod stage;
mod steps;

use plumb_histories::Value;
use plumb_raft::kv::Reply;

use self::stage::{Play, broken};

/// A run in which all is well: something commits, all servers apply it, and clients are served.
const WELL: Play = Play {
    commits: true,
    appliers: 3,
    told: Some(7),
    again: Reply::Done,
    fails: None,
    panics: false,
};

#[test]
fn a_run_in_which_all_is_well_breaks_nothing() {
    assert_eq!(broken(WELL), None);
}

#[test]
fn a_healed_cluster_that_commits_nothing_is_not_alive() {
    let property = broken(Play {
        commits: false,
        ..WELL
    });
    assert_eq!(property.as_deref(), Some("Liveness"));
}

#[test]
fn a_member_that_lacks_what_is_committed_at_the_end_has_not_converged() {
    let property = broken(Play {
        appliers: 2,
        ..WELL
    });
    assert_eq!(property.as_deref(), Some("Convergence"));
}

#[test]
fn a_panic_and_a_part_of_the_world_that_fails_are_findings() {
    let property = broken(Play {
        panics: true,
        ..WELL
    });
    assert_eq!(property.as_deref(), Some("Assertion"));
    let property = broken(Play {
        fails: Some("a host is gone"),
        ..WELL
    });
    assert_eq!(property.as_deref(), Some("Assertion"));
}

#[test]
fn a_read_of_what_nobody_wrote_is_not_linearizable() {
    let property = broken(Play {
        told: Some(8),
        ..WELL
    });
    assert_eq!(property.as_deref(), Some("Linearizability"));
}

#[test]
fn clients_that_nobody_serves_once_all_is_healed_lack_service() {
    let property = broken(Play { told: None, ..WELL });
    assert_eq!(property.as_deref(), Some("Availability"));
}

#[test]
fn a_request_that_is_told_something_else_the_second_time_happened_twice() {
    let property = broken(Play {
        again: Reply::TooLarge,
        ..WELL
    });
    assert_eq!(property.as_deref(), Some("Exactly Once"));
}

/// The register's number, as clients see it.
fn number(value: i64) -> Value {
    Value::Int(value)
}
