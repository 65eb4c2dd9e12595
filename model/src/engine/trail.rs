//! How states were reached, and the steps that a trail stands for.

use super::Search;
use crate::action::Action;
use crate::state::State;

/// The number of the state in its level that another was found from, and by which of its offers.
pub(crate) type Origin = (u32, u16);

impl Search<'_> {
    /// The steps to the last state of a trail. Under symmetry too each state of a trail is a successor of
    /// the one before as it is, and not renamed.
    pub(super) fn retrace(&self, trail: &[Vec<Origin>]) -> Vec<Action> {
        let mut offers = Vec::new();
        let mut at = trail.last().map_or(0, |level| level.len() - 1);
        for level in trail.iter().rev() {
            let (parent, offer) = level[at];
            offers.push(offer);
            at = parent as usize;
        }
        let mut state = self.raft.initial();
        let mut steps = Vec::new();
        for offer in offers.into_iter().rev() {
            let action = self.offer(&state, offer);
            let next = self.raft.step(&state, action);
            state = next.expect("the trail's steps were taken before");
            steps.push(action);
        }
        steps
    }

    fn offer(&self, state: &State, number: u16) -> Action {
        let mut all = Vec::new();
        self.raft.offers(state, |action| all.push(action));
        all[usize::from(number)]
    }
}
