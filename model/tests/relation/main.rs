//! The packed rules and those over unbounded numbers are the same, with each part of Raft on: every step that the
//! specification takes is what the unbounded rule says (`forward`), and where the unbounded rule allows a step the
//! specification takes it, but for what a bound cuts off (`backward`).

mod backward;
mod forward;
mod packed;

use std::collections::HashSet;

use packed::Cluster;
use plumb_model::{Ablations, RULES, Raft, State, scope};
use stateright::Model;

/// How many states of each depth are looked at: enough to come to the end of each scope.
const WIDTH: usize = 400;

/// Looks at states of every depth of a scope, and at each of their steps.
fn compare(name: &str, counts: &mut [u64; RULES.len()]) {
    let scope = scope(name).expect("the scope exists");
    let raft = Raft::new(scope.bounds, Ablations::NONE).expect("the bounds fit");
    let mut seen: HashSet<State> = HashSet::new();
    let mut level = raft.init_states();
    let mut actions = Vec::new();
    while !level.is_empty() {
        let mut next: Vec<State> = Vec::new();
        for state in &level {
            actions.clear();
            raft.actions(state, &mut actions);
            let cluster = Cluster::new(&scope.bounds, state);
            for action in &actions {
                let Some(after) = raft.next_state(state, *action) else {
                    continue;
                };
                let next_cluster = Cluster::new(&scope.bounds, &after);
                if let Some(id) = action.server() {
                    let taken = forward::taken(&cluster, id, *action);
                    let is = next_cluster.held(id);
                    assert_eq!(taken, is, "{name}: {action:?}\n{state:#?}");
                } else {
                    state
                        .ids()
                        .for_each(|id| forward::aged(&cluster, &next_cluster, id));
                }
                counts[action.rule()] += 1;
                if seen.insert(after.clone()) {
                    next.push(after);
                }
            }
            for id in state.ids() {
                backward::nothing_else(&cluster, id, &actions);
            }
        }
        // Evenly from among all, so that each rule has its turn.
        let step = next.len().div_ceil(WIDTH).max(1);
        level = next.into_iter().step_by(step).collect();
    }
}

#[test]
fn packed_and_unbounded_rules_are_the_same_at_every_step() {
    let mut counts = [0; RULES.len()];
    for name in [
        "tiny",
        "small",
        "reads",
        "reads-terms",
        "leases",
        "leases-crash",
        "snapshots",
        "snapshots-terms",
        "snapshots-crash",
        "one-by-one",
        "joint",
        "joint-crash",
        "joint-four",
        "pre-vote",
        "sessions",
        "together",
        "all-parts",
        "joint-snapshots",
        "joint-reads",
    ] {
        compare(name, &mut counts);
    }
    for (rule, count) in RULES.iter().zip(counts) {
        // Sends are part of the steps that allow them in these scopes.
        let eager = *rule == "SendAppendEntries";
        assert!(eager || count > 100, "{rule} was compared {count} times");
    }
}
