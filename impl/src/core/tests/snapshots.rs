//! Snapshots (§7).

use super::*;

/// n1 leads, and has compacted away what n3 lacks.
fn world_with_a_lagging_follower() -> World {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    for command in ["a", "b", "c", "d", "e"] {
        w.propose(1, command);
        w.settle(&[1, 2]);
    }
    w.take_snapshot(1);
    w.settle(&[1, 2]);
    assert_eq!(
        w.at(1).node.log().first_index(),
        LogIndex(6),
        "one entry is retained"
    );
    w
}

#[test]
fn a_follower_that_lacks_compacted_entries_gets_a_snapshot_and_then_entries() {
    let mut w = world_with_a_lagging_follower();
    w.propose(1, "f");
    w.settle(&[1, 2]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(3), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(w.at(3).node.snapshot_index(), LogIndex(6));
    w.crash(3);
    assert_eq!(
        w.commands(3),
        ["a", "b", "c", "d", "e"],
        "the snapshot was durable"
    );
    assert_eq!(w.at(3).node.log().last_index(), LogIndex(7));
}

#[test]
fn a_follower_that_lags_less_than_the_retained_entries_is_spared_a_snapshot() {
    let mut w = World::new(3);
    w.elect(1, &[1, 2, 3]);
    w.propose(1, "a");
    w.settle(&[1, 2, 3]);
    w.propose(1, "b");
    w.settle(&[1, 2]);
    w.take_snapshot(1);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    w.settle(&[1, 2, 3]);
    assert_eq!(w.commands(3), ["a", "b"]);
    assert_eq!(w.at(3).node.snapshot_index(), LogIndex(0));
}

#[test]
fn a_snapshot_replaces_a_log_that_conflicts_with_it() {
    let mut w = World::new(3);
    w.elect(3, &[1, 2, 3]);
    for command in ["x", "y", "z"] {
        w.propose(3, command);
    }
    w.pile.clear();
    w.settle(&[3]);
    w.elect(1, &[1, 2]);
    for command in ["a", "b", "c", "d", "e"] {
        w.propose(1, command);
        w.settle(&[1, 2]);
    }
    w.take_snapshot(1);
    for _ in 0..2 {
        w.step(1, Input::TimerFired(Timer::Heartbeat));
        w.settle(&[1, 2, 3]);
    }
    assert_eq!(w.commands(3), ["a", "b", "c", "d", "e"]);
    w.crash(3);
    assert_eq!(w.at(3).node.log().base(), w.at(3).disk.base);
    assert_eq!(
        w.at(3).node.log().last_term(),
        Term(2),
        "nothing of term 1 is left"
    );
}

#[test]
fn an_installed_snapshot_is_acknowledged_only_once_it_is_durable() {
    let mut w = world_with_a_lagging_follower();
    w.step(1, Input::TimerFired(Timer::Heartbeat));
    for _ in 0..200 {
        for envelope in std::mem::take(&mut w.pile) {
            w.step(envelope.to.0, Input::Receive(envelope));
        }
    }
    assert_eq!(w.at(3).node.snapshot_index(), LogIndex(6));
    let installed = |w: &World| {
        w.servers[0].node.commit_index() >= LogIndex(6)
            && matches!(w.servers[0].node.role(), Role::Leader(leadership)
                if leadership.progress[&NodeId(3)].match_index >= LogIndex(6))
    };
    assert!(!installed(&w), "its disk has not said so");
    w.settle(&[1, 2, 3]);
    assert!(installed(&w));
}
