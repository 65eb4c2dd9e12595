//! Our explorer against stateright's checkers, on the same `Model`: the same states, the same depth,
//! the same verdicts.

use std::sync::atomic::AtomicBool;

use plumb_model::{
    Ablations, Bounds, Config, Features, Limits, Outcome, Plan, Property, Raft, Scope, Verdict,
    check, exam,
};
use stateright::{Checker, HasDiscoveries, Model};

fn ours(scope: &Scope, threads: usize) -> Outcome {
    let limits = Limits {
        threads,
        ..Limits::default()
    };
    check(
        scope,
        Ablations::NONE,
        &limits,
        &mut |_| {},
        &AtomicBool::new(false),
    )
    .expect("bounds that fit")
}

fn raft(bounds: Bounds) -> Raft {
    Raft::new(bounds, Ablations::NONE).expect("bounds that fit")
}

#[test]
fn both_engines_count_the_same_states_at_the_same_depth() {
    let reads = Features {
        rounds: 1,
        reads: 1,
        check_quorum: true,
        ..Features::NONE
    };
    let leases = Features {
        rounds: 1,
        patience: 3,
        drift: 1,
        transfer: true,
        ..Features::NONE
    };
    let snapshots = Features {
        snapshots: true,
        ..Features::NONE
    };
    let learner = Features {
        plan: Plan::new(&[Config::of(0b011).learning(0b100), Config::of(0b111)]),
        ..Features::NONE
    };
    let asking = Features {
        pre_vote: true,
        retries: 1,
        ..Features::NONE
    };
    for bounds in [
        Bounds::plain(3, 1, 1, 1, 1),
        Bounds::plain(3, 2, 1, 1, 0),
        Bounds::plain(3, 1, 2, 2, 1),
        Bounds::plain(2, 2, 2, 2, 1),
        Bounds::plain(4, 1, 1, 1, 0),
        Bounds::plain(3, 1, 1, 1, 0).with(reads),
        Bounds::plain(2, 2, 2, 2, 0).with(reads),
        Bounds::plain(3, 1, 1, 1, 0).with(leases),
        Bounds::plain(3, 2, 1, 1, 0).with(snapshots),
        Bounds::plain(3, 1, 2, 1, 0).with(learner),
        Bounds::plain(3, 1, 2, 1, 0).with(asking),
        Bounds::plain(2, 2, 2, 2, 1).with(snapshots),
        Bounds::plain(2, 2, 1, 1, 1).with(leases),
    ] {
        let scope = Scope {
            symmetry: false,
            ..Scope::custom(bounds)
        };
        let (one, two) = (ours(&scope, 1), ours(&scope, 2));
        let bfs = raft(bounds).checker().spawn_bfs().join();
        assert!(bfs.is_done());
        Property::ALL
            .iter()
            .for_each(|p| bfs.assert_no_discovery(p.name()));
        for own in [&one, &two] {
            assert_eq!(own.verdict, Verdict::Exhausted);
            assert_eq!(
                own.unique,
                bfs.unique_state_count() as u64,
                "states in {bounds}"
            );
            assert_eq!(own.generated, bfs.state_count() as u64, "steps in {bounds}");
            // stateright counts the states of a path, we count its steps.
            assert_eq!(own.max_depth + 1, bfs.max_depth(), "depth in {bounds}");
        }
        if bounds.features.plan.is_on() {
            continue; // Configurations name servers.
        }
        let dfs = raft(bounds).checker().symmetry().spawn_dfs().join();
        let symmetric = ours(&Scope::custom(bounds), 2);
        assert_eq!(
            symmetric.unique,
            dfs.unique_state_count() as u64,
            "symmetry in {bounds}"
        );
    }
}

#[test]
fn stateright_finds_what_ours_finds_and_nothing_shorter() {
    for exam in [
        exam(plumb_model::Ablation::TwoVotes),
        exam(plumb_model::Ablation::ForgetTerm),
    ] {
        let model = Raft::new(exam.bounds, exam.ablations()).unwrap();
        let wanted = HasDiscoveries::AllOf([exam.breaks.name()].into());
        let bfs = model.checker().finish_when(wanted).spawn_bfs().join();
        let path = bfs
            .discovery(exam.breaks.name())
            .expect("stateright finds it too");
        // It may well be longer: within a block of 1,500 states, stateright's breadth-first
        // checker replaces a discovery by later ones.
        assert!(path.into_actions().len() >= exam.steps);
    }
}
