//! The same world as a stateright `Model`, so that its checkers can confirm ours on small scopes.

use std::sync::Mutex;

use stateright::{Model, Property as Claimed};

use super::scope::Scope;
use super::world::{Action, World};

/// A scope for stateright's checkers. Its states are the numbers of ours, with a mark where a property broke.
pub struct CoreModel {
    world: Mutex<World>,
}

/// A state, and whether all holds on the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Numbers {
    numbers: Vec<u32>,
    holds: bool,
}

impl CoreModel {
    /// A model of this scope.
    #[must_use]
    pub fn new(scope: &Scope) -> CoreModel {
        CoreModel {
            world: Mutex::new(World::new(*scope)),
        }
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world
            .lock()
            .expect("a thread that panics ends the search")
    }
}

impl Model for CoreModel {
    type State = Numbers;
    type Action = Action;

    fn init_states(&self) -> Vec<Numbers> {
        vec![Numbers {
            numbers: self.world().initial(),
            holds: true,
        }]
    }

    fn actions(&self, state: &Numbers, actions: &mut Vec<Action>) {
        self.world()
            .successors(&state.numbers, &mut |next| actions.push(next.action));
    }

    fn next_state(&self, state: &Numbers, action: Action) -> Option<Numbers> {
        let mut found = None;
        self.world().successors(&state.numbers, &mut |next| {
            if next.action == action {
                found = Some(Numbers {
                    numbers: next.state.to_vec(),
                    holds: next.breach.is_none(),
                });
            }
        });
        found
    }

    fn properties(&self) -> Vec<Claimed<CoreModel>> {
        vec![Claimed::always(
            "every property holds",
            |_, state: &Numbers| state.holds,
        )]
    }
}
