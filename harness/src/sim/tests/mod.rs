//! What is judged at the end of a run or by its clients, each with a run in which it breaks first: in a world made of
//! nothing but what the judges are shown.

mod stage;
mod steps;

use plumb_histories::Value;
use plumb_raft::kv::Reply;

use self::stage::{Play, broken, played};

/// A run in which all is well: something commits, all servers apply it, and clients are served.
const WELL: Play = Play {
    commits: true,
    appliers: 3,
    told: Some(7),
    insists: None,
    leads: false,
    again: Reply::Done,
    fails: None,
    panics: false,
    steps: 0,
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

/// Clients of queues, counters and banks ask once, and wait for as long as it takes.
#[test]
fn who_asked_before_the_healing_and_waits_still_is_owed_a_commit_and_a_leader() {
    for (f, leads, breaks) in [
        ("add", true, Some("Liveness")),
        // Of an empty queue there is nothing to take, and nothing commits.
        ("dequeue", true, None),
        ("dequeue", false, Some("Liveness")),
    ] {
        let insists = Some(f);
        let property = broken(Play {
            commits: false,
            insists,
            leads,
            ..WELL
        });
        assert_eq!(property.as_deref(), breaks, "{f}, with a leader: {leads}");
    }
}

#[test]
fn who_waits_for_service_until_the_end_lacks_it() {
    for (f, breaks) in [("add", Some("Availability")), ("dequeue", None)] {
        let insists = Some(f);
        let property = broken(Play { insists, ..WELL });
        assert_eq!(property.as_deref(), breaks, "{f}");
    }
}

#[test]
fn a_member_that_lacks_what_is_committed_at_the_end_has_not_converged() {
    let property = broken(Play {
        appliers: 2,
        ..WELL
    });
    assert_eq!(property.as_deref(), Some("Convergence"));
}

/// Time alone is no bound: a server that is refused for ever, by more messages each time, takes hours for a minute.
#[test]
fn who_lags_behind_gets_no_more_than_so_many_steps() {
    let waited_ms = |steps| {
        let run = played(Play {
            appliers: 2,
            steps,
            ..WELL
        });
        let property = run.violation.map(|violation| violation.property);
        assert_eq!(property.as_deref(), Some("Convergence"));
        run.simulated.as_millis() - 16_000
    };
    assert!(waited_ms(10) >= 60_000);
    assert!(waited_ms(15_000) < 10_000);
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
